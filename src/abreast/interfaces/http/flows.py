"""``/flows``: graphs of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from ...domain.states import State
from ...errors import Busy, UsageError
from ..batch import Job
from ..run_json import progress_of, row_of
from .linking import linked
from .problems import Problem
from .query import (
    Cursor,
    Limit,
    RunFilter,
    Text,
    When,
    cursor_of,
    place_of,
    selection,
)
from .refusal import refused
from .route import OPERATOR, PREFIX, VIEWER, Here, Route, There, answer, declared, pages
from .runs import RunId, find_run
from .shapes import Run
from .shapes_tasks import FlowDetails, Flows, NewFlow
from .starting import find, misfit

if TYPE_CHECKING:
    from ..stored_run import StoredRun

routes = APIRouter(prefix=PREFIX + "/flows", tags=["flows"], route_class=Route)

_SHOWN = 5000  # runs of one flow
_PAGE = 1000


class FlowQuery(BaseModel):
    """The parameters of the list of flows."""

    state: Text = None
    since: When = None
    until: When = None
    q: Text = None
    limit: Limit = 100
    cursor: Cursor = None


def listed(here: Here, wanted: FlowQuery, kind: str, only_batches: bool) -> Response:
    """A page of flows, or of those among them that are batches."""
    filters = {"state": wanted.state, "since": wanted.since, "until": wanted.until, "q": wanted.q}
    chosen = selection(here.app, RunFilter.model_construct(None, **filters))
    before = place_of(wanted.cursor, kind)
    if chosen is None:
        return pages([], None)
    found: list[StoredRun] = []
    while len(found) <= wanted.limit:
        page = here.app.search(**chosen, flows_only=True, before=before, limit=_PAGE)
        found += [run for run in page if not only_batches or isinstance(run, Job)]
        if len(page) < _PAGE:
            break
        before = page[-1].id
    shown = found[: wanted.limit]
    following = cursor_of(kind, shown[-1].id) if len(found) > len(shown) else None
    return pages([row_of(run) for run in shown], following)


@routes.get(
    "",
    operation_id="list_flows",
    summary="List flows",
    dependencies=VIEWER,
    responses=declared(200, Flows, "A page of flows, newest first."),
)
def list_flows(here: There, wanted: Annotated[FlowQuery, Query()]) -> Response:
    """The flows and batches that match, each as the run that stands for it."""
    return listed(here, wanted, "flows", False)


def find_flow(here: Here, id: int) -> StoredRun:
    """The flow of this id; raises a problem when it is none."""
    run = find_run(here, id)
    if run.known.extra is None or run.known.extra.flow is None:
        raise Problem("not-found", f"run {id} is a run of {run.name!r}, and no flow")
    return run


def counts_of(runs: list[StoredRun]) -> dict[str, int]:
    """How many are in each state."""
    found = {str(state): 0 for state in State}
    for run in runs:
        found[str(run.known.state)] += 1
    return {state: count for state, count in found.items() if count}


@routes.get(
    "/{id}",
    operation_id="show_flow",
    summary="Show a flow",
    dependencies=VIEWER,
    responses=declared(200, FlowDetails, "The flow with its runs.", 404, 410),
)
def show_flow(here: There, id: RunId) -> Response:
    """A flow with its progress, its runs, 5,000 at most, and what comes after what."""
    run = find_flow(here, id)
    children = run.children()
    shown = children[:_SHOWN]
    progress = progress_of(run.known)
    return answer(
        {
            "run": row_of(run),
            "batch": isinstance(run, Job),
            "progress": None if progress is None else {
                "done": progress.done, "total": progress.total, "message": progress.message,
            },
            "counts": counts_of(children),
            "runs": [row_of(child) for child in shown],
            "edges": edges_of(here, run, shown),
            "more": len(children) > len(shown),
        }
    )  # fmt: skip


def edges_of(here: Here, flow: StoredRun, runs: list[StoredRun]) -> list[list[int]]:
    """What comes after what."""
    parents = here.app.node.store.parents
    return [[parent.id, run.id] for run in runs for parent in parents(run.id)]


@routes.post(
    "",
    status_code=202,
    operation_id="start_flow",
    summary="Start a flow",
    dependencies=OPERATOR,
    responses=declared(202, Run, "The run that stands for the flow.", 409, 415, 422),
)
def start_flow(here: There, given: NewFlow) -> Response:
    """Make all runs of a graph at once, or none. ``{"$run": LABEL}`` among the arguments of a run
    stands for the result of an earlier one, which it then comes after."""
    here.check_open()
    flow = here.app.flow(given.name, given.fail_fast)
    made: dict[str, StoredRun] = {}

    def named(label: str) -> StoredRun:
        if label not in made:
            known = ", ".join(made) or "none"
            raise Problem(
                "invalid", f"there is no earlier run labelled {label!r} in this flow; before it "
                f"are {known}",
            )  # fmt: skip
        return made[label]

    for number, item in enumerate(given.runs):
        where = f"/runs/{number}"
        try:
            task = find(here, item.task)
            if here.by:
                task = task.with_options(by=here.by)
            args = linked(here.app, item.args, named)
            kwargs = linked(here.app, item.kwargs, named)
            after = [named(label) for label in item.after]
            label = item.label or item.task
            if label in made and item.label is not None:
                raise Problem("invalid", f"two runs of this flow are labelled {label!r}")
            try:
                run = _add(flow, task, args, kwargs, after, item.label)
            except UsageError as error:
                raise misfit(task, item.args, item.kwargs, error) from None
            made.setdefault(run.label, run)
        except Problem as problem:
            raise _within(problem, where) from None
    try:
        run = flow.submit()
    except Busy as busy:
        return refused(here, "", busy)
    return answer(row_of(run), 202, {"Location": f"{PREFIX}/flows/{run.id}"})


def _add(
    flow: Any, task: Any, args: list[Any], kwargs: dict[str, Any], after: Any, label: str | None
) -> StoredRun:
    if clash := {"after", "label"} & set(kwargs):
        name = sorted(clash)[0]
        said = f"an argument of a run in a flow cannot be named {name!r}"
        raise Problem("invalid", said, errors=[(f"/kwargs/{name}", said)])
    found: StoredRun = flow.add(task, *args, after=after or None, label=label, **kwargs)
    return found


def _within(problem: Problem, where: str) -> Problem:
    """The problem of one run as one of the whole flow."""
    errors = [(where + pointer, detail) for pointer, detail in problem.errors]
    return Problem(
        "invalid", f"{where}: {problem.detail}", errors=errors or [(where, problem.detail)]
    )
