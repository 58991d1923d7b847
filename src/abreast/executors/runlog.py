"""The file of one attempt: what it prints, line by line with the time, as it happens.

The file is made at the first byte, so a run that prints nothing costs no file and no folder.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import deque
from collections.abc import Callable

CAP_BYTES = 10_000_000
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
_MOST_OPEN = 128  # files; thousands of coroutines must not use up the descriptors
_PIECE = 1 << 16
_LONG = 4096  # bytes; a shorter line is not split between head and tail
_NOTES = 200  # bytes of the cap for the two lines of our own

_making = threading.Lock()
_opened = 0  # files held open, roughly: beyond _MOST_OPEN a file is opened for each write


@functools.lru_cache(4)
def _second(second: int) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()


def stamp(now: float) -> bytes:
    """Return a time (seconds since 1970) as a line of a log begins: ISO 8601, UTC, a space."""
    second, thousandth = divmod(int(now * 1000), 1000)
    return b"%s.%03dZ " % (_second(second), thousandth)


class RunLog:
    """Receives what one attempt prints. Every method may be called from any thread.

    Parameters
    ----------
    path : str or callable
        The file, mode 0600; missing folders are made. A callable is asked for it at the first
        byte. A file that exists is continued.
    cap_bytes : int
        Bytes this attempt may add. The first half of them is written as it comes; of the rest
        the last half is kept in memory and written at the end, after a line that says how much
        is missing.
    clock : callable
        Returns seconds since 1970.
    """

    _file: _File | None = None
    error: OSError | None = None  # why output was lost, if it was: disk full, no permission

    def __init__(
        self,
        path: str | Callable[[], str],
        cap_bytes: int = CAP_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._cap_bytes = cap_bytes
        self._clock = clock

    @property
    def path(self) -> str | None:
        """The file, or None as long as nothing has been printed."""
        return None if self._file is None else self._file.path

    def write(self, data: bytes) -> None:
        """Append what was printed; it is in the file on return. Trouble goes to ``error``."""
        if not data:
            return
        file = self._file
        try:
            if file is None:
                with _making:
                    file = self._file
                    if file is None:
                        path = self._path if isinstance(self._path, str) else self._path()
                        file = self._file = _File(path, self._cap_bytes)
            file.write(data, stamp(self._clock()))
        except OSError as error:  # the run shall not fail because its log does
            self.error = self.error or error

    def end(self) -> None:
        """Write what was held back and close the file. What still comes is appended."""
        if self._file is not None:
            try:
                self._file.end(stamp(self._clock()))
            except OSError as error:
                self.error = self.error or error


class _File:
    """An open log: stamps lines and keeps to the cap."""

    def __init__(self, path: str, cap_bytes: int) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._line_begins = True  # of what is written to us
        self._whole = True  # the last line of the file, as far as it is ours
        self._room = cap_bytes // 2  # for the head
        self._tail_room = max(0, cap_bytes - self._room - _NOTES)
        self._tail: deque[bytearray] | None = None  # what follows the head, once that is full
        self._tail_size = 0
        self._left_out = 0
        self._ended = False
        self._begun = False

    def write(self, data: bytes, now: bytes) -> None:
        with self._lock:
            lines = data[:-1].replace(b"\n", b"\n" + now) + data[-1:]
            if self._line_begins:
                lines = now + lines
            self._line_begins = lines.endswith(b"\n")
            if self._tail is not None:
                self._keep(lines)
            elif len(lines) <= self._room:
                self._room -= len(lines)
                self._append(lines)
            else:
                self._cut(lines, now)

    def end(self, now: bytes) -> None:
        global _opened
        with self._lock:
            if self._ended:
                return
            self._ended = True
            try:
                if self._tail is not None:
                    self._append_tail(now)
                if not self._whole:
                    self._append(b"\n")
                self._line_begins = True
            finally:
                if self._fd is not None:
                    os.close(self._fd)
                    self._fd = None
                    with _making:
                        _opened -= 1

    # -- the cap -----------------------------------------------------------------------------

    def _cut(self, lines: bytes, now: bytes) -> None:
        """Fill the head, and say in the file that from here on it is no longer complete."""
        at = lines.rfind(b"\n", 0, self._room) + 1
        if not at and (len(lines) > _LONG or not self._whole):
            at = self._room  # no line ends in time
        note = b"%s[abreast: the log is full; the last %d bytes follow when the run ends]\n"
        self._tail = deque()
        self._keep(lines[at:])
        self._append(lines[:at])
        line_break = b"" if self._whole else b"\n"
        self._append(line_break + note % (now, self._tail_room))

    def _keep(self, lines: bytes) -> None:
        """Add to the tail, and leave out its oldest pieces once that is possible."""
        tail = self._tail
        if tail is None or self._ended:
            return  # full, and its end has been written
        if len(lines) > self._tail_room:
            self._left_out += len(lines) - self._tail_room
            lines = lines[-self._tail_room :] if self._tail_room else b""
        if tail and len(tail[-1]) + len(lines) <= _PIECE:
            tail[-1] += lines
        else:
            tail.append(bytearray(lines))
        self._tail_size += len(lines)
        while self._tail_size - len(tail[0]) >= self._tail_room and len(tail) > 1:
            self._left_out += len(tail[0])
            self._tail_size -= len(tail.popleft())

    def _append_tail(self, now: bytes) -> None:
        data = b"".join(self._tail or ())
        begin = max(0, len(data) - self._tail_room)
        if begin or self._left_out:
            begin = data.find(b"\n", begin) + 1 or begin  # whole lines, if there are any
            left_out = self._left_out + begin
            self._append(b"%s[abreast: %d bytes left out here]\n" % (now, left_out))
        self._append(data[begin:])
        self._tail = deque()
        self._tail_size = 0

    # -- the file ----------------------------------------------------------------------------

    def _append(self, data: bytes) -> None:
        if not data:
            return
        self._whole = data.endswith(b"\n")
        fd = self._fd if self._fd is not None else self._open()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
        finally:
            if fd != self._fd:
                os.close(fd)

    def _open(self) -> int:
        global _opened
        try:
            fd = os.open(self.path, _FLAGS, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self.path), 0o700, exist_ok=True)
            fd = os.open(self.path, _FLAGS, 0o600)
        with _making:
            keep = _opened < _MOST_OPEN and not self._ended
            _opened += keep
        if keep:
            self._fd = fd
        if not self._begun:
            self._begun = True
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                os.write(fd, b"\n")  # the attempt before was killed in the middle of a line
        return fd
