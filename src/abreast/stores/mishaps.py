"""What can go wrong with a SQLite file, in words a person can act on."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import AbreastError, InternalError, StoreError, StoreFull

_BUSY, _LOCKED, _NOMEM, _READONLY, _IOERR = 5, 6, 7, 8, 10
_CORRUPT, _FULL, _CANTOPEN, _NOTADB = 11, 13, 14, 26
_ROOM_BYTES = 1 << 20  # less than this is a full disk, whatever SQLite calls it


@contextmanager
def translate(path: str) -> Iterator[None]:
    """Turn the ``sqlite3.Error`` of a block into the :class:`~abreast.errors.StoreError` it is."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, path) from error


def translated(error: sqlite3.Error, path: str) -> AbreastError:
    """Return what to raise for ``error``, which happened with the database ``path``."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == _FULL or (code in (_IOERR, _CANTOPEN) and _disk_is_full(path)):
        return StoreFull(
            f"{path}: no room left ({error}); nothing half-done was written: make room on its "
            "disk (abreast prune removes what has ended), then try again"
        )
    if code in (_BUSY, _LOCKED):
        return StoreError(
            f"{path}: another program holds a transaction on this file ({error}); end that "
            "transaction or program, then try again"
        )
    if code == _READONLY:
        return StoreError(
            f"{path}: cannot write ({error}); the user who runs this needs to be able to write "
            f"the file and its folder {os.path.dirname(path)}"
        )
    if code in (_CORRUPT, _NOTADB):
        return StoreError(
            f"{path}: not a database, or a damaged one ({error}); restore a backup "
            "(abreast restore FILE), or move the file away to start empty"
        )
    if code == _CANTOPEN:
        return StoreError(
            f"{path}: cannot be opened ({error}); look at the rights of the file and of its "
            "folder, and whether both still exist"
        )
    if code == _IOERR:
        return StoreError(
            f"{path}: the disk reports an error ({error}, {_name(error)}); look at the system's "
            "log, and do not trust this disk without a backup"
        )
    if code == _NOMEM:
        return StoreError(f"{path}: SQLite ran out of memory; free some, then try again")
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return StoreError(f"{path} was closed; open the app again")
    if isinstance(error, sqlite3.OperationalError) and "no such" in str(error):
        return StoreError(
            f"{path}: a part of the store is missing ({error}); something else changed its "
            "tables: restore a backup (abreast restore FILE)"
        )
    return InternalError(f"{path}: {error} ({_name(error)})")


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", type(error).__name__)


def _disk_is_full(path: str) -> bool:
    try:
        return shutil.disk_usage(os.path.dirname(path) or ".").free < _ROOM_BYTES
    except OSError:
        return False
