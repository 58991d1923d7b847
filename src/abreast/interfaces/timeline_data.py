"""What ran beside what in a period, as columns: what the API gives and what pages draw.

Columns instead of rows, words as places in lists, times as whole milliseconds since the time
before: a browser adds them up in a loop, and the text is a quarter of what rows would be.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.schedule import Schedule
from ..domain.states import ENDED, RUNNING, State
from ..errors import AbreastError
from .report_dict import iso
from .run_json import progress_of

if TYPE_CHECKING:
    from .app import App
    from .app_schedules import Instant
    from .stored_run import StoredRun

_INSTANTS = 1000
_COMING = 1000  # coming instants in all
_EACH = 200  # of one schedule
_STATES = [str(state) for state in State]


class Coming(NamedTuple):
    """An instant that is to come: when (seconds since 1970), and what runs of its task usually
    take (seconds)."""

    schedule: str
    task: str
    at: float
    seconds: float | None
    p95_seconds: float | None


class Period:
    """A period of some tasks, or of all.

    Parameters
    ----------
    since, until, now : float
        Seconds since 1970 UTC. The period may reach beyond ``now``.
    tasks : list of str, optional
        Names of tasks; an empty list: of none.
    """

    def __init__(
        self, app: App, since: float, until: float, tasks: list[str] | None, now: float
    ) -> None:
        self._app = app
        self._since = since
        self._until = until
        self._tasks = tasks
        self._now = now

    def runs(self, limit: int) -> tuple[list[StoredRun], bool]:
        """The runs that were unfinished at some time of it, oldest first, and whether there are
        more than ``limit``.

        Of more, those that run now come first, then the newest that have ended, then the newest
        of the others: a long line of waiting runs must not hide what happens.
        """
        if self._tasks == []:
            return [], False
        app, tasks = self._app, self._tasks
        found = app.timeline(self._since, self._until, tasks=tasks, limit=limit + 1)
        if len(found) <= limit:
            return found, False
        half = limit // 2
        chosen = {
            run.id: run
            for states in ([RUNNING], ENDED)
            for run in app.search(tasks=tasks, states=states, until=self._until, limit=half)
            if run.known.ended is None or run.known.ended >= self._since
        }
        for run in reversed(found):
            if len(chosen) >= limit:
                break
            chosen[run.id] = run
        return [chosen[id] for id in sorted(chosen)], True

    def columns(self, group_by: str, limit: int) -> dict[str, Any]:
        """All of it, as values that JSON can hold.

        Parameters
        ----------
        group_by : str
            ``task``, ``worker`` or ``flow``.
        limit : int
            Runs at most: the newest.
        """
        runs, more = self.runs(limit)
        tasks, groups, labels = Places(), Places(), Places()
        columns = _columns(self._since, runs, group_by, tasks, groups, labels)
        return {
            "since": iso(self._since), "until": iso(self._until), "now": iso(self._now),
            "group_by": group_by, "states": _STATES, "truncated": more,
            "runs": columns,
            "instants": [_instant(item, tasks) for item in self.instants()],
            "coming": [_coming(item, tasks) for item in self.coming()],
            "tasks": tasks.items, "groups": groups.items, "labels": labels.items,
            "about": self._about(tasks.items), "workers": self._workers(),
        }  # fmt: skip

    def _about(self, names: list[str]) -> list[dict[str, Any]]:
        """What is known of the tasks besides their runs."""
        known, usual = self._app.tasks, self._app.stats(names) if names else {}
        found = []
        for name in names:
            task, stats = known.get(name), usual.get(name)
            found.append(
                {
                    "tags": [] if task is None else list(task.tags),
                    "limited": task is not None and bool(task.declared.get("limits")),
                    "seconds": None if stats is None else stats.median,
                    "p95_seconds": None if stats is None else stats.p95,
                }
            )
        return found

    def _workers(self) -> list[dict[str, Any]]:
        return [
            {"id": row.id, "name": row.name, "concurrency": row.concurrency}
            for row in self._app.workers()
        ]

    def instants(self) -> list[Instant]:
        """Instants that made no run, oldest first."""
        found = self._app.schedules.ledger(
            since=self._since, until=self._until, limit=_INSTANTS,
            outcomes=["skipped", "missed", "merged", "paused"],
        )  # fmt: skip
        return [one for one in reversed(found) if self._tasks is None or one.task in self._tasks]

    def coming(self) -> list[Coming]:
        """Instants that are still to come, the next one first."""
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
            stats = usual.get(view.task)
            took = (None, None) if stats is None else (stats.median, stats.p95)
            found += [Coming(view.name, view.task, at, *took) for at in self._timing(view)]
        found.sort(key=lambda one: one.at)
        return found[:_COMING]

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


def _instant(one: Instant, tasks: Places) -> dict[str, Any]:
    return {
        "schedule": one.schedule, "task": tasks.of(one.task), "at": iso(one.at),
        "until": iso(one.until), "count": one.count, "outcome": str(one.outcome),
        "reason": one.reason, "run": one.run,
    }  # fmt: skip


def _coming(one: Coming, tasks: Places) -> dict[str, Any]:
    return {
        "schedule": one.schedule, "task": tasks.of(one.task), "at": iso(one.at),
        "seconds": one.seconds, "p95_seconds": one.p95_seconds,
    }  # fmt: skip


def _columns(
    since: float,
    runs: Iterable[StoredRun],
    group_by: str,
    tasks: Places,
    groups: Places,
    labels: Places,
) -> dict[str, Any]:
    names = ("id", "task", "group", "label", "state", "created", "ready", "started", "ended",
             "attempt", "flow", "worker")  # fmt: skip
    columns: dict[str, list[Any]] = {name: [] for name in names}
    reasons: dict[int, str] = {}
    tries: dict[int, list[list[int]]] = {}
    progress: dict[int, list[Any]] = {}
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
        if record.state is RUNNING and (part := progress_of(record)) is not None:
            progress[number] = [part.done, part.total, part.message]
        if record.history:
            tries[number] = [
                [_ms(past.started) - created, _ms(past.ended) - _ms(past.started)]
                for past in record.history
            ]
    return {**columns, "reasons": reasons, "tries": tries, "progress": progress}


def _ms(at: float) -> int:
    return round(at * 1000)
