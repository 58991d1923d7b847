"""What a folder of tasks looks like on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

_MOST_FILES = 5000  # of one package that are looked at


def is_tasks(entry: os.DirEntry[str]) -> bool:
    """Whether a file or a folder may hold tasks."""
    if entry.name.startswith((".", "_")):
        return False
    try:
        if entry.name.endswith(".py"):
            return entry.is_file()
        return entry.is_dir() and os.path.isfile(os.path.join(entry.path, "__init__.py"))
    except OSError:
        return False


def sources(folder: str) -> Iterator[str]:
    """The Python files of a package."""
    count = 0
    for home, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__")))
        for name in names:
            if name.endswith(".py"):
                count += 1
                if count > _MOST_FILES:
                    return
                yield os.path.join(home, name)


def stat_of(path: str) -> tuple[int, int, int] | None:
    """What tells one content of a file from another; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if stat.S_ISDIR(found.st_mode):  # only its files count: compiled ones come and go
        return (0, 0, found.st_ino)
    return found.st_mtime_ns, found.st_size, found.st_ino
