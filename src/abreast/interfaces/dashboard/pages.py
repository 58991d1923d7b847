"""Serves the dashboard: one page for all its addresses, and the assets it is made of.

The assets are read once and kept compressed, without their comments and indentation, which is an
eighth of what browsers would have to fetch; lines stay where they are. Their addresses carry one
digest of all of them, so browsers may keep them for ever, modules find each other by relative
addresses, and no page ever mixes two versions.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..http.problems import Problem

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

OPEN_PATHS = ("/static/",)  # it tells nothing about a service, and the page to log in on needs it
PATHS = (
    "/", "/tasks", "/tasks/{rest:path}", "/runs", "/runs/{rest:path}", "/flows/{rest:path}",
    "/schedules", "/schedules/{rest:path}", "/limits", "/workers", "/settings",
)  # fmt: skip

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_COMMENTS = re.compile(rb"^[ \t]*(//.*$|/\*[\s\S]*?\*/[ \t]*$)|^[ \t]+", re.MULTILINE)
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_FIRST = "private, no-cache"
# The modules that all pages begin with, told at once: browsers need not find out step by step.
_FIRST = ("main", "api", "dom", "help", "live", "prefs", "time")
_STYLES = ("css/tokens.css", "css/base.css")  # first, and in this order


class Asset(NamedTuple):
    """A file of the dashboard: as it is, compressed, and how it is announced."""

    plain: bytes
    packed: bytes
    type: str
    tag: str

    @classmethod
    def of(cls, data: bytes, type: str) -> Asset:
        """Compress some data."""
        tag = f'W/"{hashlib.sha256(data).hexdigest()[:16]}"'
        return cls(data, gzip.compress(data, 9, mtime=0), f"{type}; charset=utf-8", tag)


def make_dashboard() -> APIRouter:
    """Return the routes of the dashboard.

    All addresses of :data:`PATHS` are the same page, whose scripts see to the rest; it is for who
    has logged in, which is the guard's matter. The guard has to know :data:`OPEN_PATHS`.
    """
    routes = APIRouter(include_in_schema=False)
    for path in PATHS:
        routes.add_api_route(path, _page, methods=["GET", "HEAD"])
    routes.add_api_route("/static/{rest:path}", _asset, methods=["GET", "HEAD"])
    return routes


async def _page(request: Request) -> Response:
    return _answer(request, page(), _ASK_FIRST)


async def _asset(request: Request, rest: str) -> Response:
    digest, _, name = rest.partition("/")
    found = assets().get(name) if digest == version() else None
    if found is None:
        raise Problem("not-found", "there is no such file; reload the page after an upgrade")
    return _answer(request, found, _FOR_EVER)


def _answer(request: Request, asset: Asset, caching: str) -> Response:
    headers = {"Cache-Control": caching, "ETag": asset.tag, "Vary": "Accept-Encoding"}
    if asset.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = asset.plain
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = asset.packed
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers | {"Content-Type": asset.type})


# -- files ------------------------------------------------------------------------------------


@cache
def assets() -> dict[str, Asset]:
    """The assets by the end of their addresses: ``js/main.js``."""
    found = {}
    for name, item in _files(_static(), ""):
        type = _TYPES.get(name.rpartition(".")[2])
        if type is not None:
            found[name] = Asset.of(shortened(item.read_bytes()), type)
    return found


def shortened(text: bytes) -> bytes:
    """A script or style sheet without indentation and without comments that have lines of their
    own. No text in them goes on over lines."""
    return _COMMENTS.sub(lambda comment: b"\n" * comment[0].count(b"\n"), text)


@cache
def version() -> str:
    """A digest of all assets."""
    digest = hashlib.sha256()
    for name, asset in sorted(assets().items()):
        digest.update(f"{name} {asset.tag} ".encode())
    return digest.hexdigest()[:12]


def address(name: str) -> str:
    """Where an asset is, below the root of the service."""
    return f"/static/{version()}/{name}"


@cache
def page() -> Asset:
    """The page."""
    text = (_static() / "index.html").read_text("utf-8")
    rest = sorted(name for name in assets() if name.startswith("css/") and name not in _STYLES)
    first = [f'<link rel="stylesheet" href="{address(name)}">' for name in (*_STYLES, *rest)]
    first += [f'<link rel="modulepreload" href="{address(f"js/{name}.js")}">' for name in _FIRST]
    text = text.replace("{assets}", address("").rstrip("/"))
    text = text.replace("<!-- first -->", "\n".join(first))
    return Asset.of(text.encode(), "text/html")


def _static() -> Traversable:
    return resources.files(__package__) / "static"


def _files(folder: Traversable, before: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _files(item, f"{before}{item.name}/")
        else:
            yield before + item.name, item
