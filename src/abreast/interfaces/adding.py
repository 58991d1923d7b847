"""Describing runs and adding them: what a runner does before and while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from ..clock import SystemClock
from ..domain.command import Command
from ..domain.graph import in_order, present
from ..domain.limits import Limit
from ..domain.model import Flow, Task
from ..domain.policy import Duration, Retry, amount, seconds
from ..domain.unique import Unique
from ..engine.engine import Engine
from ..errors import AbreastError, RunnerClosed, UsageError, WrongType
from ..stores.memory import MemoryStore
from . import wiring
from .interrupts import Deferred
from .labels import Labels
from .linking import After, link, may_hold_runs
from .run import Run
from .tasks import (
    DEFAULT,
    EXECUTORS,
    OPTIONS,
    SERVICE,
    TaskFunction,
    _Default,
    as_retry,
    check_keys,
    define,
)


class Adding:
    """The part of :class:`abreast.Runner` that makes runs and hands them to the engine.

    Parameters are those of the runner. Until it is started, runs are *staged*: handed in together
    at the start, except those whose limits may refuse them, which the caller has to hear at once.
    """

    def __init__(
        self,
        concurrency: int | None,
        timeout: Duration | None,
        retry: Retry | int | None,
        fail_fast: bool,
        executor: str | None,
        name: str,
        pools: Mapping[str, float | str] | None,
        grace: Duration,
    ) -> None:
        if concurrency is not None and (
            isinstance(concurrency, bool) or not isinstance(concurrency, int)
        ):
            raise WrongType(f"concurrency must be a whole number or None, not {concurrency!r}")
        if concurrency is not None and concurrency < 1:
            raise UsageError(f"concurrency must be 1 or more, not {concurrency}")
        if executor not in (None, *EXECUTORS):
            raise UsageError(f"executor must be one of {', '.join(EXECUTORS)}, not {executor!r}")
        self.name = name
        self.concurrency = concurrency
        self._timeout = None if timeout is None else seconds(timeout, "timeout")
        self._retry = as_retry(retry)
        self._executor = executor
        if pools is not None and not isinstance(pools, Mapping):
            raise WrongType(f"pools must be a mapping such as {{'cpu': 4}}, not {pools!r}")
        self._pools = {
            key: amount(value, f"pools[{key!r}]") for key, value in (pools or {}).items()
        }
        self._flow = Flow(bool(fail_fast), self)
        self._runs: list[Run] = []
        self._labels = Labels(self._runs)
        self._tasks: dict[object, Task] = {}  # by function and options
        self._kept: list[object] = []  # what keys of _tasks stand for
        self._shared: dict[tuple[str, float | None], Any] = {}  # sizes of shared limits
        self._staged: list[Run] = []  # added, not yet handed to the engine
        clock = SystemClock()
        self._now = clock.now
        self._engine = Engine(MemoryStore(wiring.jitter), clock, seconds(grace, "grace"))
        self._lock = threading.Lock()  # of the collections above
        self._started: float | None = None
        self._closed = False

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
        unique: Unique | bool | None = None,
        fair_by: str | None = None,
        expires: Duration | None = None,
        deadline: Duration | None = None,
        nice: int | None = None,
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
        unique : Unique or True
            When this is the same work as a run added before: that one is returned; see
            :class:`Unique`. True: while a run with the same arguments has not ended.
        fair_by : str
            Runs of the task that wait start in turns of the values of this template, for example
            ``"{tenant}"``.
        expires : duration
            It is skipped when it has not started this long after it was added.
        deadline : duration
            All its attempts together have to end this long after it was added.
        nice : int
            Niceness of its process (process and command executors).
        name : str, optional
            Name of the task; that of the function by default.

        Raises
        ------
        DuplicateLabel, UnknownLabel, CycleError, UsageError, WrongType
            When it cannot be run as described; nothing is added.
        Busy
            When a limit with ``then="fail"`` is full, or ``Unique(then="fail")`` finds the same
            work.
        RunnerClosed
            When the runner has ended.
        """
        if type(limits) is list:
            limits = tuple(limits)
        if (
            executor is None and priority is None and needs is None and expected is None
            and on_crash is None and fresh is None and name is None and unique is None
            and fair_by is None and expires is None and deadline is None and nice is None
            and timeout is DEFAULT and retry is DEFAULT
        ):  # fmt: skip
            same = fn if type(fn) in _SAME_IF_EQUAL else id(fn)
            key: Any = same if limits is None else (same, limits, type(limits))
        else:
            same = fn if type(fn) in _SAME_IF_EQUAL else id(fn)
            options = (executor, timeout, retry, priority, limits, needs, expected, on_crash, fresh,
                       name, unique, fair_by, expires, deadline, nice)  # fmt: skip
            key = (same, options, *map(type, options))  # True and 1.0 are equal to 1
        try:
            task = self._tasks[key]
        except (KeyError, TypeError) as miss:
            task = self._task(fn, {
                "executor": executor, "timeout": timeout, "retry": retry, "priority": priority,
                "limits": limits, "needs": needs, "expected": expected, "on_crash": on_crash,
                "fresh": fresh, "name": name, "unique": unique, "fair_by": fair_by,
                "expires": expires, "deadline": deadline, "nice": nice,
            })  # fmt: skip
            if isinstance(miss, KeyError):  # else something is not hashable: made anew each time
                self._tasks[key] = task
                self._kept.append(fn)  # an id is another's once its object is gone
        return self._add(task, args, kwargs or _NO_KWARGS, label, after)

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
        items = list(zip(*iterables, strict=False))
        with self._lock:
            base = self._labels.name_for_many(label or task.name)
            labels = [f"{base}[{number}]" for number in range(len(items))]
            for name in labels:  # all or nothing
                self._labels.claim(name)
        return [
            self._add(task, args, {}, name, after) for args, name in zip(items, labels, strict=True)
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
            aside = {*SERVICE, *explicit}
            declared = {key: value for key, value in fn.options.items() if key not in aside}
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
            self._check_limits(task)
            if task.executor not in self._engine.claimer.executors:
                pool = wiring.pool_for(task.executor, self.concurrency, self._engine.claimer.pools)
                self._engine.add_executor(wiring.executor(task.executor, self.concurrency), pool)
        return task

    def _check_limits(self, task: Task) -> None:
        """Refuse keys that cannot be made, and shared ones declared with another ``n``."""
        check_keys(task)
        for limit in task.limits:
            if limit.key.startswith("/") and not callable(limit.n):
                n = self._shared.setdefault((limit.key, limit.per), limit.n)
                if n != limit.n:
                    raise UsageError(
                        f"task {task.name!r} declares {limit.key!r} with {_size(limit.n)} units, "
                        f"another task with {_size(n)}; a shared limit has one size"
                    )

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
        if self._started is not None:
            with Deferred():  # Ctrl-C must not leave a run behind that nobody executes
                return self._add_now(task, args, kwargs, label, after)
        return self._add_now(task, args, kwargs, label, after)

    def _add_now(
        self,
        task: Task,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        label: str | None,
        after: After | None,
    ) -> Run:
        with self._lock:
            runs = self._runs
            number = self._labels.number(task.name) if label is None else self._labels.claim(label)
            run = Run(len(runs) + 1, task, args, kwargs, self._now(), self._flow, label, number)
            if task.expected is not None:
                run.path = task.expected
            try:
                if (
                    after is not None
                    or (args and may_hold_runs(args))
                    or (kwargs and may_hold_runs(kwargs.values()))
                ):
                    link(run, after, self._labels, self._started is not None)
                if label is not None:
                    self._labels.keep(label, run)
            except AbreastError:
                self._labels.drop(run)
                raise
            runs.append(run)
            if task.unique is not None:
                return self._hand_in_unique(run)
            if self._started is None and not (task.bounded and not self._labels.forward):
                self._staged.append(run)
            else:
                self._hand_in(run)
        return run

    def _hand_in_unique(self, run: Run) -> Run:
        """Give the engine a run that may be the same work as another; return that one, then."""
        if run in self._labels.waiting([*self._staged, run]):
            label = next((name for name, runs in self._labels.forward.items() if run in runs), None)
            self._runs.remove(run)
            self._labels.drop(run)
            raise UsageError(
                f"{run.label!r} is unique, so what it comes after has to be added before it"
                + (f"; there is no run {label!r} yet" if label is not None else "")
            )
        self._hand_in(run)
        known = present(run)
        if known is run:
            return run
        self._runs.remove(run)
        self._labels.drop(run)
        assert isinstance(known, Run)
        return known

    def _hand_in(self, run: Run) -> None:
        """Give a run to the engine now, after those that were staged before it."""
        self._hand_in_staged()
        try:
            with Deferred():
                self._engine.submit([run])
        except Exception:  # also what a callable of the user's raises
            self._runs.remove(run)
            self._labels.drop(run)
            raise

    def _hand_in_staged(self) -> None:
        """Give the engine what has been added so far, parents before children."""
        staged, self._staged = self._staged, []
        if self._labels.forward:
            waiting = self._labels.waiting(staged)
            self._staged = [run for run in staged if run in waiting]
            staged = [run for run in staged if run not in waiting]
        if staged:
            with Deferred():
                self._engine.submit(in_order(staged) if self._labels.late else staged)


def _size(n: object) -> str:
    return f"{n:g}" if isinstance(n, (int, float)) else repr(n)


_NO_KWARGS: dict[str, Any] = {}  # shared by runs without keyword arguments; never written
_MAP_OPTIONS = OPTIONS - SERVICE
# Other callables may be equal without being the same; for these identity decides.
_SAME_IF_EQUAL = frozenset({FunctionType, BuiltinFunctionType, MethodType})
