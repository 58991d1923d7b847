"""What the tests of the worker share: worker processes, and pipes to the tasks they execute."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.durable import jobs

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0
_PACE = threading.Event()  # never set: what is looked at is in other processes


def eventually(what: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """Ask until the answer is yes, and return it."""
    end = time.monotonic() + within_s
    while not (answer := what()):
        assert time.monotonic() < end, f"not within {within_s:g} s"
        _PACE.wait(0.005)
    return answer


def is_gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


class Bench:
    """A store, workers on it in processes of their own, and news from the tasks.

    ``here`` is what tasks take as their first argument.
    """

    def __init__(self, folder: Path) -> None:
        self.here = str(folder)
        self.store = folder / "jobs.db"
        self.app = jobs.app
        self.app.bind(f"sqlite:///{self.store}")
        self.workers: list[subprocess.Popen[str]] = []
        os.mkfifo(folder / "news")
        self._news = os.open(folder / "news", os.O_RDWR)
        self._text = b""

    def worker(self, *words: str, module: str | None = None) -> subprocess.Popen[str]:
        """Start a worker in a process of its own."""
        command = ["abreast", "worker", "tests.durable.jobs:app", *words]
        program = subprocess.Popen(
            [sys.executable, "-m", *command] if module is None else [sys.executable, "-c", module],
            cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "ABREAST_STORE": f"sqlite:///{self.store}", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self.workers.append(program)
        return program

    def news(self, within_s: float = PATIENCE_S) -> list[str]:
        """The next line a task said, in words."""
        end = time.monotonic() + within_s
        while b"\n" not in self._text:
            ready, _, _ = select.select([self._news], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no news within {within_s:g} s"
            self._text += os.read(self._news, 65536)
        line, _, self._text = self._text.partition(b"\n")
        return line.decode().split()

    def silent(self) -> bool:
        """Whether no task has said anything that was not read."""
        return not self._text and not select.select([self._news], [], [], 0)[0]

    def pipe(self, name: str) -> None:
        """Make the pipe that tasks wait at for a word."""
        os.mkfifo(f"{self.here}/go-{name}")

    def go(self, name: str) -> None:
        """Give the word."""

        def give() -> bool:
            try:
                os.close(os.open(f"{self.here}/go-{name}", os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # nobody waits yet
                return False
            return True

        eventually(give)

    def submit(self, task: str, name: str | None = None, *args: Any, **options: Any) -> Any:
        """Submit a task that takes ``here`` and, if there is one, ``name``, with its pipe."""
        if name is not None and not os.path.exists(f"{self.here}/go-{name}"):
            self.pipe(name)
        given = (self.here, *(() if name is None else (name,)), *args)
        return self.app.tasks[task].with_options(**options).submit(*given)

    def states(self) -> list[str]:
        """What the workers say of themselves."""
        return [row.state for row in self.app.workers()]

    def end(self, worker: subprocess.Popen[str], within_s: float = PATIENCE_S) -> tuple[int, str]:
        """Wait for the end of a worker; returns its exit code and what it said."""
        out, err = worker.communicate(timeout=within_s)
        return worker.returncode, out + err

    def term(self, worker: subprocess.Popen[str]) -> None:
        """Send SIGTERM and wait until the worker has heard it."""
        worker.send_signal(signal.SIGTERM)
        eventually(lambda: "draining" in self.states() or worker.poll() is not None)

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.communicate(timeout=PATIENCE_S)
        self.app.close()
        os.close(self._news)
