"""What the tests of the older URLs share: an app, a client in front of its routes, and waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI

from abreast import App, Limit, progress
from abreast.compat.rest import make_router

WAIT_S = 30


class User(NamedTuple):
    """Who asks, as a guard in front of the routes says it."""

    name: str = "anna"
    role: str = "operator"


ANNA = User()


class AsUser:
    """A guard for tests: everybody is this user."""

    def __init__(self, inner: Any, user: User | None) -> None:
        self.inner = inner
        self.user = user

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["user"] = self.user
        await self.inner(scope, receive, send)


class Gates:
    """Tasks wait here until they are let through, so that a test sees them running."""

    def __init__(self) -> None:
        self._gates: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def _gate(self, name: str) -> threading.Event:
        with self._lock:
            return self._gates.setdefault(name, threading.Event())

    def wait(self, name: str) -> None:
        assert self._gate(name).wait(WAIT_S)

    def open(self, *names: str) -> None:
        for name in names:
            self._gate(name).set()

    def open_all(self) -> None:
        with self._lock:
            for gate in self._gates.values():
                gate.set()


def routes(app: App) -> FastAPI:
    """An application with nothing but the routes."""
    site = FastAPI()
    site.include_router(make_router(app))
    return site


class Client:
    """Asks the routes of an app, without a network, as one user."""

    def __init__(self, app: App, user: User | None = ANNA) -> None:
        self._site = AsUser(routes(app), user)

    def ask_all(self, *questions: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        """Ask all of this at once."""
        return asyncio.run(self._ask_all(questions))

    async def _ask_all(self, questions: Any) -> list[httpx.Response]:
        transport = httpx.ASGITransport(self._site)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            asked = [client.request(method, url, **rest) for method, url, rest in questions]
            return await asyncio.gather(*asked)

    def ask(self, method: str, url: str, status: int = 200, **rest: Any) -> Any:
        """Ask, check the status, return what the answer says in JSON."""
        answer = self.ask_all((method, url, rest))[0]
        assert answer.status_code == status, f"{method} {url}: {answer.status_code} {answer.text}"
        return answer.json()

    def get(self, url: str, status: int = 200, **rest: Any) -> Any:
        return self.ask("GET", url, status, **rest)

    def post(self, url: str, status: int = 200, **rest: Any) -> Any:
        return self.ask("POST", url, status, **rest)

    def put(self, url: str, status: int = 200, **rest: Any) -> Any:
        return self.ask("PUT", url, status, **rest)

    def delete(self, url: str, status: int = 200, **rest: Any) -> Any:
        return self.ask("DELETE", url, status, **rest)


def until(look: Callable[[], Any], what: str = "it") -> Any:
    """Look again and again until the answer is true; bounded."""
    pause = threading.Event()
    for _ in range(WAIT_S * 50):
        found = look()
        if found:
            return found
        pause.wait(0.02)
    raise AssertionError(f"waited {WAIT_S} s for {what}, in vain")


def make_app(path: Path, gates: Gates) -> App:
    """An app with the kinds of tasks that clients of these URLs know."""
    app = App(f"sqlite:///{path}")

    @app.task(executor="thread", limits=Limit(1, then="fail"))
    def quick_test_task(config: Mapping[str, Any]) -> dict[str, Any]:
        """Print a little.

        And say what it was given.
        """
        print("at work")
        if "gate" in config:
            gates.wait(config["gate"])
        if config.get("fail"):
            raise ValueError("as wanted")
        print("done")
        return {"status": "success", "config": config}

    @app.task(executor="thread")
    def compare(video_id: str, prompt: str = "Summary", gate: str | None = None) -> dict[str, str]:
        progress(1, 5, "Running 1 model...")
        if gate is not None:
            gates.wait(gate)
        progress(4, 5, "Evaluating results...")
        return {"video": video_id, "prompt": prompt}

    @app.task(executor="thread")
    def analyse(video: str, prompt: str, model: str = "m", size: int = 1) -> str:
        gates.wait(f"{video}/{prompt}")
        if video == "broken":
            raise RuntimeError("no such video")
        return f"{video} {prompt} {model} {size}"

    @app.task(executor="thread")
    def summary(results: list[str]) -> str:
        return " + ".join(results)

    @app.task(executor="thread")
    def nothing() -> None:
        """Return nothing."""

    return app


@pytest.fixture
def gates() -> Iterator[Gates]:
    found = Gates()
    yield found
    found.open_all()


@pytest.fixture
def app(tmp_path: Path, gates: Gates) -> Iterator[App]:
    with make_app(tmp_path / "jobs.db", gates) as made:
        yield made


@pytest.fixture
def client(app: App) -> Client:
    return Client(app)


@pytest.fixture
def working(app: App, gates: Gates) -> Iterator[None]:
    with app.worker(8, executor="thread", drain=5):
        yield
        gates.open_all()
