"""A store that cannot be used: the error says what to do, nothing half-done remains, and workers
record later what they could not record at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.interfaces.app_help import working

from abreast import App, Limit, Retry, errors
from abreast.interfaces.care import check, prune

pytestmark = [pytest.mark.needs("posix"), pytest.mark.timeout(60)]

BIG = "x" * 50_000  # in its row, so that the database has to grow
ENOUGH = 1_000_000  # pages


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(f"sqlite:///{tmp_path}/jobs.db", durability="normal")

    @app.task
    def echo(value: Any = None) -> Any:
        return value

    yield app
    app.close()


def path_of(app: App) -> str:
    return app.url.removeprefix("sqlite:///")


def room(store: Any, pages: int | None = None) -> None:
    """How large this connection may make the file; None: no larger than it is."""
    if pages is None:
        pages = store.db.read("PRAGMA page_count")[0][0]
    store.db.execute(f"PRAGMA max_page_count={pages}").fetchall()


@contextmanager
def no_room(store: Any) -> Iterator[None]:
    room(store)
    yield
    room(store, ENOUGH)


def undone(store: Any) -> threading.Event:
    """Set whenever a turn of this store comes to nothing."""
    event, undo = threading.Event(), store.undo_turn

    def undo_turn(reports: Any) -> None:
        undo(reports)
        event.set()

    store.undo_turn = undo_turn
    return event


# -- disk full ---------------------------------------------------------------------------------


def test_a_submit_without_room_is_refused_as_a_whole(app: App) -> None:
    first = app.submit("echo", 1)
    with no_room(app.node.store):
        for _ in range(3):
            with pytest.raises(errors.StoreFull, match=r"no room left .*abreast prune"):
                app.submit("echo", BIG)
            with pytest.raises(errors.StoreFull):
                app.submit_many("echo", [(1,), (BIG,), (2,)])
            with pytest.raises(errors.StoreFull), app.flow("f") as flow:
                flow.add("echo", flow.add("echo", BIG))
    assert [run.id for run in app.runs()] == [first.id]
    assert check(app) == []
    second = app.submit("echo", BIG)
    assert second.id == first.id + 1
    with working(app):
        assert first.result(20) == 1
        assert second.result(20) == BIG
    assert check(app) == []


def test_what_fits_is_taken_while_other_things_do_not(app: App) -> None:
    app.submit("echo", 1)
    with no_room(app.node.store):
        with pytest.raises(errors.StoreFull):
            app.submit("echo", BIG)
        assert app.submit("echo", 2).id == 2


def test_a_large_value_of_a_refused_submit_leaves_no_file(app: App, tmp_path: Path) -> None:
    payload = tmp_path / "jobs.db.d" / "payload"
    app.submit("echo", 1)
    with no_room(app.node.store), pytest.raises(errors.StoreFull):
        app.submit_many("echo", [("y" * 100_000,), (BIG,), (BIG,)])
    assert list(payload.iterdir()) == []
    kept = app.submit("echo", "y" * 100_000)
    assert len(list(payload.iterdir())) == 1
    assert kept.args == ("y" * 100_000,)


def test_pruning_makes_room(app: App) -> None:
    runs = app.submit_many("echo", [(BIG,)] * 5)
    with working(app):
        assert all(run.wait(20) for run in runs)
    with no_room(app.node.store):
        with pytest.raises(errors.StoreFull):
            app.submit_many("echo", [(BIG,)] * 5)
        assert prune(app, keep=0)["runs"] == 5
        assert len(app.submit_many("echo", [(BIG,)] * 5)) == 5
    assert check(app) == []


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_a_worker_without_room_keeps_its_results(kind: str, app: App, tmp_path: Path) -> None:
    task = app.task(name="grow", limits=[Limit(1, "/one")], retry=Retry(1))(grow)
    gates = [tmp_path / f"gate{number}" for number in range(3)]
    for gate in gates:
        os.mkfifo(gate)
    with app.worker(2, executor=kind) as worker:
        store = worker._store
        came = undone(store)
        runs = [task.submit(str(gate)) for gate in gates]
        with gates[0].open("w"):  # the first one has begun
            room(store)
        assert came.wait(20)
        assert isinstance(worker.engine.trouble, errors.StoreFull)
        assert runs[0].state == "running"
        came.clear()
        assert came.wait(20), "it is tried again"
        room(store, ENOUGH)
        for gate in gates[1:]:
            gate.open("w").close()
        for run in runs:
            assert run.result(20) == BIG
            assert run.attempt == 1
        assert check(app) == []


def grow(gate: str) -> str:
    with open(gate) as file:
        file.read()
    return BIG


def test_large_results_do_not_pile_up_while_there_is_no_room(app: App, tmp_path: Path) -> None:
    payload = tmp_path / "jobs.db.d" / "payload"
    go = threading.Event()

    @app.task
    def both() -> list[str]:
        go.wait()
        return ["z" * 100_000]

    @app.task
    def big() -> str:
        go.wait()
        return BIG

    with app.worker(2, executor="thread") as worker:
        store = worker._store
        runs = [app.submit("both"), app.submit("big")]
        came = undone(store)
        room(store)
        go.set()
        for _ in range(3):
            assert came.wait(20)
            came.clear()
        room(store, ENOUGH)
        assert runs[0].result(20) == ["z" * 100_000]
        assert runs[1].result(20) == BIG
    assert len(list(payload.iterdir())) == 1
    assert check(app) == []


def test_claims_of_a_turn_without_room_are_taken_back(app: App) -> None:
    """A worker that cannot write its claim has claimed nothing, and others may."""

    @app.task(limits=[Limit(1, "{who}")])
    def limited(who: str) -> str:
        return who

    other = App(app.url, durability="normal")
    other.add(*app.tasks.values())
    with other.worker(2, executor="thread") as worker:
        store = worker._store
        came = undone(store)
        broken = break_commits(store)
        runs = [app.submit("limited", who) for who in "aabb"]
        assert came.wait(20)
        assert {run.state for run in runs} == {"pending"}
        assert store.rows.running == {}
        broken.clear()
        assert [run.result(20) for run in runs] == list("aabb")
        assert [run.attempt for run in runs] == [1] * 4
        assert check(app) == []
    other.close()


def break_commits(store: Any) -> threading.Event:
    """While the event is set no commit of this store succeeds."""
    broken, commit = threading.Event(), store.db.commit
    broken.set()

    def fail() -> None:
        if broken.is_set():
            error = sqlite3.OperationalError("disk I/O error")
            raise errors.StoreError(f"{store.path}: the disk reports an error") from error
        commit()

    store.db.commit = fail
    return broken


def test_limits_hold_after_turns_that_came_to_nothing(app: App) -> None:
    """What is kept in memory of lines and keys is that of the rows again."""
    go = threading.Semaphore(0)

    @app.task(limits=[Limit(1, "{who}")])
    def limited(who: str) -> str:
        go.acquire()
        return who

    with app.worker(4, executor="thread") as worker:
        store = worker._store
        runs = [app.submit("limited", who) for who in "aaabbbccc"]
        for first in runs[::3]:
            started(first)
        came, broken = undone(store), break_commits(store)
        for _ in range(3):
            go.release()
        for _ in range(2):
            assert came.wait(20)
            came.clear()
        broken.clear()
        for _ in range(6):
            go.release()
        assert [run.result(20) for run in runs] == list("aaabbbccc")
        assert [run.attempt for run in runs] == [1] * 9
        assert check(app) == []


def started(run: Any) -> None:
    """Wait until a run is running."""
    woken = threading.Event()
    while run.state == "pending":
        woken.wait(0.01)


# -- locked, read-only, damaged, gone ----------------------------------------------------------


def test_a_transaction_of_another_program(app: App) -> None:
    app.submit("echo")
    app.node.store.db.execute("PRAGMA busy_timeout=50").fetchall()
    with closing(sqlite3.connect(path_of(app), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(errors.StoreError, match=r"another program holds .* end that"):
            app.submit("echo")
        assert len(app.runs()) == 1, "reading goes on"
        other.execute("ROLLBACK")
    assert app.submit("echo").id == 2


def test_a_worker_waits_for_a_transaction_of_another_program(app: App) -> None:
    with working(app):
        pass
    with app.worker(2, executor="thread") as worker:
        worker._store.db.execute("PRAGMA busy_timeout=50").fetchall()
        came = undone(worker._store)
        run = app.submit("echo", 1)
        assert run.result(20) == 1
        with closing(sqlite3.connect(path_of(app), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            worker.engine.attend()
            worker._store.look_again()
            worker.engine.attend()
            assert came.wait(20)
            other.execute("ROLLBACK")
        assert app.submit("echo", 2).result(20) == 2


def test_a_process_that_was_stopped_in_its_turn_is_named(app: App, tmp_path: Path) -> None:
    app.submit("echo")
    app.node.store.db._timeout_s = 0.2
    code = (
        "import sys; from abreast.stores.turnstile import Turnstile\n"
        f"t = Turnstile({str(tmp_path / 'jobs.db.d')!r}); t.acquire(); print('got', flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        with pytest.raises(errors.StoreError, match=rf"process {other.pid}.* let it go on or end"):
            app.submit("echo")
        other.stdin.close()
    assert app.submit("echo").id == 2


def test_a_file_that_may_not_be_written(app: App) -> None:
    app.submit("echo")
    app.node.store.db.execute("PRAGMA query_only=1")
    with pytest.raises(errors.StoreError, match=r"cannot write .* the user who runs this"):
        app.submit("echo")
    assert len(app.runs()) == 1
    app.node.store.db.execute("PRAGMA query_only=0")
    assert app.submit("echo").id == 2


@contextmanager
def nobody() -> Iterator[None]:
    """Root may write anything, so be somebody else meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("closed", ["jobs.db", "jobs.db.d"])
