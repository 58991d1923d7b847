"""``POST /tasks/{name}/runs``: a run is written down, and only then acknowledged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Header
from starlette.responses import Response

from ...domain.policy import seconds
from ...errors import Busy, KeyReused, NotStorable, UsageError
from ..run_json import row_of
from .ending import ended_within
from .linking import linked
from .problems import Problem
from .query import NameInPath, time_of
from .refusal import refused
from .route import OPERATOR, PREFIX, Here, Route, There, answer, declared, in_thread
from .shapes import Run, Start

if TYPE_CHECKING:
    from ..app_task import AppTask
    from ..stored_run import StoredRun

routes = APIRouter(prefix=PREFIX, tags=["tasks"], route_class=Route)

_LONGEST_WAIT_S = 60
_OPTIONS = ("label", "delay", "priority", "timeout")


@routes.post(
    "/tasks/{name}/runs",
    status_code=202,
    operation_id="start_run",
    summary="Start a run of a task",
    dependencies=OPERATOR,
    responses={
        **declared(202, Run, "It is written down.", 404, 409, 415, 422),
        200: {
            "model": Run,
            "description": "It has ended in time (Prefer: wait), or it was there already "
            "(on_conflict=return).",
        },
    },
)
async def start(
    here: There,
    name: NameInPath,
    given: Start | None = None,
    on_conflict: Literal["fail", "return"] = "fail",
    prefer: Annotated[str | None, Header(max_length=200)] = None,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Response:
    """Make a run. It is on the disk when the answer comes.

    ``Prefer: wait=30`` waits for its end, 60 seconds at most. A repeated request with the same
    ``Idempotency-Key`` gets the run of the first one, for 24 hours. When a limit refuses it, the
    answer is 409 with ``running_run_id``, or with ``?on_conflict=return`` that run itself.
    """
    here.check_open()
    headers: dict[str, str] = {}
    given = given or Start()  # type: ignore[call-arg]
    try:
        if idempotency_key is None:
            run = await in_thread(_submit, here, name, given)
        else:
            run, replayed = await _submit_once(here, name, given, idempotency_key)
            if replayed:
                headers["Idempotency-Replayed"] = "true"
    except Busy as busy:
        return await in_thread(refused, here, name, busy, on_conflict)
    headers["Location"] = f"{PREFIX}/runs/{run.id}"
    seconds = _wait_of(prefer)
    if seconds is not None:
        headers["Preference-Applied"] = f"wait={seconds}"
        if await ended_within(here, run, seconds):
            return await in_thread(lambda: answer(row_of(here.app.run(run.id)), 200, headers))
    return answer(row_of(run), 202, headers)


def _submit(here: Here, name: str, given: Start) -> StoredRun:
    task, args, kwargs = call_of(here, name, given)
    try:
        return here.app.submit_one(task, tuple(args), kwargs)
    except UsageError as error:
        raise misfit(task, given.args, given.kwargs, error) from None


def call_of(here: Here, name: str, given: Start) -> tuple[AppTask, list[Any], dict[str, Any]]:
    """The task that is meant with the options of a request, and its arguments."""
    task = find(here, name)
    options: dict[str, Any] = {
        key: value for key in _OPTIONS if (value := getattr(given, key)) is not None
    }
    for key in ("delay", "timeout"):
        if key in options:
            options[key] = _seconds(options[key], key)
    if given.at is not None:
        options["at"] = time_of(given.at, "/at", query=False)
    if here.by:
        options["by"] = here.by
    if options:
        try:
            task = task.with_options(**options)
        except UsageError as error:
            where = next((f"/{key}" for key in options if f"{key} " in str(error)), "")
            raise Problem("invalid", str(error), errors=[(where, str(error))]) from None
    return task, linked(here.app, given.args), linked(here.app, given.kwargs)


def _seconds(value: float | str, name: str) -> float:
    try:
        return seconds(value, name)
    except UsageError as error:
        raise Problem("invalid", str(error), errors=[(f"/{name}", str(error))]) from None


def find(here: Here, name: str) -> AppTask:
    """The task of this name; raises the problem ``not-found``."""
    try:
        return here.app.find_task(name)
    except UsageError as error:
        raise Problem("not-found", str(error)) from None


def misfit(task: AppTask, args: list[Any], kwargs: Mapping[str, Any], error: UsageError) -> Problem:
    """The problem of arguments that a task does not take, naming the parameter."""
    errors = []
    parameters = {parameter.name: parameter for parameter in task.parameters}
    kinds = [parameter.kind for parameter in parameters.values()]
    if not isinstance(error, NotStorable):
        if kinds and "**" not in kinds:
            errors += [
                (f"/kwargs/{name}", "the task takes nothing of this name")
                for name in kwargs
                if name not in parameters
            ]
        by_place = [p for p in parameters.values() if p.kind in ("positional", "any")]
        errors += [
            (f"/kwargs/{parameter.name}", "is given twice, also by its place")
            for parameter in by_place[: len(args)]
            if parameter.name in kwargs
        ]
        if len(args) > len(by_place) and "*" not in kinds:
            errors.append((f"/args/{len(by_place)}", f"the task takes {len(by_place)} by place"))
        filled = {parameter.name for parameter in by_place[: len(args)]} | set(kwargs)
        errors += [
            (f"/kwargs/{name}", "is required")
            for name, parameter in parameters.items()
            if parameter.required and name not in filled
        ]
    return Problem("invalid", str(error), errors=errors)


# -- once -------------------------------------------------------------------------------------


async def _submit_once(here: Here, name: str, given: Start, key: str) -> tuple[StoredRun, bool]:
    """As :func:`_submit`, but the same request makes no second run."""
    body = await here.body()
    digest = hashlib.sha256(name.encode() + b"\0" + body).hexdigest()
    whole = f"{here.user.name if here.user else ''}:{key.strip(chr(34))}"
    under_way: set[str] = here.kept.under_way
    if whole in under_way:
        raise Problem(
            "in-progress", f"the request with the Idempotency-Key {key!r} is being carried out",
            headers={"Retry-After": "1"},
        )  # fmt: skip
    under_way.add(whole)
    try:
        return await in_thread(_once, here, name, given, whole, digest)
    finally:
        under_way.discard(whole)


def _once(here: Here, name: str, given: Start, key: str, digest: str) -> tuple[StoredRun, bool]:
    task, args, kwargs = call_of(here, name, given)
    try:
        return here.app.submit_once(key, digest, task, tuple(args), kwargs)
    except KeyReused:
        raise
    except UsageError as error:
        raise misfit(task, given.args, given.kwargs, error) from None


def _wait_of(prefer: str | None) -> int | None:
    """The seconds a client is ready to wait for the end, None when it is not."""
    for part in (prefer or "").replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        if name.strip().lower() == "wait" and value.strip().isdecimal() and len(value) < 10:
            return min(int(value), _LONGEST_WAIT_S)
    return None
