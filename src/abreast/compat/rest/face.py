"""What all routes share: who may ask, how a refusal reads, which tasks there are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from abreast import Busy, errors

if TYPE_CHECKING:
    from abreast import App

_log = logging.getLogger("abreast")
_ASK = {"WWW-Authenticate": 'Basic realm="abreast", charset="UTF-8"'}
_ROLES = ("viewer", "operator", "admin")
_ANONYMOUS = "anonymous"  # who has not logged in, where looking is free
_SYSTEM = "abreast:"  # how the names of the service's own tasks begin


class Refused(Exception):
    """A request is answered with this status and ``{"detail": …}``."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class FaceRoute(APIRoute):
    """A route whose errors read as clients of these URLs expect, whatever app it is part of."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler FastAPI makes, with errors turned into answers."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except Exception as error:
                refused = _refusal(error)
                if refused is None:
                    raise
                return refused

        return answer


def _refusal(error: Exception) -> Response | None:
    headers = None
    detail: Any = str(error)
    if isinstance(error, Refused):
        status, headers = error.status, error.headers
    elif isinstance(error, RequestValidationError):
        status = 422
        detail = [{key: part[key] for key in ("type", "loc", "msg")} for part in error.errors()]
    elif isinstance(error, Busy):
        status, detail = 400, "Task is already running"
    elif isinstance(error, errors.UnknownRun):  # removed while it was looked at
        status, detail = 404, "Job not found"
    elif isinstance(error, errors.UnknownSchedule):
        status = 404
    elif isinstance(error, errors.UsageError):
        status = 400
    elif isinstance(error, errors.StoreError):
        _log.warning("a request was refused: %s", error)
        status, detail = 503, "The store cannot be used now; the log of the service says why"
    else:
        return None
    return JSONResponse({"detail": detail}, status, headers)


class Face:
    """The app behind the routes, seen with the eyes of their clients.

    Parameters
    ----------
    guarded : bool
        Whether something in front has put who asks into ``request.scope["state"]["user"]``.
    """

    def __init__(self, app: App, guarded: bool) -> None:
        self.app = app
        self._guarded = guarded

    # -- who asks -----------------------------------------------------------------------------

    async def reader(self, request: Request) -> None:
        """Let through who may look."""
        self._check(request, "viewer")

    async def operator(self, request: Request) -> None:
        """Let through who may start, stop and remove."""
        self._check(request, "operator")

    def _check(self, request: Request, least: str) -> None:
        if not self._guarded:
            return
        user = _user(request)
        if user is None:
            raise Refused(401, "Not authenticated", _ASK)
        if user.name == _ANONYMOUS and least != "viewer":
            raise Refused(401, "Not authenticated", _ASK)
        if user.role not in _ROLES or _ROLES.index(user.role) < _ROLES.index(least):
            raise Refused(403, f"This needs the role {least}; {user.name} is {user.role}")

    def said_by(self, request: Request) -> dict[str, str]:
        """The option of a submit that says who asked for it."""
        user = _user(request)
        return {} if user is None else {"by": f"user {user.name}"}

    # -- tasks --------------------------------------------------------------------------------

    def tasks(self) -> list[tuple[int, Any]]:
        """The tasks with their numbers, in the order of these; without the service's own."""
        known = self.app.tasks
        ids = self.app.task_ids()
        found = [
            (ids[name], task)
            for name, task in list(known.items())
            if name in ids and not name.startswith(_SYSTEM)
        ]
        return sorted(found, key=lambda pair: pair[0])

    def task(self, id: int) -> Any:
        """The task with this number; raises :class:`Refused` (404)."""
        for number, task in self.tasks():
            if number == id:
                return task
        raise Refused(404, "Task not found")

    def task_named(self, name: str) -> Any:
        """The task of this name; raises :class:`Refused` (404) with the name that may be meant."""
        if name.startswith(_SYSTEM):
            raise Refused(404, f"Task not found: {name}")
        try:
            return self.app.find_task(name)
        except errors.UsageError as error:
            raise Refused(404, f"Task not found: {error}") from None


def _user(request: Request) -> Any:
    return (request.scope.get("state") or {}).get("user")