def test_rights_are_missing(closed: str) -> None:
    with tempfile.TemporaryDirectory() as folder, App(f"sqlite:///{folder}/jobs.db") as app:
        app.task(name="echo")(len)
        app.submit("echo", "a")
        app.close()
        os.chmod(folder, 0o777)
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o777)
        Path(folder, closed).chmod(0o500)
        with (
            nobody(),
            pytest.raises(errors.StoreError, match=r"user who runs this|look at the rights"),
        ):
            app.submit("echo", "a")
        Path(folder, closed).chmod(0o700)
        assert app.submit("echo", "a").id == 2


def test_a_damaged_file(app: App) -> None:
    app.submit_many("echo", [(BIG,)] * 10)
    app.close()
    size = os.stat(path_of(app)).st_size
    with open(path_of(app), "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    for call in (app.runs, lambda: app.submit("echo"), lambda: app.worker().run(once=True)):
        with pytest.raises(errors.StoreError, match=r"damaged one .*abreast restore FILE"):
            call()
    assert "damaged" in check(app)[0]


def test_something_that_is_no_database(app: App) -> None:
    Path(path_of(app)).write_text("Dear diary, " * 1000)
    with pytest.raises(errors.StoreError, match="not a database"):
        app.submit("echo")


def test_a_file_that_was_removed(app: App) -> None:
    app.submit("echo")
    os.rename(path_of(app), path_of(app) + ".away")
    with pytest.raises(errors.StoreError, match="deleted or replaced"):
        app.submit("echo")
    os.rename(path_of(app) + ".away", path_of(app))
    assert app.submit("echo").id == 2


def test_tables_that_something_else_changed(app: App) -> None:
    app.submit("echo")
    with closing(sqlite3.connect(path_of(app))) as other, other:
        other.execute("DROP TABLE lanes")
    app.close()
    with pytest.raises(errors.StoreError, match=r"a part of the store is missing .*restore"):
        app.submit("echo")


def test_places_where_no_store_can_be(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.db.d").write_text("")
    for name, text in (
        ("folder", "is a folder"),
        ("none/jobs.db", "does not exist; create it"),
        ("file.db", "must be the folder of the store"),
    ):
        app = App(f"sqlite:///{tmp_path}/{name}")
        app.task(name="echo")(len)
        with pytest.raises(errors.StoreError, match=text):
            app.submit("echo", "a")


def test_a_file_with_arguments_that_is_missing_costs_only_its_run(app: App, tmp_path: Path) -> None:
    payload = tmp_path / "jobs.db.d" / "payload"
    lost, other = app.submit("echo", "z" * 100_000), app.submit("echo", 5)
    (file,) = payload.iterdir()
    file.unlink()
    with working(app):
        assert other.result(20) == 5
        with pytest.raises(errors.StoreError, match="a large value of the store is missing"):
            lost.result(20)
    assert lost.state == "failed"


def test_large_arguments_are_written_once(app: App, tmp_path: Path) -> None:
    payload = tmp_path / "jobs.db.d" / "payload"
    tries: list[int] = []

    @app.task(retry=Retry(3))
    def flaky(value: str) -> int:
        tries.append(len(value))
        if len(tries) < 3:
            raise OSError("again")
        return len(value)

    run = app.submit("flaky", "z" * 100_000)
    with working(app):
        assert run.result(20) == 100_000
    assert len(list(payload.iterdir())) == 1


def test_results_passed_on_along_a_long_chain(app: App) -> None:
    """Reading a run reads what its arguments name, and not what theirs name."""
    with app.flow("chain") as flow:
        last = first = flow.add("echo", 1)
        for _ in range(600):
            last = flow.add("echo", last)
    with working(app):
        assert last.result(30) == 1
    assert first.value == 1
