"""Which runs have begun: a small file of numbers that outlives a worker killed with -9.

A run that was claimed by a dead worker and is not in its file has certainly never begun, so it
can be given to another without counting as a crash.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections import deque

_NUMBER = 8  # bytes
# The end of a run may not be written down yet when its worker is killed. Its mark therefore is
# not cleared at its end but overwritten when this many later ones have begun.
LATER = 64


class Marks:
    """A file of 64-bit numbers in memory shared with the file system; 0 marks nothing.

    Parameters
    ----------
    path : str
        The file. It is made anew, with mode 0600, and stays when this process ends.
    size : int
        How many numbers to begin with; :meth:`block` adds more.
    """

    def __init__(self, path: str, size: int = 1024) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._given = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0)
        self._fd = os.open(path, flags, 0o600)
        self._map(max(1, size))

    def begin(self, slot: int, run_id: int) -> None:
        """Note that a run begins, in a slot of the caller's. 0.1 microseconds."""
        self._slots[slot] = run_id

    def clear(self, slot: int) -> None:
        """Take a mark away."""
        self._slots[slot] = 0

    def block(self, count: int) -> int:
        """Return the first of ``count`` slots that nobody else has."""
        with self._lock:
            first = self._given
            self._given += count
            if self._given > self._size:
                self._map(max(self._given, self._size * 2))
            return first

    def close(self) -> None:
        """Close the file, which stays as it is. Nothing may be marked afterwards."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _map(self, size: int) -> None:
        os.ftruncate(self._fd, size * _NUMBER)
        # Whoever still writes through an older, smaller map writes to the same memory.
        self._slots = memoryview(mmap.mmap(self._fd, size * _NUMBER)).cast("q")
        self._size = size


class Turns:
    """The slots of one thread, whose runs begin one after another."""

    __slots__ = ("_at", "_first", "_marks")

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._first = marks.block(LATER)
        self._at = 0

    def begin(self, run_id: int) -> None:
        """Note that a run begins."""
        self._at = at = (self._at + 1) % LATER
        self._marks.begin(self._first + at, run_id)


class Places:
    """The slots of an executor with many runs at once: each keeps its own until it ends."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._free: deque[int] = deque()  # appending and taking are atomic

    def begin(self, run_id: int) -> int:
        """Note that a run begins; returns its slot for :meth:`end`."""
        slot = self._free.popleft() if len(self._free) > LATER else self._marks.block(1)
        self._marks.begin(slot, run_id)
        return slot

    def end(self, slot: int) -> None:
        """Give the slot back; its mark stays for a while."""
        self._free.append(slot)


def read_marks(path: str) -> set[int]:
    """Return the numbers of the runs marked in a file; none if it does not exist."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return set()
    marks = set(memoryview(data[: len(data) // _NUMBER * _NUMBER]).cast("q"))
    marks.discard(0)
    return marks
