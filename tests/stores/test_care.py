"""Pruning in small turns: how much at once, and what happens when it comes to an end half way."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from abreast import errors
from abreast.domain.limits import Limit
from abreast.domain.model import Run, Task
from abreast.stores.leftovers import Files, look_only
from abreast.stores.sql_care import ROWS, Pruner, Rule
from abreast.stores.sql_check import Checker
from abreast.stores.sqlite import SqliteStore
from abreast.testing.simulation import Simulation

pytestmark = pytest.mark.needs("posix")
NOW = 1_000_000.0
ALL = Rule(NOW + 1, NOW + 1, None, False)
TASK = Task("t", lambda key="": None, "thread", limits=(Limit(1, "{key}"),))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(
        str(tmp_path / "t.db"), lambda: 0.5, durability="full", task_of=lambda name, options: TASK
    )
    store.serve("thread")
    yield store
    store.close()


def insert(store: SqliteStore, *statements: str) -> None:
    with closing(sqlite3.connect(store.path)) as other, other:
        other.execute("INSERT OR IGNORE INTO tasks (id, name) VALUES (1, 't')")
        for statement in statements:
            other.execute(statement)


def ended(first: int, count: int, flow: str = "NULL", args: str = "NULL") -> str:
    """Rows of completed runs."""
    return (
        "INSERT INTO runs (id, task, state, created, ready, started, ended, attempt, flow, args) "
        f"WITH n(i) AS (SELECT {first} UNION ALL SELECT i+1 FROM n WHERE i<{first + count - 1}) "
        f"SELECT i, 1, 4, {NOW}-9, {NOW}-9, {NOW}-8, {NOW}-7, 1, {flow}, {args} FROM n"
    )


class Turns:
    """Carries turns out; counts the rows each one has changed."""

    def __init__(self, store: SqliteStore, most: int = 1_000_000) -> None:
        self.store = store
        self.rows: list[int] = []
        self.synced: list[bool] = []
        self.left = most

    def __call__(self, what: Callable[[float], Any]) -> Any:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        connection = self.store.db._connection
        assert connection is not None
        before = connection.total_changes
        answer = what(NOW)
        self.rows.append(connection.total_changes - before)
        level = self.store.db.execute("PRAGMA synchronous").fetchone()[0]
        self.synced.append(level > 1)
        self.store.end_turn()
        return answer


def prune(store: SqliteStore, turns: Turns, rule: Rule = ALL) -> Pruner:
    with closing(look_only(store.path)) as look:
        pruner = Pruner(store, turns, look, Files(store.folder, None, False), False)
        pruner.prune(rule, NOW)
    return pruner


def count(store: SqliteStore, table: str = "runs") -> int:
    number: int = store.db.read(f"SELECT count(*) FROM {table}")[0][0]
    return number


def test_it_goes_in_turns_of_few_rows_that_wait_for_no_disk(store: SqliteStore) -> None:
    insert(store, ended(1, 1800))
    turns = Turns(store)
    assert prune(store, turns).runs == 1800
    assert count(store) == 0
    assert len(turns.rows) == 4
    assert max(turns.rows) <= ROWS + 1, "and the counter of numbers"
    assert not any(turns.synced)


def test_what_belongs_to_a_run_counts(store: SqliteStore) -> None:
    steps = (
        "INSERT INTO steps (run, name, number, attempt, started) WITH n(i) AS (SELECT 1 UNION ALL "
        "SELECT i+1 FROM n WHERE i<99) SELECT id, i, i, 1, 1 FROM runs, n"
    )
    insert(store, ended(1, 20), steps)
    turns = Turns(store)
    prune(store, turns)
    assert count(store, "steps") == 0
    assert len(turns.rows) == 4
    assert max(turns.rows) <= ROWS + 1


def test_large_rows_count_by_their_pages(store: SqliteStore) -> None:
    insert(store, ended(1, 100, args="zeroblob(60000)"))
    turns = Turns(store)
    prune(store, turns)
    assert count(store) == 0
    assert max(turns.rows) <= ROWS / (60000 // 4096) + 1


def test_a_run_with_more_than_fits_into_a_turn(store: SqliteStore) -> None:
    insert(store, ended(1, 2200), "INSERT INTO edges SELECT 1, id, 0 FROM runs WHERE id>1")
    turns = Turns(store)
    assert prune(store, turns).runs == 2200
    assert count(store, "edges") == 0
    assert max(turns.rows) <= ROWS + 1


def test_a_large_flow_that_was_half_pruned_is_pruned_to_its_end(store: SqliteStore) -> None:
    insert(store, ended(1, 1), ended(2, 1500, flow="1"), "INSERT INTO flows (id) VALUES (1)")
    with pytest.raises(KeyboardInterrupt):
        prune(store, Turns(store, 2))
    assert 0 < count(store) < 1501
    assert store.db.read("SELECT 1 FROM runs WHERE id=1"), "the flow is still there"
    prune(store, Turns(store))
    assert count(store) == 0
    assert count(store, "flows") == 0


def test_flows_in_flows_go_with_them(store: SqliteStore) -> None:
    insert(store, ended(1, 1), ended(2, 1, flow="1"), ended(3, 5, flow="2"))
    assert prune(store, Turns(store)).runs == 7
    assert count(store) == 0


def test_looking_stops_at_what_is_too_young(store: SqliteStore) -> None:
    insert(store, ended(1, 10), f"UPDATE runs SET created={NOW}, ended={NOW} WHERE id>4")
    turns = Turns(store)
    assert prune(store, turns, Rule(NOW - 1, None, None, False)).runs == 4
    assert count(store) == 6


def test_who_comes_to_wait_meanwhile_keeps_a_run(store: SqliteStore) -> None:
    insert(store, ended(1, 3))

    class Late(Turns):
        def __call__(self, what: Callable[[float], Any]) -> Any:
            if not self.rows:
                insert(
                    self.store,
                    "INSERT INTO runs (id, task, state, created, ready, missing) "
                    f"VALUES (9, 1, 0, {NOW}, {NOW}, 1)",
                    "INSERT INTO edges (parent, child) VALUES (2, 9)",
                )
            return super().__call__(what)

    assert prune(store, Late(store)).runs == 2
    assert [row[0] for row in store.db.read("SELECT id FROM runs ORDER BY id")] == [2, 9]


def test_turns_that_say_nothing_go(store: SqliteStore) -> None:
    insert(
        store,
        "INSERT INTO lanes (id, task, claims, turn) VALUES (1, 1, '[]', 5)",
        "INSERT INTO turns VALUES (1, 'a', 4), (1, 'b', 5), (1, 'c', 6), (7, 'd', 1)",
    )
    prune(store, Turns(store))
    assert store.db.read("SELECT value FROM turns") == [("b",), ("c",)]


def test_what_a_limit_has_learned_stays(store: SqliteStore) -> None:
    claims = '[["{}",null,9,1,null,0,1]]'
    insert(
        store,
        "INSERT INTO keys (id, name, level) VALUES (1, 'known', 4), (2, 'new', NULL)",
        "INSERT INTO keys (id, name, held) VALUES (3, 'held', 1)",
        f"INSERT INTO lanes (id, task, claims) VALUES (1, 1, '{claims.replace('{}', 'known')}')",
        f"INSERT INTO lanes (id, task, claims) VALUES (2, 1, '{claims.replace('{}', 'new')}')",
        "INSERT INTO lane_keys (key, lane) VALUES (1, 1), (2, 2)",
    )
    pruner = prune(store, Turns(store))
    assert (pruner.lanes, pruner.keys) == (1, 1)
    assert store.db.read("SELECT name FROM keys ORDER BY id") == [("known",), ("held",)]


def test_a_line_that_is_asked_for_in_the_same_turn_stays(store: SqliteStore) -> None:
    """A record in memory names its line before its row does."""
    run = Run(0, TASK, ("a",), {}, NOW)
    store.submit([run], NOW)
    store.end_turn()
    store.cancel([run], errors_reason(), NOW)
    store.end_turn()

    class Busy(Turns):
        def __call__(self, what: Callable[[float], Any]) -> Any:
            self.store.submit([Run(0, TASK, ("a",), {}, NOW)], NOW)
            return super().__call__(what)

    assert prune(store, Busy(store), Rule(None, None, None, False)).lanes == 0
    assert [claimed.args for claimed in store.claim(("thread",), 5, NOW)] == [("a",)]
    store.end_turn()


def errors_reason() -> Any:
    from abreast.domain.states import Reason

    return Reason.USER


def test_only_what_lies_in_old_folders_is_swept(store: SqliteStore, tmp_path: Path) -> None:
    logs = tmp_path / "t.db.d" / "logs"
    for day in ("2001-01-01", "2999-01-01", "notes"):
        (logs / day).mkdir(parents=True)
        (logs / day / "task_1_t_x_77.log").write_text("x")
        (logs / day / "README").write_text("x")
    with closing(look_only(store.path)) as look:
        Files(store.folder, str(logs), False).sweep(look)
        Files(store.folder, str(tmp_path / "shared"), False).sweep(look)
    assert sorted(str(path.relative_to(logs)) for path in logs.rglob("*.log")) == [
        "2999-01-01/task_1_t_x_77.log",
        "notes/task_1_t_x_77.log",
    ]
    assert os.path.exists(logs / "2001-01-01" / "README")


def test_a_connection_that_looks_cannot_write(store: SqliteStore) -> None:
    with closing(look_only(store.path)) as look, pytest.raises(sqlite3.OperationalError):
        look.execute("DELETE FROM runs")
    assert issubclass(errors.StoreFull, errors.StoreError)


def test_a_turn_that_becomes_durable_on_the_way_reaches_the_disk(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submit that is carried out in the turn of something that need not wait for the disk."""
    flushed: list[int] = []
    monkeypatch.setattr("abreast.stores.database.os.fsync", flushed.append)
    store.open(False)
    store.submit([Run(0, TASK, ("a",), {}, NOW)], NOW)
    store.end_turn()
    assert len(flushed) == 1
    store.open(False)
    store.end_turn()
    store.submit([Run(0, TASK, ("b",), {}, NOW)], NOW)
    store.end_turn()
    assert len(flushed) == 1, "SQLite does it itself, or it need not be done"


@pytest.mark.parametrize("seed", range(8))
def test_every_turn_leaves_rows_that_agree(seed: int, tmp_path: Path) -> None:
    """Simulated programs with all there is, crashes included: check has nothing to say."""
    problems: list[str] = []
    stores: list[SqliteStore] = []
    looks: list[sqlite3.Connection] = []
    turns = 0
    path = str(tmp_path / "s.db")

    def make(random: Callable[[], float]) -> SqliteStore:
        store = SqliteStore(path, random, durability="normal", keep=True)
        stores.append(store)
        looks.append(look_only(path))
        checker, end_turn = Checker(looks[0], path, store.folder), store.end_turn
        checker._without_worker = lambda suspects: iter(())  # type: ignore[method-assign]

        def end_and_check() -> None:
            nonlocal turns
            written = store.db.in_turn
            end_turn()
            if written:
                turns += 1
                problems.extend(checker.check())

        store.end_turn = end_and_check  # type: ignore[method-assign]
        return store

    Simulation(seed, store=make).run()
    looks[0].close()
    stores[0].close()
    assert problems == []
    assert turns > 20
