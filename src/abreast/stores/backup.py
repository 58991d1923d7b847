"""Copies of a store: one database file, and beside it the large values its rows name."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing

from ..errors import StoreError, UsageError
from . import migrate
from .alive import is_alive
from .files import flush, private, unlink
from .leftovers import look_only, named_in
from .mishaps import translate
from .place import check_file, make_folder
from .turnstile import Turnstile


class CareLock:
    """Held while files of a store are copied or removed, so that no copy lacks one.

    Raises :class:`~abreast.errors.StoreError` when somebody else holds it.
    """

    def __init__(self, folder: str) -> None:
        import fcntl

        path = os.path.join(folder, "care.lock")
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"cannot write {path}: {error.strerror}; the user who runs this must be able to "
                "write there"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise StoreError(
                f"{folder}: a backup, restore or prune of this store is under way; wait for its end"
            ) from None

    def __enter__(self) -> CareLock:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def back_up(path: str, folder: str, target: str) -> int:
    """Copy a store that is in use to the file ``target`` and the folder ``TARGET.d/payload``.

    Returns the bytes written, which are on the disk by then. The file ``target`` appears last,
    complete.

    Raises
    ------
    UsageError
        There is something at ``target`` already.
    StoreError, StoreFull
        It cannot be read or written.
    """
    target = os.path.abspath(target)
    beside = target + ".d"
    for place in (target, beside):
        if os.path.lexists(place):
            raise UsageError(f"{place} exists already; give a new name, or remove it first")
    parent = os.path.dirname(target)
    if not os.path.isdir(parent):
        raise StoreError(f"cannot create {target}: the folder {parent} does not exist; create it")
    try:
        with CareLock(folder), closing(look_only(path)) as look, translate(target):
            migrate.back_up(look, target + ".new")
            with closing(look_only(target + ".new")) as copy:
                names = sorted(set(named_in(copy)))
            written = _copy_payload(folder, beside, names) if names else 0
            written += os.stat(target + ".new").st_size
            os.rename(target + ".new", target)
            flush(parent)
    except BaseException as error:
        for end in ("", "-wal", "-shm", "-journal"):
            unlink(f"{target}.new{end}")
        if not os.path.exists(target):
            shutil.rmtree(beside, ignore_errors=True)
        if isinstance(error, OSError):
            raise _trouble(target, error) from error
        raise
    return written


def _copy_payload(folder: str, to: str, names: Iterable[str]) -> int:
    """Copy files with large values from one store's folder to another's."""
    written = 0
    make_folder(to)
    payload = make_folder(os.path.join(to, "payload"))
    for name in names:
        source, target = os.path.join(folder, "payload", name), os.path.join(payload, name)
        if os.path.exists(target):
            continue  # names are given once: it is the same file
        part = target + ".part"
        with open(source, "rb") as file, open(part, "wb", opener=private) as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
            written += copy.tell()
        os.rename(part, target)
    flush(payload)
    flush(to)
    return written


def look_into(source: str) -> int:
    """Check that a backup is whole and can be used here; return how many runs it has.

    Raises
    ------
    StoreError
        It is not there, not a store, damaged, or lacks files; the text says which.
    SchemaTooNew
        A newer abreast made it.
    """
    if not os.path.isfile(source):
        raise StoreError(f"{source} does not exist; give the file that a backup made")
    with translate(source), closing(look_only(source)) as look:
        if look.execute("PRAGMA application_id").fetchone()[0] != migrate.APPLICATION_ID:
            raise StoreError(f"{source} is not a store of abreast; give the file a backup made")
        migrate.check_version(look, source)
        found = look.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreError(f"{source} is damaged ({found}); use another backup")
        for name in named_in(look):
            file = os.path.join(source + ".d", "payload", name)
            if not os.path.isfile(file):
                raise StoreError(
                    f"{source} is not whole: {file} is missing; copy the folder {source}.d "
                    "together with the file"
                )
        return int(look.execute("SELECT count(*) FROM runs").fetchone()[0])


def restore(source: str, path: str, force: bool) -> str | None:
    """Put a backup in the place of the store ``path``; see :func:`abreast.interfaces.care.restore`.

    Returns where the database that was there is kept now, or None.
    """
    look_into(source)
    path = check_file(path)
    folder = make_folder(path + ".d")
    if os.path.realpath(source) == path:
        raise UsageError(f"{source} is the store itself; give the file that a backup made")
    new = path + ".new"
    turnstile = Turnstile(folder)
    try:
        with CareLock(folder):
            turnstile.acquire()
            _refuse(path, folder, force)
            with closing(look_only(source)) as look, translate(new):
                migrate.back_up(look, new)
                names = sorted(set(named_in(look)))
            _copy_payload(source + ".d", folder, names)
            return _replace(path, new)
    except OSError as error:
        raise _trouble(path, error) from error
    finally:
        unlink(new)
        turnstile.close()


def _refuse(path: str, folder: str, force: bool) -> None:
    try:
        names = os.listdir(os.path.join(folder, "workers"))
    except OSError:
        names = []
    for name in names:
        number = name.removesuffix(".lock")
        if number.isdecimal() and is_alive(folder, int(number)):
            raise StoreError(f"worker {number} of {path} is alive; stop all workers, then restore")
    if force or not os.path.exists(path) or not os.path.getsize(path):
        return
    try:
        with closing(look_only(path)) as look:
            runs = look.execute("SELECT count(*) FROM runs").fetchone()[0]
    except sqlite3.Error:
        return  # damaged, which is why somebody restores; the file is kept beside
    if runs:
        raise UsageError(
            f"{path} has {runs} runs, which the backup would replace; say force to do so "
            "(the file is kept beside it)"
        )


def _replace(path: str, new: str) -> str | None:
    """Put ``new`` in the place of ``path``, which is kept with ``.replaced`` behind its name."""
    kept = None
    if os.path.exists(path):
        kept = path + ".replaced"
        for end in ("", "-wal", "-shm"):
            unlink(kept + end)
        # What only the log holds goes into the file; of a damaged one both are kept as they are.
        try:
            with closing(sqlite3.connect(path, timeout=5.0, isolation_level=None)) as old:
                old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            pass
        os.link(path, kept)
    for end in ("-wal", "-shm"):  # they belong to the old file, and would spoil the new one
        if os.path.exists(path + end):
            os.rename(path + end, f"{kept or path + '.replaced'}{end}")
    os.replace(new, path)
    flush(os.path.dirname(path))
    return kept


def _trouble(path: str, error: OSError) -> StoreError:
    from errno import EDQUOT, ENOSPC

    from ..errors import StoreFull

    kind = StoreFull if error.errno in (ENOSPC, EDQUOT) else StoreError
    what = f" ({error.filename})" if error.filename else ""
    return kind(f"cannot write {path}: {error.strerror}{what}; nothing half-done remains")
