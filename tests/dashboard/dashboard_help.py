"""A real service with sample tasks, and browsers that have logged in to it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright
from tests.service.served import Answer, Served

from abreast import App
from abreast.interfaces.access import Access

PASSWORD = "correct horse battery"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# What a run does is up to the test: it goes on when the test opens its gate.
SAMPLES = '''\
"""Tasks to look at."""

import time
from pathlib import Path

from abreast import Limit, Retry, current_run, progress, step, task

GATES = Path(__file__).resolve().parent.parent / "gates"


def wait(gate: str) -> None:
    while not (GATES / gate).exists():
        time.sleep(0.02)  # the task sleeps


@task(tags=["sums"])
def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    print("adding", a, "and", b)
    return a + b


@task(tags=["gates"])
def hold(gate: str = "open") -> str:
    """Runs until its gate is opened."""
    progress(1, 4, "waiting for the gate")
    wait(gate)
    return gate


@task(tags=["gates"], limits=[Limit(1, "/press")])
def press(gate: str = "open") -> str:
    """One at a time, because there is one press."""
    wait(gate)
    return gate


@task
def fail(text: str = "no luck") -> None:
    """Fails."""
    print("about to fail")
    raise RuntimeError(text)


@task(retry=Retry(2, backoff=0.1))
def second_try() -> str:
    """Fails at its first try."""
    run = current_run()
    if run is not None and run.attempt == 1:
        raise ConnectionError("the other side does not answer")
    return "sent"


@task
def steps() -> int:
    """Remembers what it has done."""
    half = step("halve", lambda number: number // 2, 42)
    return step("double", lambda number: number * 2, half)


@task
def talk(lines: int = 100) -> None:
    """Prints lines."""
    for number in range(lines):
        print(f"line {number + 1} of {lines}")


@task(schedule="0 2 * * *", timezone="Europe/Berlin", tags=["night"])
def nightly() -> str:
    """Every night at two, in Berlin."""
    return "done"
'''


class Dashboard(Served):
    """A service to look at; without users, its one-time link lets a browser in as an admin.

    Parameters
    ----------
    folder : Path
        Where its tasks and its store are.
    browser : Browser
    tasks : dict, optional
        Files of tasks by name; :data:`SAMPLES` by default.
    config : str
        More of abreast.toml.
    users : dict, optional
        Names and roles; they log in with :data:`PASSWORD`.
    """

    def __init__(
        self,
        folder: Path,
        browser: Browser,
        tasks: dict[str, str] | None = None,
        config: str = "",
        users: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.browser = browser
        self.store = f"sqlite:///{folder}/jobs.db"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self._users = dict(users or {})
        self._cookies: dict[str | None, dict[str, Any]] = {}
        self._csrf: dict[str | None, str] = {}
        (folder / "tasks").mkdir(parents=True)
        (folder / "gates").mkdir()
        for name, text in ({"samples.py": SAMPLES} if tasks is None else tasks).items():
            (folder / "tasks" / name).write_text(text)
        (folder / "abreast.toml").write_text(f'[store]\nurl = "sqlite:///jobs.db"\n{config}')
        with App(self.store) as app:
            access = Access(app)
            for name, role in self._users.items():
                access.add_user(name, PASSWORD, role)

    def start(self, *options: str) -> None:
        """Start the service and wait until it answers; a second time at the same address."""
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        address = urlsplit(self.url).netloc or "127.0.0.1:0"
        with (self.folder / "service.err").open("ab") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "abreast", "serve", str(self.folder), "--listen", address,
                 "--ready-file", str(ready), *options],
                stderr=told, stdout=told, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self.until(ready.exists, "the service is not ready")
        found = json.loads(ready.read_text())
        self.url, self.login = found["url"], found["login"]

    def gate(self, name: str = "open") -> None:
        """Open a gate: runs that wait for it go on."""
        (self.folder / "gates" / name).touch()

    def context(self, user: str | None = None, **options: Any) -> BrowserContext:
        """A browser of its own that has logged in: by the link, or as a user.

        ``options`` are those of Playwright: ``viewport``, ``color_scheme``, ``timezone_id``, …
        """
        context = self.browser.new_context(base_url=self.url, **options)
        cookie = self._cookies.get(user)
        if cookie is None:
            self._log_in(context, user)
        else:
            context.add_cookies([cookie])  # type: ignore[list-item]
        return context

    def _log_in(self, context: BrowserContext, user: str | None) -> None:
        page = context.new_page()
        if user is None:
            page.goto(self.login)
        else:
            page.goto("/login")
            page.fill("#name", user)
            page.fill("#password", PASSWORD)
            page.click("button")
        page.wait_for_selector("#top nav")
        (cookie,) = (item for item in context.cookies() if item["name"] == "abreast_session")
        self._cookies[user] = dict(cookie)
        self._csrf[user] = page.request.get("/login/session").json()["csrf"]
        page.close()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        connection: http.client.HTTPConnection | None = None,
        **headers: str,
    ) -> Answer:
        """One request as the first who has logged in; ``body`` is sent as JSON."""
        if not self._cookies:
            self.context(next(iter(self._users), None)).close()
        user, cookie = next(iter(self._cookies.items()))
        own = connection or self.connection()
        said = {"Cookie": f"abreast_session={cookie['value']}", "X-CSRF-Token": self._csrf[user],
                **headers}  # fmt: skip
        data = None
        if body is not None:
            data, said["Content-Type"] = json.dumps(body).encode(), "application/json"
        own.request(method, path, data, said)
        response = own.getresponse()
        found = Answer(response.status, dict(response.getheaders()), response.read())
        if connection is None:
            own.close()
        return found

    def run(self, task: str, **kwargs: Any) -> int:
        """Start a run; returns its id."""
        found = self.ask("POST", f"/api/v1/tasks/{task}/runs", {"kwargs": kwargs})
        assert found.status == 202, found.body
        return int(found.json["id"])

    def ended(self, id: int) -> dict[str, Any]:
        """Wait for the end of a run; returns it."""

        def look() -> Any:
            found = self.get(f"/api/v1/runs/{id}")
            return found if found["ended"] is not None else None

        return dict(self.until(look, f"run {id} has not ended"))


@contextmanager
def looking(folder: Path, browser: Browser, *options: str, **more: Any) -> Iterator[Dashboard]:
    """A service to look at, ended with the block; ``more`` are those of :class:`Dashboard`."""
    found = Dashboard(folder, browser, **more)
    found.start(*options)
    try:
        yield found
    finally:
        try:
            found.stop()
        except subprocess.TimeoutExpired:
            found.kill()


class Watched:
    """What went wrong in pages, though nobody may have noticed."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.wrong: list[str] = []
        self._origin = url
        context.on("page", self._watch)

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))
        page.on("request", lambda request: self._check(request.url))
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("response", self._refused)

    def _check(self, url: str) -> None:
        if not url.startswith((self._origin, "data:", "blob:", "about:")):
            self.wrong.append(f"a request leaves the origin: {url}")

    def _hear(self, kind: str, text: str) -> None:
        if "Content Security Policy" in text or (kind == "error" and "Failed to load" not in text):
            self.wrong.append(f"{kind}: {text}")

    def _refused(self, response: Response) -> None:
        if response.status >= 500 or response.status == 400:
            self.wrong.append(f"{response.status} {response.request.method} {response.url}")


def found_browser() -> str | None:
    """The browser of this machine."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A real Chromium; without one, the test is skipped and listed, and fails where CI=true."""
    path = found_browser()
    with sync_playwright() as playwright:
        if path is None and not Path(playwright.chromium.executable_path).exists():
            lacking = (
                "a browser: install one with `apt-get install chromium`, or with "
                "`.venv/bin/playwright install --with-deps chromium`"
            )
            if os.environ.get("CI") == "true":
                pytest.fail(f"this test needs {lacking}", pytrace=False)
            pytest.skip(f"needs {lacking}")
        # Root has no sandbox of its own in most containers.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            browser.close()
