"""The runner: tasks side by side in one process, in memory, without set-up."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..clock import SystemClock
from ..domain.command import Command
from ..domain.graph import in_order
from ..domain.limits import Limit
from ..domain.model import Flow, Task
from ..domain.model import Run as Record
from ..domain.policy import Duration, Retry, amount, seconds
from ..domain.states import Reason
from ..engine.engine import Engine
from ..errors import (
    AbreastError,
    RunnerClosed,
    UnknownLabel,
    UsageError,
    WrongType,
)
from ..stores.memory import MemoryStore
from . import waiting, wiring
from .interrupts import Deferred
from .labels import Labels
from .linking import After, link, may_hold_runs
from .run import Run
from .tasks import DEFAULT, EXECUTORS, TaskFunction, _Default, as_retry, define
from .why import why

if TYPE_CHECKING:
    from ..ports import Listener
    from .report import Report


class Runner:
    """Runs tasks side by side, in the order their dependencies ask for, and reports.

    A runner runs once; runs can be added while it runs, also from inside a task.

    ::

        with Runner(concurrency=8, timeout=30) as runner:
            users = runner.add(fetch_users)
            clean = runner.add(clean_users, users)      # after users, with its result
        print(runner.report.table())

    Parameters
    ----------
    concurrency : int, optional
        How many runs execute at once, whatever executes them. None: for threads the smaller of
        32 and cores + 4, for processes and commands the usable cores, for coroutines 1,000.
    timeout : duration, optional
        Longest time one attempt may take, for tasks that do not say otherwise. Seconds, a
        ``timedelta`` or text like ``"10m"``.
    retry : Retry or int, optional
        For tasks that do not say otherwise.
    fail_fast : bool
        The first failed run ends all others: running ones are cancelled, the rest skipped.
    executor : str, optional
        ``"thread"`` or ``"process"`` for plain functions that do not say otherwise.
    name : str
        Used in the display, log lines and the report.
    progress : bool or str
        ``"auto"`` (same as True) shows a live display on a terminal and one line per change
        elsewhere, on standard error; ``"live"`` and ``"plain"`` insist; False shows nothing.
    logger : logging.Logger, optional
        Gets one record per change instead of standard error.
    pools : mapping, optional
        What there is to be shared by tasks with ``needs``: ``{"cpu": 4, "memory": "8GB"}``.
    grace : duration
        Time between the request to end a process or command and its end by force.
    """

    def __init__(
        self,
        concurrency: int | None = None,
        *,
        timeout: Duration | None = None,
        retry: Retry | int | None = None,
        fail_fast: bool = False,
        executor: str | None = None,
        name: str = "Runner",
        progress: bool | str = "auto",
        logger: logging.Logger | None = None,
        pools: Mapping[str, float | str] | None = None,
        grace: Duration = 2.0,
    ) -> None:
        if concurrency is not None and (
            isinstance(concurrency, bool) or not isinstance(concurrency, int)
        ):
            raise WrongType(f"concurrency must be a whole number or None, not {concurrency!r}")
        if concurrency is not None and concurrency < 1:
            raise UsageError(f"concurrency must be 1 or more, not {concurrency}")
        if executor not in (None, *EXECUTORS):
            raise UsageError(f"executor must be one of {', '.join(EXECUTORS)}, not {executor!r}")
        if progress not in (True, False, "auto", "live", "plain"):
            raise UsageError(
                f"progress must be True, False, 'auto', 'live' or 'plain', not {progress!r}"
            )
        self.name = name
        self.concurrency = concurrency
        self.logger = logger
        self.progress = progress
        self._timeout = None if timeout is None else seconds(timeout, "timeout")
        self._retry = as_retry(retry)
        self._executor = executor
        self._pools = {
            key: amount(value, f"pools[{key!r}]") for key, value in (pools or {}).items()
        }
        self._flow = Flow(bool(fail_fast), self)
        self._runs: list[Run] = []
        self._labels = Labels(self._runs)
        self._tasks: dict[object, Task] = {}  # tasks made without options
        self._staged: list[Run] = []  # added, not yet handed to the engine
        clock = SystemClock()
        self._now = clock.now
        self._engine = Engine(MemoryStore(random.random), clock, seconds(grace, "grace"))
        self._lock = threading.Lock()  # of the collections above
        self._idle = threading.Event()
        self._idle.set()
        self._started: float | None = None
        self._closed = False
        self._display: Any = None
        self.interrupted = False  # by Ctrl-C or an exception inside the with block
        self._engine.notifier.when_idle(self._idle.set)
        self._engine.notifier.when_busy(self._idle.clear)

    # -- adding -----------------------------------------------------------------------------

    def add(
        self,
        fn: Callable[..., Any] | Command | TaskFunction,
        /,
        *args: Any,
        label: str | None = None,
        after: After | None = None,
        executor: str | None = None,
        timeout: Duration | _Default | None = DEFAULT,
        retry: Retry | int | _Default | None = DEFAULT,
        priority: float | None = None,
        limits: Limit | int | Iterable[Limit] | None = None,
        needs: Mapping[str, float | str] | None = None,
        expected: Duration | None = None,
        on_crash: str | None = None,
        fresh: bool | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Run:
        """Add one run and return its handle.

        Parameters
        ----------
        fn : function, async function, Command or declared task
            What to execute, with ``args`` and ``kwargs``. A :class:`Run` among these, also inside
            plain lists, tuples, sets and dicts, is a dependency and is replaced by its result.
        label : str, optional
            Name of this run; the task's name, then ``name-2`` and so on, when not given.
        after : Run, label, or list of these
            Runs that have to complete first. Labels may be those of runs added later.
        executor : str, optional
            ``"thread"``, ``"process"``, ``"coroutine"`` or ``"command"``; the usual one is found by
            looking at ``fn``.
        timeout, retry
            Override those of the runner; None for none.
        priority : float
            Seconds of head start over other runs; 0 by default.
        limits : Limit, int or list of Limit
            See :class:`Limit`; an int is short for ``Limit(n)``.
        needs : mapping
            Amounts drawn from the runner's ``pools`` while it runs.
        expected : duration
            How long it usually takes; helps to start the longest path first.
        on_crash : ``"retry"`` or ``"fail"``
            Whether it is repeated (at most 3 times) when its process dies; ``"retry"`` by default.
        fresh : bool
            Execute in a new process of its own (process executor).
        name : str, optional
            Name of the task; that of the function by default.

        Raises
        ------
        DuplicateLabel, UnknownLabel, CycleError, UsageError, WrongType
            When it cannot be run as described; nothing is added.
        Busy
            When a limit with ``then="fail"`` is full.
        RunnerClosed
            When the runner has ended.
        """
        if type(limits) is list:
            limits = tuple(limits)
        if (
            None is executor is priority is needs is expected is on_crash is fresh is name
            and timeout is DEFAULT is retry
        ):
            key: Any = fn if limits is None else (fn, limits)
        else:
            key = (fn, executor, timeout, retry, priority, limits, needs, expected, on_crash, fresh,
                   name)  # fmt: skip
        try:
            task = self._tasks[key]
        except (KeyError, TypeError) as miss:
            task = self._task(fn, dict(
                executor=executor, timeout=timeout, retry=retry, priority=priority, limits=limits,
                needs=needs, expected=expected, on_crash=on_crash, fresh=fresh, name=name,
            ))  # fmt: skip
            if isinstance(miss, KeyError):  # else something is not hashable: made anew each time
                self._tasks[key] = task
        return self._add(task, args, kwargs, label, after)

    def map(
        self, fn: Callable[..., Any] | Command | TaskFunction, /, *iterables: Iterable[Any],
        label: str | None = None, after: After | None = None, **options: Any,
    ) -> list[Run]:  # fmt: skip
        """Add one run for every item (or tuple of items, as the built-in ``map`` makes them).

        The options are those of :meth:`add`. Labels are ``name[0]``, ``name[1]``, … with ``label``
        or the task's name as name.
        """
        if not iterables:
            raise UsageError("map: give at least one iterable of arguments")
        unknown = set(options) - _MAP_OPTIONS
        if unknown:
            raise UsageError(
                f"map: unknown option {sorted(unknown)[0]!r}; pass constants with functools.partial"
            )
        task = self._task(fn, options)
        base = self._labels.name_for_many(label or task.name)
        return [
            self._add(task, args, {}, f"{base}[{number}]", after)
            for number, args in enumerate(zip(*iterables, strict=False))
        ]

    def _task(
        self, fn: Callable[..., Any] | Command | TaskFunction, options: dict[str, Any]
    ) -> Task:
        """Make the task for a function and options; those of the runner fill the gaps."""
        given = {
            key: value
            for key, value in options.items()
            if value is not None and value is not DEFAULT
        }
        explicit = {key for key in ("timeout", "retry") if options.get(key, DEFAULT) is None}
        target: Any = fn
        if isinstance(fn, TaskFunction):
            declared = {key: value for key, value in fn.options.items() if key != "after"}
            given = declared | given
            target = fn.fn
        if "timeout" not in given and "timeout" not in explicit:
            given["timeout"] = self._timeout
        if "retry" not in given and "retry" not in explicit:
            given["retry"] = self._retry
        if "executor" not in given and self._executor is not None:
            given["executor"] = wiring.default_executor(target, self._executor)
        task = define(target, given.pop("name", None), pools=self._pools, **given)
        with self._lock:
            if task.executor not in self._engine.claimer.executors:
                pool = wiring.pool_for(task.executor, self.concurrency, self._engine.claimer.pools)
                self._engine.add_executor(wiring.executor(task.executor, self.concurrency), pool)
        return task

    def _add(
        self,
        task: Task,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        label: str | None,
        after: After | None,
    ) -> Run:
        if self._closed:
            raise RunnerClosed(f"{self.name} has ended; a runner runs once, make a new Runner")
        with self._lock:
            runs = self._runs
            number = self._labels.number(task.name) if label is None else self._labels.claim(label)
            run = Run(len(runs) + 1, task, args, kwargs, self._now(), self._flow, label, number)
            if task.expected is not None:
                run.path = task.expected
            try:
                if after is not None or may_hold_runs(args) or may_hold_runs(kwargs.values()):
                    link(run, after, self._labels, self._started is not None)
                if label is not None:
                    self._labels.keep(label, run)
            except AbreastError:
                self._labels.drop(run)
                raise
            runs.append(run)
            if self._started is None and not task.bounded:
                self._staged.append(run)
            else:
                self._hand_in(run)
        return run

    def _hand_in(self, run: Run) -> None:
        """Give a run to the engine now, after those that were staged before it."""
        self._hand_in_staged()
        try:
            with Deferred():
                self._engine.submit([run])
        except AbreastError:
            self._runs.remove(run)
            self._labels.drop(run)
            raise

    # -- running ----------------------------------------------------------------------------

    def start(self) -> Runner:
        """Begin to run in the background and return at once; more runs may be added."""
        with self._lock:
            if self._closed:
                raise RunnerClosed(f"{self.name} has ended; a runner runs once, make a new Runner")
            if self._started is not None:
                return self
            self._labels.check()
            self._started = self._flow.began = self._now()
            self._display = wiring.open_display(self)
            self._hand_in_staged()
            with Deferred():
                self._engine.open()
        return self

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all runs have ended; False when ``timeout`` seconds were not enough."""
        self.start()
        return self._idle.wait(timeout)

    def run(self) -> Report:
        """Start, wait for the end of all runs and return the report. Ctrl-C cancels them."""
        with self:
            pass
        return self.report

    @property
    def running(self) -> bool:
        """Whether it has been started and there are runs that have not ended."""
        return self._started is not None and not self._idle.is_set()

    def cancel(self, run: Run | str | None = None) -> None:
        """Ask one run to end, or all that have not.

        What has not started ends at once, processes and commands are killed, coroutines are
        cancelled at their next ``await``, and threads are abandoned.
        """
        with self._lock:
            self._hand_in_staged()
        runs = self._flow.unended() if run is None else [self[run] if isinstance(run, str) else run]
        self._engine.cancel(runs, Reason.USER)

    def close(self, grace: Duration | None = None) -> None:
        """End whatever still runs and free threads and processes. Called by ``run`` and ``with``.

        ``grace`` replaces the time the runner gives processes and commands to end by themselves.
        """
        if self._closed:
            return
        self._closed = True
        self._engine.close(None if grace is None else seconds(grace, "grace"))
        if self._display is not None:
            self._display.close()
            self._display = None

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is not None:
                self._give_up()
            else:
                self._finish()
        finally:
            self.close()

    def _finish(self) -> None:
        try:
            self.wait()
        except KeyboardInterrupt:
            self._give_up()
            raise

    def _give_up(self) -> None:
        self._cancel_all()
        self._idle.wait()

    def _cancel_all(self) -> None:
        self.interrupted = True
        self.cancel()

    def _hand_in_staged(self) -> None:
        staged, self._staged = self._staged, []
        if staged:
            with Deferred():
                self._engine.submit(in_order(staged) if self._labels.forward else staged)

    # -- async ------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Report]:
        return self._run_async().__await__()

    async def __aenter__(self) -> Runner:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is not None:
                self._cancel_all()
            self.start()
            await waiting.until_idle(self._engine, self._cancel_all)
        finally:
            self.close()

    async def _run_async(self) -> Report:
        async with self:
            pass
        return self.report

    async def until_ended(self, run: Record) -> None:
        """Wait for the end of one run without blocking the event loop; used by ``await run``."""
        self.start()
        await waiting.until_ended(self._engine, run)

    # -- looking ----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Number of runs added so far."""
        return len(self._runs)

    def __getitem__(self, label: str) -> Run:
        run = self._labels.find(label)
        if run is None:
            raise UnknownLabel(f"no run is labelled {label!r}")
        return run

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs in the order in which they were added."""
        return tuple(self._runs)

    @property
    def started(self) -> float | None:
        """When it was started (seconds since 1970 UTC), or None."""
        return self._started

    @property
    def report(self) -> Report:
        """What has become of every run; complete once all have ended."""
        from .report import Report

        return Report(
            self._runs,
            name=self.name,
            concurrency=self.concurrency,
            started=self._started,
            interrupted=self.interrupted,
        )

    def __iter__(self) -> Iterator[Run]:
        return self.as_ended()

    def as_ended(self, timeout: float | None = None) -> Iterator[Run]:
        """Yield every run as soon as it has ended, earliest first; starts the runner.

        Raises ``TimeoutError`` when ``timeout`` seconds pass without the next end.
        """
        from .endings import Endings

        self.start()
        endings = Endings(self._engine, self._runs)
        return endings.iterate(timeout)

    async def __aiter__(self) -> AsyncIterator[Run]:
        from .endings import Endings

        self.start()
        endings = Endings(self._engine, self._runs)
        async for run in endings.iterate_async():
            yield run

    def wait_for(self, run: Record, timeout: float | None = None) -> None:
        """Wait until one run has ended; used by :meth:`Run.result`."""
        self.start()
        waiting.wait_for(self._engine, run, timeout)

    def is_abandoned(self, run: Record) -> bool:
        """Whether a thread was given up that executes this run and still goes on."""
        return run in self._engine.keeper.abandoned.values()

    def explain(self, run: Run) -> str:
        """Say why a run is in its state; see :meth:`Run.why`."""
        return why(run, self._runs, self._engine.held_by(run), self._started is not None)

    def listen(self, listener: Listener) -> None:
        """Call ``listener.on_changes(changes)`` after every change, on whatever thread made it."""
        self._engine.watch(listener)

    def __repr__(self) -> str:
        return f"<Runner {self.name!r}: {len(self._runs)} runs>"


_MAP_OPTIONS = frozenset(
    {"executor", "timeout", "retry", "priority", "limits", "needs", "expected", "on_crash", "fresh", "name"}
)  # fmt: skip
