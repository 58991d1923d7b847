"""``/schedules`` and ``/instants``: when runs are made, and what became of it."""

from __future__ import annotations

import time
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from ...domain import schedule as domain
from ...domain.instants import Outcome
from ...errors import UnknownSchedule, UsageError
from ..report_dict import iso
from ..schedule_json import instant_row, schedule_row
from .problems import Problem
from .query import (
    Cursor,
    Limit,
    NameInPath,
    Text,
    When,
    cursor_of,
    edge_of,
    one_of,
    place_of,
    time_of,
    words,
)
from .route import OPERATOR, PREFIX, VIEWER, Here, Route, There, answer, declared, pages
from .shapes_service import (
    Backfill,
    Backfilled,
    Instants,
    NewSchedule,
    Preview,
    Previewed,
    Schedule,
    ScheduleChange,
    Schedules,
)
from .starting import find

routes = APIRouter(prefix=PREFIX, tags=["schedules"], route_class=Route)

_SHOWN = 1000  # instants of a backfill in the answer


class InstantQuery(BaseModel):
    """The parameters of the ledger."""

    outcome: Text = None
    since: When = None
    until: When = None
    limit: Limit = 100
    cursor: Cursor = None


class LedgerQuery(InstantQuery):
    """The parameters of the ledger of all schedules."""

    schedule: Text = None
    task: Text = None


@routes.get(
    "/schedules",
    operation_id="list_schedules",
    summary="List schedules",
    dependencies=VIEWER,
    responses=declared(200, Schedules, "All schedules, by name."),
)
def list_schedules(here: There, task: Text = None) -> Response:
    """All schedules, or those of a task."""
    return pages([schedule_row(view) for view in here.app.schedules.list(task=task)], None)


@routes.post(
    "/schedules",
    status_code=201,
    operation_id="add_schedule",
    summary="Add a schedule",
    dependencies=OPERATOR,
    responses=declared(201, Schedule, "The schedule.", 409, 415, 422),
)
def add_schedule(here: There, given: NewSchedule) -> Response:
    """Have runs of a task made at certain times, from now on."""
    try:
        find(here, given.task)
    except Problem as problem:
        raise Problem("invalid", problem.detail, errors=[("/task", problem.detail)]) from None
    if any(view.name == given.name for view in here.app.schedules.list()):
        raise Problem("exists", f"there is a schedule {given.name!r} already")
    values = given.model_dump(exclude={"name", "task", "spec"})
    try:
        view = here.app.schedules.add(given.name, given.task, given.spec, **values)
    except UsageError as error:
        raise _misfit(error) from None
    headers = {"Location": f"{PREFIX}/schedules/{view.name}"}
    return answer(schedule_row(view), 201, _ascii(headers))


def _ascii(headers: dict[str, str]) -> dict[str, str]:
    from urllib.parse import quote

    return {name: quote(value, safe="/:") for name, value in headers.items()}


def _misfit(error: UsageError) -> Problem:
    """The problem of a schedule that cannot be, with the member that is wrong."""
    text = str(error)
    members = ("timezone", "overlap", "catch_up", "window", "jitter", "kwargs", "args")
    where = next((f"/{name}" for name in members if name in text), "/spec")
    if "zone" in text:
        where = "/timezone"
    elif "argument" in text and where == "/spec":
        where = "/kwargs"
    return Problem("invalid", text, errors=[(where, text)])


@routes.post(
    "/schedules/preview",
    operation_id="preview_schedule",
    summary="Try out a schedule",
    dependencies=VIEWER,
    responses=declared(200, Previewed, "When it would start runs.", 415, 422),
)
def preview_schedule(here: There, given: Preview) -> Response:
    """The next instants of a schedule that need not exist, what is odd about it, and what it does
    when the clocks change."""
    zone = given.timezone or here.service.zone
    start = time_of(given.start, "/start", query=False)
    if start is None:
        start = time.time()
    try:
        found = domain.preview(
            given.spec, name=given.name, zone=zone, start=start, count=given.count
        )
    except UsageError as error:
        raise _misfit(error) from None
    return answer(
        {
            "spec": given.spec,
            "kind": found.schedule.kind,
            "described": found.schedule.describe(),
            "timezone": zone,
            "instants": [iso(at) for at in found.instants],
            "warnings": list(found.warnings),
            "clock_changes": [
                {
                    "at": iso(change.at),
                    "before_utcoffset": change.before_utcoffset,
                    "after_utcoffset": change.after_utcoffset,
                    "usual": [iso(at) for at in change.usual],
                    "what": change.what,
                }
                for change in found.clock_changes
            ],
        }
    )


@routes.get(
    "/schedules/{name}",
    operation_id="show_schedule",
    summary="Show a schedule",
    dependencies=VIEWER,
    responses=declared(200, Schedule, "The schedule.", 404),
)
def show_schedule(here: There, name: NameInPath) -> Response:
    """A schedule with its next instant and the last one."""
    return answer(schedule_row(here.app.schedules.get(name)))


