"""Every answer that is an error: problem details (RFC 9457), and what each kind means.

The ``type`` of a problem is the address of a page that says what it means and what to do. No
problem carries a statement of the store or a traceback.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ...errors import (
    AbreastError,
    Busy,
    KeyReused,
    StoreError,
    StoreFull,
    UnknownRun,
    UnknownSchedule,
    UsageError,
)

TYPE = "application/problem+json"
BASE = "/api/problems/"


class Kind(NamedTuple):
    """A kind of problem: status, title, and what to do about it."""

    status: int
    title: str
    advice: str


KINDS = {
    "bad-request": Kind(400, "Malformed request", "Say it as the page of the API does."),
    "bad-json": Kind(400, "The body is not JSON", "Send valid JSON in UTF-8."),
    "bad-parameter": Kind(
        400, "A parameter of the query is wrong",
        "Look up its name and form; what is unknown is refused, so that a slip of the pen does "
        "not select everything."),
    "unauthenticated": Kind(
        401, "Nobody is logged in", "Send a token (Authorization: Bearer abr_…) or a password "
        "(curl -u NAME), or log in at /login."),
    "forbidden": Kind(403, "Not allowed", "Ask an admin of this service for the role it needs."),
    "not-found": Kind(404, "There is no such thing", "Compare the name with the list."),
    "method-not-allowed": Kind(405, "This cannot be done here", "See the header Allow."),
    "pruned": Kind(410, "The run is gone", "Runs are removed after their retention."),
    "too-slow": Kind(408, "The request was not complete in time", "Send it in one go."),
    "already-running": Kind(
        409, "Already running", "Wait for running_run_id, cancel it, or ask with "
        "?on_conflict=return for the run that is there."),
    "in-progress": Kind(
        409, "The same request is being carried out", "Send it again in a moment."),
    "not-ended": Kind(409, "The run has not ended", "Wait for its end, or cancel it."),
    "no-result": Kind(409, "The run has no result", "See its state, reason and error."),
    "conflict": Kind(409, "That is not possible as things are", "The detail says why."),
    "exists": Kind(409, "That name is taken", "Choose another one, or change what there is."),
    "declared-elsewhere": Kind(
        409, "It is declared elsewhere", "Change it where it is declared; here it can be paused."),
    "too-large": Kind(413, "The body is too large", "Send less; put large data into files."),
    "not-json": Kind(
        415, "The body is not declared as JSON", "Send Content-Type: application/json "
        "(curl --json does)."),
    "bad-range": Kind(416, "That part does not exist", "See the header Content-Range."),
    "wrong-host": Kind(
        421, "This service does not answer to that name", "Add the name to hosts in [server]."),
    "invalid": Kind(422, "Values that cannot be used", "See errors: pointer says where."),
    "key-reused": Kind(
        422, "The Idempotency-Key stands for another request", "Take a new key for a new request."),
    "too-many": Kind(429, "Too many requests", "Wait as long as Retry-After says."),
    "internal": Kind(
        500, "A mistake in the service", "The log of the service has the details under the "
        "id of this request."),
    "draining": Kind(503, "The service is stopping", "Send it again when it is back."),
    "store": Kind(503, "The store cannot be used now", "The detail says what is to be done."),
    "busy": Kind(503, "Too many requests at once", "Send it again in a moment."),
}  # fmt: skip

_BY_STATUS = {400: "bad-request", 401: "unauthenticated", 403: "forbidden", 404: "not-found",
              405: "method-not-allowed", 408: "too-slow", 413: "too-large", 415: "not-json",
              421: "wrong-host", 422: "invalid", 429: "too-many", 503: "busy"}  # fmt: skip


class Problem(Exception):
    """Ends a request with an answer of one of the :data:`KINDS`.

    Parameters
    ----------
    name : str
        The kind.
    detail : str
        What is wrong this time, and what to do.
    errors : sequence of (pointer, detail), optional
        Which parts of the request are wrong.
    headers : mapping, optional
        Of the answer.
    more
        Further members.
    """

    def __init__(
        self,
        name: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.more = more

    @property
    def status(self) -> int:
        """The status of the answer."""
        return KINDS[self.name].status

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """The members of the problem."""
        kind = KINDS[self.name]
        found: dict[str, Any] = {
            "type": BASE + self.name, "title": kind.title, "status": kind.status,
            "detail": self.detail,
        }  # fmt: skip
        if request_id:
            found["instance"] = f"urn:abreast:request:{request_id}"
        if self.errors:
            found["errors"] = [
                {"pointer": pointer, "detail": detail} for pointer, detail in self.errors
            ]
        return {**found, **self.more}

    def response(self, request_id: str | None = None) -> Response:
        """The answer."""
        body = json.dumps(self.body(request_id), ensure_ascii=False).encode("utf-8", "replace")
        return Response(body, self.status, self.headers, media_type=TYPE)


# -- from exceptions --------------------------------------------------------------------------


def of_error(error: Exception) -> Problem:
    """The problem an error of abreast stands for."""
    detail = str(error)
    if isinstance(error, UnknownRun | UnknownSchedule):
        return Problem("not-found", detail)
    if isinstance(error, KeyReused):
        return Problem("key-reused", detail)
    if isinstance(error, Busy):
        return Problem("already-running", detail, headers={"Retry-After": "1"})
    if isinstance(error, StoreFull | StoreError):
        return Problem("store", detail, headers={"Retry-After": "5"})
    if isinstance(error, UsageError):
        return Problem("invalid", detail)
    return Problem("conflict", detail)


def of_status(error: HTTPException) -> Problem:
    """The problem of an error that the framework raised."""
    name = _BY_STATUS.get(error.status_code)
    if name is None:
        name = "internal" if error.status_code >= 500 else "bad-request"
    detail = str(error.detail)
    if name == "not-found" and detail == "Not Found":
        detail = "there is nothing at this address"
    return Problem(name, detail, headers=error.headers)


def problem_response(
    status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer for those who have a status and words of their own."""
    problem = of_status(HTTPException(status, detail, dict(headers or {})))
    problem.more["title"] = title
    return problem.response()


