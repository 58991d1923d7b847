"""Lock files that tasks take to prove how many of them are at work at once.

The kernel frees the locks of whatever dies, at that very moment, so what they say is exact.
"""

from __future__ import annotations

import fcntl
import os

FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


def take(path: str, units: int) -> int | None:
    """Take one of the ``units`` lock files of a name; None when all are taken."""
    turn = os.open(f"{path}.turn", FLAGS, 0o600)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)  # nobody takes one that has been looked at already
        for unit in range(units):
            fd = os.open(f"{path}.{unit}", FLAGS, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
            else:
                return fd
    finally:
        os.close(turn)
    return None
