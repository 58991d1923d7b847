"""``/limits`` and ``/workers``: who holds what, who waits, who works."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from ..report_dict import iso
from .query import Text
from .route import PREFIX, VIEWER, Route, There, answer, declared
from .shapes_service import Limits, Workers

routes = APIRouter(prefix=PREFIX, tags=["load"], route_class=Route)

_WAITERS = 100


@routes.get(
    "/limits",
    operation_id="list_limits",
    summary="Limits in use",
    dependencies=VIEWER,
    responses=declared(200, Limits, "Every key in use."),
)
def limits(here: There, key: Text = None) -> Response:
    """Every key of a limit: units held, of how many, by which runs, and which runs wait."""
    items = [
        {
            "key": row.key, "held": row.held, "n": row.n, "holders": list(row.holders),
            "waiting": row.waiting,
            "waiters": here.app.waiters(row.key, _WAITERS) if row.waiting else [],
        }
        for row in here.app.limits()
        if key is None or row.key == key
    ]  # fmt: skip
    return answer({"items": items})


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
