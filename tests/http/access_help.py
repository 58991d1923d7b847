"""What the tests of access share: a small service behind the guard, and what nobody may change."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import uvicorn
from fastapi import Depends, FastAPI, Request
from starlette.responses import Response

from abreast import App
from abreast.interfaces.access import Access, User
from abreast.interfaces.access_passwords import Passwords
from abreast.interfaces.http.guard import Guard, require
from abreast.interfaces.http.login import OPEN_PATHS, make_login
from abreast.interfaces.http.problems import Problem

HOME = "http://127.0.0.1:7000"
PASSWORD = "correct horse"


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def server_settings(**server: Any) -> SimpleNamespace:
    """Settings with these values in ``[server]``."""
    given = {"listen": ["127.0.0.1:7000"], "hosts": [], "base_url": None, "anonymous": None,
             "trusted_proxies": [], **server}  # fmt: skip
    return SimpleNamespace(server=SimpleNamespace(**given))


def cheap_access(app: App, clock: Clock) -> Access:
    """Access whose passwords cost next to nothing."""
    return Access(app, clock, Passwords(clock, memory_kib=8, passes=1))


class Service:
    """A small application behind the guard. ``changes`` lists what requests have changed."""

    def __init__(self, folder: Path, guard: dict[str, Any] | None = None, **server: Any) -> None:
        self.clock = Clock()
        self.app = App(f"sqlite:///{folder}/jobs.db")
        self.access = cheap_access(self.app, self.clock)
        self.settings = server_settings(**server)
        self.changes: list[Any] = []
        self.seen: list[tuple[str | None, str]] = []  # user and address of each request
        self.asgi = Guard(
            self._make(), self.access, self.settings, open_paths=(*OPEN_PATHS, "/livez"),
            **(guard or {}),
        )  # fmt: skip

    def _make(self) -> FastAPI:
        api = FastAPI()
        api.add_exception_handler(Problem, _tell)  # type: ignore[arg-type]

        @api.get("/livez")
        @api.get("/")
        @api.get("/page")
        @api.get("/api/v1/runs", dependencies=[Depends(require("viewer"))])
        @api.get("/api/v1/tokens", dependencies=[Depends(require("admin"))])
        async def look(request: Request) -> dict[str, Any]:
            user: User | None = request.scope["state"]["user"]
            name = None if user is None else user.name
            assert request.client is not None
            self.seen.append((name, request.client.host))
            return {"user": name, "scheme": request.url.scheme}

        @api.post("/api/v1/runs", dependencies=[Depends(require("operator"))])
        @api.delete("/api/v1/runs", dependencies=[Depends(require("operator"))])
        @api.post("/api/v1/forgotten")  # a route whose author forgot to ask for a role
        async def change(request: Request) -> dict[str, Any]:
            self.changes.append(bytes(await request.body()))
            return {"ok": True}

        @api.post("/api/v1/schedules/preview")
        async def preview() -> dict[str, Any]:
            return {"ok": True}

        api.include_router(make_login(self.access, self.settings))
        return api

    def add(self, name: str, role: str) -> str:
        """Add a user with :data:`PASSWORD`."""
        self.access.add_user(name, PASSWORD, role)
        return name

    def token(self, role: str, expires: float | None = None) -> dict[str, str]:
        """Headers with a token of a new user of this role."""
        name = f"robot-{role}"
        if name not in {user.name for user in self.access.users()}:
            self.add(name, role)
        text, _ = self.access.create_token("test", name, role, expires)
        return {"Authorization": f"Bearer {text}"}

    def session(self, role: str = "admin") -> tuple[dict[str, str], str]:
        """A cookie header of a new user of this role, and what protects its requests."""
        name = f"person-{role}"
        self.add(name, role)
        user = self.access.user(name)
        cookie, csrf = self.access.open_session(user)
        return {"Cookie": f"abreast_session={cookie}"}, csrf

    def ask(self, method: str, path: str, *, home: str = HOME, client: str = "127.0.0.1",
            **options: Any) -> httpx.Response:  # fmt: skip
        """Send one request, past any server."""
        return self.ask_all([(method, path, options)], home=home, client=client)[0]

    def ask_all(
        self, requests: list[tuple[str, str, dict[str, Any]]], *, home: str = HOME,
        client: str = "127.0.0.1",
    ) -> list[httpx.Response]:  # fmt: skip
        """Send requests at the same time."""

        async def send() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.asgi, client=(client, 40000))
            async with httpx.AsyncClient(transport=transport, base_url=home) as http:
                return await asyncio.gather(
                    *(http.request(method, path, **options) for method, path, options in requests)
                )

        return asyncio.run(send())

    def rows(self) -> list[Any]:
        """What the store has about access, but not when it was last used."""
        read = self.app.node.store.db.read
        return [
            *read("SELECT * FROM users ORDER BY name"),
            *read("SELECT id, name, user, role, digest, expires FROM tokens ORDER BY id"),
            *read("SELECT digest, user, role, csrf FROM sessions ORDER BY digest"),
        ]

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Nothing may change in this block."""
        rows, changes = self.rows(), list(self.changes)
        yield
        assert self.rows() == rows
        assert self.changes == changes

    @contextmanager
    def served(self, http: str = "h11") -> Iterator[int]:
        """A real server on a free port of loopback."""
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            self.asgi, log_config=None, http=http, ws="none", proxy_headers=False,
            lifespan="on", timeout_graceful_shutdown=5,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        tick = threading.Event()
        for _ in range(1000):
            if server.started:
                break
            tick.wait(0.02)
        assert server.started
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)
            listener.close()
            assert not thread.is_alive()

    def close(self) -> None:
        """Close the store."""
        self.app.close()


async def _tell(request: Request, problem: Problem) -> Response:
    return problem.response()


def talk(port: int, data: bytes, then: bytes = b"") -> tuple[int, bytes]:
    """Send bytes to a server; returns status and whole answer. Reads until it closes, or the
    answer is complete."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(data)
        if then:
            wire.sendall(then)
        got = b""
        while b"\r\n\r\n" not in got or not _complete(got):
            part = wire.recv(65536)
            if not part:
                break
            got += part
    assert got.startswith(b"HTTP/1.1 "), got
    return int(got[9:12]), got


def _complete(got: bytes) -> bool:
    head, _, body = got.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return False
