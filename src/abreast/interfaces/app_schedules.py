"""The schedules of an app: declared with its tasks, added by people, kept in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..domain import instants
from ..domain.model import Extra
from ..domain.model import Run as Record
from ..domain.schedule import Schedule
from ..errors import UnknownSchedule, UsageError, WrongType

if TYPE_CHECKING:
    from ..stores.sql_schedules import Declared, InstantRow, ScheduleRow
    from .app import App
    from .app_task import AppTask

    Declarations = list[Declared]

_SAID = ("overlap", "catch_up", "window", "jitter", "args", "kwargs")
_KEYS = frozenset({"name", "spec", "timezone", *_SAID})
_MANY = 10_000  # instants of one backfill


@dataclass(frozen=True, slots=True)
class Instant:
    """One due time of a schedule and what became of it: a row of the ledger.

    ``at``: the time (seconds since 1970), without jitter; ``until`` and ``count`` where a row
    stands for several. ``outcome``: ``ran``, ``skipped``, ``missed``, ``merged`` or ``paused``, and
    ``reason`` why. ``run``: the id of its run.
    """

    id: int
    schedule: str
    task: str
    at: float
    until: float | None
    count: int
    outcome: str
    reason: str | None
    run: int | None
    decided: float


@dataclass(slots=True)
class ScheduleView:
    """A schedule as it is now. Times are seconds since 1970; ``next`` is the next instant, ``due``
    the same with its jitter; ``source``: ``app``, ``file`` or ``api``."""

    id: int
    name: str
    task: str
    spec: str
    kind: str
    timezone: str
    overlap: str
    catch_up: str
    window: float | None
    jitter: float
    args: list[Any]
    kwargs: dict[str, Any]
    source: str
    paused: float | None
    next: float | None
    due: float | None
    last: Instant | None
    last_success: float | None


class Schedules:
    """See :attr:`abreast.App.schedules`. Every change takes effect at once."""

    def __init__(self, app: App, zone: str = "UTC") -> None:
        self._app = app
        self.zone = zone  # of schedules that name none
        self.wall: Callable[[], float] = time.time

    @property
    def rows(self) -> Any:
        """The tables in the store."""
        return self._app.file_store().schedules

    # -- looking ----------------------------------------------------------------------------

    def list(self, task: str | None = None) -> Sequence[ScheduleView]:
        """All schedules, or those of a task, by name."""
        return self._views(self.rows.list(task=task))

    def get(self, name: str) -> ScheduleView:
        """The schedule of this name; raises ``UnknownSchedule``."""
        view: ScheduleView = self._views([self._row(name)])[0]
        return view

    def _row(self, name: str) -> ScheduleRow:
        found: Sequence[ScheduleRow] = self.rows.list(name=name)
        if not found:
            import difflib

            names = [row.name for row in self.rows.list()]
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UnknownSchedule(f"there is no schedule {name!r}{hint}")
        return found[0]

    def _views(self, rows: Sequence[ScheduleRow]) -> Sequence[ScheduleView]:
        last = self.rows.last_of(row.id for row in rows)
        found = []
        for row in rows:
            said = row.said
            policy = instants.policy(said, row.name)
            newest = last.get(row.id)
            found.append(
                ScheduleView(
                    row.id, row.name, row.task, row.spec, self.rows.timing(row).kind, row.zone,
                    policy.overlap, policy.catch_up, policy.window, policy.jitter,
                    said.get("args") or [], said.get("kwargs") or {}, row.source, row.paused,
                    row.next, row.due, None if newest is None else Instant(*newest),
                    self.rows.last_success(row.id),
                )
            )  # fmt: skip
        return found

    def ledger(
        self,
        name: str | None = None,
        *,
        task: str | None = None,
        since: float | None = None,
        until: float | None = None,
        outcomes: Iterable[str] | None = None,
        before: int | None = None,
        limit: int = 100,
        ids: Iterable[int] | None = None,
    ) -> Sequence[Instant]:
        """What became of past instants, the newest first; ``before``: the last id of a page."""
        rows: Sequence[InstantRow] = self.rows.ledger(
            name, since, until, outcomes, before, limit, task, ids
        )
        return [Instant(*row) for row in rows]

    # -- changing ---------------------------------------------------------------------------

    def add(
        self,
        name: str,
        task: AppTask | str,
        spec: str,
        *,
        timezone: str | None = None,
        overlap: str = "skip",
        catch_up: str = "latest",
        window: Any = None,
        jitter: Any = 0.0,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> ScheduleView:
        """Add a schedule.

        Raises
        ------
        UsageError
            When the name is taken, the task unknown or does not take these arguments, or a value
            is impossible.
        """
        found = self._app.find_task(task)
        if self.rows.list(name=name):
            raise UsageError(f"there is a schedule {name!r} already; change it, or choose a name")
        said = {"spec": spec, "timezone": timezone, "overlap": overlap, "catch_up": catch_up,
                "window": window, "jitter": jitter, "args": list(args),
                "kwargs": dict(kwargs or {})}  # fmt: skip
        self._put(_declared(found, name, said, self.zone))
        return self.get(name)

    def change(self, name: str, **changes: Any) -> ScheduleView:
        """Change what a schedule added here says: ``spec``, ``timezone``, ``overlap``,
        ``catch_up``, ``window``, ``jitter``, ``args``, ``kwargs``; None: as it was.

        Raises
        ------
        UsageError
            When it is declared elsewhere: that is the place to change it.
        """
        row = self._mine(name, "change")
        for key in changes:
            if key not in _KEYS - {"name"}:
                raise UsageError(f"schedule {name!r}: unknown key {key!r}")
        said = {**row.said, "spec": row.spec, "timezone": row.zone}
        said |= {key: value for key, value in changes.items() if value is not None}
        self._put(_declared(self._app.find_task(row.task), name, said, self.zone))
        return self.get(name)

    def remove(self, name: str) -> None:
        """Remove a schedule that was added here; what it has done stays in the ledger."""
        self._mine(name, "remove")
        wall = self.wall()
        self._app.node.post(lambda now: self.rows.remove(name, wall))

    def _mine(self, name: str, what: str) -> ScheduleRow:
        row = self._row(name)
        if row.source != "api":
            task = self._app.tasks.get(row.task)
            place = (row.source,) if task is None else task.origin
            where = " ".join(part for part in place if part)
            raise UsageError(
                f"schedule {name!r} is declared with its task ({where}); {what} it there, or pause "
                "it here"
            )
        return row

    def _put(self, declared: Declared) -> None:
        wall = self.wall()
        owner = self._app.name
        self._app.node.post(lambda now: self.rows.put(declared, "api", owner, wall))

    def pause(self, name: str) -> None:
        """Let instants pass without runs until :meth:`resume`; the ledger says so."""
        self._row(name)
        since = self.wall()
        self._app.node.post(lambda now: self.rows.pause(name, since))

    def resume(self, name: str) -> None:
        """End a pause."""
        self._row(name)
        self._app.node.post(lambda now: self.rows.pause(name, None))

    def backfill(
        self,
        name: str,
        since: float,
        until: float,
        *,
        overlap: str | None = None,
        dry_run: bool = False,
    ) -> Sequence[Instant]:
        """Make the runs of a past period: one for every instant after ``since``, up to ``until``.

        Parameters
        ----------
        overlap : str, optional
            Instead of the schedule's own; ``queue_all`` makes one after the other.
        dry_run : bool
            Make nothing; the outcome of what would be made is ``would run``.

        Raises
        ------
        UsageError
            When that would be more than 10,000 runs, or the period ends in the future.
        """
        row = self._row(name)
        wall = self.wall()
        if until > wall:
            raise UsageError("a backfill makes up for the past; its end lies in the future")
        when = self.rows.timing(row).between(since, until, _MANY + 1)
        if len(when) > _MANY:
            raise UsageError(f"that would be more than {_MANY:,} runs; take a shorter period")
        if dry_run:
            return [
                Instant(0, name, row.task, at, None, 1, "would run", None, None, wall)
                for at in when
            ]
        self._app.find_task(row.task)
        make = self.maker(f"backfill {name}")

        def act(now: float, changes: Any) -> Sequence[Instant]:
            found, made = self.rows.backfill(row, when, overlap, make, wall, now)
            changes += made
            return [Instant(*item) for item in found]

        return self._app.node.act(act)

    # -- for services -----------------------------------------------------------------------

    def maker(self, by: str | None = None) -> Callable[[ScheduleRow, float], Record]:
        """Makes the run of a schedule for an instant, in a turn."""
        app = self._app
        node = app.node

        def make(row: ScheduleRow, at: float) -> Record:
            said = row.said
            task = app.find_task(row.task)
            run = app.record(
                node, task, tuple(said.get("args") or ()), said.get("kwargs") or {}, None
            )
            run.extra = run.extra or Extra()
            run.extra.by = by or f"schedule {row.name}"
            return run

        return make

    def declared(self) -> tuple[dict[str, Declarations], dict[str, str]]:
        """What the tasks of the app declare now, by source: ``app`` or ``file``; and by task what
        is wrong with a schedule, which harms no other."""
        found: dict[str, Declarations] = {"app": [], "file": []}
        wrong: dict[str, str] = {}
        for task in list(self._app.tasks.values()):
            source = "app" if task.origin[0] == "app" else "file"
            try:
                found[source] += declarations(task, self.zone)
            except (UsageError, WrongType) as error:
                wrong[task.name] = str(error)
        return found, wrong


def declarations(task: AppTask, zone: str) -> list[Declared]:
    """The schedules that a task declares; raises ``UsageError`` or ``WrongType``."""
    said = task.declared.get("schedule")
    if said is None:
        return []
    items = said if isinstance(said, (list, tuple)) else [said]
    shared = {key: task.declared.get(key)
              for key in ("timezone", "overlap", "catch_up", "window", "jitter")}  # fmt: skip
    found = []
    for number, item in enumerate(items, 1):
        own = {"spec": item} if isinstance(item, str) else item
        if not isinstance(own, Mapping):
            raise WrongType(
                f"task {task.name!r}: schedule must be a text such as '0 2 * * *', a mapping with "
                f"'spec', or a list of these, not {item!r}"
            )
        unknown = set(own) - _KEYS
        if unknown:
            raise UsageError(
                f"task {task.name!r}: schedule: unknown key {sorted(unknown)[0]!r}; known are "
                f"{', '.join(sorted(_KEYS))}"
            )
        name = own.get("name") or (task.name if number == 1 else f"{task.name}-{number}")
        found.append(_declared(task, name, {**shared, **own}, zone))
    return found


def _declared(task: AppTask, name: object, said: Mapping[str, Any], zone: str) -> Declared:
    from ..stores.sql_schedules import Declared

    spec, timezone = said.get("spec"), said.get("timezone") or zone
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"task {task.name!r}: the name of a schedule is a text, not {name!r}")
    if not isinstance(spec, str):
        raise WrongType(
            f"schedule {name!r}: say when with a text such as '0 2 * * *' or 'every 90s', "
            f"not {spec!r}"
        )
    try:
        Schedule.parse(spec, name=name, zone=timezone)
        policy = instants.policy(said, name)
    except UsageError as error:
        raise UsageError(f"task {task.name!r}: {error}") from None
    args, kwargs = list(said.get("args") or ()), dict(said.get("kwargs") or {})
    task.shape.check(tuple(args), kwargs)
    kept: dict[str, Any] = {
        "overlap": policy.overlap, "catch_up": policy.catch_up, "window": policy.window,
        "jitter": policy.jitter, "args": args, "kwargs": kwargs,
    }  # fmt: skip
    try:
        json.dumps(kept)
    except (TypeError, ValueError) as error:
        raise UsageError(f"schedule {name!r}: its arguments are not JSON: {error}") from None
    return Declared(name, task.name, spec, timezone, kept)
