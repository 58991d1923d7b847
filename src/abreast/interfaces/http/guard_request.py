"""What the guard looks at in a request, read with care: nothing of it can be trusted."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from ..access_listen import Authority, Networks, authority, is_address
from .problems import Problem

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SESSION_COOKIE = "abreast_session"
_ONCE = frozenset(
    {b"host", b"origin", b"authorization", b"content-length", b"content-type", b"x-csrf-token"}
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip")


class Credentials(NamedTuple):
    """What came in ``Authorization``: a token, or name and password."""

    token: str | None = None
    name: str = ""
    password: str = ""


class Seen:
    """One request.

    Raises
    ------
    Problem
        400, when it contradicts itself or has a part that no honest client sends.
    """

    def __init__(self, scope: Any, proxies: Networks) -> None:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in headers:
                if name in _ONCE:
                    raise Problem("bad-request", f"the header {name.decode()} came twice")
                value = headers[name] + (b"; " if name == b"cookie" else b", ") + value
            headers[name] = value
        if b"transfer-encoding" in headers and b"content-length" in headers:
            # A proxy before us might take the other one, and another request for this body.
            raise Problem("bad-request", "Transfer-Encoding and Content-Length exclude each other")
        self._headers = headers
        self.method: str = scope["method"]
        self.unsafe = self.method not in SAFE
        self.root: str = scope.get("root_path", "")
        self.path = _path(scope["path"], self.root)
        self.query: bytes = scope.get("query_string", b"")
        server = scope.get("server")
        self.own: str = server[0] if server else ""  # the address it came to
        client = scope.get("client")
        self.peer: str = client[0] if client else ""
        self.scheme: str = scope.get("scheme", "http")
        self.address = self.peer
        self.forwarded = any(name in headers for name in _FORWARDED)
        if self.peer in proxies:
            self._heed_proxy(proxies)

    def header(self, name: bytes) -> str | None:
        """The value of a header, or None."""
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1").strip()

    def _heed_proxy(self, proxies: Networks) -> None:
        """Believe what a proxy we trust says of the client: the last address it cannot vouch for
        itself."""
        proto = (self.header(b"x-forwarded-proto") or "").rpartition(",")[2].strip().lower()
        if proto in _DEFAULT_PORTS:
            self.scheme = proto
        named = (self.header(b"x-forwarded-for") or "").split(",")
        for entry in reversed([text.strip() for text in named if text.strip()]):
            if not is_address(entry):
                break
            self.address = entry
            if entry not in proxies:
                break

    @property
    def host(self) -> Authority:
        """By which name we are called; raises ``Problem`` when there is none."""
        text = self.header(b"host")
        found = None if text is None else authority(text)
        if found is None:
            raise Problem("bad-request", "the request needs one Host that names a host")
        return found

    @property
    def length(self) -> int | None:
        """The announced size of the body in bytes."""
        text = self.header(b"content-length")
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            raise Problem("bad-request", "Content-Length is no number")
        return int(text)

    @property
    def has_body(self) -> bool:
        """Whether a body has to be expected."""
        return self.unsafe or bool(self.length) or b"transfer-encoding" in self._headers

    @property
    def is_form(self) -> bool:
        """Whether the body is what a form in a page sends."""
        kind = (self.header(b"content-type") or "").partition(";")[0].strip().lower()
        return kind == "application/x-www-form-urlencoded"

    @property
    def from_program(self) -> bool:
        """Whether a script of a page asks, for which a browser should not ask for a password."""
        return (self.header(b"sec-fetch-mode") or "navigate") != "navigate"

    @property
    def wants_page(self) -> bool:
        """Whether a person looks for a page, and is helped more by a form than by an error."""
        if self.method not in ("GET", "HEAD"):
            return False
        mode = self.header(b"sec-fetch-mode")
        if mode is not None:
            return mode == "navigate"
        return not self.path.startswith("/api/") and "text/html" in (self.header(b"accept") or "")

    @property
    def cookie(self) -> str | None:
        """The cookie of the session, or None."""
        for part in (self.header(b"cookie") or "").split(";"):
            name, sign, value = part.strip().partition("=")
            if sign and name == SESSION_COOKIE:
                return value.strip('"')
        return None

    def credentials(self) -> Credentials | None:
        """What ``Authorization`` says, None without one; raises ``Problem`` (401) when it says
        nothing that is understood."""
        text = self.header(b"authorization")
        if text is None:
            return None
        scheme, _, rest = text.partition(" ")
        if scheme.lower() == "bearer":
            return Credentials(token=rest.strip())
        if scheme.lower() == "basic":
            try:
                data = base64.b64decode(rest.strip(), validate=True)
                name, colon, password = data.decode("utf-8").partition(":")
            except (binascii.Error, ValueError):
                colon = ""
            if colon:
                return Credentials(None, name, password)
        raise Problem(
            "unauthenticated", "Authorization has to be a Bearer token, or Basic in UTF-8"
        )

    def check_origin(self, base_url: str | None) -> None:
        """Raise ``Problem`` (403) when a page of somebody else's has sent this.

        Browsers say so with everything that changes something; other programs say nothing.
        """
        site = self.header(b"sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            raise Problem("forbidden", f"a page of another site sent this ({site})")
        origin = self.header(b"origin")
        if origin is None:
            return
        given = _origin(origin)
        if given is not None:
            own = (self.scheme, *self.host)
            if given == _with_port(*own) or (base_url and given == _origin(base_url)):
                return
            # A proxy that is not trusted may have taken TLS off.
            if self.scheme == "http" and given == _with_port("https", *self.host):
                return
        raise Problem("forbidden", "a page of another site sent this (Origin)")


def _path(path: str, root: str) -> str:
    """The path below our root; raises ``Problem`` when it tries to leave it."""
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :] or "/"
    plain = unquote(path)  # also what was escaped twice, so that nothing behind us meets it
    parts = plain.split("/")
    if "\\" in plain or ".." in parts or "." in parts or any(sign < " " for sign in plain):
        raise Problem("bad-request", "the path has parts that lead nowhere here")
    return path


def _origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None when it is no origin of the web (``null``)."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    found = authority(parts.netloc)
    if parts.scheme not in _DEFAULT_PORTS or found is None:
        return None
    return _with_port(parts.scheme, *found)


def _with_port(scheme: str, host: str, port: int | None) -> tuple[str, str, int]:
    return scheme, host, _DEFAULT_PORTS.get(scheme, 80) if port is None else port
