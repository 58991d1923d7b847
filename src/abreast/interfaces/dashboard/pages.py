"""Serves the dashboard: one page for all its addresses, and the assets it is made of.

The assets are read once, when the service starts: all modules become one script, all styles one
sheet, without comments and spaces, and both are kept compressed. Modules by themselves are served,
too, for people and tests; the page does not ask for them. The addresses carry one digest of
everything, so browsers may keep them for ever, and no page ever mixes two versions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

import deflate
import rjsmin
from fastapi import APIRouter, Request
from starlette.responses import Response

from ..bundle import bundle
from ..http.problems import Problem
from .templates import around_templates

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

OPEN_PATHS = ("/static/",)  # it tells nothing about a service, and the page to log in on needs it
PATHS = (
    "/", "/tasks", "/tasks/{rest:path}", "/runs", "/runs/{rest:path}", "/flows/{rest:path}",
    "/schedules", "/schedules/{rest:path}", "/limits", "/workers", "/settings",
)  # fmt: skip

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_FIRST = "private, no-cache"
_CSS = re.compile(
    r"""(?P<text>"[^"\n]*"|'[^'\n]*')|/\*[\s\S]*?\*/|\s*(?P<mark>[{};,])\s*"""
    r"""|(?P<colon>:)\s+|(?P<space>\s+)"""
)
_ARROW = re.compile(r"(?<=[=(,:?&|{};\[])\((\w+)\)=>")  # (a)=>… may be a=>…
_STYLES = ("css/tokens.css", "css/base.css")  # first, and in this order
SCRIPT, SHEET = "js/app.js", "css/app.css"
_SHOWN = ("api.js", "live.js")  # for who looks at a page from its console, and for tests
LOADED = ("icons.svg", "js/theme.js", "logo.svg", SCRIPT, SHEET)  # all that the page asks for


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
        return cls(data, bytes(deflate.gzip_compress(data, 12)), f"{type}; charset=utf-8", tag)


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
    texts = {name: item.read_text("utf-8") for name, item in _files(_static(), "")}
    styles = sorted(name for name in texts if name.startswith("css/") and name not in _STYLES)
    texts[SHEET] = "\n".join(texts[name] for name in (*_STYLES, *styles))
    texts[SCRIPT] = bundle("main.js", meta=True, shown=_SHOWN)
    for name, text in texts.items():
        type = _TYPES.get(name.rpartition(".")[2])
        if type is not None:
            found[name] = Asset.of(shortened(name, text).encode(), type)
    return found


def shortened(name: str, text: str) -> str:
    """A script or style sheet without comments and what else only people need."""
    if name.endswith(".js"):
        return around_templates(text, _short_script)
    if name.endswith(".css"):
        return _CSS.sub(_short_css, text).replace(";}", "}").strip()
    return re.sub(r">\s+<", "><", re.sub(r"<!--[\s\S]*?-->", "", text))


def _short_script(text: str) -> str:
    return _ARROW.sub(r"\1=>", str(rjsmin.jsmin(text)))


def _short_css(found: re.Match[str]) -> str:
    """A text stays, a comment goes, spaces beside punctuation go; others become one. (Spaces before
    a colon mean something in nested rules, which the known minifiers for Python do not know.)"""
    if found["text"]:
        return found["text"]
    return found["mark"] or found["colon"] or (" " if found["space"] else "")


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
    text = text.replace("{assets}", address("").rstrip("/"))
    return Asset.of(text.encode(), "text/html")


def _static() -> Traversable:
    return resources.files(__package__) / "static"


def _files(folder: Traversable, before: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _files(item, f"{before}{item.name}/")
        else:
            yield before + item.name, item
