"""What ``abreast top`` shows: read from the store, no more often than that costs little."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...domain.states import COMPLETED, FAILED, NOT_STARTED, RUNNING, State
from ..lane_text import Point
from ..lanes import Timeline, lay_out
from ..run_view import Recorded
from ..timeline_data import Period

if TYPE_CHECKING:
    from ..app import App
    from ..stored_run import StoredRun

WINDOW_S = 120.0  # of the lanes
AHEAD_S = 30.0  # more of them where schedules bring something
_RUNNING = 500  # runs that are looked at
_RECENT = 300
_SHARE = 0.1  # of the time may go into counting


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """How many runs of a task are in each state."""

    name: str
    counts: Mapping[State, int]

    @property
    def running(self) -> int:
        """Runs that execute now."""
        return self.counts.get(RUNNING, 0)

    @property
    def waiting(self) -> int:
        """Runs that have not started."""
        return sum(self.counts.get(state, 0) for state in NOT_STARTED)

    @property
    def completed(self) -> int:
        """Runs that have completed."""
        return self.counts.get(COMPLETED, 0)

    @property
    def failed(self) -> int:
        """Runs that have failed."""
        return self.counts.get(FAILED, 0)


@dataclass(slots=True)
class Snapshot:
    """The state of a store at ``now`` (seconds since 1970)."""

    store: str
    now: float
    counts: Mapping[State, int]
    tasks: list[TaskCounts]  # the busiest first
    workers: list[Any]
    limits: list[Any]  # the fullest first
    running: list[StoredRun]  # the oldest first
    timeline: Timeline = field(default_factory=lambda: Timeline(0.0, 0.0))
    points: dict[str, list[Point]] = field(default_factory=dict)  # by names of tasks
    scheduled: bool = False  # whether there are schedules at all


class Watcher:
    """Looks at a store again and again. Counting all runs is done as seldom as it takes long."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._counts: Mapping[State, int] = {}
        self._tasks: list[TaskCounts] = []
        self._names: set[str] = set(app.tasks)
        self._points: dict[str, list[Point]] = {}
        self._scheduled = False
        self._count_again = 0.0  # on the monotonic clock

    def look(self, now: float) -> Snapshot:
        """The state at this moment."""
        app = self._app
        running = app.runs(state=RUNNING, limit=_RUNNING)[::-1]
        recent = app.runs(limit=_RECENT)
        self._names.update(run.known.task.name for run in [*running, *recent])
        self._count(now)
        shown = {run.id: run.known for run in [*recent, *running]}
        since = now - WINDOW_S
        records: list[Any] = [
            Recorded(run) for run in shown.values() if run.ended is None or run.ended > since
        ]
        return Snapshot(
            store=app.url.removeprefix("sqlite:///"),
            now=now,
            counts=self._counts,
            tasks=self._tasks,
            workers=app.workers(),
            limits=sorted(app.limits(), key=lambda row: (-row.waiting, -row.held, row.key)),
            running=running,
            timeline=lay_out(sorted(records, key=lambda run: run.id), since, now),
            points=self._points,
            scheduled=self._scheduled,
        )

    def _count(self, now: float) -> None:
        began = time.monotonic()
        if began < self._count_again:
            return
        self._schedules(now)
        self._counts = self._app.counts()
        found = [TaskCounts(name, self._app.counts(name)) for name in self._names]
        found.sort(key=lambda task: (-task.running, -task.waiting, task.name))
        self._tasks = [
            task for task in found if any(task.counts.values()) or task.name in self._points
        ]
        took = time.monotonic() - began
        self._count_again = began + took / _SHARE

    def _schedules(self, now: float) -> None:
        """Instants of the window that made no run, and those to come."""
        self._scheduled = bool(self._app.schedules.list())
        if not self._scheduled:
            return
        period = Period(self._app, now - WINDOW_S, now + 2 * AHEAD_S, None, now)
        self._points = {}
        for past in period.instants():
            self._points.setdefault(past.task, []).append(Point(past.at))
        for one in period.coming():
            self._points.setdefault(one.task, []).append(Point(one.at, one.seconds, True))
        self._names.update(self._points)
