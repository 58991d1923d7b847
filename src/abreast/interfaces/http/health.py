"""``/livez`` and ``/readyz``: for watchdogs and load balancers, without a log-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from .route import Here, Route, There, answer
from .shapes_service import Health

if TYPE_CHECKING:
    from collections.abc import Iterable

routes = APIRouter(tags=["service"], route_class=Route)

_PATIENCE_S = 5.0
_LIVE = ("engine", "scheduler")

# Threads of their own: these must answer when all others wait.
_threads = anyio.CapacityLimiter(4)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Health,
        "description": "Well. Details only for those who may look.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
    503: {
        "model": Health,
        "description": "Not well.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
}


@routes.get("/livez", operation_id="livez", summary="Do the loops turn?", responses=_ANSWERS)
async def livez(here: There) -> Response:
    """Whether the engine and the scheduler really turn, not only whether the process exists."""
    return await _answer(here, _LIVE)


@routes.get("/readyz", operation_id="readyz", summary="Can it work?", responses=_ANSWERS)
async def readyz(here: There) -> Response:
    """Whether the service can take in and execute runs: also the store, the workers, and that it
    is not stopping."""
    return await _answer(here, None)


async def _answer(here: Here, names: Iterable[str] | None) -> Response:
    checks: dict[str, tuple[bool, str]] = {}
    with anyio.move_on_after(_PATIENCE_S):
        checks = dict(
            await anyio.to_thread.run_sync(
                here.service.health, limiter=_threads, abandon_on_cancel=True
            )
        )
    if not checks:
        checks = {"health": (False, f"no answer within {_PATIENCE_S:g} s")}
    elif names is not None:
        checks = {name: checks[name] for name in names if name in checks}
    else:
        draining = here.service.draining
        checks["draining"] = (not draining, "stopping" if draining else "not stopping")
    ok = all(good for good, _ in checks.values())
    status = 200 if ok else 503
    headers = {"Cache-Control": "no-store"}
    if here.user is None or _wants_text(here):
        return PlainTextResponse("ok\n" if ok else "not ok\n", status, headers)
    shown = {name: {"ok": good, "detail": detail} for name, (good, detail) in checks.items()}
    return answer({"ok": ok, "checks": shown}, status, headers)


def _wants_text(request: Request) -> bool:
    return request.headers.get("accept", "").startswith("text/plain")
