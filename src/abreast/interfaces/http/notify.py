"""``/notify``: where notices go, and whether they get there."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from ...errors import AbreastError, UsageError
from .problems import Problem
from .query import NameInPath
from .route import ADMIN, PREFIX, VIEWER, Route, There, answer, declared
from .shapes_service import Channels, Tested

routes = APIRouter(prefix=PREFIX + "/notify", tags=["service"], route_class=Route)


@routes.get(
    "/channels",
    operation_id="list_channels",
    summary="Channels of notices",
    dependencies=VIEWER,
    responses=declared(200, Channels, "All channels."),
)
def channels(here: There) -> Response:
    """Where notices go; nothing secret is shown."""
    return answer({"items": here.service.notices.channels()})


@routes.post(
    "/channels/{name}/test",
    operation_id="test_channel",
    summary="Send a test",
    dependencies=ADMIN,
    responses=declared(200, Tested, "What came of it.", 404),
)
def test_channel(here: There, name: NameInPath) -> Response:
    """Send a notice through a channel, once, and say what came of it."""
    try:
        detail, ok = here.service.notices.test(name), True
    except UsageError as error:
        raise Problem("not-found", str(error)) from None
    except AbreastError as error:
        detail, ok = str(error), False
    return answer({"name": name, "ok": ok, "detail": detail})
