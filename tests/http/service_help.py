"""A service for tests of the API: a real app with a worker, and small stand-ins for the rest."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from abreast import App, Limit, progress, step
from abreast.errors import UsageError
from abreast.interfaces.access import Access
from abreast.interfaces.http.api import Api, make_app
from abreast.interfaces.http.server import HttpServer, bind, serve_http
from abreast.interfaces.http.sockets import address_of

BASE = "http://127.0.0.1:7000"
PASSWORD = "correct horse battery"
GO = threading.Event()  # lets the runs of ``wait`` end


class Folder:
    """A folder of tasks with one broken file."""

    files = (
        SimpleNamespace(path="/srv/tasks/good.py", names=["add"], error=None, checked=1.0),
        SimpleNamespace(path="/srv/tasks/bad.py", names=[], error="SyntaxError: …", checked=2.0),
    )


class Notices:
    """Two channels, of which one works."""

    def channels(self) -> list[dict[str, Any]]:
        return [{"name": name, "kind": "command", "to": "true"} for name in ("good", "bad")]

    def test(self, name: str) -> str:
        if name not in ("good", "bad"):
            raise UsageError(f"there is no channel {name!r}")
        if name == "bad":
            from abreast.errors import AbreastError

            raise AbreastError("it was not taken")
        return "sent"


class Service:
    """What the API asks of a service."""

    def __init__(self, app: App, **server: Any) -> None:
        self.app = app
        self.access = Access(app)
        self.settings = SimpleNamespace(
            server=SimpleNamespace(
                listen=["127.0.0.1:7000"], compat=False, anonymous=None, hosts=[], base_url=None,
                trusted_proxies=[], log_requests=False, **server,
            ),
            explain=lambda: [("server.listen", ["127.0.0.1:7000"], "default")],
        )  # fmt: skip
        self.folder = Folder()
        self.notices = Notices()
        self.started = time.time()
        self.version = "0.1.0"
        self.zone = "UTC"
        self.draining = False
        self.problems: dict[str, str] = {}
        self.parts = dict.fromkeys(("engine", "scheduler", "store", "workers"), (True, "well"))
        self.wrong: str | None = None
        self._api: Api | None = None
        self.loop = asyncio.new_event_loop()  # in which all requests of a test are carried out
        self._thread = threading.Thread(target=self._turn, name="loop", daemon=True)
        self._thread.start()

    def _turn(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.get_loop().run_forever()

    @property
    def api(self) -> Api:
        """The application."""
        if self._api is None:
            self._api = make_app(self)
        return self._api

    def close(self) -> None:
        if self._api is not None:
            self.loop.call_soon_threadsafe(self._api.hub.close)
            self._api.guard.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30)

    def health(self) -> dict[str, tuple[bool, str]]:
        return dict(self.parts)

    def reload(self) -> list[str]:
        if self.wrong:
            raise UsageError(self.wrong)
        return ["nothing"]


def make_tasks(app: App) -> None:
    """Tasks that are harmless, whatever they are started with."""

    @app.task(tags=["sums"])
    def add(a: int = 1, b: int = 2) -> Any:
        """Add two numbers."""
        print("adding", a, "and", b)
        return a + b

    @app.task
    def echo(*args: Any, **kwargs: Any) -> Any:
        return [list(args), kwargs]

    @app.task
    def fail(text: str = "no luck") -> None:
        print("about to fail")
        raise RuntimeError(text)

    @app.task(limits=[Limit(1, then="fail")])
    def single() -> str:
        GO.wait(30)
        return "single"

    @app.task
    def wait(text: str = "") -> str:
        print("waiting ä" + text)
        GO.wait(30)
        print("done waiting")
        return text

    @app.task
    def patient() -> None:
        while not GO.wait(0.01):
            progress(0)

    @app.task
    def steps() -> int:
        progress(1, 2, "half")
        return int(step("double", lambda number: number * 2, 21))

    @app.task
    def analyse(video: str, model: str) -> str:
        return f"{video}/{model}"

    @app.task
    def judge(results: list[str]) -> str:
        return "+".join(results)


@contextmanager
def serving(folder: Path, *, working: bool = True) -> Iterator[Service]:
    """A service with a worker that executes in threads."""
    GO.clear()
    app = App(f"sqlite:///{folder}/jobs.db", durability="normal")
    make_tasks(app)
    service = Service(app)
    try:
        service.access.add_user("anna", PASSWORD, "admin")
        service.access.add_user("olga", PASSWORD, "operator")
        service.access.add_user("vera", PASSWORD, "viewer")
        app.tell_events()
        if working:
            with app.worker(4, executor="thread"):
                try:
                    yield service
                finally:
                    GO.set()
        else:
            yield service
    finally:
        service.close()
        app.close()


class Client:
    """Calls the API of a service in process, as a user."""

    def __init__(self, service: Service, user: str | None = "anna") -> None:
        self.service = service
        self.headers: dict[str, str] = {}
        if user is not None:
            text, _ = service.access.create_token("test", user)
            self.headers["Authorization"] = f"Bearer {text}"

    def together(
        self, what: Callable[[httpx.AsyncClient], Awaitable[Any]], seconds: float = 30
    ) -> Any:
        """Run a coroutine with a client."""

        async def run() -> Any:
            transport = httpx.ASGITransport(self.service.api, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url=BASE, headers=self.headers
            ) as client:
                return await asyncio.wait_for(what(client), seconds)

        return asyncio.run_coroutine_threadsafe(run(), self.service.loop).result(seconds + 5)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request; paths without a slash in front are below /api/v1/."""
        if not path.startswith("/"):
            path = f"/api/v1/{path}"
        found: httpx.Response = self.together(lambda client: client.request(method, path, **more))
        return found

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("POST", path, **more)

    def start(self, task: str, **kwargs: Any) -> dict[str, Any]:
        """Start a run; returns it as JSON."""
        answer = self.post(f"tasks/{task}/runs", json={"kwargs": kwargs})
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def ended(self, id: int, seconds: float = 30) -> dict[str, Any]:
        """Wait for the end of a run; returns it as JSON."""
        assert self.service.app.run(id).wait(seconds)
        return dict(self.get(f"runs/{id}").json())


