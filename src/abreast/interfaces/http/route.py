"""What all routes share: how they read requests, reach the service, and write answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import msgspec
from fastapi import Depends, Request, params
from fastapi.routing import APIRoute
from starlette.responses import Response

from ...domain.model import Run as Record
from .guard import require
from .problems import TYPE, Problem

if TYPE_CHECKING:
    from ..app import App
    from .hub import Hub
    from .service import Service

T = TypeVar("T")
JSON = "application/json"
PREFIX = "/api/v1"
_ROLES = {role: [Depends(require(role))] for role in ("viewer", "operator", "admin")}
VIEWER, OPERATOR, ADMIN = _ROLES.values()


# -- the service ------------------------------------------------------------------------------


class Here(Request):
    """A request, and what a route works with: the service, and who asks.

    Its body has to be JSON in the strict sense: no NaN, no halves of characters.
    """

    @property
    def request(self) -> Here:
        """Itself."""
        return self

    async def json(self) -> Any:
        """The body as plain values."""
        try:
            return msgspec.json.decode(await self.body())
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise json.JSONDecodeError(str(error), "", 0) from None

    @property
    def kept(self) -> Any:
        """What is kept between requests."""
        return self.scope["app"].state

    @property
    def service(self) -> Service:
        """The service."""
        found: Service = self.kept.service
        return found

    @property
    def app(self) -> App:
        """The app of the service, where a framework would have its own."""
        return self.service.app

    @property
    def hub(self) -> Hub:
        """Where those who follow events meet."""
        found: Hub = self.kept.hub
        return found

    @property
    def user(self) -> Any:
        """Who asks: ``name``, ``role``; None: nobody has said."""
        return self.scope.get("state", {}).get("user")

    @property
    def by(self) -> str:
        """``user anna``."""
        user = self.user
        return "" if user is None else f"user {user.name}"

    def check_open(self) -> None:
        """Refuse to begin something new while the service is stopping."""
        if self.service.draining:
            raise Problem(
                "draining", "the service is stopping and starts nothing new",
                headers={"Retry-After": "10"},
            )  # fmt: skip


There = Here  # as routes write it: the framework hands the request over where one is annotated


# -- in ---------------------------------------------------------------------------------------


class Route(APIRoute):
    """A route that refuses what it does not know: parameters of the query, forms of bodies.

    The role it needs is one of its ``dependencies``, :data:`VIEWER` and so on, and looked at here,
    because a dependency of the framework costs as much as all else it does for a request.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[params.Depends] | None = None,
        **more: Any,
    ) -> None:
        given = list(dependencies or ())
        self.role = next((role for role, listed in _ROLES.items() if listed[0] in given), None)
        if self.role is not None:
            given.remove(_ROLES[self.role][0])
        super().__init__(path, endpoint, dependencies=given, **more)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler of the framework."""
        handler = super().get_route_handler()
        has_body, role = self.body_field is not None, self.role
        path, methods = self.path_format, sorted(self.methods or ())
        known: frozenset[str] | None = None

        async def handle(request: Request) -> Response:
            nonlocal known
            here = Here(request.scope, request.receive)
            if role is not None and (here.user is None or not here.user.may(role)):
                await require(role)(request)
            if here.scope["query_string"]:
                if known is None:
                    known = _parameters(here.scope["app"].openapi(), path, methods)
                _check_query(here, known)
            if has_body:
                await _check_body(here)
            return await handler(here)

        return handle


def _parameters(document: dict[str, Any], path: str, methods: list[str]) -> frozenset[str]:
    """The names of a route's parameters of the query, as the OpenAPI document has them."""
    found = document["paths"].get(path, {})
    return frozenset(
        parameter["name"]
        for method in methods
        for parameter in found.get(method.lower(), {}).get("parameters", ())
        if parameter["in"] == "query"
    )


def _check_query(request: Request, known: frozenset[str]) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        detail = f"{twice!r} came more than once; several values go into one, with commas"
        raise Problem("bad-parameter", detail, errors=[(twice, "came more than once")])
    unknown = [name for name in names if name not in known]
    if unknown:
        import difflib

        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
        hint = hint if known else "this address takes none"
        raise Problem(
            "bad-parameter", f"unknown parameter {unknown[0]!r}; {hint}",
            errors=[(name, "there is no such parameter") for name in unknown[:20]],
        )  # fmt: skip


async def _check_body(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON or kind.endswith("+json"):
        return
    if await request.body():
        said = f"as {kind!r}" if kind else "without Content-Type"
        raise Problem("not-json", f"the body came {said}; send it as {JSON}")


# Those who start runs do not queue behind those who look.
_starting = anyio.CapacityLimiter(40)


async def in_thread(call: Callable[..., T], *given: Any) -> T:
    """Call something that may wait for the store, beside the threads that read."""
    return await anyio.to_thread.run_sync(call, *given, limiter=_starting)


# -- out --------------------------------------------------------------------------------------


def _hook(value: Any) -> Any:
    if isinstance(value, Record):
        return {"$run": value.id}
    return repr(value)  # of a store in memory, which keeps any object


encode = msgspec.json.Encoder(enc_hook=_hook).encode


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Plain values as an answer in JSON."""
    return Response(encode(value), status, headers, media_type=JSON)


def declared(
    status: int, model: Any, description: str, *problems: int, **more: Any
) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route: one that is good, and problems by status."""
    found: dict[int | str, dict[str, Any]] = {}
    if model is not None:
        found[status] = {"model": model, "description": description, **more}
    else:
        found[status] = {"description": description, **more}
    for problem in problems:
        found[problem] = declared_problem(problem)
    return found


PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_SAID = {400: "Malformed", 401: "Nobody is logged in", 403: "Not allowed", 404: "Not there",
         408: "Too slow", 409: "Not possible as things are", 410: "Pruned", 413: "Too large",
         415: "Not JSON",
         416: "No such part", 421: "Wrong host", 422: "Values that cannot be used",
         429: "Too many requests", 500: "A mistake in the service",
         503: "Not now"}  # fmt: skip


def declared_problem(status: int) -> dict[str, Any]:
    """How a problem is declared."""
    return {"description": _SAID[status], "content": {TYPE: {"schema": PROBLEM_SCHEMA}}}


def pages(items: Sequence[Any], cursor: str | None, **more: Any) -> Response:
    """A page of a list."""
    return answer({"items": items, "next_cursor": cursor, **more})
