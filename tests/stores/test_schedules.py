"""Schedules and their ledger in a store: every instant once, whatever the clock does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from abreast import App, Limit
from abreast.stores.sql_schedules import Schedules

NOON = 1_795_262_400.0  # 2026-11-21 12:00 UTC
MINUTE = 60.0

Fire = Callable[[float], list[tuple[str, str | None]]]


def nothing() -> None:
    """A task."""


class Box:
    """One app on a file, and the verbs of a service."""

    def __init__(self, path: Path, **task: Any) -> None:
        self.app = App(f"sqlite:///{path}/jobs.db", name="box")
        self.task = self.app.task(name="job", **task)(nothing)
        self.rows: Schedules = self.app.file_store().schedules

    def declare(self, wall: float) -> None:
        declared = self.app.schedules.declared()[0]["app"]
        self.app.node.post(lambda now: self.rows.declare("box", declared, "app", wall))

    def fire(self, wall: float) -> list[tuple[float, str]]:
        """Take turns until nothing is due; returns minutes after noon with outcomes."""
        make = self.app.schedules.maker()
        found = []
        more = True
        while more:
            ledger, more = self.app.node.act(
                lambda now, changes: self._turn(make, wall, now, changes)
            )
            found += [((row.at - NOON) / MINUTE, row.outcome) for row in ledger]
        return found

    def _turn(self, make: Any, wall: float, now: float, changes: Any) -> tuple[Any, bool]:
        ledger, made, more = self.rows.fire("box", make, wall, now)
        changes += made
        return ledger, more

    def ends(self, *ids: int) -> None:
        for id in ids:
            self.app.run(id).cancel()

    @property
    def runs(self) -> list[tuple[int, str]]:
        return [(run.id, str(run.state)) for run in self.app.search(oldest_first=True)]


@pytest.fixture
def boxes(tmp_path: Path) -> Iterator[Callable[..., Box]]:
    made: list[Box] = []

    def make(**task: Any) -> Box:
        made.append(Box(tmp_path, **task))
        return made[-1]

    yield make
    for box in made:
        box.app.close()


def test_an_instant_makes_a_run(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="*/5 * * * *")
    box.declare(NOON)
    assert box.fire(NOON + 4 * MINUTE) == []
    assert box.fire(NOON + 5 * MINUTE) == [(5, "ran")]
    assert box.fire(NOON + 5 * MINUTE) == []
    (run,) = box.app.search()
    assert run.trigger == "schedule job"
    (row,) = box.app.schedules.ledger("job")
    assert (row.outcome, row.run, row.at) == ("ran", run.id, NOON + 5 * MINUTE)


def test_a_clock_that_is_set_back_fires_nothing_twice(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="*/5 * * * *", overlap="allow(99)")
    box.declare(NOON)
    seen = []
    for minutes in (5, 10, 2, 7, 10, 14, 15, 1, 16, 20):
        seen += box.fire(NOON + minutes * MINUTE)
    assert seen == [(5, "ran"), (10, "ran"), (15, "ran"), (20, "ran")]


def test_a_clock_that_is_set_forward_loses_none(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="*/5 * * * *", overlap="allow(99)")
    box.declare(NOON)
    assert box.fire(NOON + 20 * MINUTE) == [(5, "missed"), (10, "missed"), (15, "missed"),
                                            (20, "ran")]  # fmt: skip
    assert box.fire(NOON + 6 * MINUTE) == []
    assert box.fire(NOON + 25 * MINUTE) == [(25, "ran")]
    ats = [row.at for row in box.app.schedules.ledger("job")]
    assert sorted(set(ats)) == sorted(ats) == [NOON + 5 * n * MINUTE for n in range(1, 6)]


def test_a_restart_goes_on_where_it_was(boxes: Callable[..., Box]) -> None:
    first = boxes(schedule="*/5 * * * *")
    first.declare(NOON)
    second = boxes(schedule="*/5 * * * *")
    second.declare(NOON + 7 * MINUTE)
    assert second.fire(NOON + 9 * MINUTE) == [(5, "ran")]


def test_another_expression_begins_anew(boxes: Callable[..., Box]) -> None:
    boxes(schedule="*/5 * * * *").declare(NOON)
    box = boxes(schedule="*/20 * * * *")
    box.declare(NOON + 7 * MINUTE)
    assert box.fire(NOON + 19 * MINUTE) == []
    assert box.fire(NOON + 20 * MINUTE) == [(20, "ran")]


def test_what_is_not_declared_any_more_ends(boxes: Callable[..., Box]) -> None:
    boxes(schedule="*/5 * * * *").declare(NOON)
    box = boxes()
    box.declare(NOON + MINUTE)
    assert box.app.schedules.list() == []


def test_one_after_the_other_is_skipped(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="* * * * *")
    box.declare(NOON)
    assert box.fire(NOON + MINUTE) == [(1, "ran")]
    assert box.fire(NOON + 2 * MINUTE) == [(2, "skipped")]
    assert box.app.schedules.ledger()[0].reason == "run 1 of 'job' has not ended"
    box.ends(1)
    assert box.fire(NOON + 3 * MINUTE) == [(3, "ran")]


def test_a_manual_run_counts_for_overlap(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="* * * * *")
    box.declare(NOON)
    box.task.with_options(delay=3600).submit()
    assert box.fire(NOON + MINUTE) == [(1, "skipped")]


def test_a_blocked_run_counts_for_overlap(boxes: Callable[..., Box]) -> None:
    """Also one whose arguments are not known yet, so that it stands in no line."""
    box = boxes(schedule="* * * * *")
    other = box.app.task(name="other")(nothing)
    keyed = box.app.task(name="keyed", limits=[Limit(1, "{x}")], schedule="* * * * *")(takes)
    box.declare(NOON)
    keyed.submit(other.submit())
    found = dict(zip(("job", "keyed"), [o for _, o in sorted(box.fire(NOON + MINUTE))],
                     strict=True))  # fmt: skip
    by_task = {row.schedule: row.outcome for row in box.app.schedules.ledger()}
    assert by_task == {"job": "ran", "keyed": "skipped"}, found


def takes(x: int = 0) -> int:
    """A task with an argument."""
    return x


def test_one_waits_and_the_next_are_merged(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="* * * * *", overlap="queue_one", executor="thread")
    box.task.fn = waits  # what stands for the task from now on
    box.declare(NOON)
    GO.clear()
    HERE.clear()
    with box.app.worker(2, executor="thread"):
        assert box.fire(NOON + MINUTE) == [(1, "ran")]
        assert HERE.wait(10)
        assert [box.fire(NOON + n * MINUTE)[0][1] for n in (2, 3)] == ["ran", "merged"]
        assert box.runs == [(1, "running"), (2, "blocked")]
        assert box.app.schedules.ledger()[0].run == 2
        GO.set()
        assert box.app.run(2).wait(10)
    assert box.runs == [(1, "completed"), (2, "completed")]


def test_what_has_not_started_stands_for_the_next(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="* * * * *", overlap="queue_one")
    box.declare(NOON)
    assert [box.fire(NOON + n * MINUTE)[0][1] for n in (1, 2)] == ["ran", "merged"]


GO, HERE = threading.Event(), threading.Event()


def waits() -> None:
    """A task that runs until it may go."""
    HERE.set()
    GO.wait(20)


def test_all_wait_in_order(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="* * * * *", overlap="queue_all")
    box.declare(NOON)
    for n in (1, 2, 3):
        assert box.fire(NOON + n * MINUTE) == [(n, "ran")]
    assert [state for _, state in box.runs] == ["pending", "blocked", "blocked"]
    box.ends(1)
    assert [state for _, state in box.runs] == ["cancelled", "pending", "blocked"]


def test_the_earlier_one_is_cancelled(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="* * * * *", overlap="cancel_running")
    box.declare(NOON)
    for n in (1, 2):
        assert box.fire(NOON + n * MINUTE) == [(n, "ran")]
    first = box.app.run(1)
    assert (str(first.state), str(first.reason)) == ("cancelled", "limit")
    assert str(box.app.run(2).state) == "pending"


def test_several_may_overlap(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="* * * * *", overlap="allow(2)")
    box.declare(NOON)
    assert [box.fire(NOON + n * MINUTE)[0][1] for n in (1, 2, 3)] == ["ran", "ran", "skipped"]


def test_a_limit_that_refuses_is_the_reason(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="* * * * *", overlap="allow(9)", limits=[Limit(1, then="fail")])
    box.declare(NOON)
    assert [box.fire(NOON + n * MINUTE)[0][1] for n in (1, 2)] == ["ran", "skipped"]
    assert "job" in (box.app.schedules.ledger()[0].reason or "")


def test_a_pause_and_its_end(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="* * * * *")
    box.declare(NOON)
    box.app.schedules.wall = lambda: NOON
    box.app.schedules.pause("job")
    assert box.app.schedules.get("job").paused == NOON
    assert box.fire(NOON + 2 * MINUTE) == [(1, "paused"), (2, "paused")]
    box.app.schedules.resume("job")
    assert box.fire(NOON + 3 * MINUTE) == [(3, "ran")]


def test_a_year_of_absence_is_a_few_rows(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="* * * * *")
    box.declare(NOON)
    box.fire(NOON + 3 * 24 * 60 * MINUTE)
    rows = box.app.schedules.ledger(limit=1000)
    assert sum(row.count for row in rows) == 3 * 24 * 60
    assert len(rows) < 20
    assert rows[0].outcome == "ran"


def test_jitter_puts_the_start_off_and_not_the_instant(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="*/5 * * * *", jitter="4m")
    box.declare(NOON)
    view = box.app.schedules.get("job")
    assert view.next == NOON + 5 * MINUTE
    assert view.next < (view.due or 0) < view.next + 4 * MINUTE
    assert box.fire((view.due or 0) - 1) == []
    assert box.fire(view.due or 0) == [(5, "ran")]


def test_arguments_of_a_schedule(boxes: Callable[..., Box]) -> None:
    box = boxes()
    task = box.app.task(name="takes")(takes)
    box.app.schedules.wall = lambda: NOON
    box.app.schedules.add("seven", task, "* * * * *", kwargs={"x": 7})
    assert box.fire(NOON + MINUTE) == [(1, "ran")]
    assert box.app.run(1).kwargs == {"x": 7}


def test_a_task_that_is_gone_is_the_reason(boxes: Callable[..., Box]) -> None:
    box = boxes()
    box.app.schedules.wall = lambda: NOON
    box.app.schedules.add("lost", "job", "* * * * *")
    box.app.unregister("job")
    assert box.fire(NOON + MINUTE) == [(1, "skipped")]
    assert "no task 'job'" in (box.app.schedules.ledger()[0].reason or "")


def test_services_on_one_store_act_once(boxes: Callable[..., Box]) -> None:
    one, other = boxes(schedule="* * * * *", overlap="allow(99)"), boxes(
        schedule="* * * * *", overlap="allow(99)"
    )  # fmt: skip
    one.declare(NOON)
    other.declare(NOON)
    seen = []
    for n in range(1, 11):
        seen += [one, other][n % 2].fire(NOON + n * MINUTE)
        seen += [other, one][n % 2].fire(NOON + n * MINUTE)
    assert seen == [(n, "ran") for n in range(1, 11)]
    assert len(one.runs) == 10


def test_without_the_step_past_it_an_instant_would_come_again(
    boxes: Callable[..., Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard is the transaction that moves ``next``: what happens when it does not?"""
    box = boxes(schedule="*/5 * * * *", overlap="allow(99)")
    box.declare(NOON)
    monkeypatch.setattr(Schedules, "_set_next", lambda *_: None)
    box.fire(NOON + 5 * MINUTE)
    box.fire(NOON + 5 * MINUTE)
    assert len(box.runs) == 2, "the guard was removed, and nobody noticed"


