"""``/api/jobs``: runs and batches as a list of jobs with progress."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from abreast import CommandResult
from abreast.errors import UnknownRun, UsageError

from . import answers
from .face import Face, Refused
from .reading import (
    COMPLETED,
    PENDING,
    UNENDED,
    error_text,
    is_batch,
    is_flow,
    job_status,
    percent,
    plain,
    still_there,
    utc,
)

MOST_RUNS = 100_000  # of one batch
_END_S = 15.0  # how long a deletion waits for the end of what it cancelled
_PAGE = 200
_DAY_S = 86_400.0
_RESERVED = ("task", "over", "parallel", "join", "concurrency", "part_concurrency")

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": answers.Detail}}
_REFUSED: dict[int | str, dict[str, Any]] = {**_NOT_FOUND, 400: {"model": answers.Detail}}

Seconds = float | str  # or "10m", "1h30m"


class NewJob(BaseModel):
    """A job: one run of a task, or with ``over`` a batch: a run for every combination."""

    model_config = ConfigDict(extra="forbid")

    task: str
    args: dict[str, Any] | list[Any] = Field(
        default_factory=dict, description="Arguments by name, or in order; in a batch the constants"
    )
    over: dict[str, list[Any]] | None = Field(
        None, description="Values by argument: combinations, one after the other"
    )
    parallel: dict[str, list[Any]] | None = Field(
        None, description="Values by argument: parts of each combination, side by side"
    )
    join: str | None = Field(None, description="Task that is given the results of the parts")
    concurrency: int = Field(1, ge=1, description="Combinations at a time")
    part_concurrency: int = Field(4, ge=1, description="Parts at a time in the whole batch")
    label: str | None = None
    priority: float | None = Field(None, allow_inf_nan=False)
    delay: Seconds | None = None
    timeout: Seconds | None = None


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes that begin with ``/api/jobs``."""
    _add_looking(router, face)
    _add_acting(router, face)


def _add_looking(router: APIRouter, face: Face) -> None:
    looking: dict[str, Any] = {"tags": ["compat: jobs"], "dependencies": [Depends(face.reader)]}

    @router.get("/api/jobs", response_model=list[answers.Job], **looking)
    @router.get("/api/jobs/", include_in_schema=False, **looking)
    def list_jobs(limit: Annotated[int, Query(ge=0, le=1000)] = 50) -> Any:
        """List the jobs, the newest first. The result of a batch is only in the job itself."""
        return still_there(_newest(face, limit), lambda run: described(run, whole=False))

    @router.get("/api/jobs/{job_id}", response_model=answers.Job, responses=_NOT_FOUND, **looking)
    def get_job(job_id: str) -> Any:
        """Show a job."""
        return described(_found(face, job_id), whole=True)

    @router.get(
        "/api/jobs/{job_id}/result",
        responses={200: {"content": {"application/json": {"schema": {}}}}, **_REFUSED},
        response_model=None,
        **looking,
    )
    def get_result(job_id: str) -> Any:
        """Return what a completed job returned."""
        run = _found(face, job_id)
        status = job_status(run)
        if status != COMPLETED:
            raise Refused(400, f"Job is not completed yet. Current status: {status}")
        result = _result(run)
        if result is None:
            raise Refused(404, "Job result not found")
        return result


def _add_acting(router: APIRouter, face: Face) -> None:
    acting: dict[str, Any] = {"tags": ["compat: jobs"], "dependencies": [Depends(face.operator)]}

    @router.post("/api/jobs", response_model=answers.JobCreated, responses=_REFUSED, **acting)
    @router.post("/api/jobs/", include_in_schema=False, **acting)
    def create_job(request: Request, said: NewJob) -> Any:
        """Write down a job and return at once."""
        run = _submitted(face, said, face.said_by(request))
        kind = "Job" if said.over is None else "Batch job"
        return {
            "job_id": str(run.id),
            "status": PENDING,
            "message": f"{kind} created successfully. Poll /api/jobs/{run.id} for status.",
        }

    @router.post("/api/jobs/cleanup", response_model=answers.Message, **acting)
    def cleanup_jobs(days: Annotated[int, Query(ge=0, le=100_000)] = 7) -> Any:
        """Remove the jobs that ended more than so many days ago."""
        _clean_up(face, time.time() - days * _DAY_S)
        return {"message": f"Cleaned up jobs older than {days} days"}

    @router.post(
        "/api/jobs/{job_id}/cancel",
        response_model=answers.JobMessage,
        responses=_REFUSED,
        **acting,
    )
    def cancel_job(job_id: str) -> Any:
        """Ask a job to end; what has not started ends at once."""
        run = _found(face, job_id)
        status = job_status(run)
        if status not in UNENDED:
            raise Refused(400, f"Cannot cancel job with status: {status}")
        run.cancel()
        return {"message": "Job cancelled", "job_id": job_id}

    @router.delete(
        "/api/jobs/{job_id}", response_model=answers.JobMessage, responses=_REFUSED, **acting
    )
    async def delete_job(job_id: str) -> Any:
        """Remove a job with all that belongs to it; what has not ended is cancelled first."""
        run = await run_in_threadpool(_found, face, job_id)
        if not await run_in_threadpool(_ended_or_cancelled, run):
            await _until_ended(run)
        try:
            await run_in_threadpool(face.app.forget, run.id)
        except UnknownRun:
            pass  # somebody else was faster
        return {"message": "Job deleted", "job_id": job_id}


# -- describing -----------------------------------------------------------------------------------


