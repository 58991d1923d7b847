"""``GET /timeline``: what ran beside what, in a form that is small for thousands of runs.

Columns instead of rows, words as places in lists, times as whole milliseconds since the time
before: a browser adds them up in a loop, and the text is a quarter of what rows would be.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from ...domain.schedule import Schedule
from ...domain.states import State
from ...errors import AbreastError
from ..report_dict import iso
from .query import Text, When, tasks_with, time_of, words, wrong
from .route import PREFIX, VIEWER, Here, Route, There, answer, declared, in_thread
from .shapes_timeline import Timeline
from .trace import trace_of

if TYPE_CHECKING:
    from ..stored_run import StoredRun

routes = APIRouter(prefix=PREFIX, tags=["events"], route_class=Route)

_HOUR_S = 3600.0
_AHEAD_S = 600.0
_INSTANTS = 1000
_COMING = 1000  # coming instants in all
_EACH = 200  # of one schedule
_STATES = [str(state) for state in State]
GroupBy = Literal["task", "worker", "flow"]


@routes.get(
    "/timeline",
    operation_id="get_timeline",
    summary="What ran beside what",
    dependencies=VIEWER,
    responses=declared(
        200, Timeline, "The runs of a period, in columns; or a trace for Perfetto and others."
    ),
)
async def timeline(
    here: There,
    since: When = None,
    until: When = None,
    task: Annotated[str | None, Query(max_length=2000)] = None,
    tag: Text = None,
    group_by: GroupBy = "task",
    format: Literal["columns", "chrome-trace"] = "columns",
    limit: Annotated[int, Query(ge=1, le=20_000, description="Runs at most: the newest.")] = 5000,
) -> Response:
    """The runs that were unfinished at some time of a period (the last hour by default), the
    instants that made no run with the reason, and the coming ones with their usual duration."""
    now = time.time()
    end = time_of(until, "until")
    end = now + _AHEAD_S if end is None else end
    start = time_of(since, "since")
    start = min(now, end) - _HOUR_S if start is None else start
    if end <= start:
        raise wrong("until", "it is not after since")
    names = tasks_with(here.app, words(task), tag)
    period = Period(here, max(0.0, start), end, names, now)
    make = period.trace if format == "chrome-trace" else period.columns
    return await in_thread(make, group_by, limit)


class Period:
    """A period of some tasks, or of all."""

    def __init__(
        self, here: Here, since: float, until: float, tasks: list[str] | None, now: float
    ) -> None:
        self._here = here
        self._app = here.app
        self._since = since
        self._until = until
        self._tasks = tasks
        self._now = now

    def _runs(self, limit: int) -> tuple[list[StoredRun], bool]:
        """The runs, and whether there are more."""
        if self._tasks == []:
            return [], False
        found = self._app.timeline(self._since, self._until, tasks=self._tasks, limit=limit + 1)
        return found[-limit:], len(found) > limit

    def trace(self, group_by: GroupBy, limit: int) -> Response:
        """The runs as events of Chrome's trace format."""
        runs, _ = self._runs(limit)
        return Response(trace_of(runs, self._since), media_type="application/json")

    def columns(self, group_by: GroupBy, limit: int) -> Response:
        """All of it."""
        runs, more = self._runs(limit)
        tasks, groups, labels = Places(), Places(), Places()
        columns = _columns(self._since, runs, group_by, tasks, groups, labels)
        return answer(
            {
                "since": iso(self._since), "until": iso(self._until), "now": iso(self._now),
                "group_by": group_by, "states": _STATES, "truncated": more,
                "runs": columns, "instants": self._past(tasks), "coming": self._coming(tasks),
                "tasks": tasks.items, "groups": groups.items, "labels": labels.items,
            }
        )  # fmt: skip

    def _past(self, tasks: Places) -> list[dict[str, Any]]:
        """Instants that made no run."""
        found = self._app.schedules.ledger(
            since=self._since, until=self._until, limit=_INSTANTS,
            outcomes=["skipped", "missed", "merged", "paused"],
        )  # fmt: skip
        return [
            {
                "schedule": item.schedule, "task": tasks.of(item.task), "at": iso(item.at),
                "until": iso(item.until), "count": item.count, "outcome": str(item.outcome),
                "reason": item.reason, "run": item.run,
            }
            for item in reversed(found)
            if self._tasks is None or item.task in self._tasks
        ]  # fmt: skip

    def _coming(self, tasks: Places) -> list[dict[str, Any]]:
        """Instants that are still to come."""
        if self._until <= self._now:
            return []
        views = [
            view
            for view in self._app.schedules.list()
            if view.paused is None
            and view.next is not None
            and view.next <= self._until
            and (self._tasks is None or view.task in self._tasks)
        ]
        usual = self._app.stats({view.task for view in views}) if views else {}
        found = []
        for view in views:
            timing = self._timing(view)
            for at in timing:
                stats = usual.get(view.task)
                found.append(
                    (at, {"schedule": view.name, "task": tasks.of(view.task), "at": iso(at),
                          "seconds": None if stats is None else stats.median,
                          "p95_seconds": None if stats is None else stats.p95})
                )  # fmt: skip
        found.sort(key=lambda pair: pair[0])
        return [row for _, row in found[:_COMING]]

    def _timing(self, view: Any) -> list[float]:
        """When a schedule starts runs in the period; at least its next instant is known."""
        try:
            timing = Schedule.parse(view.spec, name=view.name, zone=view.timezone)
            if view.kind in ("cron", "at"):
                after = timing.between(view.next, self._until, _EACH)
                return [view.next, *after]
            period = timing.period(view.next)
        except AbreastError:
            return [view.next]
        if view.kind != "every" or not 0 < period < float("inf"):
            return [view.next]
        many = min(_EACH, int((self._until - view.next) / period) + 1)
        return [view.next + number * period for number in range(many)]