def test_a_backfill_makes_up_for_the_past(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="0 * * * *")
    box.declare(NOON)
    schedules = box.app.schedules
    schedules.wall = lambda: NOON
    dry = schedules.backfill("job", NOON - 3 * 3600, NOON, dry_run=True)
    assert [row.outcome for row in dry] == ["would run"] * 3
    assert box.runs == []
    found = schedules.backfill("job", NOON - 3 * 3600, NOON, overlap="queue_all")
    assert [row.at for row in found] == [NOON - 7200, NOON - 3600, NOON]
    assert [state for _, state in box.runs] == ["pending", "blocked", "blocked"]
    assert {run.trigger for run in box.app.search()} == {"backfill job"}
    assert len(schedules.ledger("job")) == 3


def test_schedules_people_add(boxes: Callable[..., Box]) -> None:
    box = boxes(schedule="0 * * * *")
    box.declare(NOON)
    schedules = box.app.schedules
    view = schedules.add("extra", "job", "every 90s", timezone="Europe/Berlin")
    assert (view.source, view.kind, view.timezone) == ("api", "every", "Europe/Berlin")
    assert schedules.change("extra", spec="@daily", jitter="1m").spec == "@daily"
    box.declare(NOON)
    assert [view.name for view in schedules.list()] == ["extra", "job"]
    schedules.remove("extra")
    assert [view.name for view in schedules.list()] == ["job"]
    with pytest.raises(Exception, match="there is no schedule 'jobb'; did you mean 'job'"):
        schedules.get("jobb")
    with pytest.raises(Exception, match="declared with its task"):
        schedules.change("job", spec="@daily")
    with pytest.raises(Exception, match="there is a schedule 'job' already"):
        schedules.add("job", "job", "@daily")


def test_the_ledger_of_a_removed_schedule_stays_its_own(boxes: Callable[..., Box]) -> None:
    box = boxes()
    schedules = box.app.schedules
    schedules.wall = lambda: NOON
    schedules.add("old", "job", "* * * * *")
    box.fire(NOON + MINUTE)
    schedules.remove("old")
    assert [row.schedule for row in schedules.ledger()] == ["old"]
    schedules.add("new", "job", "* * * * *")
    assert schedules.ledger("new") == []
    assert schedules.get("new").last is None
    assert box.fire(NOON + 2 * MINUTE) == [(1, "missed"), (2, "skipped")]
    schedules.wall = lambda: NOON + 3 * MINUTE
    schedules.add("old", "job", "*/5 * * * *")
    assert schedules.get("old").next == NOON + 5 * MINUTE
