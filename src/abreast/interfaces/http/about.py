"""``/info``, ``/me`` and ``/reload``: what this service is, and who asks."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ...errors import AbreastError
from ..report_dict import iso
from ..run_json import plain
from .problems import Problem
from .route import ADMIN, PREFIX, VIEWER, Here, Route, There, answer, declared
from .shapes_service import Info, Me, Reloaded

routes = APIRouter(prefix=PREFIX, tags=["service"], route_class=Route)


@routes.get(
    "/info",
    operation_id="get_info",
    summary="What this service is",
    dependencies=VIEWER,
    responses=declared(200, Info, "The service."),
)
def info(here: There) -> Response:
    """Version, time zone, the time here, and for admins the settings, secrets masked."""
    service = here.service
    return answer(
        {
            "version": service.version,
            "app": service.app.name,
            "timezone": service.zone,
            "now": iso(time.time()),
            "started": iso(service.started),
            "draining": bool(service.draining),
            "settings": _settings(here),
        }
    )


def _settings(here: Here) -> list[dict[str, Any]]:
    user = here.user
    if user is None or not user.may("admin"):
        return []
    return [
        {"key": key, "value": plain(value), "origin": str(origin)}
        for key, value, origin in here.service.settings.explain()
    ]


@routes.get(
    "/me",
    operation_id="get_me",
    summary="Who asks",
    dependencies=VIEWER,
    responses=declared(200, Me, "You."),
)
async def me(here: There) -> Response:
    """The user a request came from, and for browsers what their changes have to bring along."""
    session = here.request.scope.get("state", {}).get("session")
    return answer(
        {
            "name": here.user.name,
            "role": here.user.role,
            "csrf": None if session is None else session.csrf,
        }
    )


@routes.post(
    "/reload",
    operation_id="reload",
    summary="Read settings and tasks again",
    dependencies=ADMIN,
    responses=declared(200, Reloaded, "What changed.", 422),
)
def reload(here: There) -> Response:
    """As SIGHUP does: a mistake in them is told, and changes nothing."""
    try:
        return answer({"changes": list(here.service.reload())})
    except AbreastError as error:
        raise Problem("invalid", str(error)) from None
