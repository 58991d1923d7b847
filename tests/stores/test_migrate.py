"""From every version of the tables to the newest, with a way back; never on foreign ground."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from abreast.errors import SchemaTooNew, StoreError
from abreast.stores import migrate
from abreast.stores.database import Database
from abreast.stores.migrate import Migration

ONE = Migration(1, "one", "CREATE TABLE things (id INTEGER PRIMARY KEY);")
TWO = Migration(2, "two", "ALTER TABLE things ADD COLUMN name TEXT;")
THREE = Migration(3, "three", "CREATE TABLE more (x); INSERT INTO more VALUES ('a;b');")
BROKEN = Migration(3, "three", "CREATE TABLE more (x); INSERT INTO nowhere VALUES (1);")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "j.db")


@pytest.fixture
def connection(path: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def value(connection: sqlite3.Connection, sql: str) -> object:
    return connection.execute(sql).fetchone()[0]


def files(path: str) -> list[str]:
    found = (file.name for file in Path(path).parent.iterdir() if file.is_file())
    return sorted(name for name in found if not name.endswith(("-wal", "-shm")))


def test_shipped_migrations_are_numbered_without_gaps() -> None:
    numbers = [migration.number for migration in migrate.shipped()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_from_nothing_without_a_backup(path: str, connection: sqlite3.Connection) -> None:
    migrate.migrate(connection, path, [ONE, TWO, THREE])
    assert value(connection, "PRAGMA user_version") == 3
    assert value(connection, "PRAGMA application_id") == migrate.APPLICATION_ID
    assert value(connection, "SELECT x FROM more") == "a;b"
    assert files(path) == ["j.db"]
    migrate.migrate(connection, path, [ONE, TWO, THREE])
    assert files(path) == ["j.db"]


def test_an_upgrade_leaves_a_complete_copy_of_before(
    path: str, connection: sqlite3.Connection
) -> None:
    migrate.migrate(connection, path, [ONE])
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("INSERT INTO things VALUES (17)")
    migrate.migrate(connection, path, [ONE, TWO, THREE])
    assert connection.execute("SELECT * FROM things").fetchall() == [(17, None)]
    assert files(path) == ["j.db", "j.db.before-002"]
    with closing(sqlite3.connect(path + ".before-002")) as before:
        assert value(before, "PRAGMA user_version") == 1
        assert value(before, "PRAGMA integrity_check") == "ok"
        assert before.execute("SELECT * FROM things").fetchall() == [(17,)]


def test_a_failed_migration_leaves_the_version_before_it(
    path: str, connection: sqlite3.Connection
) -> None:
    migrate.migrate(connection, path, [ONE])
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate.migrate(connection, path, [ONE, TWO, BROKEN])
    assert value(connection, "PRAGMA user_version") == 2
    assert not connection.in_transaction
    assert value(connection, "SELECT count(*) FROM sqlite_schema WHERE name = 'more'") == 0
    migrate.migrate(connection, path, [ONE, TWO, THREE])
    assert files(path) == ["j.db", "j.db.before-002", "j.db.before-003"]


def test_a_killed_migration_leaves_the_version_before_it(path: str) -> None:
    code = """
import os, signal, sqlite3, sys
from abreast.stores import migrate
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
one = migrate.Migration(1, "one", "CREATE TABLE things (id);")
two = migrate.Migration(2, "two", "CREATE TABLE more (x); INSERT INTO more SELECT die();")
migrate.migrate(connection, sys.argv[1], [one])
connection.execute("PRAGMA journal_mode=WAL")
migrate.migrate(connection, sys.argv[1], [one, two])
"""
    assert subprocess.run([sys.executable, "-c", code, path], timeout=60).returncode == -9
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert value(connection, "PRAGMA user_version") == 1
        assert value(connection, "SELECT count(*) FROM sqlite_schema") == 1
        migrate.migrate(connection, path, [ONE, TWO])
        assert value(connection, "PRAGMA user_version") == 2


def test_a_newer_store_is_refused_and_left_alone(path: str) -> None:
    Database(path).close()
    newer = len(migrate.shipped()) + 1
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={newer}")
        before = value(connection, "SELECT group_concat(sql) FROM sqlite_schema")
    with pytest.raises(SchemaTooNew, match=f"have version {newer}"):
        Database(path)
    with closing(sqlite3.connect(path)) as connection:
        assert value(connection, "SELECT group_concat(sql) FROM sqlite_schema") == before
        assert value(connection, "PRAGMA user_version") == newer


def test_an_upgrade_by_a_newer_process_stops_this_one(path: str) -> None:
    database = Database(path)
    database.begin(True)
    assert database.changed()
    database.commit()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version={len(migrate.shipped()) + 1}")
    database.begin(True)
    with pytest.raises(SchemaTooNew):
        database.changed()
    with pytest.raises(SchemaTooNew):  # and again
        database.changed()
    database.rollback()
    database.close()


@pytest.mark.parametrize("sql", ["CREATE TABLE theirs (x)", "PRAGMA application_id=5"])
def test_a_database_of_another_application_is_refused(path: str, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)
    before = Path(path).read_bytes()
    with pytest.raises(StoreError, match="another application"):
        Database(path)
    assert Path(path).read_bytes() == before


def test_an_empty_file_is_welcome(path: str) -> None:
    Path(path).touch()
    database = Database(path)
    assert database.read("SELECT count(*) FROM runs") == [(0,)]
    database.close()
