"""Passwords: what is accepted as one, how they are kept, and which were right a moment ago."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import unicodedata
from collections.abc import Callable
from typing import Any

from ..errors import UsageError

SHORTEST, LONGEST = 8, 1024  # characters
REMEMBERED_S = 300.0  # how long a password that was right needs no argon2
_MOST = 1000  # passwords remembered at a time

# argon2id over 46 MiB, twice, in one thread: about 0.07 s of one core in 2026. A guess costs the
# same memory whatever the hardware, and one log-in at a time fits a machine of 1 GB.
MEMORY_KIB, PASSES, LANES = 47104, 2, 1


class Passwords:
    """Hashes made by argon2, and a short memory.

    Hashing and checking take a good part of a second on a slow machine: call them in a thread.

    Parameters
    ----------
    now : callable
        Returns seconds; only differences count.
    memory_kib, passes : int
        What a hash costs.
    """

    def __init__(
        self, now: Callable[[], float], memory_kib: int = MEMORY_KIB, passes: int = PASSES
    ) -> None:
        self._now = now
        self._cost = memory_kib, passes
        self._argon2: Any = None
        self._nobody = ""  # a hash that no password has
        self._secret = secrets.token_bytes(32)  # so that nothing in memory tells a password
        self._right: dict[bytes, float] = {}  # when argon2 has said so
        self._lock = threading.Lock()
        self._one = threading.Lock()  # one hash at a time, for the memory each takes

    # -- argon2 -----------------------------------------------------------------------------

    def hash(self, password: str) -> str:
        """What is kept of a password."""
        hasher = self._hasher()
        with self._one:
            return str(hasher.hash(_normal(password)))

    def is_right(self, kept: str | None, password: str) -> bool:
        """Whether a password is the one that is kept.

        It takes the same time when nothing is kept, so that the time tells nobody which names
        there are.
        """
        import argon2

        hasher = self._hasher()
        try:
            with self._one:
                hasher.verify(kept or self._nobody, _normal(password))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
        return kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made at another cost than new ones are."""
        return bool(self._hasher().check_needs_rehash(kept))

    def _hasher(self) -> Any:
        with self._lock:
            if self._argon2 is None:
                try:
                    import argon2
                except ImportError:
                    raise UsageError(
                        "passwords need the package argon2-cffi; install abreast[server]"
                    ) from None
                memory, passes = self._cost
                self._argon2 = argon2.PasswordHasher(
                    time_cost=passes, memory_cost=memory, parallelism=LANES
                )
                self._nobody = self._argon2.hash(secrets.token_hex(16))
        return self._argon2

    # -- what was right a moment ago --------------------------------------------------------

    def remember(self, name: str, password: str, kept: str) -> None:
        """Note that a password is right."""
        now = self._now()
        with self._lock:
            if len(self._right) >= _MOST:
                self._right = {k: at for k, at in self._right.items() if _recent(at, now)}
            if len(self._right) < _MOST:
                self._right[self.mark(name, password, kept)] = now

    def remembers(self, name: str, password: str, kept: str) -> bool:
        """Whether it was found right lately. Another hash is another password."""
        at = self._right.get(self.mark(name, password, kept))
        return at is not None and _recent(at, self._now())

    def mark(self, *texts: str) -> bytes:
        """What stands for texts in memory: nobody can tell from it what they were."""
        joined = b"".join(
            len(data).to_bytes(4) + data for data in (t.encode("utf-8", "replace") for t in texts)
        )
        return hmac.new(self._secret, joined, hashlib.sha256).digest()


def _recent(at: float, now: float) -> bool:
    return 0 <= now - at < REMEMBERED_S


def _normal(password: str) -> str:
    """One form for letters that keyboards compose differently."""
    return unicodedata.normalize("NFC", password)


def check_password(name: str, password: str) -> None:
    """Raise ``UsageError`` when a password is none that somebody should have."""
    if len(password) < SHORTEST:
        raise UsageError(f"the password must have at least {SHORTEST} characters")
    if len(password) > LONGEST:
        raise UsageError(f"the password must have at most {LONGEST} characters")
    if any(sign in password for sign in "\0\r\n"):
        raise UsageError("the password must be one line of text")
    if len(set(password)) < 3:
        raise UsageError("the password repeats one or two characters; take more of them")
    plain, own = password.casefold(), name.casefold()
    if plain == own or plain in (own * 2, own[::-1]) or (plain.strip("0123456789!.") == own):
        raise UsageError("the password must not be the name itself")