def described(run: Any, *, whole: bool) -> dict[str, Any]:
    """A run as a job. ``whole``: also the result of a batch, which is gathered from its runs."""
    status = job_status(run)  # asked first: what has ended stays as it is
    ended = status not in UNENDED
    progress, message = percent(run, status)
    batch = is_batch(run)
    result = None
    if ended and (whole or not batch):
        result = _result(run)
    return {
        "job_id": str(run.id),
        "job_type": f"{'batch' if batch else 'flow' if is_flow(run) else 'single'}_{_task(run)}",
        "status": status,
        "created_at": utc(run.created),
        "started_at": utc(run.started),
        "completed_at": utc(run.ended) if ended else None,
        "progress": progress,
        "progress_message": message,
        "request_data": _request(run, batch),
        "result": result,
        "error": error_text(run) if ended else None,
    }


def _task(run: Any) -> str:
    name: str = run.name
    return name.removesuffix(".batch") if is_flow(run) else name


def _result(run: Any) -> Any:
    if is_batch(run):
        return plain(run.partial())
    value = run.value
    if run.executor == "command" and isinstance(value, (list, tuple)):
        return plain(dict(zip(CommandResult._fields, value, strict=False)))
    return plain(value)


def _request(run: Any, batch: bool) -> dict[str, Any]:
    """What was asked for: the task and its arguments by name."""
    if batch:
        plan = run.kwargs
        found = {"task": _task(run), "over": plan["over"]}
        return plain({**found, **{k: plan[k] for k in ("parallel", "join") if plan.get(k)}})  # type: ignore[no-any-return]
    given = dict(run.kwargs)
    task = run.app.tasks.get(run.name)
    names = [] if task is None else [parameter.name for parameter in task.parameters]
    rest = []
    for number, value in enumerate(run.args):
        if number < len(names) and names[number] not in given:
            given[names[number]] = value
        else:
            rest.append(value)
    if rest:
        given["args"] = rest
    return {"task": _task(run), **plain(given)}


def _newest(face: Face, limit: int) -> list[Any]:
    """The newest runs that are no part of a flow.

    The runs of a flow have the numbers that follow its own, so they are stepped over at once.
    """
    found: list[Any] = []
    before: int | None = None
    while len(found) < limit:
        page = face.app.search(before=before, limit=_PAGE)
        for run in page:
            before = run.id
            if run.flow is None:
                found.append(run)
                if len(found) >= limit:
                    break
            elif not is_flow(run):
                before = run.flow + 1
                break
        if not page:
            break
    return found


def _found(face: Face, id: str) -> Any:
    """The run behind a job; raises :class:`Refused` (404)."""
    if id.isascii() and id.isdecimal() and len(id) < 19:
        try:
            run = face.app.run(int(id))
        except UnknownRun:
            run = None
        if run is not None and run.flow is None:
            return run
    raise Refused(404, "Job not found")


# -- starting -------------------------------------------------------------------------------------


def _submitted(face: Face, said: NewJob, by: Mapping[str, str]) -> Any:
    task = face.task_named(said.task)
    options = {
        name: value
        for name in ("label", "priority", "delay", "timeout")
        if (value := getattr(said, name)) is not None
    }
    if said.over is None:
        extra = [name for name in ("parallel", "join") if getattr(said, name) is not None]
        if extra:
            raise UsageError(f"{extra[0]} goes with over, the combinations of a batch")
        task = task.with_options(**options, **by)
        return task.submit(*said.args) if isinstance(said.args, list) else task.submit(**said.args)
    if isinstance(said.args, list):
        raise UsageError('args of a batch must name the arguments: {"size": 10}')
    for name in said.args:
        if name in _RESERVED:
            raise UsageError(
                f"the argument {name!r} cannot be a constant of a batch; give it in over, with one "
                "value"
            )
    _check_size(said)
    join = None if said.join is None else face.task_named(said.join)
    return face.app.batch(
        task.with_options(**options, **by) if options or by else task,
        said.over,
        said.parallel,
        join,
        said.concurrency,
        said.part_concurrency,
        **said.args,
    )


def _check_size(said: NewJob) -> None:
    sizes = [
        len(values) for group in (said.over, said.parallel) for values in (group or {}).values()
    ]
    runs = math.prod(sizes)
    if said.over and runs > MOST_RUNS:
        raise UsageError(f"a batch of {runs:,} runs is too large; {MOST_RUNS:,} is the most")


# -- removing -------------------------------------------------------------------------------------


def _ended_or_cancelled(run: Any) -> bool:
    """Whether a run has ended; if not, it is asked to."""
    if run.done:
        return True
    run.cancel()
    return bool(run.done)


async def _until_ended(run: Any) -> None:
    async def wait() -> None:
        try:
            await run
        except Exception:
            pass  # however it ended

    try:
        await asyncio.wait_for(wait(), _END_S)
    except TimeoutError:
        raise Refused(
            400, "Job has been cancelled, but has not ended yet; delete it again when it has"
        ) from None


def _clean_up(face: Face, ended_before: float) -> None:
    before: int | None = None
    while page := face.app.search(before=before, until=ended_before, limit=_PAGE):
        for run in page:
            before = run.id
            if run.flow is not None:
                if not is_flow(run):
                    before = run.flow + 1
                    break
                continue
            if run.done and run.ended is not None and run.ended < ended_before:
                _forget(face, run.id)


def _forget(face: Face, id: int) -> None:
    try:
        face.app.forget(id)
    except (UnknownRun, UsageError):
        pass  # gone already, or others that have not ended come after it