@routes.patch(
    "/schedules/{name}",
    operation_id="change_schedule",
    summary="Change a schedule",
    dependencies=OPERATOR,
    responses=declared(200, Schedule, "As it is now.", 404, 409, 415, 422),
)
def change_schedule(here: There, name: NameInPath, given: ScheduleChange) -> Response:
    """Change a schedule that was added here. One that is declared with its task is changed
    there."""
    _check_ours(here, name)
    try:
        view = here.app.schedules.change(name, **given.model_dump(exclude_none=True))
    except UnknownSchedule:
        raise
    except UsageError as error:
        raise _misfit(error) from None
    return answer(schedule_row(view))


@routes.delete(
    "/schedules/{name}",
    status_code=204,
    operation_id="remove_schedule",
    summary="Remove a schedule",
    dependencies=OPERATOR,
    responses=declared(204, None, "It is gone; its ledger stays.", 404, 409),
)
def remove_schedule(here: There, name: NameInPath) -> Response:
    """Remove a schedule that was added here."""
    _check_ours(here, name)
    here.app.schedules.remove(name)
    return Response(None, 204)


def _check_ours(here: Here, name: str) -> None:
    view = here.app.schedules.get(name)
    if view.source != "api":
        raise Problem(
            "declared-elsewhere", f"schedule {name!r} is declared with its task {view.task!r} "
            f"({view.source}); change it there, or pause it here",
        )  # fmt: skip


@routes.post(
    "/schedules/{name}/pause",
    operation_id="pause_schedule",
    summary="Pause a schedule",
    dependencies=OPERATOR,
    responses=declared(200, Schedule, "As it is now.", 404),
)
def pause_schedule(here: There, name: NameInPath) -> Response:
    """Let instants pass without runs; the ledger says so."""
    if here.app.schedules.get(name).paused is None:
        here.app.schedules.pause(name)
    return answer(schedule_row(here.app.schedules.get(name)))


@routes.post(
    "/schedules/{name}/resume",
    operation_id="resume_schedule",
    summary="Resume a schedule",
    dependencies=OPERATOR,
    responses=declared(200, Schedule, "As it is now.", 404),
)
def resume_schedule(here: There, name: NameInPath) -> Response:
    """End a pause."""
    here.app.schedules.resume(name)
    return answer(schedule_row(here.app.schedules.get(name)))


@routes.post(
    "/schedules/{name}/backfill",
    operation_id="backfill_schedule",
    summary="Make up for a past period",
    dependencies=OPERATOR,
    responses=declared(200, Backfilled, "What was made.", 404, 415, 422),
)
def backfill_schedule(here: There, name: NameInPath, given: Backfill) -> Response:
    """Make the runs of all instants after ``since`` up to ``until``."""
    if not given.dry_run:
        here.check_open()
    since = time_of(given.since, "/since", query=False)
    until = time_of(given.until, "/until", query=False)
    assert since is not None
    assert until is not None
    if until <= since:
        raise Problem("invalid", "until is not after since", errors=[("/until", "is too early")])
    try:
        found = here.app.schedules.backfill(
            name, since, until, overlap=given.overlap, dry_run=given.dry_run
        )
    except UsageError as error:
        raise Problem("invalid", str(error), errors=[("", str(error))]) from None
    counts = Counter(str(instant.outcome) for instant in found)
    rows = [instant_row(instant) for instant in found[:_SHOWN]]
    return answer({"items": rows, "counts": counts, "dry_run": given.dry_run})


@routes.get(
    "/schedules/{name}/instants",
    operation_id="list_instants_of_schedule",
    summary="What became of the instants of a schedule",
    dependencies=VIEWER,
    responses=declared(200, Instants, "A page of the ledger, newest first.", 404),
)
def instants_of(
    here: There, name: NameInPath, wanted: Annotated[InstantQuery, Query()]
) -> Response:
    """The ledger of one schedule."""
    here.app.schedules.get(name)
    return _ledger(here, wanted, name, None)


@routes.get(
    "/instants",
    operation_id="list_instants",
    summary="What became of instants",
    dependencies=VIEWER,
    responses=declared(200, Instants, "A page of the ledger, newest first."),
)
def instants(here: There, wanted: Annotated[LedgerQuery, Query()]) -> Response:
    """The ledger: every due time with its outcome and reason."""
    return _ledger(here, wanted, wanted.schedule, wanted.task)


def _ledger(here: Here, wanted: InstantQuery, name: str | None, task: str | None) -> Response:
    outcomes = one_of(words(wanted.outcome), [str(item) for item in Outcome], "outcome")
    filters: dict[str, Any] = {
        "since": edge_of(wanted.since, "since"), "until": edge_of(wanted.until, "until"),
        "outcomes": outcomes, "before": place_of(wanted.cursor, "instants"), "task": task,
    }  # fmt: skip
    found = here.app.schedules.ledger(name, **filters, limit=wanted.limit + 1)
    page = found[: wanted.limit]
    following = cursor_of("instants", page[-1].id) if len(found) > len(page) else None
    return pages([instant_row(instant) for instant in page], following)
