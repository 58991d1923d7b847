"""abreast's side of the durable benchmarks: a store in a folder, workers, messages from tasks."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from abreast import State

HERE = Path(__file__).resolve().parent
CHUNK = 1_000  # runs per submit_many: what the peers with batches are given too
PATIENCE = 120.0  # seconds for anything that is waited for


class Bench:
    """A store of its own in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/jobs.db"
        self.bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.bell.bind(f"{folder}/bell")
        self.bell.settimeout(1.0)
        self.environment = {
            **os.environ,
            "BENCH_STORE": self.url,
            "BENCH_BELL": f"{folder}/bell",
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        }
        os.environ.setdefault("BENCH_STORE", self.url)
        import durable_tasks

        self.tasks = durable_tasks
        self.app = durable_tasks.app
        self.take()

    def close(self) -> None:
        self.app.close()
        self.bell.close()

    def take(self) -> None:
        """Make this store the one of the app, which has one at a time."""
        names = ("BENCH_STORE", "BENCH_BELL")
        os.environ.update({name: self.environment[name] for name in names})
        self.app.bind(self.url)

    # -- what tasks tell ----------------------------------------------------------------------

    def hear(self, word: str, source: subprocess.Popen[bytes] | None = None) -> list[str]:
        """Wait for a message that begins with this word; others are dropped.

        ``source``: the process that has to live meanwhile.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                found, *rest = self.bell.recv(200).decode().split()
            except TimeoutError:
                if source is not None and source.poll() is not None:
                    raise TimeoutError("the worker has ended") from None
                continue
            if found == word:
                return rest
        raise TimeoutError(f"no {word!r} from the tasks within {PATIENCE:.0f} s")

    def heard(self) -> list[list[str]]:
        """Return the messages that are there."""
        found = []
        self.bell.setblocking(False)
        try:
            while True:
                found.append(self.bell.recv(200).decode().split())
        except BlockingIOError:
            return found
        finally:
            self.bell.settimeout(1.0)

    # -- runs -----------------------------------------------------------------------------------

    def submit(
        self, count: int, task: Any = None, calls: Callable[[int], Any] | None = None
    ) -> Any:
        """Submit in batches and return the last run; ``calls(i)`` gives the arguments."""
        task = task or self.tasks.noop
        last = None
        for start in range(0, count, CHUNK):
            numbers = range(start, min(start + CHUNK, count))
            last = task.submit_many([calls(i) if calls else () for i in numbers])[-1]
        return last

    def completed(self) -> int:
        """Return how many runs have completed."""
        return int(self.app.counts().get(State.COMPLETED, 0))

    def await_completed(self, count: int, patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        asked = time.monotonic()
        while self.completed() < count:
            now = time.monotonic()
            if now > deadline:
                raise TimeoutError(f"{self.completed()} of {count} completed: {self.app.counts()}")
            time.sleep(max(0.001, 5 * (now - asked)))  # counting takes long in a long history
            asked = time.monotonic()

    # -- workers ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def worker(
        self, executor: str = "thread", concurrency: int = 8, *more: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker process; it is up when this yields."""
        command = [sys.executable, str(HERE / "durable_worker.py"), executor, str(concurrency)]
        with self.process([*command, *more]) as process:
            self.hear("up", process)
            yield process

    @contextlib.contextmanager
    def process(self, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        log = self.folder / f"process-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, env=self.environment,
                start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{log.read_text('utf-8')[-1500:]}") from error
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the leader of a session that we began
        process.wait(5)


@contextlib.contextmanager
def fresh() -> Iterator[Bench]:
    """Yield an empty store."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder))
        try:
            yield bench
        finally:
            bench.close()
