"""Runners: they execute the invocations of an app until they are told to stop."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from .exceptions import RunnerError

if TYPE_CHECKING:
    from .app import Pynenc

_MOST_THREADS = 32


class Runner:
    """Executes the invocations of an app: what the classes below have in common."""

    executor: ClassVar[str]
    fresh: ClassVar[bool] = False  # a new process for every invocation

    def __init__(self, app: Pynenc) -> None:
        self.app = app
        self._lock = threading.Lock()
        self._worker: Any = None
        self._stopped = False  # before it ran

    @property
    def running(self) -> bool:
        """Whether :meth:`run` is under way."""
        return self._worker is not None

    def run(self) -> None:
        """Execute invocations until :meth:`stop_runner_loop`; in the main thread also until SIGINT
        or SIGTERM. Those that run are waited for.

        Raises
        ------
        RunnerError
            When it runs already, or cannot work on the app's store.
        """
        app = self.app.abreast
        if self.executor == "process" and app.url == "memory://":
            raise RunnerError(
                f"{type(self).__name__} needs a store that other processes can open, for example "
                "Pynenc('sqlite:///jobs.db'); in memory use ThreadRunner"
            )
        with self._lock:
            if self._worker is not None:
                raise RunnerError("the runner runs already")
            stopped, self._stopped = self._stopped, False
            if stopped:
                return
            worker = self._worker = app.worker(
                self._concurrency(), executor=self.executor, fresh=self.fresh
            )
        try:
            worker.run()
        finally:
            with self._lock:
                self._worker = None

    def stop_runner_loop(self, *_: object) -> None:
        """Ask :meth:`run` to come to an end, from any thread or as a signal handler.

        When it has not begun yet, it ends as soon as it begins.
        """
        with self._lock:
            worker = self._worker
            if worker is None:
                self._stopped = True
        if worker is not None:
            worker.stop()

    def _concurrency(self) -> int:
        wanted = self.app.conf.max_threads
        if wanted:
            return wanted
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        cores = cores or 1
        return cores if self.executor == "process" else min(_MOST_THREADS, cores + 4)


class ThreadRunner(Runner):
    """Executes invocations in threads of this process."""

    executor = "thread"


class PersistentProcessRunner(Runner):
    """Executes invocations in processes, which are used again."""

    executor = "process"


class ProcessRunner(PersistentProcessRunner):
    """Executes every invocation in a new process."""

    fresh = True


KINDS: dict[str, type[Runner]] = {
    "ThreadRunner": ThreadRunner,
    "ProcessRunner": ProcessRunner,
    "PersistentProcessRunner": PersistentProcessRunner,
    "MultiThreadRunner": PersistentProcessRunner,  # its processes do one thing at a time here
}


def runner_named(name: str, app: Pynenc) -> Runner:
    """Return a runner of a kind. Raises ``RunnerError`` for an unknown one."""
    kind = KINDS.get(name)
    if kind is None:
        raise RunnerError(f"unknown runner_cls {name!r}; known are {', '.join(KINDS)}")
    return kind(app)
