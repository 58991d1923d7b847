"""Files of a store: readable by its owner alone, really on the disk, removed without a fuss."""

from __future__ import annotations

import os


def private(path: str, flags: int) -> int:
    """An ``opener`` for files that nobody else may read."""
    return os.open(path, flags, 0o600)


def unlink(path: str) -> None:
    """Remove a file, if it is there and can be removed."""
    try:
        os.unlink(path)
    except OSError:
        pass


def flush(path: str) -> None:
    """Have what was written into a file, or the names in a folder, put on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
