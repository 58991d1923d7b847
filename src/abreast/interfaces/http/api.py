"""The HTTP API as one ASGI application, see :func:`make_app`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from .. import dashboard
from . import (
    about,
    batches,
    bulk,
    docs_page,
    events,
    flows,
    health,
    load,
    metrics,
    notify,
    people,
    problems,
    run_log,
    runs,
    schedules,
    starting,
    tasks,
    timeline,
)
from .guard import Guard
from .hub import Hub
from .login import OPEN_PATHS, make_login
from .openapi import document_of
from .service import Service
from .shell import Shell

ROUTES = (
    tasks.routes, starting.routes, bulk.routes, runs.routes, run_log.routes, flows.routes,
    batches.routes, schedules.routes, load.routes, timeline.routes, events.routes, about.routes,
    notify.routes, people.routes, metrics.routes, health.routes, docs_page.routes,
)  # fmt: skip

OPEN = ("/livez", "/readyz", "/api/problems", "/api/problems/", "/api/docs.css", *OPEN_PATHS,
        *dashboard.OPEN_PATHS)  # fmt: skip


class Api:
    """The application, and what its server has to know.

    ``hub``: lets clients that follow events go. ``figures``: what is counted for Prometheus.
    ``guard``: is told of other settings, and closed at the end.
    """

    def __init__(self, app: Any, hub: Hub, figures: metrics.Figures, guard: Guard) -> None:
        self._app = app
        self.hub = hub
        self.figures = figures
        self.guard = guard

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Carry out one request."""
        await self._app(scope, receive, send)


def make_app(service: Service) -> Api:
    """Return the API of a service as an ASGI application.

    Around the routes stand the guard, which lets in who may come in, and around that what gives
    every answer its headers. Nothing of it needs a lifespan.
    """
    api = make_routes(service)
    api.openapi()  # takes a while, and the first request that has a query would wait for it
    settings = service.settings
    older = ("/health",) if getattr(settings.server, "compat", False) else ()
    guard = Guard(api, service.access, settings, open_paths=(*OPEN, *older))
    shell = Shell(guard, bool(getattr(settings.server, "log_requests", False)))
    return Api(shell, api.state.hub, api.state.figures, guard)


def make_document() -> dict[str, Any]:
    """The OpenAPI document, without a service."""
    return document_of(_bare())


def _bare() -> FastAPI:
    api = FastAPI(title="abreast", docs_url=None, redoc_url=None, openapi_url=None)
    api.openapi = lambda: document_of(api)  # type: ignore[method-assign]
    for routes in ROUTES:
        api.include_router(routes)
    return api


def make_routes(service: Service) -> FastAPI:
    """The routes without what stands around them."""
    api = _bare()
    api.state.service = service
    api.state.hub = Hub(service.app)
    api.state.figures = metrics.Figures(service)
    api.state.under_way = set()  # Idempotency-Keys
    api.state.usual = {}  # what runs of a task usually take, and when that was looked up
    problems.install(api, on_store_error=api.state.figures.note)
    api.include_router(make_login(service.access, service.settings))
    if getattr(service.settings.server, "compat", False):
        from ...compat.rest import make_router

        api.include_router(make_router(service.app), include_in_schema=False)
    api.include_router(dashboard.make_dashboard())
    return api
