"""The lock between processes in which every write and every checkpoint of a store happens.

Two file locks: take ``gate``, then ``lock``, then give ``gate`` back. Whoever has just released
``lock`` finds ``gate`` held by the next in line, and so does not come before it. Among several
at ``gate`` it is chance. The kernel frees both when their holder dies. See decision 012.
"""

from __future__ import annotations

import os
import time

from ..errors import StoreError
from .forks import forget_in_forks

try:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
except ImportError:
    _LOCKS = False  # Windows
else:
    _LOCKS = True

# One process at a time waits for ``lock``, and soon gets it; any number waits for ``gate``.
_LOCK_PAUSE_S, _GATE_PAUSE_S, _LONGEST_PAUSE_S = 20e-6, 200e-6, 0.005


class Turnstile:
    """The lock of one store, for one thread of this process at a time.

    Two turnstiles on the same folder exclude one another, also within one process. A fork of
    this process neither holds nor releases what its parent holds, and opens files of its own.
    """

    def __init__(self, folder: str) -> None:
        if not _LOCKS:
            raise StoreError(
                f"cannot lock {folder}: a store in a file needs Linux or macOS; "
                'use "memory://" here, or WSL'
            )
        self.folder = folder
        self.waited = False  # whether somebody had the turn or stood in line
        self._gate = self._lock = -1
        forget_in_forks(self)

    def acquire(self, timeout_s: float | None = None) -> None:
        """Wait for our turn.

        Without ``timeout_s`` inside the kernel, which is prompt and fair and ends with the death of
        the holder. With it :class:`~abreast.errors.StoreError` is raised when it has not come.
        """
        if self._lock < 0:
            self._open()
        gate, lock = self._gate, self._lock
        try:
            try:
                flock(gate, LOCK_EX | LOCK_NB)
                flock(lock, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                self.waited = True
                if timeout_s is None:
                    flock(gate, LOCK_EX)
                    flock(lock, LOCK_EX)
                else:
                    self._queue(timeout_s)
            flock(gate, LOCK_UN)
        except BaseException:
            self.release()
            flock(gate, LOCK_UN)
            raise

    def _queue(self, timeout_s: float) -> None:
        """Take ``gate``, then ``lock``, whatever we have of them already.

        Retried, because waiting inside the kernel cannot be given up.
        """
        came = time.monotonic()
        for fd, pause_s in ((self._gate, _GATE_PAUSE_S), (self._lock, _LOCK_PAUSE_S)):
            while True:
                try:
                    flock(fd, LOCK_EX | LOCK_NB)
                    break
                except BlockingIOError:
                    waited_s = time.monotonic() - came
                if waited_s >= timeout_s:
                    raise StoreError(self._late(timeout_s))
                time.sleep(min(max(pause_s, waited_s / 50), _LONGEST_PAUSE_S))

    def _late(self, timeout_s: float) -> str:
        holder = _holder(self._lock) or _holder(self._gate)
        return (
            f"{self.folder}: waited {timeout_s:g} s for the turn to write, which "
            f"{f'process {holder}' if holder else 'another process'} has; if it was stopped "
            "(Ctrl-Z, a debugger), let it go on or end it, then try again"
        )

    def release(self) -> None:
        """Let the next one in. Harmless when the turn is not ours."""
        if self._lock >= 0:
            flock(self._lock, LOCK_UN)

    def close(self) -> None:
        """Release, and close the files."""
        self.release()
        self.forget()

    def forget(self) -> None:
        """Close our files. In a fork that leaves the parent's lock as it is."""
        gate, lock, self._gate, self._lock = self._gate, self._lock, -1, -1
        for fd in (gate, lock):
            if fd >= 0:
                os.close(fd)

    def _open(self) -> None:
        try:
            self._gate = _open(self.folder, "gate")
            self._lock = _open(self.folder, "lock")
        except OSError as error:
            self.forget()
            raise StoreError(
                f"cannot open the lock files in {self.folder}: {error.strerror}; the user who "
                "runs this must be able to write there"
            ) from error


def _open(folder: str, name: str) -> int:
    return os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _holder(fd: int) -> int | None:
    """Return the process that holds the lock on ``fd``, where the system tells."""
    inode = os.fstat(fd).st_ino
    try:
        with open("/proc/locks", encoding="ascii") as file:
            for line in file:  # 1: FLOCK  ADVISORY  WRITE 123 fe:00:456 0 EOF
                fields = line.split()
                if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
                    return int(fields[4])
    except (OSError, IndexError, ValueError):
        pass
    return None
