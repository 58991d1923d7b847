"""The files with what runs printed. An id is a file's name without ``.log``, and nothing else.

Such a name says in which folder of a day the file is, so no path is ever built from what a client
sends but from a name of exactly this form.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any, NamedTuple

from .reading import utc

_NAME = re.compile(r"task_\d+_[A-Za-z0-9._-]*_(\d{4})(\d\d)(\d\d)_(\d{6})_(\d+)\.log", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PIECE = 1 << 16
MOST_BYTES = 8 << 20  # of a file that are read at once into an answer
MOST_FILES = 1000  # of a list, when nothing else is said


class LogFile(NamedTuple):
    """A file as it was when it was looked at. Times: seconds since 1970 UTC."""

    name: str
    path: str
    size: int
    submitted: float
    modified: float
    run: int

    def described(self) -> dict[str, Any]:
        """The file as clients see it."""
        return {
            "filename": self.name,
            "path": self.path,
            "size_bytes": self.size,
            "size_mb": round(self.size / (1 << 20), 2),
            "created_at": utc(self.submitted),
            "modified_at": utc(self.modified),
        }


def list_files(folder: str | None, limit: int | None = None) -> Iterator[LogFile]:
    """The files, those of the newest submits first, ``limit`` at most."""
    count = 0
    for day in _days(folder):
        for file in _files_of(day):
            if limit is not None and count >= limit:
                return
            yield file
            count += 1


def find(folder: str | None, id: str) -> LogFile | None:
    """The file with this id, or None."""
    name = f"{id}.log"
    found = _NAME.fullmatch(name) if len(id) < 250 else None
    if folder is None or found is None:
        return None
    return _look_at(os.path.join(folder, "-".join(found.group(1, 2, 3))), name)


def read_end(path: str, lines: int | None) -> str:
    """The last ``lines`` lines (None: all) of a file, of its last 8 MiB."""
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        first = max(0, size - MOST_BYTES)
        start = first if not lines else _start_of(file, size, first, lines)
        file.seek(start)
        data = file.read(size - start)
    return data.decode("utf-8", "replace")


def pieces(path: str) -> tuple[int, Iterator[bytes]]:
    """How many bytes a file has now, and these bytes; what is written later is not among them."""
    file = _opened(path)
    size = os.fstat(file.fileno()).st_size

    def read() -> Iterator[bytes]:
        left = size
        with file:
            while left > 0:
                data = file.read(min(_PIECE, left))
                if not data:
                    return  # was cut meanwhile; the client sees that something is missing
                left -= len(data)
                yield data

    return size, read()


def remove(path: str) -> bool:
    """Remove a file; False when it was not there any more."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _days(folder: str | None) -> list[str]:
    if folder is None:
        return []
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if _DAY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return []
    return [os.path.join(folder, name) for name in sorted(names, reverse=True)]


def _files_of(day: str) -> Iterator[LogFile]:
    try:
        names = os.listdir(day)
    except FileNotFoundError:
        return
    parted = [(found[4], int(found[5]), name) for name in names if (found := _NAME.fullmatch(name))]
    for _, _, name in sorted(parted, reverse=True):
        file = _look_at(day, name)
        if file is not None:
            yield file


def _look_at(day: str, name: str) -> LogFile | None:
    path = os.path.join(day, name)
    found = _NAME.fullmatch(name)
    try:
        if found is None or os.path.islink(day):
            return None
        looked = os.lstat(path)
        submitted = datetime.strptime("".join(found.group(1, 2, 3, 4)), "%Y%m%d%H%M%S")
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(looked.st_mode):
        return None
    created = submitted.replace(tzinfo=UTC).timestamp()
    return LogFile(name, path, looked.st_size, created, looked.st_mtime, int(found[5]))


def _opened(path: str) -> IO[bytes]:
    return open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb")


def _start_of(file: IO[bytes], size: int, first: int, lines: int) -> int:
    """Where the last so many lines begin, not before ``first``; read from the end."""
    position, missing = size, lines
    while position > first:
        length = min(_PIECE, position - first)
        position -= length
        file.seek(position)
        data = file.read(length)
        at = len(data)
        if position + length == size and data.endswith(b"\n"):
            at -= 1  # ends the last line, and begins no further one
        while (at := data.rfind(b"\n", 0, at)) >= 0:
            missing -= 1
            if missing == 0:
                return position + at + 1
    return first
