"""Wake-ups among the processes of one store: a byte sent to a socket says "look again".

Nothing is lost when a byte is: whoever listens looks again from time to time anyway.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import time

from ..errors import StoreError
from .files import unlink
from .forks import forget_in_forks

_numbers = itertools.count()
_SETTLED_NS = 100_000_000  # a change within one tick of the file system's clock does not show


class Bell:
    """A socket in ``folder`` that others ring; ``kind`` is "w" (worker) or "c" (client).

    Wait for :meth:`fileno` to become readable, then :meth:`drain`, then look. Raises
    :class:`~abreast.errors.StoreError` when there can be no socket.
    """

    def __init__(self, folder: str, kind: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        while True:
            self.name = f"{kind}-{os.getpid()}-{next(_numbers)}.sock"
            self.path = os.path.join(folder, self.name)
            try:
                self._socket.bind(self.path)
                break
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue  # of a former process with our number, or of another container
                self._socket.close()
                raise StoreError(
                    f"cannot create the socket {self.path}: {error.strerror or error}; the user "
                    "who runs this must be able to write there"
                ) from error
        forget_in_forks(self)

    def fileno(self) -> int:
        """Return the file descriptor, for ``select`` and the like; -1 once closed."""
        return self._socket.fileno()

    def drain(self) -> bool:
        """Take all that was rung since the last time; return whether anything was."""
        rung = False
        try:
            while self._socket.recv(16):
                rung = True
        except (BlockingIOError, InterruptedError):
            pass
        return rung

    def close(self) -> None:
        """Take the bell away."""
        if self._socket.fileno() >= 0:
            try:
                os.unlink(self.path)
            except OSError:
                pass  # somebody tidied up
            self._socket.close()

    def forget(self) -> None:
        """In a fork: close our copy; the bell belongs to the parent."""
        self._socket.close()


class Bells:
    """All bells in ``folder``. Not thread-safe."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._seen_ns = -1
        self._paths: dict[str, list[str]] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def ring(self, kind: str, but: Bell | None = None) -> None:
        """Ring every bell of ``kind``, except ``but``. Never waits, and never raises."""
        paths = self._look().get(kind)
        if not paths:
            return
        mine = "" if but is None else but.path
        stale = []
        for path in paths:
            if path == mine:
                continue
            try:
                self._socket.sendto(b"!", path)
            except (BlockingIOError, InterruptedError):
                pass  # full: it was rung already
            except (ConnectionRefusedError, FileNotFoundError):
                stale.append(path)
            except OSError:
                pass  # somebody else's; the listener's own timer is the net
        for path in stale:
            unlink(path)
        if stale:
            self._seen_ns = -1

    def anybody(self, kind: str) -> bool:
        """Whether there is a bell of ``kind``; that of a killed process counts until rung."""
        return bool(self._look().get(kind))

    def close(self) -> None:
        """Close the sending socket."""
        self._socket.close()

    def _look(self) -> dict[str, list[str]]:
        """List the folder, unless it is as it was."""
        try:
            changed_ns = os.stat(self._folder).st_mtime_ns
            if changed_ns == self._seen_ns:
                return self._paths
            names = os.listdir(self._folder)
        except OSError:
            self._seen_ns = -1
            return {}
        found: dict[str, list[str]] = {}
        for name in names:
            if name.endswith(".sock"):
                path = os.path.join(self._folder, name)
                found.setdefault(name.partition("-")[0], []).append(path)
        self._paths = found
        settled = time.time_ns() - changed_ns > _SETTLED_NS
        self._seen_ns = changed_ns if settled else -1
        return found
