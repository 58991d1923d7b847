"""Bring the tables of a store up to date: numbered SQL files, one transaction each.

The number of the last one applied is the ``user_version`` of the file; its ``application_id``
says that it is ours.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

from ..errors import SchemaTooNew, StoreError
from .files import flush

APPLICATION_ID = 0x61627273  # "abrs"


class Migration(NamedTuple):
    """One step: the statements that lead from version ``number - 1`` to ``number``."""

    number: int
    name: str
    sql: str


@cache
def shipped() -> tuple[Migration, ...]:
    """Return the migrations of this version of abreast, in order."""
    found = []
    for file in resources.files(__package__).joinpath("migrations").iterdir():
        match = re.fullmatch(r"(\d{3})_(\w+)\.sql", file.name)
        if match:
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return tuple(sorted(found))


def check_version(
    connection: sqlite3.Connection, path: str, migrations: Sequence[Migration] | None = None
) -> int:
    """Return the version of the store; refuse one that is newer than this abreast."""
    newest = (shipped() if migrations is None else migrations)[-1].number
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > newest:
        raise SchemaTooNew(
            f"{path} was written by a newer abreast (its tables have version {version}, this "
            f"one knows {newest}); use that version, or restore the backup made when it was "
            f"upgraded ({path}.before-NNN)"
        )
    return version


def migrate(
    connection: sqlite3.Connection, path: str, migrations: Sequence[Migration] | None = None
) -> None:
    """Apply what is missing. To be called inside the turnstile, outside a transaction.

    A store that has tables already is first copied to ``PATH.before-NNN``, NNN being the first
    migration to come. A migration that fails leaves the version before it.

    Raises
    ------
    SchemaTooNew
        The store is newer than ``migrations`` (default: those shipped).
    StoreError
        The file belongs to another application.
    """
    migrations = shipped() if migrations is None else migrations
    _refuse_foreign(connection, path)
    version = check_version(connection, path, migrations)
    missing = [m for m in migrations if m.number > version]
    if missing and version > 0:
        copy = f"{path}.before-{missing[0].number:03d}"
        try:
            back_up(connection, copy)
        except OSError as error:
            raise StoreError(
                f"{path} has to be upgraded, and the backup {copy} made before cannot be written: "
                f"{error.strerror}; make that possible, then try again"
            ) from error
    for migration in missing:
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{migration.sql}\n;"
                f"PRAGMA application_id={APPLICATION_ID};"
                f"PRAGMA user_version={migration.number};"
                "COMMIT;"
            )
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise


def _refuse_foreign(connection: sqlite3.Connection, path: str) -> None:
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if owner != APPLICATION_ID and (owner or tables):
        raise StoreError(
            f"{path} is a database of another application; give a store a file of its own"
        )


def back_up(connection: sqlite3.Connection, target: str) -> None:
    """Copy the database to the file ``target``, complete and on the disk, or not at all."""
    part = target + ".part"
    _remove(part)
    try:
        copy = sqlite3.connect(part, isolation_level=None)
        try:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file that needs no other
        finally:
            copy.close()
        flush(part)
        os.replace(part, target)
    except BaseException:
        _remove(part)
        raise
    flush(os.path.dirname(os.path.abspath(target)))


def _remove(path: str) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        try:
            os.unlink(path + end)
        except FileNotFoundError:
            pass
