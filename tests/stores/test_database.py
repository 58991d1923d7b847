"""Turns on a real file: what is committed stays, and what goes wrong says what to do."""

from __future__ import annotations

import os
import select
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from abreast.errors import InternalError, StoreError, StoreFull, UsageError
from abreast.stores.database import Database, library_is_safe, translate

pytestmark = pytest.mark.needs("posix")

ADD = "INSERT INTO tasks (name) VALUES (?)"
COUNT = "SELECT count(*) FROM tasks"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "j.db")


@pytest.fixture
def database(path: str) -> Iterator[Database]:
    with closing(Database(path)) as database:
        yield database


def add(database: Database, name: str, durable: bool = True) -> None:
    database.begin(durable)
    with translate(database.path):
        database.execute(ADD, (name,))
    database.commit()


# -- turns -----------------------------------------------------------------------------------


def test_a_turn_is_seen_by_readers_when_it_is_committed(database: Database) -> None:
    database.begin(durable=True)
    assert database.in_turn
    database.execute(ADD, ("a",))
    assert database.read(COUNT) == [(0,)]
    database.commit()
    assert not database.in_turn
    assert database.read(COUNT) == [(1,)]
    database.begin(durable=False)
    database.execute(ADD, ("b",))
    database.rollback()
    assert database.read(COUNT) == [(1,)]


def test_the_folder_is_private_and_the_path_is_real(path: str, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(path)
    with closing(Database(str(tmp_path / "link.db"))) as database:
        assert database.path == os.path.realpath(path)
        assert database.folder == database.path + ".d"
        assert os.stat(database.folder).st_mode & 0o777 == 0o700


def test_durable_turns_are_synced_and_others_are_not(path: str) -> None:
    for durability, levels in (("full", [2, 1, 2, 1]), ("normal", [1, 1, 1, 1])):
        with closing(Database(path, durability=durability)) as database:
            seen = []
            for durable in (True, False, True, False):
                database.begin(durable)
                seen.append(database.execute("PRAGMA synchronous").fetchone()[0])
                database.commit()
            assert seen == levels
    with pytest.raises(UsageError, match="durability"):
        Database(path, durability="some")


def test_changed_tells_of_others_only(path: str, database: Database) -> None:
    def changed() -> bool:
        database.begin(False)
        try:
            return database.changed()
        finally:
            database.commit()

    assert [changed(), changed()] == [True, False]
    add(database, "mine")
    assert not changed()
    with closing(Database(path)) as other:
        add(other, "theirs")
    assert [changed(), changed()] == [True, False]


def test_reading_from_many_threads(database: Database) -> None:
    add(database, "a")
    found: list[object] = []

    def look() -> None:
        found.extend(database.read(COUNT)[0] for _ in range(50))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(1,)] * 200
    with pytest.raises(StoreError, match="cannot write"):
        database.read(ADD, ("b",))


def test_turns_do_not_nest_and_the_outer_one_goes_on(database: Database) -> None:
    database.begin(True)
    with pytest.raises(InternalError):
        database.begin(True)
    database.execute(ADD, ("a",))
    database.commit()
    assert database.read(COUNT) == [(1,)]


WRITE = """
import sys
from abreast.stores.database import Database
database = Database(sys.argv[1])
for number in range(int(sys.argv[3])):
    database.begin(number % 2 == 0)
    database.execute("INSERT INTO tasks (name) VALUES (?)", (f"{sys.argv[2]}{number}",))
    database.commit()
    print(number, flush=True)
database.begin(True)
database.execute("INSERT INTO tasks (name) VALUES ('half-done')")
print("in", flush=True)
sys.stdin.readline()
"""


def write(path: str, name: str, number: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, path, name, str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,  # so that select sees every line
    )


def test_killed_in_their_turns_processes_lose_nothing_and_block_nobody(path: str) -> None:
    number = 40
    writers = [write(path, name, number) for name in "abc"]
    ended = 0
    while ended < len(writers):
        alive = [process for process in writers if process.poll() is None]
        outs = [process.stdout for process in alive]
        for out in select.select(outs, [], [], 60)[0]:
            if out.readline().strip() == b"in":
                process = alive[outs.index(out)]
                process.kill()
                process.wait()
                ended += 1
    for process in writers:
        process.communicate()
    with closing(Database(path, lock_timeout_s=10)) as database:
        assert database.read(COUNT) == [(3 * number,)]
        assert database.read("PRAGMA integrity_check") == [("ok",)]


