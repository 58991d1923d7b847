"""What is round everything else: every answer gets its headers and an id, and none is missing."""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any
from urllib.parse import unquote

from .problems import internal

_log = logging.getLogger("abreast")
_requests = logging.getLogger("abreast.requests")

CSP = (
    b"default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    b"form-action 'self'"
)
HEADERS = (
    (b"content-security-policy", CSP),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_NO_STORE = (b"cache-control", b"no-store")
_QUIET = ("/livez", "/readyz")


class Shell:
    """ASGI application around all others.

    Parameters
    ----------
    app : ASGI application
    log_requests : bool
        Write a line for every request, except those that ask how the service is.
    """

    def __init__(self, app: Any, log_requests: bool = False) -> None:
        self._app = app
        self._log_requests = log_requests
        self._start = secrets.token_hex(4)
        self._number = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Carry out one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._number += 1
        id = f"{self._start}-{self._number:x}"
        scope = {**scope, "state": {**scope.get("state", {}), "request_id": id}}
        if b"%" in (scope.get("raw_path") or b""):
            scope["path"] = _path(scope)
        began = time.perf_counter()
        status = 0
        at_end = (*HEADERS, (b"x-request-id", id.encode()))

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                names = {name for name, _ in headers}
                headers += [header for header in at_end if header[0] not in names]
                if _NO_STORE[0] not in names:
                    headers.append(_NO_STORE)
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            _log.exception("request %s (%s %s) failed", id, scope["method"], scope["path"])
            if not status:
                await internal(error).response(id)(scope, receive, sending)
        if self._log_requests and scope["path"] not in _QUIET:
            took = (time.perf_counter() - began) * 1000
            client = (scope.get("client") or ("-",))[0]
            _requests.info("%s %s %s %d %.1f ms %s", client, scope["method"], scope["path"],
                           status, took, id)  # fmt: skip


def _path(scope: Any) -> str:
    """The path with escaped slashes left as they are, so that names may have some."""
    raw = scope["raw_path"].partition(b"?")[0]
    if b"%2f" not in raw.lower() and b"%25" not in raw:
        path: str = scope["path"]
        return path
    parts = raw.decode("latin-1").split("/")
    return "/".join(unquote(part).replace("%", "%25").replace("/", "%2F") for part in parts)


def name_of(text: str) -> str:
    """A name out of a path that :class:`Shell` has looked at."""
    return text.replace("%2F", "/").replace("%25", "%")