class Places:
    """Words by their places in a list."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self._known: dict[str, int] = {}

    def of(self, word: str) -> int:
        """The place of a word."""
        found = self._known.get(word)
        if found is None:
            found = self._known[word] = len(self.items)
            self.items.append(word)
        return found


def _columns(
    since: float,
    runs: Iterable[StoredRun],
    group_by: GroupBy,
    tasks: Places,
    groups: Places,
    labels: Places,
) -> dict[str, Any]:
    names = ("id", "task", "group", "label", "state", "created", "ready", "started", "ended",
             "attempt", "flow", "worker")  # fmt: skip
    columns: dict[str, list[Any]] = {name: [] for name in names}
    reasons: dict[int, str] = {}
    tries: dict[int, list[list[int]]] = {}
    id, last = 0, _ms(since)
    for number, run in enumerate(runs):
        record = run.known
        name = record.task.name
        worker = None if record.extra is None else record.extra.worker
        flow = run.flow
        created = _ms(record.created)
        group = name
        if group_by == "worker":
            group = "" if worker is None else f"worker {worker}"
        elif group_by == "flow":
            group = "" if flow is None else f"flow {flow}"
        begin = created if record.started is None else _ms(record.started)
        values = (
            record.id - id, tasks.of(name), groups.of(group),
            None if record.label == name else labels.of(record.label),
            _STATES.index(record.state), created - last,
            max(0, _ms(record.ready) - created),
            None if record.started is None else begin - created,
            None if record.ended is None else _ms(record.ended) - begin,
            record.attempt, flow, worker,
        )  # fmt: skip
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
        id, last = record.id, created
        if record.reason is not None:
            reasons[number] = str(record.reason)
        if record.history:
            tries[number] = [
                [_ms(past.started) - created, _ms(past.ended) - _ms(past.started)]
                for past in record.history
            ]
    return {**columns, "reasons": reasons, "tries": tries}


def _ms(at: float) -> int:
    return round(at * 1000)
