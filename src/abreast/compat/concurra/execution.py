"""One task on its own, for programs that use the parts of a runner directly."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, MutableMapping
from typing import Any

from abreast import Runner

from .launch import Launcher
from .results import Results
from .tasks import CommandTaskHandler, Entry, TaskHandler, checked_retries


class TaskExecutor:
    """Executes one task and writes its result into a registry.

    Parameters
    ----------
    task_handler : TaskHandler or CommandTaskHandler
        What to execute.
    task_id : int
        A number, not interpreted.
    label
        Key of the result.
    results_registry : mutable mapping
        Gets the result; an empty one until the task has ended.
    use_multiprocessing : bool
        Whether a function executes in a process of its own.
    depends_on : collection of labels, optional
        Kept, not interpreted: one task alone waits for nobody.
    task_retries : int
        Further attempts if it raises.
    """

    def __init__(
        self,
        task_handler: TaskHandler | CommandTaskHandler,
        task_id: int,
        label: Any,
        results_registry: MutableMapping[Any, dict[str, Any]],
        use_multiprocessing: bool = False,
        depends_on: Collection[Any] | None = None,
        task_retries: int = 0,
    ) -> None:
        self.task_handler = task_handler
        self.task_id = task_id
        self.label = label
        self.results_registry = results_registry
        self.use_multiprocessing = use_multiprocessing
        self.depends_on = depends_on
        self.task_retries = checked_retries(task_retries)
        self._runner: Runner | None = None
        self._thread: threading.Thread | None = None
        results_registry[label] = {}

    @property
    def task_name(self) -> str:
        """Name of the task."""
        return self.task_handler.name

    @property
    def has_failed(self) -> bool:
        """Whether it has ended without success."""
        return bool(self.results_registry[self.label].get("has_failed"))

    @property
    def exitcode(self) -> int | None:
        """None until it has ended, then 0 or 1."""
        return int(self.has_failed) if self.is_results_updated() else None

    def start(self) -> None:
        """Begin to execute it and return at once."""
        if self._runner is not None:
            raise RuntimeError("The task has been started already.")
        tasks = {self.label: Entry(self.task_handler, self.label, (), self.task_retries)}
        self._runner = runner = Runner(1, progress=False, grace=0.1)
        log = logging.getLogger("concurra.core")
        Launcher(runner, self.use_multiprocessing, False, log).enter(tasks, ())
        runner.start()

        def attend() -> None:
            with runner:
                runner.wait()
            self.results_registry[self.label] = Results(tasks, None, False)[self.label]

        self._thread = threading.Thread(target=attend, daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Execute it and wait for its end."""
        self.start()
        self.join()

    def join(self) -> None:
        """Wait until its result is in the registry."""
        if self._thread is not None:
            self._thread.join()

    def terminate(self) -> None:
        """End it; a thread is given up and its result ignored."""
        if self._runner is not None:
            self._runner.cancel()
            self.join()

    def is_running(self) -> bool:
        """Whether it executes now."""
        return self._runner is not None and self._runner.running

    def is_results_updated(self) -> bool:
        """Whether its result is in the registry."""
        return bool(self.results_registry[self.label])
