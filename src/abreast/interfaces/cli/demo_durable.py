"""The second half of ``abreast demo``: a worker is killed, and all work ends exactly once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ...domain.states import COMPLETED, ENDED
from ..samples import demo_jobs as sample

if TYPE_CHECKING:
    from ..app import App
    from ..stored_run import StoredRun
    from .screen import Screen

_JOBS = 24
_PATIENCE_S = 30.0
_LOOK_S = 0.02
_KILL_AFTER = 6  # ended jobs
_WORKER = """
import os, sys
from abreast import platform
platform.die_with(int(sys.argv.pop(1)))
from abreast.interfaces.cli.main import main
main()
"""


class _Unexpected(Exception):
    """Something did not happen."""


def show_durability(screen: Screen) -> list[str]:
    """Submit work to a store, kill a worker with -9, and tell what became of the work.

    Returns
    -------
    list of str
        What is not as it was meant to be; empty when all is well.
    """
    if os.name != "posix":
        return []  # there is no store in a file
    with _ended_by_sigterm(), ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="abreast-demo-store-"))
        app = stack.enter_context(_opened(folder))
        screen.line(
            f"\nDurable runs: {_JOBS} jobs are written to a file, two workers execute them, "
            "one is killed."
        )
        runs = app.submit_many("import_file", [(number,) for number in range(_JOBS)])
        workers = [stack.enter_context(_worker(app, folder)) for _ in range(2)]
        try:
            _kill_one(app, workers, screen)
            _until(lambda: _ended(app) == _JOBS, "not all jobs have ended")
        except _Unexpected as error:
            return [f"{error} after {_PATIENCE_S:g} s", *_said(folder)]
        return _verdict(app, runs, screen)


def _kill_one(app: App, workers: list[subprocess.Popen[bytes]], screen: Screen) -> None:
    """Kill one of two workers in the middle of its work; wait until the other goes on with it."""
    _until(lambda: len(app.workers()) == 2, "the workers are not at work")
    both = " and ".join(str(worker.pid) for worker in workers)
    screen.line(f"  workers {both} are at work, two jobs each at a time")
    victim = workers[0]
    (number,) = [row.id for row in app.workers() if row.pid == victim.pid]

    def under_way() -> list[StoredRun]:
        if _ended(app) < _KILL_AFTER:
            return []
        return [run for run in app.runs(state="running") if run.worker == number]

    lost = _until(under_way, "nothing is under way")
    victim.kill()
    began = time.monotonic()
    screen.line(
        f"  {_ended(app)} of {_JOBS} have ended: kill -9 {victim.pid}, which executes "
        + " and ".join(f"job {run.id}" for run in lost)
    )
    _until(lambda: all(run.done or run.worker != number for run in lost), "nobody took over")
    screen.line(
        f"  {time.monotonic() - began:.2f} s later worker {workers[1].pid} goes on with its work"
    )


def _verdict(app: App, runs: list[StoredRun], screen: Screen) -> list[str]:
    from ..care import check

    wrong = [f"job {run.id} ended {run.state}: {run.error}" for run in runs if not run.ok]
    wrong += [
        f"job {run.id}: its result is wrong"
        for number, run in enumerate(runs)
        if run.ok and run.value != number * number
    ]
    if {state: count for state, count in app.counts().items() if count} != {COMPLETED: _JOBS}:
        wrong.append(f"the store counts {app.counts()}")
    wrong += check(app)
    if not wrong:
        again = sum(run.attempts > 1 for run in runs)
        screen.line(
            f"  all {_JOBS} have completed, each exactly once; {again} had to be started again"
        )
    return wrong


def _ended(app: App) -> int:
    return sum(count for state, count in app.counts().items() if state in ENDED)


def _until(what: Callable[[], Any], otherwise: str) -> Any:
    """Ask until the answer is yes, and return it."""
    end = time.monotonic() + _PATIENCE_S
    while not (answer := what()):
        if time.monotonic() > end:
            raise _Unexpected(otherwise)
        time.sleep(_LOOK_S)
    return answer


@contextmanager
def _opened(folder: str) -> Iterator[App]:
    """The app of the sample on a store in a folder, of which nothing stays."""
    app = sample.app
    app.bind(f"sqlite:///{folder}/jobs.db")
    try:
        yield app
    finally:
        runtime = Path(app.node.store.runtime)
        app.close()
        if not runtime.is_relative_to(os.path.realpath(folder)):  # its name was too long
            shutil.rmtree(runtime, ignore_errors=True)
            try:
                runtime.parent.rmdir()
            except OSError:
                pass  # others use it


@contextmanager
def _worker(app: App, folder: str) -> Iterator[subprocess.Popen[bytes]]:
    """``abreast worker`` in a process of its own, which ends with this one."""
    words = ["worker", f"{sample.__name__}:app", "--store", app.url, "--concurrency", "2"]
    with (
        open(os.path.join(folder, "said"), "ab") as said,
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(os.getpid()), *words],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,  # Ctrl-C is for this process
        ) as worker,
    ):  # fmt: skip
        try:
            yield worker
        finally:
            worker.kill()


def _said(folder: str) -> list[str]:
    with open(os.path.join(folder, "said"), encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()[-10:]


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process in good order meanwhile."""

    def leave(number: int, frame: Any) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
