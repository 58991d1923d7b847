"""``GET /timeline``: what ran beside what; its columns are made in ``timeline_data.py``."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from ..timeline_data import Period
from ..timeline_trace import trace_of
from .query import Text, When, tasks_with, time_of, words, wrong
from .route import JSON, PREFIX, VIEWER, Route, There, answer, declared, in_thread
from .shapes_timeline import Timeline

routes = APIRouter(prefix=PREFIX, tags=["events"], route_class=Route)

_HOUR_S = 3600.0
_AHEAD_S = 600.0
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
    since_s = max(0.0, start)
    period = Period(here.app, since_s, end, names, now)

    def columns() -> Response:
        return answer(period.columns(group_by, limit))

    def trace() -> Response:
        runs, _ = period.runs(limit)
        return Response(trace_of(runs, since_s), media_type=JSON)

    return await in_thread(trace if format == "chrome-trace" else columns)
