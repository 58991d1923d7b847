"""What the service benchmarks share: a service in a folder of its own, and the load on it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import service_tasks
from abreast import App
from abreast.interfaces.access import Access
from abreast.platform import die_with
from durable_side import end

HERE = Path(__file__).resolve().parent
LIFE = 300  # seconds after which a service or a load ends by itself, whatever became of us
UP = 60.0  # seconds for a service to be ready
API = "/api/v1"
APP = f"{HERE / 'service_tasks.py'}:app"


@dataclass(frozen=True, slots=True)
class Served:
    """A service that is up."""

    folder: Path
    app: App  # on the same store
    process: subprocess.Popen[bytes]
    address: list[Any]
    token: str

    def load(self, kind: str, **given: Any) -> dict[str, Any]:
        """Have another process send requests, and return what it measured."""
        with loading(self.address, self.token, kind, **given) as process:
            return told(process)

    def rows(self, sql: str, *given: Any) -> list[Any]:
        """Read from the store, past abreast."""
        with contextlib.closing(sqlite3.connect(self.folder / "jobs.db")) as store:
            return store.execute(sql, given).fetchall()

    def wait_until_idle(self, at_most: float = 30.0) -> float:
        """Wait until nothing runs or waits; return the seconds that took."""
        start = time.monotonic()
        while any(map(any, self.app.live().values())):
            if time.monotonic() - start > at_most:
                raise TimeoutError(f"runs are left after {at_most:g} s: {self.app.live()}")
            time.sleep(0.02)
        return time.monotonic() - start


def store_in(folder: Path) -> str:
    return f"sqlite:///{folder}/jobs.db"


def made(folder: Path) -> tuple[App, str]:
    """Make a store with a user in the folder; return the app on it and the user's token."""
    app = service_tasks.app
    app.bind(store_in(folder))
    access = Access(app)
    access.add_user("bench", "correct-horse-battery-7", "admin")
    return app, access.create_token("benchmark", "bench")[0]


@contextlib.contextmanager
def folder_of_its_own() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextlib.contextmanager
def served(folder: Path, *options: str, token: str = "") -> Iterator[Served]:
    """Serve a folder, with a store that is made unless there is a ``token`` for it."""
    app = service_tasks.app
    if not token:
        app, token = made(folder)
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "abreast", "serve", str(folder), "--store", store_in(folder),
        "--listen", "127.0.0.1:0", "--ready-file", str(ready), "--drain", "2",
        "--for", str(LIFE), *options,
    ]  # fmt: skip
    log = folder / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=environment(folder), start_new_session=True,
            preexec_fn=functools.partial(die_with, os.getpid()),  # should we be killed
        )  # fmt: skip
    try:
        said = until_ready(process, ready)
        host, _, port = said["url"].rpartition("/")[2].rpartition(":")
        yield Served(folder, app, process, [host, int(port)], token)
        if process.poll() is not None:
            raise RuntimeError(f"the service has ended with {process.returncode}")
    except Exception as error:
        error.add_note("the service said:\n" + log.read_text("utf-8")[-3000:])
        raise
    finally:
        end(process)
        app.close()


def environment(folder: Path) -> dict[str, str]:
    """The environment of a service: nothing of the user's own configuration."""
    found = {key: value for key, value in os.environ.items() if not key.startswith("ABREAST_")}
    return {**found, "XDG_CONFIG_HOME": str(folder), "PYTHONPATH": str(HERE)}


def until_ready(process: subprocess.Popen[bytes], ready: Path) -> dict[str, Any]:
    deadline = time.monotonic() + UP
    while not ready.exists():
        if process.poll() is not None:
            raise RuntimeError(f"the service has ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"the service was not ready within {UP:.0f} s")
        time.sleep(0.02)
    found: dict[str, Any] = json.loads(ready.read_text("utf-8"))
    return found


# -- the load -----------------------------------------------------------------------------------


@contextlib.contextmanager
def loading(
    address: list[Any], token: str, kind: str, **given: Any
) -> Iterator[subprocess.Popen[str]]:
    """Run the load process; ``given``: see service_load.py."""
    work = {"kind": kind, "address": address, "token": token, "at_most": LIFE / 2, **given}
    with process_of("service_load.py") as process:
        tell(process, work)
        yield process


@contextlib.contextmanager
def process_of(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script of this folder that ends when its standard input does."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / script), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                stream_of(stream).close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def stream_of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def tell(process: subprocess.Popen[str], what: Any) -> None:
    stream = stream_of(process.stdin)
    stream.write(json.dumps(what) + "\n")
    stream.flush()


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of a process as values. It limits its own time."""
    line = stream_of(process.stdout).readline()
    if not line:
        raise RuntimeError(f"{process.args!r} has ended with {process.wait(5)}")
    found: dict[str, Any] = json.loads(line)
    return found


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest rank."""
    found = sorted(values)
    return found[min(len(found) - 1, int(share * len(found)))]