def test_a_fork_cannot_touch_what_its_parent_has_open(path: str) -> None:
    code = """
import os, sys
from abreast.errors import StoreError
from abreast.stores.database import Database
database = Database(sys.argv[1])
database.begin(True)
database.execute("INSERT INTO tasks (name) VALUES ('parent')")
pid = os.fork()
if pid == 0:
    refused = 0
    for call in (
        lambda: database.execute("SELECT 1"), database.commit, lambda: database.begin(True),
        lambda: database.read("SELECT 1"),
    ):
        try:
            call()
        except StoreError:
            refused += 1
    database.rollback()
    database.close()
    own = Database(sys.argv[1], lock_timeout_s=60)  # waits until the parent has committed
    found = own.read("SELECT name FROM tasks")
    os._exit(0 if refused == 4 and found == [("parent",)] else 1)
database.commit()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code, path], timeout=90).returncode == 0


def test_closed_is_closed(database: Database) -> None:
    database.begin(True)
    database.close()
    database.close()
    assert not Path(database.path + "-wal").exists()
    for use in (lambda: database.begin(True), lambda: database.read(COUNT)):
        with pytest.raises(StoreError, match="open"):
            use()


# -- mishaps ---------------------------------------------------------------------------------


def test_a_full_store_says_so_and_goes_on_when_there_is_room(database: Database) -> None:
    pages = database.read("PRAGMA page_count")[0][0]
    database.execute(f"PRAGMA max_page_count={pages + 2}")
    database.begin(True)
    with pytest.raises(StoreFull, match="no room left") as caught, translate(database.path):
        database.execute(ADD, ("x" * 100_000,))
    assert database.path in str(caught.value)
    database.rollback()
    assert database.read(COUNT) == [(0,)]
    database.execute("PRAGMA max_page_count=100000")
    add(database, "x" * 100_000)
    assert database.read(COUNT) == [(1,)]


def test_a_file_that_turned_read_only_says_so(database: Database) -> None:
    database.execute("PRAGMA query_only=1")
    with pytest.raises(StoreError, match="cannot write"):
        add(database, "a")
    database.rollback()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB, where we may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("the right to mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_says_so_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    with closing(Database(str(small_disk / "j.db"))) as database:
        add(database, "first")
        ballast = small_disk / "ballast"
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        ballast.write_bytes(b"x" * (free - 50_000))
        written = 1
        for _ in range(1000):
            try:
                add(database, f"{written:09000}")
            except StoreFull as error:
                assert "no room left" in str(error)  # noqa: PT017 - the count is needed
                break
            written += 1
        else:
            pytest.fail("the disk was not full")
        if database.in_turn:
            database.rollback()
        assert database.read(COUNT) == [(written,)]
        with pytest.raises(StoreFull):
            Database(str(small_disk / "other.db"))
        ballast.unlink()
        add(database, "after")
        assert database.read(COUNT) == [(written + 1,)]
        assert database.read("PRAGMA integrity_check") == [("ok",)]


def test_another_program_with_an_open_transaction_is_named_as_the_reason(path: str) -> None:
    with (
        closing(Database(path, lock_timeout_s=0.1)) as database,
        closing(sqlite3.connect(path, isolation_level=None)) as foreign,
    ):
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program holds a transaction"):
            database.begin(True)
        assert not database.in_turn
        foreign.execute("COMMIT")
        add(database, "a")


@pytest.mark.parametrize("content", [b"not a database at all. " * 100, b"SQLite format 3\0" * 9])
def test_what_is_no_database_is_left_alone(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    with pytest.raises(StoreError, match="not a database, or a damaged one"):
        Database(path)
    assert Path(path).read_bytes() == content


def test_a_damaged_file_is_called_damaged(path: str) -> None:
    with closing(Database(path)) as database:
        database.begin(True)
        database.executemany(ADD, [(f"{n:0500}",) for n in range(500)])
        database.commit()
        root = database.read("SELECT rootpage FROM sqlite_schema WHERE name = 'tasks'")[0][0]
    with open(path, "r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    with closing(Database(path)) as database:
        with pytest.raises(StoreError, match="or a damaged one"):
            database.read("SELECT * FROM tasks")
        database.begin(True)
        with pytest.raises(StoreError, match="or a damaged one"), translate(path):
            database.execute("DELETE FROM tasks WHERE id = 1")
        database.rollback()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Database(str(tmp_path))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere does not exist; create it"):
        Database(str(tmp_path / "nowhere" / "j.db"))
    assert os.listdir(tmp_path) == []


def test_something_else_beside_it_is_named(path: str) -> None:
    Path(path + ".d").touch()
    with pytest.raises(StoreError, match=r"j\.db\.d must be the folder"):
        Database(path)


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_goes_while_it_is_open_takes_no_more_writes(path: str, how: str) -> None:
    with closing(Database(path)) as database:
        add(database, "a")
        os.rename(path, path + ".old")
        if how == "replaced":
            Path(path).touch()
        with pytest.raises(StoreError, match="deleted or replaced"):
            database.begin(True)
        os.replace(path + ".old", path)
        add(database, "b")
        assert database.read(COUNT) == [(2,)]


RIGHTS = """
import os, sys
from abreast.errors import StoreError
from abreast.stores import migrate
from abreast.stores.database import Database
migrate.shipped()
if os.getuid() == 0:  # whom no rights stop
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    Database(sys.argv[1])
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o444, 0o777), (0, 0o777), (0o666, 0o555)])
def test_missing_rights_are_named(file_mode: int, folder_mode: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        file = folder / "j.db"
        Database(str(file)).close()
        for part in (folder / "j.db.d", *(folder / "j.db.d").iterdir()):
            part.chmod(0o777)
        file.chmod(file_mode)
        folder.chmod(folder_mode)
        done = subprocess.run(
            [sys.executable, "-c", RIGHTS, str(file)], capture_output=True, text=True, timeout=60
        )
        folder.chmod(0o700)
    assert done.returncode == 0, done.stderr
    named = file if folder_mode == 0o777 else folder
    assert done.stdout.startswith(f"cannot write {named}; ")


def test_texts_for_what_never_happens_here(path: str) -> None:
    def raised(error: sqlite3.Error, code: int) -> str:
        error.sqlite_errorcode = code
        with pytest.raises((StoreError, InternalError)) as caught, translate(path):
            raise error
        return str(caught.value)

    assert "the disk reports an error" in raised(sqlite3.OperationalError("disk I/O error"), 778)
    assert "out of memory" in raised(sqlite3.OperationalError("out of memory"), 7)
    assert "a part of the store is missing" in raised(
        sqlite3.OperationalError("no such table: runs"), 1
    )
    with pytest.raises(InternalError), translate(path):
        raise sqlite3.IntegrityError("UNIQUE constraint failed")


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_which_libraries_lose_commits(version: tuple[int, int, int], safe: bool) -> None:
    assert library_is_safe(version) is safe
