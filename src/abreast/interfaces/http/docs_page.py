"""Pages about the API itself: the operations, the document they come from, the problems.

Plain HTML without scripts, and nothing from elsewhere: it can be read where there is no internet.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from .openapi import tags
from .problems import BASE, KINDS, Problem
from .route import answer

routes = APIRouter(include_in_schema=False)

_DAY = "public, max-age=86400"
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font: 14px/1.4 ui-monospace, monospace; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; }
details { margin: .4rem 0; }
summary { cursor: pointer; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 600; }
table { border-collapse: collapse; margin: .5rem 0 1rem; }
td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
.quiet { opacity: .75; }
"""


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        '</title><meta name="viewport" content="width=device-width">'
        f'<link rel="stylesheet" href="/api/docs.css"></head><body>{body}</body></html>'
    )


@routes.get("/api/docs.css")
async def style() -> Response:
    """How the pages look."""
    return Response(STYLE, media_type="text/css", headers={"Cache-Control": _DAY})


@routes.get("/api/openapi.json")
async def document(request: Request) -> Response:
    """The OpenAPI document."""
    return answer(request.app.openapi(), headers={"Cache-Control": "private, no-cache"})


@routes.get("/api/docs")
async def docs(request: Request) -> Response:
    """All operations."""
    document = request.app.openapi()
    parts = [f"<h1>abreast {escape(document['info']['version'])}: the HTTP API</h1>"]
    parts += [f"<p>{escape(text)}</p>" for text in document["info"]["description"].split("\n\n")]
    parts.append('<p><a href="/api/openapi.json">openapi.json</a> · '
                 f'<a href="{BASE.rstrip("/")}">problems</a></p>')  # fmt: skip
    for tag, said in tags():
        parts.append(f'<h2 id="{tag}">{escape(tag)}</h2><p class="quiet">{escape(said)}</p>')
        parts += _operations(document, tag)
    return _page("The HTTP API of abreast", "".join(parts))


def _operations(document: dict[str, Any], tag: str) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag not in operation.get("tags", ()):
                continue
            name = operation["operationId"]
            text = escape(operation.get("description", "")).replace("\n\n", "<br>")
            yield (
                f'<details id="{name}"><summary><code><span class="method">{method.upper()}</span>'
                f" {escape(path)}</code> {escape(operation['summary'])}</summary>"
                f"<p>{text}</p>{_parameters(operation)}{_body(operation)}{_answers(operation)}"
                "</details>"
            )


def _parameters(operation: dict[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{escape(item['name'])}</code></td><td>{item['in']}</td>"
        f"<td>{escape(item.get('description') or item['schema'].get('description', ''))}</td></tr>"
        for item in operation.get("parameters", ())
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _body(operation: dict[str, Any]) -> str:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        name = _name(content["schema"])
        return f"<p>Body: <code>{escape(name)}</code>, in JSON.</p>"
    return ""


def _name(schema: dict[str, Any]) -> str:
    """The name of what a schema refers to."""
    for part in (schema, *schema.get("anyOf", ())):
        if "$ref" in part:
            return str(part["$ref"]).rpartition("/")[2]
    return str(schema.get("type", "any"))


def _answers(operation: dict[str, Any]) -> str:
    rows = [
        f"<tr><td>{status}</td><td>{escape(said['description'])}</td></tr>"
        for status, said in operation["responses"].items()
    ]
    return f"<table>{''.join(rows)}</table>"


@routes.get(BASE.rstrip("/"))
async def problems() -> Response:
    """All kinds of problems."""
    rows = [
        f'<tr><td>{kind.status}</td><td><a href="{BASE}{name}">{name}</a></td>'
        f"<td>{escape(kind.title)}</td></tr>"
        for name, kind in KINDS.items()
    ]
    return _page("Problems", f"<h1>Problems</h1><table>{''.join(rows)}</table>")


@routes.get(BASE + "{name}")
async def problem(name: str) -> Response:
    """What one kind of problem means."""
    kind = KINDS.get(name)
    if kind is None:
        raise Problem("not-found", f"there is no problem of the kind {name!r}")
    return _page(
        kind.title,
        f"<h1>{escape(kind.title)}</h1><p>Status {kind.status}, kind <code>{name}</code>.</p>"
        f'<p>{escape(kind.advice)}</p><p><a href="{BASE.rstrip("/")}">All problems</a></p>',
    )
