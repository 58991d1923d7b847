"""Logging in and out with a browser."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from ..access import Access, Session, User
from ..access_kinds import ANONYMOUS
from ..access_store import log
from . import login_page
from .guard import LINK_PATH
from .guard_credentials import Doorman
from .guard_request import SESSION_COOKIE
from .login_page import HEADERS, NOBODY, SPENT, page
from .problems import Problem

OPEN_PATHS = ("/login", LINK_PATH, "/login/style.css")
_COOKIE_S = 7 * 86400  # the store says earlier when a session is over


def make_login(access: Access, settings: Any) -> APIRouter:
    """Return the routes; the guard has to know :data:`OPEN_PATHS`.

    ``GET /login`` is the form and ``POST /login`` takes it, ``GET /login/link?token=`` is the way
    in while there are no users, ``POST /logout`` the way out; ``GET /login/session`` says who has
    logged in, with the value that scripts send as ``X-CSRF-Token``.
    """
    routes = Login(access, getattr(settings.server, "base_url", None))
    router = APIRouter(include_in_schema=False)
    add = router.add_api_route
    add("/login", routes.form, methods=["GET"])
    add("/login", routes.login, methods=["POST"])
    add(LINK_PATH, routes.link, methods=["GET"])
    add("/login/session", routes.session, methods=["GET"])
    add("/login/style.css", style, methods=["GET"])
    add("/logout", routes.logout, methods=["POST"])
    return router


class Login:
    """The routes."""

    def __init__(self, access: Access, base_url: str | None) -> None:
        self._access = access
        self._tls = bool(base_url and base_url.startswith("https:"))

    async def form(self, request: Request) -> Response:
        """The form, or on to the service for who has logged in."""
        target = local(request.query_params.get("next"))
        user = _user(request)
        if user is not None and user.name != ANONYMOUS:
            return RedirectResponse(_root(request) + target, 303)
        nobody = await asyncio.to_thread(lambda: self._access.empty)
        return _page(request, 200, target, trouble=NOBODY if nobody else "", form=not nobody)

    async def login(self, request: Request) -> Response:
        """Take the form."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            return Problem("not-json", "log in with the form of this page").response()
        fields = _fields(await request.body())
        name, target = fields.get("name", "").strip(), local(fields.get("next"))
        address = request.client.host if request.client else ""
        try:
            doorman: Doorman = request.scope["state"]["doorman"]
            user = await doorman.password(name, fields.get("password", ""), address)
        except Problem as problem:
            answer = _page(request, problem.status, target, name=name, trouble=f"{problem.detail}.")
            answer.headers.update(problem.headers)
            return answer
        if user is None:
            said = "Name or password is wrong."
            answer = _page(request, 401, target, name=name, trouble=said)
            # Not Basic: the browser would ask in a window of its own.
            answer.headers["WWW-Authenticate"] = 'Bearer realm="abreast"'
            return answer
        return await self._let_in(request, user, target)

    async def link(self, request: Request) -> Response:
        """Log in whoever has a one-time link."""
        token = request.query_params.get("token", "")
        user = await asyncio.to_thread(self._access.use_link, token)
        if user is None:
            return _page(request, 403, "/", trouble=SPENT, form=False)
        answer = await self._let_in(request, user, "/")
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer

    async def _let_in(self, request: Request, user: User, target: str) -> Response:
        """Open a session, always a new one, and go on."""
        old = request.cookies.get(SESSION_COOKIE)
        if old and _session(request) is not None:
            await asyncio.to_thread(self._access.close_session, old)
        cookie, _ = await asyncio.to_thread(self._access.open_session, user)
        address = request.client.host if request.client else "somewhere"
        log.info("%s (%s) has logged in from %s", user.name, user.role, address)
        answer = RedirectResponse(_root(request) + target, 303)
        answer.headers["Cache-Control"] = "no-store"
        answer.set_cookie(
            SESSION_COOKIE, cookie, max_age=_COOKIE_S, path="/", httponly=True, samesite="lax",
            secure=self._tls or request.scope.get("scheme") == "https",
        )  # fmt: skip
        return answer

    async def session(self, request: Request) -> Response:
        """Who has logged in, for scripts of our pages."""
        user, session = _user(request), _session(request)
        if user is None:
            raise Problem("unauthenticated", "log in, or send a token")
        answer: dict[str, Any] = {"user": user.name, "role": user.role}
        if session is not None:
            answer |= {"csrf": session.csrf, "expires": session.expires}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def logout(self, request: Request) -> Response:
        """Close the session."""
        cookie = request.cookies.get(SESSION_COOKIE)
        if cookie and _session(request) is not None:
            await asyncio.to_thread(self._access.close_session, cookie)
        answer = RedirectResponse(_root(request) + "/login", 303)
        answer.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax")
        answer.headers["Cache-Control"] = "no-store"
        return answer


async def style() -> Response:
    """How the page looks."""
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(login_page.style(), media_type="text/css", headers=headers)


def local(text: str | None) -> str:
    """A path of ours to go to; ``/`` instead of anything that might lead elsewhere."""
    if (
        not text
        or len(text) > 2000
        or not text.startswith("/")
        or text.startswith("//")
        or "\\" in text
        or not text.isascii()
        or not text.isprintable()
        or text.partition("?")[0] in ("/login", "/logout", LINK_PATH)
    ):
        return "/"
    return text


def _page(
    request: Request, status: int, target: str, *, name: str = "", trouble: str = "",
    form: bool = True,
) -> HTMLResponse:  # fmt: skip
    text = page(_root(request), target, name=name[:64], trouble=trouble, form=form)
    return HTMLResponse(text, status, HEADERS)


def _fields(body: bytes) -> dict[str, str]:
    try:
        found = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _user(request: Request) -> User | None:
    user: User | None = request.scope.get("state", {}).get("user")
    return user


def _session(request: Request) -> Session | None:
    session: Session | None = request.scope.get("state", {}).get("session")
    return session
