"""The router with all routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from abreast.errors import UsageError

from . import admin, answers, jobs, logs, tasks
from .face import Face, FaceRoute

if TYPE_CHECKING:
    from abreast import App


def make_router(app: App, *, guarded: bool = True) -> APIRouter:
    """Return the routes ``/api/tasks``, ``/api/logs``, ``/api/jobs``, ``/api/admin/stats`` and
    ``/health`` for an app.

    Parameters
    ----------
    app : App
        Its tasks are listed and started, its runs shown.
    guarded : bool
        True: ``request.scope["state"]["user"]`` says who asks, an object with ``name`` and ``role``
        (``"viewer"`` may look, ``"operator"`` and ``"admin"`` may also start, stop and remove);
        without one every request but ``/health`` is answered 401. False: whoever can reach the
        routes may do everything; for an application that guards them itself.

    Raises
    ------
    UsageError
        When the app keeps its runs in memory only.
    """
    if app.url == "memory://":
        raise UsageError(
            "these routes show runs of a store in a file: App('sqlite:///jobs.db'), not 'memory://'"
        )
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": answers.Detail} for status in ((401, 403, 503) if guarded else (503,))
    }
    router = APIRouter(route_class=FaceRoute, responses=refusals)
    face = Face(app, guarded)
    for part in (tasks, logs, jobs, admin):
        part.add_routes(router, face)
    return router
