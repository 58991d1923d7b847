"""The task runner of Concurra, on :class:`abreast.Runner`."""

from __future__ import annotations

import logging
import operator
import os
import threading
import time
from collections.abc import Collection, Iterable
from math import inf
from queue import SimpleQueue
from typing import Any

from abreast import Reason, Run, Runner, State

from .adding import Adding
from .execution import TaskExecutor as TaskExecutor
from .launch import Launcher
from .registry import Registry
from .results import FAILED, STOPPED, Results, progress_line, ran, status_of, table
from .tasks import CommandExecutionError as CommandExecutionError
from .tasks import CommandTaskHandler as CommandTaskHandler
from .tasks import Entry, checked_retries
from .tasks import TaskHandler as TaskHandler

LOGGER = logging.getLogger("concurra.core")  # the name that logging configurations know

_ENDS = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.SKIPPED})
_REUSED = (
    "TaskRunner has already started execution. "
    "Create a new TaskRunner instance to add tasks and run again."
)


class TaskRunner(Adding):
    """Runs tasks side by side, once, and returns one result per label.

    Parameters
    ----------
    max_concurrency : int, optional
        How many tasks execute at once; the number of processors if not given.
    name : str, optional
        Begins the progress lines.
    timeout : float, optional
        Seconds one attempt at a task may take.
    progress_stats : bool
        Whether to log how many tasks have ended.
    fast_fail : bool
        Whether the first failure terminates everything else.
    use_multiprocessing : bool
        Whether each function executes in a process of its own.
    logger : logging.Logger, optional
        Where to log; ``concurra.core`` if not given.
    log_errors : bool
        Whether to log each error when it happens.
    fallback_to_thread_on_pickle_error : bool
        Whether a function that cannot travel to a process executes in a thread instead.
    task_retries : int
        Further attempts at a task that raised.

    Raises
    ------
    TypeError, ValueError
        When one of these is not what it should be.
    """

    MAINTENANCE_INTERVAL = 0.1  # kept for programs that set it; nothing polls here
    PROGRESS_LOG_DIVISOR = 10
    SHUTDOWN_GRACE = 0.1  # seconds between asking a process to end and ending it by force

    def __init__(
        self,
        max_concurrency: int | None = None,
        name: str | None = None,
        timeout: float | None = None,
        progress_stats: bool = True,
        fast_fail: bool = False,
        use_multiprocessing: bool = False,
        logger: logging.Logger | None = None,
        log_errors: bool = False,
        fallback_to_thread_on_pickle_error: bool = False,
        task_retries: int = 0,
    ) -> None:
        self.log = LOGGER if logger is None else logger
        if max_concurrency is None:
            max_concurrency = os.cpu_count() or 1
        self.max_concurrency = operator.index(max_concurrency)
        if self.max_concurrency < 1:
            self.log.warning(
                "max_concurrency must be >= 1; resetting to 1, tasks will not run in parallel"
            )
            self.max_concurrency = 1
        if timeout is not None and not isinstance(timeout, (int, float)):
            raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}.")
        usual = "Concurra" if type(self) is TaskRunner else type(self).__name__
        self.name = name or usual
        self.timeout = timeout
        self.progress_stats = progress_stats
        self.fast_fail = fast_fail
        self.use_multiprocessing = use_multiprocessing
        self.log_errors = log_errors
        self.fallback_to_thread_on_pickle_error = fallback_to_thread_on_pickle_error
        self.task_retries = checked_retries(task_retries)
        self._registry = Registry()
        self._lock = threading.RLock()
        self._has_started = False
        self._runner: Runner | None = None
        self._ends: SimpleQueue[Run] = SimpleQueue()  # tasks that have ended, earliest first
        self._over = threading.Event()
        self._final: dict[Any, dict[str, Any]] | None = None
        self._began: float | None = None
        self._told = 0  # tasks that had ended at the last progress line
        self._failed_tasks: set[Any] = set()
        self._terminated_tasks: set[Any] = set()
        self._successful_tasks: set[Any] = set()

    # -- running ----------------------------------------------------------------------------

    def run(
        self, verify: bool = True, raise_exception: bool = False, error_message: str | None = None
    ) -> dict[Any, dict[str, Any]]:
        """Run all tasks and return their results.

        Parameters
        ----------
        verify : bool
            Whether to log the table of results, or what has failed.
        raise_exception : bool
            Whether to raise what has failed instead of logging it.
        error_message : str, optional
            How the text about failures begins.

        Raises
        ------
        ValueError
            When a task depends on a label that no task has.
        RuntimeError
            When it has been started before.
        Exception
            With ``raise_exception``, when a task has not succeeded.
        """
        interrupt: KeyboardInterrupt | None = None
        try:
            self._start()
        except KeyboardInterrupt as error:
            if self._runner is None or self._runner.started is None:
                raise
            interrupt = error  # tasks run already: they are ended first
        self._attend(interrupt)
        return self._finished(verify, raise_exception, error_message)

    def execute(
        self, verify: bool = True, raise_exception: bool = False, error_message: str | None = None
    ) -> dict[Any, dict[str, Any]]:
        """Do the same as :meth:`run`."""
        return self.run(verify, raise_exception, error_message)

    def execute_in_background(self) -> None:
        """Start to run all tasks and return at once."""
        self._start()
        threading.Thread(target=self._attend, name=f"{self.name}-background", daemon=True).start()

    def get_background_results(
        self, verify: bool = True, raise_exception: bool = False, error_message: str | None = None
    ) -> dict[Any, dict[str, Any]]:
        """Wait for the end of all tasks and return their results; see :meth:`run`."""
        if self._runner is None:
            raise RuntimeError(
                "Nothing runs in the background; call execute_in_background() first."
            )
        self._over.wait()
        return self._finished(verify, raise_exception, error_message)

    def is_running(self) -> bool:
        """Whether it has been started and there are tasks that have not ended."""
        return self._runner is not None and self._runner.running

    def abort(self) -> dict[Any, dict[str, Any]]:
        """Terminate what has not ended and return the results; what had ended keeps its own."""
        with self._lock:
            fresh = self._runner is None
            runner = self._prepare()
            for entry in self._registry.tasks.values():
                entry.stopped = entry.run is not None and not entry.run.done
        runner.cancel()
        if fresh:
            self._attend()
        self._over.wait()
        return self._finished(True, False, None)

    def verify(self, raise_exception: bool = False, error_message: str | None = None) -> None:
        """Log the table of results if all tasks have succeeded, otherwise what has failed.

        Raises
        ------
        Exception
            While tasks are running; with ``raise_exception`` also when one has not succeeded.
        RuntimeError
            When it has not been started.
        """
        if self.is_running():
            raise Exception("Execution is still in progress")  # noqa: TRY002 (as in Concurra)
        if self._runner is None and len(self):
            raise RuntimeError("Execution has not been started.")
        results = self._results()
        failures = [(label, one) for label, one in results.items() if one["has_failed"]]
        if not failures:
            self.log.info(f"\n{table(results)}")
            return
        lines = [
            f"Task '{label}' failed with error: {one['error']} \n {one['trace']}"
            for label, one in failures
        ]
        message = "\n".join([error_message or "Execution Failed", table(results), *lines])
        if raise_exception:
            raise Exception(message)  # noqa: TRY002 (as in Concurra)
        self.log.error(message)

    # -- looking ----------------------------------------------------------------------------

    @property
    def results_registry(self) -> Results:
        """Results by label as they are now; that of a task that has not ended is empty."""
        return Results(self._registry.tasks, self.timeout, self.fast_fail)

    def show_progress(self) -> None:
        """Log how many tasks have ended."""
        self._show(sum(run.done for run in self._runner.runs) if self._runner else 0)

    def get_active_runner_count(self) -> int:
        """Return how many tasks are executing."""
        if self._runner is None:
            return 0
        return sum(run.state is State.RUNNING for run in self._runner.runs)

    def get_next_runnable_task(self) -> TaskExecutor | None:
        """Return the first task that waits for no other and has not started, or None."""
        for number, entry in enumerate(self._registry.tasks.values()):
            run = entry.run
            waits = bool(entry.depends_on) if run is None else run.state is not State.PENDING
            if not waits:
                return TaskExecutor(
                    entry.handler, number, entry.label, {}, self.use_multiprocessing,
                    entry.depends_on, entry.retries,
                )  # fmt: skip
        return None

    def __len__(self) -> int:
        """Return how many tasks have been added."""
        return len(self._registry.tasks)

    # -- inside -----------------------------------------------------------------------------

    def _register(
        self,
        handler: TaskHandler | CommandTaskHandler,
        label: Any,
        depends_on: Collection[Any] | None = None,
        task_retries: int | None = None,
    ) -> None:
        with self._lock:
            if self._has_started or self._runner is not None:
                raise RuntimeError("Cannot add tasks after execution has started.")
            retries = self.task_retries if task_retries is None else checked_retries(task_retries)
            self._registry.add(handler, label, depends_on, retries)

    def _start(self) -> None:
        with self._lock:
            if self._has_started:
                raise RuntimeError(_REUSED)
            self._registry.check()
            self._has_started = True
            self._began = time.monotonic()
            runner = self._prepare()
            if not self._over.is_set():  # it is after an abort
                runner.start()

    def _prepare(self) -> Runner:
        """Make the runner that does the work, if there is none yet."""
        if self._runner is None:
            timeout = None if self.timeout in (None, inf) else max(0.0, self.timeout or 0.0)
            runner = self._runner = Runner(
                self.max_concurrency,
                timeout=timeout,
                fail_fast=self.fast_fail,
                name=str(self.name),
                progress=False,
                grace=self.SHUTDOWN_GRACE,
            )
            runner.listen(self)
            processes, fall_back = self.use_multiprocessing, self.fallback_to_thread_on_pickle_error
            Launcher(runner, processes, fall_back, self.log).enter(
                self._registry.tasks, self._registry.awaited
            )
        return self._runner

    def _attend(self, interrupt: KeyboardInterrupt | None = None) -> None:
        """Follow the tasks until all have ended, or end them and raise ``interrupt``."""
        if self._over.is_set():  # aborted before it was started
            return
        assert self._runner is not None
        entries = {entry.run: entry for entry in self._registry.tasks.values()}
        try:
            with self._runner:
                if interrupt is not None:
                    raise interrupt
                for number in range(1, len(entries) + 1):
                    run = self._ends.get()
                    self._note(entries[run], run, number)
        finally:
            self._over.set()

    def on_changes(self, changes: Iterable[Any]) -> None:
        """Called by the runner that does the work, after every change."""
        for change in changes:
            if change.target in _ENDS:
                self._ends.put(change.run)

    def _note(self, entry: Entry, run: Run, ended: int) -> None:
        """Keep and log the end of one task."""
        status = status_of(run)
        failing_fast = self.fast_fail and bool(self._failed_tasks or self._terminated_tasks)
        step = max(1, len(self) // self.PROGRESS_LOG_DIVISOR)
        quiet = entry.stopped or failing_fast or not self.progress_stats
        if not quiet and ended - self._told >= step:
            self._told = ended
            self._show(ended)
        timed_out = run.reason is Reason.TIMEOUT
        if status == FAILED or timed_out:
            first = self.fast_fail and not failing_fast
            if self.log_errors or first:
                one = self.results_registry[entry.label]
                if timed_out:
                    self.log.error(
                        f"Task '{entry.label}' exceeded timeout of {self.timeout} seconds\n"
                    )
                else:
                    self.log.error(f"{one['error']} {one['trace']}\n")
            if first:
                self.log.error("terminating execution!")
        elif run.state is State.CANCELLED and ran(run):
            self.log.info(f"Deleting terminated task: {entry.label}, {entry.handler.name}")
        kept = {FAILED: self._failed_tasks, STOPPED: self._terminated_tasks}
        kept.get(status, self._successful_tasks).add(entry.label)

    def _show(self, ended: int) -> None:
        seconds = 0.0 if self._began is None else time.monotonic() - self._began
        self.log.info(progress_line(self.name, ended, len(self), seconds))

    def _finished(
        self, verify: bool, raise_exception: bool, error_message: str | None
    ) -> dict[Any, dict[str, Any]]:
        if verify:
            self.verify(raise_exception, error_message)
        return dict(self._results())

    def _results(self) -> dict[Any, dict[str, Any]]:
        """All results; made once when there is nothing left to change."""
        if self._final is not None:
            return self._final
        results = dict(self.results_registry)
        if self._over.is_set():
            self._final = results
        return results