@contextmanager
def listening(service: Service) -> Iterator[tuple[str, HttpServer]]:
    """A real server for a service; gives its address."""
    sockets = bind(["127.0.0.1:0"])
    base = address_of(sockets[0])
    server = serve_http(service, sockets)
    try:
        yield base, server
    finally:
        server.stop()


@contextmanager
def stream(base: str, client: Client, path: str, **headers: str) -> Iterator[Iterator[Any]]:
    """Follow a stream of events; gives an iterator over them."""
    sent = {**client.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    with (
        httpx.Client(base_url=base, headers=sent, timeout=30) as http,
        http.stream("GET", f"/api/v1/{path}") as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = Events()
        yield (event for text in answer.iter_text() for event in events.feed(text))


def problem(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """The problem an answer is; checks that it is one, and of this kind."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    body = dict(answer.json())
    assert body["type"] == f"/api/problems/{name}", body
    assert body["status"] == status
    for word in ("Traceback", "SELECT", "sqlite3", "INSERT"):
        assert word not in answer.text
    return body


class Events:
    """Reads a stream of server-sent events."""

    def __init__(self) -> None:
        self._rest = ""
        self.comments = 0

    def feed(self, text: str) -> list[dict[str, Any]]:
        """Take in some text; returns the events that are complete."""
        self._rest += text
        found = []
        while "\n\n" in self._rest:
            block, _, self._rest = self._rest.partition("\n\n")
            event: dict[str, Any] = {"event": "message", "data": None, "id": None}
            for line in block.split("\n"):
                name, _, value = line.partition(": ")
                if not name or line.startswith(":"):
                    self.comments += 1
                elif name == "data":
                    event["data"] = json.loads(value)
                elif name in event:
                    event[name] = value
            if event["data"] is not None or event["id"] is not None:
                found.append(event)
        return found
