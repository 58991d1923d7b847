"""The runner: tasks side by side in one process, in memory, without set-up."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..domain.model import Run as Record
from ..domain.policy import Duration, Retry, seconds
from ..domain.states import Reason
from ..errors import InternalError, RunnerClosed, UnknownLabel, UsageError
from . import waiting, wiring
from .adding import Adding
from .interrupts import Deferred
from .run import Run
from .why import why

if TYPE_CHECKING:
    import logging

    from ..ports import Listener
    from .report import Report


class Runner(Adding):
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
        if progress not in (True, False, "auto", "live", "plain"):
            raise UsageError(
                f"progress must be True, False, 'auto', 'live' or 'plain', not {progress!r}"
            )
        super().__init__(concurrency, timeout, retry, fail_fast, executor, name, pools, grace)
        self.logger = logger
        self.progress = progress
        self._idle = threading.Event()
        self._idle.set()
        self._display: Any = None
        self.interrupted = False  # by Ctrl-C or an exception inside the with block
        self._engine.notifier.when_idle(self._idle.set)
        self._engine.notifier.when_busy(self._idle.clear)

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
        if not self._idle.wait(timeout):
            return False
        if self._engine.broken is not None:
            raise InternalError(
                f"{self.name} stopped because of a mistake in abreast: {self._engine.broken!r}"
            ) from self._engine.broken
        return True

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
        if isinstance(run, str):
            run = self[run]
        if run is not None and run.flow is not self._flow:
            raise UsageError(f"{run.label!r} belongs to another runner")
        with self._lock:
            self._hand_in_staged()
            for later in list(self._staged):  # those that wait for labels nobody has yet
                if run is None or later is run:
                    later.asked = Reason.USER  # it is cancelled when it is handed in
                    self._staged.remove(later)
                    self._labels.stop_waiting(later)
                    self._engine.submit([later])
        self._engine.cancel(self._flow.unended() if run is None else [run], Reason.USER)

    def close(self, grace: Duration | None = None) -> None:
        """End whatever still runs and free threads and processes. Called by ``run`` and ``with``.

        ``grace`` replaces the time the runner gives processes and commands to end by themselves.
        """
        if self._closed:
            return
        if self._staged or self._flow.unended():
            self.cancel()
            if grace is None:  # what can be ended has been by then
                self._idle.wait(self._engine.keeper.grace_s + 1.0)
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

    # -- async ------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Report]:
        return self._run_async().__await__()

    async def __aenter__(self) -> Runner:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self.start()
            else:
                self._cancel_all()
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
