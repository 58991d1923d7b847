"""Each of these takes one guard of the SQLite store away. If nothing notices, nothing is proven."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.stores.test_sqlite import life_on_a_file
from tests.stores.test_state_machine import BOUNDED, SqliteMachine

from abreast.domain import fair
from abreast.domain.limits import Limit
from abreast.domain.model import Attempt
from abreast.domain.states import Reason
from abreast.errors import StoreError
from abreast.stores import sql_claims, sql_lanes, sql_rows
from abreast.stores.database import Database
from abreast.stores.sql import SqlStore
from abreast.stores.sql_apply import SqlApplying
from abreast.stores.sql_claims import Claims
from abreast.stores.sql_lanes import SqlLanes
from abreast.stores.sql_workers import Workers
from abreast.stores.sqlite import SqliteStore
from abreast.stores.turnstile import Turnstile
from abreast.testing import Simulation
from abreast.testing.crash_points import CrashLife
from abreast.testing.store_bench import NOW, StoreBench, task_with

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def lives(seeds: int = 150) -> None:
    """Simulated lives: the invariants hold, and the trace is that of the memory store."""
    for seed in range(seeds):
        expected = Simulation(seed)
        expected.run()
        assert life_on_a_file(seed) == expected.trace


def machine() -> None:
    """Every verb in every order."""
    run_state_machine_as_test(
        SqliteMachine,
        settings=settings(
            BOUNDED, max_examples=300, stateful_step_count=25, phases=[Phase.generate]
        ),
    )


def crashes() -> None:
    """Kill -9 at every point."""
    for seed in range(10):
        CrashLife(seed).run()


def notices(check: Callable[[], None]) -> None:
    """The check fails now that a guard is gone."""
    with pytest.raises(Exception):  # whatever it is that breaks first
        check()


# -- limits: promises a to f, and h ---------------------------------------------------------


def test_a_limit_that_does_not_hold(monkeypatch: Patch) -> None:
    monkeypatch.setattr(sql_lanes, "blocked_on", lambda pairs: None)
    monkeypatch.setattr(Claims, "_count", lambda self, lane, slots: slots)
    notices(lives)


def test_more_runs_of_a_line_than_there_are_units(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Claims, "_count", lambda self, lane, slots: slots)
    notices(lives)


def test_units_that_are_not_given_back(monkeypatch: Patch) -> None:
    monkeypatch.setattr(SqlLanes, "give_back", lambda self, run: None)
    notices(lives)


def test_units_of_dead_threads_that_are_kept(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Claims, "_keep_units", lambda self, attempt: None)
    notices(lives)


def test_units_that_are_given_back_twice(monkeypatch: Patch) -> None:
    original = SqlLanes.give_back

    def twice(self: SqlLanes, run: Any) -> None:
        original(self, run)
        original(self, run)

    monkeypatch.setattr(SqlLanes, "give_back", twice)
    notices(lives)


def test_some_units_of_a_list(monkeypatch: Patch) -> None:
    """All or nothing: here only the first limit of a list is taken."""
    monkeypatch.setattr(sql_lanes, "blocked_on", lambda pairs: _first_blocked(pairs))
    notices(lives)


def _first_blocked(pairs: Any) -> Any:
    claim, usage = pairs[0]
    return usage if usage.held + claim.cost > claim.n else None


def test_a_freed_key_that_wakes_nobody(monkeypatch: Patch) -> None:
    monkeypatch.setattr(SqlLanes, "wake", lambda self, key: None)
    notices(lives)


def test_a_full_key_that_delays_others(monkeypatch: Patch) -> None:
    """Nothing is started any more once the first line is found to be held back."""
    original = SqlLanes.next

    def impatient(self: SqlLanes, executors: Any, stop: Any) -> Any:
        heap = self._first_heap(executors)
        if heap and self._blocked(heap[0][3]) is not None:
            return None
        return original(self, executors, stop)

    monkeypatch.setattr(SqlLanes, "next", impatient)
    notices(lives)


def test_a_run_that_does_not_know_what_it_waits_for(monkeypatch: Patch) -> None:
    monkeypatch.setattr(SqlStore, "held_by", lambda self, run: None)
    notices(machine)


def test_turns_that_are_all_the_same(monkeypatch: Patch) -> None:
    monkeypatch.setattr(fair, "next_turn", lambda started, given: 0)
    notices(machine)


def test_caches_that_outlive_what_others_wrote(monkeypatch: Patch) -> None:
    monkeypatch.setattr(SqlLanes, "stale", lambda self: None)
    notices(machine)


class Bench(StoreBench):
    """A bench for one test."""

    def __init__(self, store: Any) -> None:
        self._given = store
        self.setup_method()

    def make_store(self, random: Callable[[], float]) -> Any:
        return self._given


def a_large_run_starts_at_last(bench: Bench) -> None:
    """Promise h: later small runs that would fit do not pass a large one for ever."""
    small = task_with(Limit(2, "/k"))
    large = task_with(Limit(2, "/k", cost=2))
    large.name = "large"
    first, second = bench.run_of(small), bench.run_of(small)
    bench.submit(first, second)
    running = bench.claim()
    big = bench.run_of(large)
    bench.submit(big)
    for number in range(20):
        later = bench.run_of(small)
        later.created = later.ready = NOW + 1 + number
        bench.submit(later)
        bench.settle(running.pop(0))
        running += bench.claim()
        if big in running:
            return
    raise AssertionError("it never starts")


def test_small_runs_that_pass_large_ones(monkeypatch: Patch, tmp_path: Path) -> None:
    def store(name: str) -> SqliteStore:
        return SqliteStore(str(tmp_path / name), lambda: 0.5, durability="normal", keep=True)

    kept = store("kept.db")
    a_large_run_starts_at_last(Bench(kept))
    kept.close()
    monkeypatch.setattr(SqlLanes, "first_parked", lambda self, key: None)
    broken = store("broken.db")
    with pytest.raises(AssertionError, match="never starts"):
        a_large_run_starts_at_last(Bench(broken))
    broken.close()


# -- once and only once: promises 6.1 and 6.2 -----------------------------------------------


def test_a_missing_fence_in_the_row(monkeypatch: Patch) -> None:
    """A worker that was taken for dead records an end after all."""
    without = sql_rows._COMPLETE.replace("AND state=3 AND attempt=?", "AND attempt>=0*?")
    assert without != sql_rows._COMPLETE
    monkeypatch.setattr(sql_rows, "_COMPLETE", without)
    notices(machine)


def test_a_missing_fence_for_other_ends(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Claims, "look_at", lambda self, run: True)
    notices(machine)


def test_a_missing_fence_in_memory(monkeypatch: Patch) -> None:
    """A stale report of the same worker."""
    original = SqlApplying.apply

    def without_fence(self: SqlApplying, change: Any, changes: Any) -> bool:
        change.attempt, change.source = change.run.attempt, change.run.state
        return original(self, change, changes)

    def settle(self: SqlStore, attempt: Attempt, parent: bool, now: float, changes: Any) -> None:
        attempt.run.state = sql_claims.RUNNING
        attempt.run.attempt = attempt.number
        original_settle(self, attempt, parent, now, changes)

    original_settle = SqlStore._settle
    monkeypatch.setattr(SqlApplying, "apply", without_fence)
    monkeypatch.setattr(SqlStore, "_settle", settle)
    notices(lives)


def test_known_work_that_is_not_found(monkeypatch: Patch) -> None:
    monkeypatch.setattr(SqlApplying, "_known_as", lambda self, key: None)
    notices(lives)


def test_never_begun_counts_as_crashed(monkeypatch: Patch) -> None:
    def end(self: Workers, run: Any, now: float, changes: Any) -> None:
        self._end(run, False, 0, now, changes)

    monkeypatch.setattr(Workers, "_return", end)
    notices(crashes)


def test_nobody_takes_over(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Workers, "leave", lambda self, id, now, begun: [])
    notices(crashes)


def test_acknowledged_and_not_on_record(monkeypatch: Patch) -> None:
    """Every tenth commit does not happen."""
    original = Database.commit
    count = 0

    def commit(self: Database) -> None:
        nonlocal count
        count += 1
        (self.rollback if count % 10 == 0 else original.__get__(self))()

    monkeypatch.setattr(Database, "commit", commit)
    notices(crashes)


def an_undone_wish_is_forgotten(bench: Bench) -> None:
    """A cancel that could not be recorded stops nothing."""
    run = bench.run_of(task_with())
    bench.submit(run)
    bench.claim()
    bench.store.end_turn()
    bench.store.cancel([run], Reason.USER, NOW)
    bench.store.undo_turn([])
    assert (run.asked, bench.store.to_stop) == (None, [])


def test_undone_and_still_believed(monkeypatch: Patch, tmp_path: Path) -> None:
    def store(name: str) -> SqliteStore:
        return SqliteStore(str(tmp_path / name), lambda: 0.5, durability="normal", keep=True)

    kept = store("kept.db")
    an_undone_wish_is_forgotten(Bench(kept))
    kept.close()
    monkeypatch.setattr(Claims, "undo", lambda self: [])
    broken = store("broken.db")
    with pytest.raises(AssertionError):
        an_undone_wish_is_forgotten(Bench(broken))
    broken.close()


def test_without_the_turnstile(monkeypatch: Patch, tmp_path: Path) -> None:
    """Who waits for a turn waits in the turnstile: without it SQLite itself has to refuse."""
    path = str(tmp_path / "s.db")
    one, two = Database(path), Database(path, lock_timeout_s=0.05)
    one.begin(False)
    with pytest.raises(StoreError, match=r"waited 0\.05 s for the turn"):
        two.begin(False)
    monkeypatch.setattr(Turnstile, "acquire", lambda self, timeout_s=0.0: None)
    with pytest.raises(StoreError) as refused:
        two.begin(False)
    assert "for the turn to write" not in str(refused.value)
    one.rollback()
    one.close()
    two.close()


def test_all_of_them_pass_with_their_guards() -> None:
    lives(20)
    crashes()
