"""The guard in front of a service: who may come in, and with what.

It lets a request through when it is meant for us (``Host``), leads somewhere, was not sent by a
page of another site, comes from somebody who is known, and is neither too large nor too slow.
Nothing behind it is called before all of that is certain.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from urllib.parse import parse_qs, quote

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from ...errors import StoreError, UsageError
from ..access import Access, Session, User
from ..access_kinds import ANONYMOUS, check_role
from ..access_listen import Hosts, Networks, is_loopback
from .guard_body import Gone, check_length, read_body, replay
from .guard_credentials import Doorman
from .guard_request import Seen
from .problems import Problem

__all__ = ["MAX_BODY", "Guard", "require"]

MAX_BODY = 1 << 20  # bytes
BODY_S = 30.0
_STRANGER_BODY = 1 << 16  # bytes that somebody who has not logged in may send
LINK_PATH = "/login/link"  # the one path whose query is a secret
_REALM = 'realm="abreast", charset="UTF-8"'
_ASK = {"WWW-Authenticate": f"Basic {_REALM}"}

# What a viewer may post all the same: it changes nothing, or only their own log-in.
LOOKING = ("/logout", "/api/v1/schedules/preview", "/api/v1/me/password")

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """ASGI application around another one.

    What is behind it finds in ``scope["state"]`` the ``user`` (:class:`User`, None on open paths
    only), the ``session`` (:class:`Session`, None without a cookie) and the ``doorman``, who
    checks passwords; ``client`` and ``scheme`` of the scope are those of the client when a trusted
    proxy has told them.

    Parameters
    ----------
    app : ASGI application
    access : Access
    settings : Settings
        ``settings.server`` with ``listen``, ``hosts``, ``base_url``, ``anonymous`` and
        ``trusted_proxies`` counts.
    open_paths : iterable of str
        Paths that need no log-in; one that ends with ``/`` stands for all below it.
    looking : iterable of str
        Paths to which a viewer may post.
    max_body : int
        Bytes.
    body_seconds : float
        How long a body may take to arrive.
    """

    def __init__(
        self,
        app: Any,
        access: Access,
        settings: Any,
        *,
        open_paths: Iterable[str] = (),
        looking: Iterable[str] = LOOKING,
        max_body: int = MAX_BODY,
        body_seconds: float = BODY_S,
    ) -> None:
        self._app = app
        self.heed(settings)
        paths = tuple(open_paths)
        self._open = frozenset(path for path in paths if not path.endswith("/"))
        self._open_below = tuple(path for path in paths if path.endswith("/"))
        self._looking = frozenset(looking)
        self._max_body = max_body
        self._body_seconds = body_seconds
        self._doorman = Doorman(access)

    def heed(self, settings: Any) -> None:
        """Take on settings, the first or changed ones; raises ``UsageError`` before it does."""
        server = settings.server
        hosts, proxies = Hosts(server), Networks(getattr(server, "trusted_proxies", None) or ())
        anonymous: str | None = getattr(server, "anonymous", None) or None
        if anonymous not in (None, "viewer"):
            raise UsageError(f"anonymous can be 'viewer' only, not {anonymous!r}")
        self._hosts, self._proxies, self._anonymous = hosts, proxies, anonymous
        self._base_url: str | None = getattr(server, "base_url", None)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let one request through, or answer it."""
        if scope["type"] == "lifespan":
            try:
                await self._app(scope, receive, send)
            finally:
                self.close()
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        send = _with_headers(send)
        seen: Seen | None = None
        try:
            seen = Seen(scope, self._proxies)
            scope, receive = await self._admit(seen, scope, receive)
        except Problem as problem:
            await self._answer(problem, seen)(scope, receive, send)
        except StoreError:
            sorry = "the store cannot be read now"
            trouble = Problem("store", sorry, headers={"Retry-After": "5"})
            await self._answer(trouble, seen)(scope, receive, send)
        except Gone:
            pass
        else:
            await self._app(scope, receive, send)

    def close(self) -> None:
        """End the threads, where nobody speaks of a lifespan."""
        self._doorman.close()

    async def _admit(self, seen: Seen, scope: Any, receive: Any) -> tuple[Any, Any]:
        """Return what the application is called with; raises ``Problem``."""
        if not self._hosts.allow(seen.host, seen.own):
            said = f"this service is not known as {seen.host.host!r}; if it is to be, add that to "
            raise Problem("wrong-host", said + "hosts under [server]")
        if seen.unsafe:
            seen.check_origin(self._base_url)
        is_open = seen.path in self._open or seen.path.startswith(self._open_below)
        try:
            user, session = await self._who(seen)
        except Problem:
            if not is_open:
                raise
            user, session = None, None  # to log in is what an open path may be for
        if user is None and not is_open:
            raise Problem("unauthenticated", "log in, or send a token")
        if seen.unsafe and not is_open:
            self._check_may_change(seen, user)
        if seen.has_body:
            most = self._max_body if user is not None else min(_STRANGER_BODY, self._max_body)
            check_length(seen, most)
            bound = session if seen.unsafe and not is_open else None
            if bound is not None and not seen.is_form:
                _check_csrf(bound, seen.header(b"x-csrf-token"))
            body = await read_body(seen, receive, most, self._body_seconds)
            if bound is not None and seen.is_form:
                _check_csrf(bound, seen.header(b"x-csrf-token") or _field(body))
            receive = replay(body, receive)
        found = {"user": user, "session": session, "doorman": self._doorman}
        state = {**scope.get("state", {}), **found}
        inner = {**scope, "state": state, "scheme": seen.scheme}
        if seen.address != seen.peer:
            inner["client"] = (seen.address, 0)
        if seen.path == LINK_PATH and seen.query:
            scope["query_string"] = b"token=..."  # which the server logs when it has answered
        return inner, receive

    async def _who(self, seen: Seen) -> tuple[User | None, Session | None]:
        """Who sent a request; raises ``Problem`` when it is not who they say."""
        given = seen.credentials()
        if given is not None:
            if given.token is not None:
                user = await self._doorman.token(given.token)
                wrong = "the token is unknown, has expired or was revoked"
            else:
                user = await self._doorman.password(given.name, given.password, seen.address)
                wrong = "name or password is wrong"
            if user is None:
                raise Problem("unauthenticated", wrong)
            return user, None
        cookie = seen.cookie
        if cookie is not None:
            session = await self._doorman.session(cookie)
            if session is not None:
                return session.person, session
        near = is_loopback(seen.own) and is_loopback(seen.address)
        if self._anonymous and near and (seen.address != seen.peer or not seen.forwarded):
            return User(ANONYMOUS, self._anonymous), None
        return None, None

    def _check_may_change(self, seen: Seen, user: User | None) -> None:
        """A viewer changes nothing, whatever a route forgets to ask for."""
        if user is None or user.may("operator") or seen.path in self._looking:
            return
        _refuse_role(user, "operator")

    def _answer(self, problem: Problem, seen: Seen | None) -> Response:
        """The answer to a request that is not let through."""
        page = problem.status == 401 and seen is not None and seen.wants_page
        if page and seen is not None and seen.header(b"authorization") is None:
            target = seen.path + (f"?{seen.query.decode('latin-1')}" if seen.query else "")
            return RedirectResponse(f"{seen.root}/login?next={quote(target, safe='')}", 303)
        answer = problem.response()
        if problem.status == 401:
            asks = "Bearer" if seen is not None and seen.from_program else "Basic"
            answer.headers["WWW-Authenticate"] = f"{asks} {_REALM}"
        answer.headers["Cache-Control"] = "no-store"
        return answer


