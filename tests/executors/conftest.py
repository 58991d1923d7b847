"""What the tests of executors share: an opened executor, and proof that processes are gone."""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from abreast.domain.model import Attempt, Run, Task
from abreast.domain.states import Reason
from abreast.executors.command import CommandExecutor
from abreast.executors.process import ProcessExecutor
from abreast.executors.runlog import RunLog
from abreast.testing.executor_suite import WAIT_S, Gate, Pipe, RecordingHost

STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*)")


class Watch:
    """Watches one living process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def is_gone(self) -> bool:
        return bool(select.select([self._fd], [], [], 0)[0])

    def wait_until_gone(self) -> None:
        assert select.select([self._fd], [], [], WAIT_S)[0], f"process {self.pid} is still there"


class Bench:
    """One executor with its host, and short words for what tests do with them."""

    def __init__(self, executor: Any, folder: Path) -> None:
        self.executor = executor
        self.host = RecordingHost()
        self.folder = folder
        self.pipes = 0
        self.runs = 0
        executor.bind(self.host)

    def pipe(self, kind: type[Pipe] = Pipe) -> Any:
        self.pipes += 1
        return kind(self.folder, f"pipe{self.pipes}")

    def gate(self) -> Gate:
        gate: Gate = self.pipe(Gate)
        return gate

    def attempt(
        self,
        fn: Any,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        log: Path | RunLog | None = None,
        fresh: bool = False,
    ) -> Attempt:
        self.runs += 1
        task = (
            fn if isinstance(fn, Task) else Task(getattr(fn, "__name__", "task"), fn, fresh=fresh)
        )
        run = Run(self.runs, task, args, kwargs or {}, 0.0, None, f"label {self.runs}")
        run.attempt = 3
        attempt = Attempt(run, 3, args, kwargs or {}, self.host)
        there: Any = attempt
        there.log = str(log) if isinstance(log, Path) else log
        return attempt

    def start(self, fn: Any, *args: Any, **how: Any) -> Attempt:
        attempt = self.attempt(fn, *args, **how)
        self.executor.start(attempt)
        return attempt

    def run(self, fn: Any, *args: Any, **how: Any) -> Attempt:
        """Execute to the end and return the attempt."""
        attempt = self.start(fn, *args, **how)
        assert self.host.next_report() is attempt
        return attempt

    def stop(self, attempt: Attempt, grace_s: float) -> None:
        attempt.stop = Reason.USER
        assert self.executor.stop(attempt, grace_s)
        assert self.host.next_report("the end of a stopped attempt") is attempt


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Bench]:
    executor = ProcessExecutor(2)
    yield Bench(executor, tmp_path)
    executor.close(0.0)


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Bench]:
    executor = CommandExecutor(2)
    yield Bench(executor, tmp_path)
    executor.close(0.0)


class Logs:
    """Logs of runs in a folder that does not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new(self, name: str = "log", cap_bytes: int = 10_000_000) -> RunLog:
        return RunLog(str(self.folder / name), cap_bytes)

    def text(self, name: str = "log") -> str:
        return (self.folder / name).read_text()

    def lines(self, name: str = "log") -> list[str]:
        """The lines of a log without their times, which are checked."""
        found = [STAMPED.fullmatch(line) for line in self.text(name).splitlines()]
        assert all(found), self.text(name)
        return [match[1] for match in found if match is not None]

    def wait_for(self, words: str, name: str = "log") -> None:
        """Return when a log contains ``words``; fails after ``WAIT_S`` seconds."""
        until = time.monotonic() + WAIT_S
        while not (self.folder / name).exists() or words not in self.text(name):
            assert time.monotonic() < until, f"{words!r} is not in the log"
            os.sched_yield()


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path / "logs")


@pytest.fixture
def watch() -> type[Watch]:
    return Watch
