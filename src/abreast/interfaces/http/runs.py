"""``/runs``: lists, one run, and what can be done with it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from ...errors import Busy, UnknownRun, UsageError
from ..batch import Job
from ..run_json import details, error_of, row_of, steps_of, summary
from .problems import Problem
from .query import MOST, Cursor, Limit, RunFilter, cursor_of, place_of, selection, words, wrong
from .refusal import refused
from .route import (
    OPERATOR,
    PREFIX,
    VIEWER,
    Here,
    Route,
    There,
    answer,
    declared,
    encode,
    pages,
)
from .shapes import Result, Run, RunDetails, Runs, Steps, Why

if TYPE_CHECKING:
    from ..stored_run import StoredRun

routes = APIRouter(prefix=PREFIX + "/runs", tags=["runs"], route_class=Route)

RunId = Annotated[int, Path(ge=1, le=MOST, description="The number of a run.")]
FIELDS = tuple(Run.model_fields)


class RunQuery(RunFilter):
    """The parameters of the list of runs."""

    sort: Literal["-created", "created"] = "-created"
    fields: Annotated[str | None, Query(max_length=500, description="Only these members.")] = None
    limit: Limit = 100
    cursor: Cursor = None
    count: Annotated[bool, Query(description="Also say how many match in all.")] = False


@routes.get(
    "",
    operation_id="list_runs",
    summary="List runs",
    dependencies=VIEWER,
    responses=declared(200, Runs, "A page of runs, newest first."),
)
def list_runs(here: There, wanted: Annotated[RunQuery, Query()]) -> Response:
    """The runs that match all filters. ``state`` and ``task`` take several, by commas."""
    chosen = selection(here.app, wanted)
    oldest_first = wanted.sort == "created"
    kind = "runs+" if oldest_first else "runs-"
    place = place_of(wanted.cursor, kind)
    fields = words(wanted.fields)
    for field in fields or ():
        if field not in FIELDS:
            raise wrong("fields", f"{field!r} is none; known are {', '.join(FIELDS)}")
    more = {}
    if wanted.count:
        more["total"] = 0 if chosen is None else here.app.count_found(**chosen)
    if chosen is None:
        return pages([], None, **more)
    edge: dict[str, Any] = {"after" if oldest_first else "before": place}
    found = here.app.search(**chosen, **edge, limit=wanted.limit + 1, oldest_first=oldest_first)
    page = found[: wanted.limit]
    rows = [row_of(run) for run in page]
    if fields:
        rows = [{name: row[name] for name in fields} for row in rows]
    following = cursor_of(kind, page[-1].id) if len(found) > len(page) else None
    return pages(rows, following, **more)


def find_run(here: Here, id: int) -> StoredRun:
    """The run of an id; raises the problems ``not-found`` and ``pruned``."""
    try:
        return here.app.run(id)
    except UnknownRun:
        newest = here.app.search(limit=1, system=True)
        if newest and id < newest[0].id:
            raise Problem("pruned", f"run {id} was removed") from None
        raise Problem("not-found", f"there is no run {id}") from None


@routes.get(
    "/{id}",
    operation_id="show_run",
    summary="Show a run",
    dependencies=VIEWER,
    responses={
        **declared(200, RunDetails, "All there is to say about it.", 404, 410),
        304: {"description": "It is as it was (If-None-Match)."},
    },
)
def show(
    here: There, id: RunId, if_none_match: Annotated[str | None, Header(max_length=500)] = None
) -> Response:
    """A run with its arguments, result, error and earlier attempts."""
    body = encode(details(find_run(here, id)))
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and _matches(if_none_match, tag):
        return Response(None, 304, headers)
    return Response(body, 200, headers, media_type="application/json")


def _matches(given: str, tag: str) -> bool:
    tags = [part.strip().removeprefix("W/") for part in given.split(",")]
    return "*" in tags or tag in tags


@routes.post(
    "/{id}/cancel",
    operation_id="cancel_run",
    summary="Cancel a run",
    dependencies=OPERATOR,
    responses={
        **declared(202, Run, "It was asked to end.", 404, 410),
        200: {"model": Run, "description": "It has ended, perhaps before this."},
    },
)
def cancel(here: There, id: RunId) -> Response:
    """Ask a run to end. What has not started ends at once; a flow ends with all its runs."""
    run = find_run(here, id)
    run.cancel()
    row = summary(run)
    return answer(row, 200 if row["ended"] else 202)


@routes.post(
    "/{id}/retry",
    status_code=202,
    operation_id="retry_run",
    summary="Run it again",
    dependencies=OPERATOR,
    responses=declared(202, Run, "The new run.", 404, 409, 410),
)
def retry(here: There, id: RunId) -> Response:
    """Make a new run with the task, arguments and options of one that has ended."""
    here.check_open()
    run = find_run(here, id)
    try:
        again = retried(run)
    except Busy as busy:
        return refused(here, run.name, busy)
    return answer(row_of(again), 202, {"Location": f"{PREFIX}/runs/{again.id}"})


def retried(run: StoredRun) -> StoredRun:
    """The run again; raises a problem when that is not possible, or ``Busy``."""
    if not run.done:
        raise Problem("not-ended", f"run {run.id} is {run.state}; only what has ended is repeated")
    try:
        return run.retry()
    except UsageError as error:
        raise Problem("conflict", str(error)) from None


@routes.get(
    "/{id}/steps",
    operation_id="list_steps",
    summary="The steps of a run",
    dependencies=VIEWER,
    responses=declared(200, Steps, "Its recorded steps, in order.", 404, 410),
)
def steps(here: There, id: RunId) -> Response:
    """What a run has recorded with ``abreast.step``."""
    return answer({"items": steps_of(find_run(here, id))})


@routes.get(
    "/{id}/result",
    operation_id="get_result",
    summary="The result of a run",
    dependencies=VIEWER,
    responses=declared(200, Result, "What it returned.", 404, 409, 410),
)
def result(here: There, id: RunId) -> Response:
    """What a run returned; of a batch, the list of its combinations."""
    run = find_run(here, id)
    state = run.state
    if not run.done:
        raise Problem("not-ended", f"run {id} is {state}: it has no result yet", state=str(state))
    if not run.ok and not isinstance(run, Job):
        raise Problem(
            "no-result", run.why(), state=str(state),
            reason=None if run.reason is None else str(run.reason), error=error_of(run.error),
        )  # fmt: skip
    value = run.partial() if isinstance(run, Job) else run.value
    return answer({"id": run.id, "name": run.name, "state": str(state), "result": value})


@routes.get(
    "/{id}/why",
    operation_id="explain_run",
    summary="Why a run is in its state",
    dependencies=VIEWER,
    responses=declared(200, Why, "In one sentence.", 404, 410),
)
def why(here: There, id: RunId) -> Response:
    """Why a run waits, runs or ended as it did; names the limit and who holds it."""
    run = find_run(here, id)
    text = run.why()
    return answer({"id": run.id, "state": str(run.known.state), "why": text})