def of_validation(error: RequestValidationError) -> Problem:
    """The problem of a request whose parts do not have the declared form."""
    found = error.errors()
    places = {item["loc"][0] if item["loc"] else "body" for item in found}
    if "path" in places:
        return Problem("not-found", "there is nothing at this address")
    if found and found[0]["type"] == "json_invalid":
        said = found[0].get("ctx", {}).get("error", "it cannot be read")
        return Problem("bad-json", f"the body is not JSON: {said}")
    errors = [(pointer(item["loc"]), _sentence(item)) for item in found[:50]]
    name = "invalid" if "body" in places else "bad-parameter"
    return Problem(name, "; ".join(f"{at}: {what}" for at, what in errors[:3]), errors=errors)


def pointer(place: Sequence[int | str]) -> str:
    """A JSON pointer into the body, or the name of a parameter: ``/kwargs/x``, ``limit``."""
    if not place or place[0] != "body":
        return ".".join(str(part) for part in place[1:])
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in place[1:])
    return "".join(f"/{part}" for part in parts)


def _sentence(item: Mapping[str, Any]) -> str:
    kind = item["type"]
    if kind == "extra_forbidden":
        return "there is no such member"
    if kind == "missing":
        return "is required"
    text = str(item["msg"])
    return text[:1].lower() + text[1:]


# -- for the app ------------------------------------------------------------------------------


def request_id(request: Request) -> str | None:
    """The id under which the log of the service knows a request."""
    found: str | None = request.scope.get("state", {}).get("request_id")
    return found


def install(api: FastAPI, on_store_error: Callable[[StoreError], None]) -> None:
    """Let every error of an app end as a problem."""

    def answering(make: Any) -> Any:
        async def answer(request: Request, error: Exception) -> Response:
            if isinstance(error, StoreError):
                on_store_error(error)
            problem: Problem = make(error)
            return problem.response(request_id(request))

        return answer

    api.add_exception_handler(Problem, answering(lambda error: error))
    api.add_exception_handler(AbreastError, answering(of_error))
    api.add_exception_handler(HTTPException, answering(of_status))
    api.add_exception_handler(RequestValidationError, answering(of_validation))
    api.add_exception_handler(Exception, answering(internal))


def internal(error: Exception) -> Problem:
    """What is said of a mistake in the service: nothing of its insides."""
    return Problem("internal", "this request met a mistake in the service, which is in its log")
