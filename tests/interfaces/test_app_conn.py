"""Runs that exist exactly when the caller's own data does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from abreast import App
from abreast.errors import UsageError, WrongType
from abreast.stores import sql_arrivals


def add(a: int, b: int) -> int:
    return a + b


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    # whatever library this Python has: nothing here meets a checkpoint of another process
    monkeypatch.setattr(sql_arrivals, "library_is_safe", lambda: True)
    with App(f"sqlite:///{tmp_path}/jobs.db") as app:
        app.task(add)
        app.submit("add", 0, 0)
        yield app


@pytest.fixture
def mine(app: App, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    connection.execute("CREATE TABLE orders (number INTEGER)")
    yield connection
    connection.close()


def drain(app: App) -> None:
    app.worker(executor="thread").run(once=True)


def test_a_run_comes_with_the_commit(app: App, mine: sqlite3.Connection) -> None:
    mine.execute("BEGIN")
    mine.execute("INSERT INTO orders VALUES (7)")
    run = app.tasks["add"].with_options(conn=mine, label="order").submit(1, 2)
    assert [found.id for found in app.runs()] == [1]
    mine.execute("COMMIT")
    assert run.state == "blocked"
    drain(app)
    assert (run.result(5), run.label) == (3, "order")


def test_no_run_is_left_by_a_rollback(app: App, mine: sqlite3.Connection) -> None:
    mine.execute("BEGIN")
    mine.execute("INSERT INTO orders VALUES (7)")
    app.tasks["add"].with_options(conn=mine).submit(1, 2)
    mine.execute("ROLLBACK")
    drain(app)
    assert [found.id for found in app.runs()] == [1]
    assert app.submit("add", 1, 1).id == 2


def test_a_transaction_is_begun_if_need_be(app: App, mine: sqlite3.Connection) -> None:
    runs = [app.tasks["add"].with_options(conn=mine).submit(n, n) for n in range(3)]
    assert mine.in_transaction
    mine.execute("COMMIT")
    drain(app)
    assert [run.result(5) for run in runs] == [0, 2, 4]


def test_a_known_run_makes_it_a_duplicate(app: App, mine: sqlite3.Connection) -> None:
    task = app.tasks["add"].with_options(unique=True)
    known = task.submit(5, 5)
    again = task.with_options(conn=mine).submit(5, 5)
    mine.execute("COMMIT")
    drain(app)
    assert known.result(5) == 10
    assert (again.state, again.reason) == ("skipped", "duplicate")


def test_what_cannot_work_is_refused(
    app: App, mine: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = app.tasks["add"]
    with pytest.raises(WrongType, match=r"sqlite3\.Connection"):
        task.with_options(conn="jobs.db").submit(1, 2)
    other = sqlite3.connect(tmp_path / "other.db")
    with pytest.raises(UsageError, match="own file"):
        task.with_options(conn=other).submit(1, 2)
    other.close()
    monkeypatch.setattr(sql_arrivals, "library_is_safe", lambda: False)
    with pytest.raises(UsageError, match=r"3\.51\.3"):
        task.with_options(conn=mine).submit(1, 2)
    assert not mine.in_transaction
