"""The OpenAPI document: what the framework derives from the routes, and what it cannot know."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ... import __version__
from .problems import TYPE
from .route import declared_problem

_ABOUT = """Tasks, runs, schedules: see what is going on, start, stop.

Times are RFC 3339 in UTC, durations seconds. Lists have `items` and `next_cursor`; ask with
`cursor=` for what follows. What a query says and nobody knows is refused. Errors are problem
details (RFC 9457): `type` is the address of a page that says what to do.
"""
_TAGS = [
    ("tasks", "What there is to run."),
    ("runs", "Executions of tasks."),
    ("flows", "Graphs of runs, and batches."),
    ("schedules", "When runs are made, and what became of every instant."),
    ("load", "Limits and workers."),
    ("events", "What happens, as it happens and afterwards."),
    ("service", "The service itself."),
    ("access", "Who may use it."),
]
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference",
                 "description": "Address of a page about this kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and what to do."},
        "instance": {"type": "string", "description": "The id of the request in the log."},
        "errors": {
            "type": "array",
            "description": "Which parts of the request are wrong.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string",
                                "description": "Into the body, or the name of a parameter."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}  # fmt: skip
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token: abr_…"},
    "password": {"type": "http", "scheme": "basic", "description": "Name and password."},
    "session": {"type": "apiKey", "in": "cookie", "name": "abreast_session",
                "description": "A browser that has logged in; changes bring X-CSRF-Token."},
}  # fmt: skip
_EVERYWHERE = (400, 401, 403, 421, 429, 500, 503)
_WITH_BODY = (408, 413)
_OPEN = ("/livez", "/readyz")


def document_of(api: FastAPI) -> dict[str, Any]:
    """The document of an app; made once."""
    if api.openapi_schema is None:
        found = get_openapi(
            title="abreast", version=__version__, description=_ABOUT, routes=api.routes,
            tags=[{"name": name, "description": text} for name, text in _TAGS],
        )  # fmt: skip
        api.openapi_schema = _completed(found)
    return api.openapi_schema


def _completed(found: dict[str, Any]) -> dict[str, Any]:
    parts = found.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)  # said as problems instead
    schemas["Problem"] = _PROBLEM
    parts["schemas"] = dict(sorted(schemas.items()))
    parts["securitySchemes"] = _SCHEMES
    found["security"] = [{name: []} for name in _SCHEMES]
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            _complete(path, method, operation)
    return found


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add the answers that every route can give."""
    answers = operation["responses"]
    if "422" in answers and TYPE not in answers["422"].get("content", {}):
        del answers["422"]  # the framework's own
    wanted = [*_EVERYWHERE]
    if method != "get":
        wanted += _WITH_BODY
    if "requestBody" in operation:
        wanted += (415, 422)
    if "{" in path:
        wanted.append(404)
    if path in _OPEN:
        operation["security"] = []
        wanted = [400, 421, 500]
    for status in wanted:
        answers.setdefault(str(status), declared_problem(status))
    operation["responses"] = dict(sorted(answers.items()))


def tags() -> list[tuple[str, str]]:
    """The groups of operations, in the order of pages."""
    return list(_TAGS)
