"""``/limits`` and ``/workers``: who holds what, who waits, who works, and what a key has let
through."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from ...domain.decide import rank
from ...domain.limits import Claim, Keys
from ...domain.states import ENDED
from ..report_dict import iso
from ..run_json import limit_rows
from .query import Text, When, time_of, wrong
from .route import PREFIX, VIEWER, Here, Route, There, answer, declared
from .shapes_service import LimitHistory, Limits, Workers

if TYPE_CHECKING:
    from ...domain.model import Run as Record
    from ...domain.model import Task

routes = APIRouter(prefix=PREFIX, tags=["load"], route_class=Route)

_DAY_S = 86400.0


@routes.get(
    "/limits",
    operation_id="list_limits",
    summary="Limits in use",
    dependencies=VIEWER,
    responses=declared(200, Limits, "Every key in use."),
)
def limits(
    here: There,
    key: Text = None,
    idle: Annotated[bool, Query(description="Also keys that nobody uses now.")] = False,
) -> Response:
    """Every key of a limit: units held, of how many, by which runs, and which runs wait.

    Of the keys that are not in use those are known which do not depend on arguments."""
    items = limit_rows(here.app, key)
    if idle:
        used = {row["key"] for row in items}
        items += [
            {"key": name, "held": 0, "n": n, "holders": [], "waiting": 0, "waiters": []}
            for name, n in sorted(_declared_keys(here).items())
            if name not in used and (key is None or name == key)
        ]
    return answer({"items": items})


def _declared_keys(here: Here) -> dict[str, float | None]:
    """The keys that are the same for all arguments, with their units (of an adaptive one: None)."""
    return {
        claim.key: claim.n if claim.lo is None else None
        for task in _limited(here)
        for claim in Keys(task).fixed or ()
    }


def _limited(here: Here) -> Iterable[Task]:
    """The tasks of the app that have limits."""
    for task in list(here.app.tasks.values()):
        made = here.app.define(task, {})
        if made.limits:
            yield made


@routes.get(
    "/limits/history",
    operation_id="get_limit_history",
    summary="What a key has let through",
    dependencies=VIEWER,
    responses=declared(200, LimitHistory, "The runs, in the order in which they could start."),
)
def limit_history(
    here: There,
    key: Annotated[str, Query(max_length=1000)],
    since: When = None,
    until: When = None,
    limit: Annotated[int, Query(ge=1, le=20_000, description="Runs at most: the newest.")] = 5000,
) -> Response:
    """The runs that held units of a key and ended in a period (the last day by default): since
    when each could have started, its rank among those that wait, how long it ran, what it took.

    It is enough to try out how they would have fared with more units, or with fewer."""
    end = time_of(until, "until")
    end = time.time() if end is None else end
    start = time_of(since, "since")
    start = end - _DAY_S if start is None else start
    if end <= start:
        raise wrong("until", "it is not after since")
    tasks = [task.name for task in _limited(here) if _may_use(task, key)]
    found = here.app.timeline(start, end, tasks=tasks, limit=limit + 1) if tasks else []
    past = _Past(key, start)
    for run in found[-limit:]:
        past.add(run.known)
    return answer(
        {
            "key": key, "since": iso(start), "until": iso(end), "tasks": tasks,
            "n": past.n, "per_seconds": past.per, "unfinished": past.unfinished,
            "truncated": len(found) > limit, "runs": past.columns,
        }
    )  # fmt: skip


def _may_use(task: Task, key: str) -> bool:
    """Whether runs of a task can have a key, as far as its part before the first field tells."""
    for limit in task.limits:
        full = limit.key
        if not full.startswith("/"):
            full = f"{task.name}/{full}" if full else task.name
        if key.startswith(full.partition("{")[0]):
            return True
    return False


class _Past:
    """The runs of a key, by column; times in milliseconds after the beginning of the period."""

    def __init__(self, key: str, since: float) -> None:
        self.columns: dict[str, list[Any]] = {
            name: [] for name in ("id", "ready", "rank", "started", "took", "cost")
        }
        self.n: float | None = None
        self.per: float | None = None
        self.unfinished = 0
        self._key = key
        self._since = since
        self._keys: dict[str, Keys] = {}

    def add(self, run: Record) -> None:
        """Take in a run, if it is one of the key."""
        claim = self._claim(run)
        if claim is None:
            return
        self.n, self.per = claim.n, claim.per
        if run.started is None or run.ended is None or run.state not in ENDED:
            self.unfinished += run.state not in ENDED
            return
        tried = run.history or ()
        took = run.ended - run.started + sum(past.ended - past.started for past in tried)
        started = min([run.started, *(past.started for past in tried)])
        values = (
            run.id, self._ms(run.ready if not tried else run.created), self._ms(rank(run)),
            self._ms(started), max(0, round(took * 1000)), claim.cost,
        )  # fmt: skip
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)

    def _claim(self, run: Record) -> Claim | None:
        """What a run asked of the key; None: nothing, or its arguments no longer say."""
        keys = self._keys.get(run.task.name)
        if keys is None:
            keys = self._keys[run.task.name] = Keys(run.task)
        try:
            claims = keys.claims(run.args, run.kwargs)
        except Exception:  # of a function of the user's
            return None
        return next((claim for claim in claims if claim.key == self._key), None)

    def _ms(self, at: float) -> int:
        return round((at - self._since) * 1000)


@routes.get(
    "/workers",
    operation_id="list_workers",
    summary="Workers",
    dependencies=VIEWER,
    responses=declared(200, Workers, "Those that are alive."),
)
def workers(here: There) -> Response:
    """The processes that execute runs."""
    items = [
        {
            "id": row.id, "name": row.name, "host": row.host, "pid": row.pid,
            "started": iso(row.started), "concurrency": row.concurrency, "tasks": row.tasks,
            "state": row.state, "running": row.running,
        }
        for row in here.app.workers()
    ]  # fmt: skip
    return answer({"items": items})
