"""A real ``abreast serve`` for tests: started, asked over HTTP, killed, started again."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from abreast import App
from abreast.interfaces.access import Access


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Served:
    """A folder and the service that serves it; ``token`` may do everything."""

    def __init__(self, folder: Path, tasks: dict[str, str], config: str = "") -> None:
        self.folder = folder
        (folder / "tasks").mkdir(parents=True, exist_ok=True)
        for name, text in tasks.items():
            (folder / "tasks" / name).write_text(text)
        (folder / "abreast.toml").write_text(f'[store]\nurl = "sqlite:///jobs.db"\n{config}')
        self.store = f"sqlite:///{folder}/jobs.db"
        with App(self.store) as app:
            access = Access(app)
            access.add_user("tester", "correct horse battery", "admin")
            self.token, _ = access.create_token("tests", "tester", "admin")
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self, *options: str) -> None:
        """Start the service and wait until it answers."""
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        with (self.folder / "service.err").open("ab") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "abreast", "serve", str(self.folder), "--listen",
                 "127.0.0.1:0", "--ready-file", str(ready), *options],
                stderr=told, stdout=told, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self.until(ready.exists, "the service is not ready")
        self.url = json.loads(ready.read_text())["url"]

    def kill(self) -> None:
        """End it with -9, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def stop(self, seconds: float = 60) -> int:
        """Ask it to end; returns its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    @property
    def said(self) -> str:
        """What it wrote on standard error."""
        return (self.folder / "service.err").read_text()

    def until(self, true: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """Wait until something is true; fails with what the service said."""
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while True:
            found = true()
            if found:
                return found
            alive = self.process is not None and self.process.poll() is None
            assert alive, f"the service has ended: {self.said}"
            assert time.monotonic() < deadline, f"{what} after {seconds} s: {self.said}"
            pause.wait(0.05)

    def connection(self) -> http.client.HTTPConnection:
        """A connection of its own, for a thread."""
        parts = urlsplit(self.url)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        connection: http.client.HTTPConnection | None = None,
        **headers: str,
    ) -> Answer:
        """One request with the token; ``body`` is sent as JSON."""
        own = connection or self.connection()
        said = {"Authorization": f"Bearer {self.token}", **headers}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            said["Content-Type"] = "application/json"
        own.request(method, path, data, said)
        response = own.getresponse()
        found = Answer(response.status, dict(response.getheaders()), response.read())
        if connection is None:
            own.close()
        return found

    def get(self, path: str) -> Any:
        """The JSON of a page that has to be there."""
        found = self.ask("GET", path)
        assert found.status == 200, (path, found.status, found.body)
        return found.json


@contextmanager
def served(
    folder: Path, tasks: dict[str, str], config: str = "", *options: str
) -> Iterator[Served]:
    """A service that is ended, in one way or another, with the block."""
    found = Served(folder, tasks, config)
    found.start(*options)
    try:
        yield found
    finally:
        assert found.process is not None
        if found.process.poll() is None:
            os.kill(found.process.pid, signal.SIGTERM)
            try:
                found.process.wait(30)
            except subprocess.TimeoutExpired:
                found.process.kill()
                found.process.wait(30)
