"""``/batches``: one task for every combination of values."""

from __future__ import annotations

from math import prod
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from ...errors import UsageError
from ..batch import Job, submit_batch
from ..run_json import progress_of, row_of
from .flows import FlowQuery, counts_of, find_flow, listed
from .linking import linked
from .problems import Problem
from .route import OPERATOR, PREFIX, VIEWER, Route, There, answer, declared
from .runs import RunId
from .shapes import Run
from .shapes_tasks import BatchDetails, Batches, NewBatch
from .starting import find

routes = APIRouter(prefix=PREFIX + "/batches", tags=["flows"], route_class=Route)

_MOST = 100_000  # runs of one batch


@routes.get(
    "",
    operation_id="list_batches",
    summary="List batches",
    dependencies=VIEWER,
    responses=declared(200, Batches, "A page of batches, newest first."),
)
def list_batches(here: There, wanted: Annotated[FlowQuery, Query()]) -> Response:
    """The batches that match, each as the run that stands for it."""
    return listed(here, wanted, "batches", True)


@routes.post(
    "",
    status_code=202,
    operation_id="start_batch",
    summary="Start a batch",
    dependencies=OPERATOR,
    responses=declared(202, Run, "The run that stands for the batch.", 409, 415, 422),
)
def start_batch(here: There, given: NewBatch) -> Response:
    """Run a task for every combination of the values in ``over``, one after the other; within
    each, a part for every combination of ``parallel``, side by side, then ``join`` with their
    results."""
    here.check_open()
    for member, name in (("/task", given.task), ("/join", given.join)):
        if name is not None:
            try:
                find(here, name)
            except Problem as problem:
                raise Problem(
                    "invalid", problem.detail, errors=[(member, problem.detail)]
                ) from None
    total = prod(len(values) for values in given.over.values()) * (
        prod(len(values) for values in (given.parallel or {}).values()) + (given.join is not None)
    )
    if total > _MOST:
        said = f"that would be {total:,} runs, and {_MOST:,} is the most for one batch"
        raise Problem("invalid", said, errors=[("/over", said)])
    try:
        job = submit_batch(
            here.app, given.task, linked(here.app, given.over),
            None if given.parallel is None else linked(here.app, given.parallel), given.join,
            given.concurrency, given.part_concurrency, linked(here.app, given.constants),
        )  # fmt: skip
    except UsageError as error:
        members = ("over", "parallel", "join", "constants")
        where = next((f"/{name}" for name in members if f"{name}" in str(error)), "")
        raise Problem("invalid", str(error), errors=[(where, str(error))]) from None
    return answer(row_of(job), 202, {"Location": f"{PREFIX}/batches/{job.id}"})


@routes.get(
    "/{id}",
    operation_id="show_batch",
    summary="Show a batch",
    dependencies=VIEWER,
    responses=declared(200, BatchDetails, "The batch with what it has so far.", 404, 410),
)
def show_batch(here: There, id: RunId) -> Response:
    """A batch with its progress and the results of the combinations that are through."""
    job = find_flow(here, id)
    if not isinstance(job, Job):
        raise Problem("not-found", f"run {id} is a flow, and no batch; see /flows/{id}")
    plan: Any = job.known.kwargs
    progress = progress_of(job.known)
    over: dict[str, list[Any]] = plan["over"]
    results = []
    for row in job.partial():
        found = row.pop("result")
        results.append({"values": row, "result": found})
    return answer(
        {
            "run": row_of(job),
            "progress": None if progress is None else {
                "done": progress.done, "total": progress.total, "message": progress.message,
            },
            "counts": counts_of(job.children()),
            "over": over,
            "parallel": plan.get("parallel"),
            "join": plan.get("join"),
            "combinations": prod(len(values) for values in over.values()),
            "results": results,
        }
    )  # fmt: skip
