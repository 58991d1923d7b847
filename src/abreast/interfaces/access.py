"""Who may use a service: users with passwords, tokens for programs, sessions of browsers.

Nothing that lets anybody in is kept as it is: passwords as argon2 hashes, tokens and cookies as
digests. What other processes change in the store counts here a second later at most.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..errors import UsageError
from ..stores.sql_access import SessionRow
from .access_kinds import LOCAL, ROLES, Session, Token, TooManyFailures, User, check_role, rank
from .access_users import Users

if TYPE_CHECKING:
    from .access_passwords import Passwords
    from .app import App

__all__ = ["ROLES", "Access", "Session", "Token", "TooManyFailures", "User"]

PREFIX = "abr_"  # of tokens, so that people and scanners of leaked secrets know them
SLIDING_S, ABSOLUTE_S = 12 * 3600.0, 7 * 86400.0  # how long a session lasts: unused, at most
LINK_S = 600.0
_USED_S = 60.0  # how exactly it is known when a token was last used
_SLIDE_S = 300.0  # how exactly a session's end follows its use

T = TypeVar("T")


class Access(Users):
    """The users, tokens and sessions of the store of an app.

    Every method may be called from any thread. Those that look something up may wait for the
    store, :meth:`verify` and :meth:`login` also compute for a while; the ``known_`` ones answer
    at once, or with None when they would have to look.

    Parameters
    ----------
    app : App
        Its store has to be a file.
    now : callable
        Returns seconds since 1970 UTC.
    passwords : Passwords, optional
        How passwords are kept; tests take cheaper ones.
    """

    def __init__(
        self, app: App, now: Callable[[], float] = time.time, passwords: Passwords | None = None
    ) -> None:
        super().__init__(app, now, passwords)
        self._links: dict[str, tuple[str | None, float]] = {}  # digest -> for whom, made when

    # -- tokens -----------------------------------------------------------------------------

    def create_token(
        self, name: str, user: str, role: str | None = None, expires: float | None = None
    ) -> tuple[str, Token]:
        """Make a token; its text is shown this once and never again.

        Parameters
        ----------
        name : str
            What it is for.
        user : str
            Whose it is.
        role : str, optional
            What it may do at most; the user's own role by default.
        expires : float, optional
            Seconds since 1970 UTC; None: never.

        Raises
        ------
        UsageError
            When there is no such user or role, or the role is above the user's.
        """
        owner = self.user(user)
        role = check_role(owner.role if role is None else role)
        if rank(role) > rank(owner.role):
            raise UsageError(
                f"a token of {user!r} cannot be {role}, because {user!r} is {owner.role}"
            )
        if not 0 < len(name.strip()) <= 100 or not name.isprintable():
            raise UsageError(f"the name of a token is one line of text, not {name!r}")
        now = self._now()
        if expires is not None and expires <= now:
            raise UsageError("the token would have expired already")
        text = PREFIX + secrets.token_urlsafe(32)
        id = self.write(
            lambda verbs: verbs.add_token(name, user, role, _digest(text), now, expires)
        )
        if not id:
            raise UsageError(f"there is no user {user!r}")
        return text, Token(id, name, user, role, now, expires, None)

    def tokens(self) -> list[Token]:
        """All tokens, oldest first, those that have expired too."""
        return [
            Token(row.id, row.name, row.user, row.role, row.created, row.expires, row.used)
            for row in self.verbs.tokens()
        ]

    def revoke_token(self, id: int) -> bool:
        """Let a token let nobody in any more. False: there is none with this id."""
        return self.write(lambda verbs: verbs.remove_token(id))

    def check_token(self, text: str) -> User | None:
        """Whom a token lets in, or None."""
        if not text.startswith(PREFIX):
            return None
        digest, now, writes = _digest(text), self._now(), self._writes
        found = self.kept(f"token {digest}")
        if found is None:
            row = self.verbs.token(digest)
            owner = None if row is None else self.owner(row.user)
            if row is None or owner is None or (row.expires is not None and now >= row.expires):
                return None
            role = min(row.role, owner.role, key=rank)
            found = User(owner.name, role, owner.created), row.expires
            if row.used is None or now - row.used >= _USED_S:
                id = row.id
                self.attempt(lambda verbs: verbs.token_used(id, now))
            self.keep(f"token {digest}", found, writes, now)
        return _still(found, now)

    def known_token(self, text: str) -> User | None:
        """Whom a token lets in, if that is known without looking."""
        found = self.kept(f"token {_digest(text)}")
        return None if found is None else _still(found, self._now())

    # -- sessions ---------------------------------------------------------------------------

    def open_session(self, user: User) -> tuple[str, str]:
        """Log a browser in as a user; returns its cookie and what protects its requests."""
        cookie, csrf, now = secrets.token_urlsafe(32), secrets.token_urlsafe(32), self._now()
        row = SessionRow(_digest(cookie), user.name, user.role, now, now + SLIDING_S, csrf)
        self.write(lambda verbs: verbs.add_session(row))
        return cookie, csrf

    def check_session(self, cookie: str) -> Session | None:
        """The session of a cookie, or None when it is over or was never one."""
        digest, now, writes = _digest(cookie), self._now(), self._writes
        found = self.kept(f"session {digest}")
        if found is None:
            row = self.verbs.session(digest)
            if row is None or now >= row.expires or now >= row.created + ABSOLUTE_S:
                return None
            owner = self.owner(row.user)
            if owner is None and (row.user != LOCAL or self.rows()):
                return None  # the one-time link is no way in any more once there are users
            end = min(now + SLIDING_S, row.created + ABSOLUTE_S)
            if end - row.expires >= _SLIDE_S:
                self.attempt(lambda verbs: verbs.extend_session(digest, end))
            else:
                end = row.expires
            role = row.role if owner is None else owner.role
            found = Session(row.user, role, row.csrf, end), end
            self.keep(f"session {digest}", found, writes, now)
        return _still(found, now)

    def known_session(self, cookie: str) -> Session | None:
        """The session of a cookie, if it is known without looking."""
        found = self.kept(f"session {_digest(cookie)}")
        return None if found is None else _still(found, self._now())

    def close_session(self, cookie: str) -> None:
        """Log a browser out."""
        digest = _digest(cookie)
        self.write(lambda verbs: verbs.remove_session(digest))

    # -- one-time links ---------------------------------------------------------------------

    def new_link(self, name: str | None = None) -> str:
        """Make the secret part of a link that logs one browser in, once, within ten minutes.

        Parameters
        ----------
        name : str, optional
            As whom. None: as an admin without a name, which works as long as there are no users.

        Raises
        ------
        UsageError
            When there is no such user, or there are users and none is named.
        """
        if name is not None:
            self.user(name)
        elif self.users():
            raise UsageError(
                "there are users, who log in with their passwords; a link would need the name of "
                "one of them"
            )
        text, now = secrets.token_urlsafe(32), self._now()
        with self._lock:
            self._links = {
                digest: link for digest, link in self._links.items() if 0 <= now - link[1] < LINK_S
            }
            self._links[_digest(text)] = name, now
        return text

    def use_link(self, text: str) -> User | None:
        """Whom the secret part of a link logs in; None when it is spent, too old or none."""
        with self._lock:
            name, made = self._links.pop(_digest(text), (None, None))
        if made is None or not 0 <= self._now() - made < LINK_S:
            return None
        people = {user.name: user for user in self.users()}
        if name is not None:
            return people.get(name)
        return None if people else User(LOCAL, "admin", self._now())


def _still(found: tuple[T, float | None], now: float) -> T | None:
    """What was found, unless it has expired since."""
    what, expires = found
    return what if expires is None or now < expires else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