def require(role: str) -> Callable[[Request], Coroutine[Any, Any, User]]:
    """A dependency of FastAPI: who calls, when they may do what needs ``role``.

    It raises 401 when nobody has logged in, 403 when the role is below.
    """
    check_role(role)

    async def check(request: Request) -> User:
        user: User | None = request.scope.get("state", {}).get("user")
        if user is None:
            raise Problem("unauthenticated", "log in, or send a token", headers=_ASK)
        if not user.may(role):
            _refuse_role(user, role)
        return user

    return check


def _refuse_role(user: User, role: str) -> None:
    if user.name == ANONYMOUS:
        said = f"this needs the role {role}; log in, or send a token"
        raise Problem("unauthenticated", said, headers=_ASK)
    raise Problem("forbidden", f"this needs the role {role}; {user.name!r} is {user.role}")


def _check_csrf(session: Session, given: str | None) -> None:
    """Raise ``Problem`` (403) unless whoever sent this could read a page of ours."""
    if given is None or not hmac.compare_digest(given.encode(), session.csrf.encode()):
        raise Problem(
            "forbidden",
            "with a cookie, what changes something has to bring X-CSRF-Token along; programs use "
            "a token or name and password instead",
        )


def _field(body: bytes) -> str | None:
    """The field of a form that does what the header does for scripts."""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=1000)
    except ValueError:
        return None
    return fields.get("csrf_token", [None])[0]


def _with_headers(send: Any) -> Any:
    """Send what keeps browsers from doing more with an answer than showing it."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {name for name, _ in headers}
            headers += [header for header in _HEADERS if header[0] not in names]
            message = {**message, "headers": headers}
        await send(message)

    return sending
