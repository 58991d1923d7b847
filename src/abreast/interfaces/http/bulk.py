"""``POST /runs:cancel`` and ``/runs:retry``: the same with many runs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import Response

from ...domain.states import ENDED, State
from ...errors import AbreastError
from ..run_json import read_many
from .problems import Problem
from .query import MOST, RunFilter, edge_of, selection, time_of
from .route import OPERATOR, PREFIX, Here, Route, There, answer, declared
from .runs import retried
from .shapes import Chosen, Done

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..stored_run import StoredRun

routes = APIRouter(prefix=PREFIX, tags=["runs"], route_class=Route)

_MOST = 10_000
_PAGE = 1000
_TOLD = 100
_LISTS = ("state", "task")
_FILTERS = ("ids", "state", "task", "tag", "since", "until", "q", "flow", "worker", "reason")
_UNENDED = [str(state) for state in State if state not in ENDED]
_FAILED = [str(state) for state in State if state in ENDED and state is not State.COMPLETED]


@routes.post(
    "/runs:cancel",
    operation_id="cancel_runs",
    summary="Cancel many runs",
    dependencies=OPERATOR,
    responses=declared(200, Done, "How many.", 415, 422),
)
def cancel(here: There, chosen: Chosen) -> Response:
    """Ask all runs that match to end, 10,000 at most; those that have ended are left out."""
    return _carry_out(here, chosen, _UNENDED, lambda run: run.cancel())


@routes.post(
    "/runs:retry",
    operation_id="retry_runs",
    summary="Run many again",
    dependencies=OPERATOR,
    responses=declared(200, Done, "How many.", 415, 422),
)
def retry(here: There, chosen: Chosen) -> Response:
    """Repeat all runs that match, 10,000 at most. Without ``state``: those that have ended and
    did not complete. Flows and runs of flows that are under way are refused."""
    here.check_open()
    return _carry_out(here, chosen, _FAILED, retried)


def _carry_out(
    here: Here, chosen: Chosen, usual: list[str], what: Callable[[StoredRun], object]
) -> Response:
    found = list(islice(_matching(here, chosen, usual), _MOST + 1))
    runs = found[:_MOST]
    refused: list[dict[str, Any]] = []
    done = 0
    for run in () if chosen.dry_run else runs:
        try:
            what(run)
            done += 1
        except (Problem, AbreastError) as error:
            refused.append({"id": run.id, "detail": str(error)})
    return answer(
        {
            "matched": len(runs), "done": done, "dry_run": chosen.dry_run,
            "more": len(found) > len(runs), "refused": refused[:_TOLD],
            "refused_count": len(refused),
        }
    )  # fmt: skip


def _matching(here: Here, chosen: Chosen, usual: list[str]) -> Iterator[StoredRun]:
    given = {key for key in _FILTERS if getattr(chosen, key) is not None}
    if not given and not chosen.all:
        raise Problem(
            "invalid", "say which runs are meant, or that all are: {\"all\": true}",
            errors=[("", "at least one filter is required")],
        )  # fmt: skip
    wanted = _wanted(here, chosen, usual)
    if wanted is None:
        return
    if chosen.ids is not None:
        yield from _of_ids(here, chosen, wanted)
        return
    before: int | None = None
    while True:
        page = here.app.search(**wanted, before=before, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        before = page[-1].id


def _wanted(here: Here, chosen: Chosen, usual: list[str]) -> dict[str, Any] | None:
    """The filters as :meth:`abreast.App.search` takes them."""
    values = {key: getattr(chosen, key) for key in ("tag", "q", "flow", "worker", "reason")}
    for key in _LISTS:
        listed = getattr(chosen, key)
        values[key] = None if listed is None else ",".join(listed)
    if values["state"] is None:
        values["state"] = ",".join(usual)
    try:
        for key in ("flow", "worker"):
            if values[key] is not None and not 0 < values[key] <= MOST:
                raise Problem("invalid", f"{key}: no such number", errors=[(f"/{key}", "none")])
        found = selection(here.app, RunFilter.model_construct(None, **values))
    except Problem as problem:
        errors = [(f"/{where.lstrip('/')}", detail) for where, detail in problem.errors]
        raise Problem("invalid", problem.detail, errors=errors) from None
    if found is None:
        return None
    for key in ("since", "until"):
        at = time_of(getattr(chosen, key), f"/{key}", query=False)
        if at is not None:
            found[key] = edge_of(at, key)
    return found


def _of_ids(here: Here, chosen: Chosen, wanted: dict[str, Any]) -> Iterator[StoredRun]:
    """The named runs, as far as they match the other filters."""
    ids = [id for id in dict.fromkeys(chosen.ids or ()) if 0 < id <= MOST]
    others = {key for key in _FILTERS if getattr(chosen, key) is not None} - {"ids", "state"}
    if others:
        raise Problem(
            "invalid", "ids come alone or with state", errors=[("/ids", "not with other filters")]
        )
    found = read_many(here.app, ids)
    for id in ids:
        run = found.get(id)
        if run is not None and str(run.known.state) in wanted["states"]:
            yield run
