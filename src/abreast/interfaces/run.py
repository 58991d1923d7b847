"""The handle a user holds: a run's record with the questions one asks of it."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from ..context import attempt_here
from ..domain.model import Run as Record
from ..domain.states import CANCELLED, COMPLETED, ENDED
from ..errors import Cancelled, RunError, Skipped

if TYPE_CHECKING:
    from datetime import datetime

    from .runner import Runner


class Run(Record):
    """One execution of a task: a live view of its state and, once it has ended, its result.

    Times are seconds since 1970 in UTC; ``started_at`` and the like give them as ``datetime``.
    """

    __slots__ = ()

    @property
    def _runner(self) -> Runner:
        runner: Runner = self.flow.owner  # type: ignore[union-attr]
        return runner

    @property
    def name(self) -> str:
        """Name of the task."""
        return self.task.name

    @property
    def executor(self) -> str:
        """Where it executes: thread, process, coroutine or command."""
        return self.task.executor

    @property
    def attempts(self) -> int:
        """How often it has been started."""
        return self.attempt

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state in ENDED

    @property
    def ok(self) -> bool:
        """Whether it has completed."""
        return self.state is COMPLETED

    @property
    def exception(self) -> BaseException | None:
        """What it raised, or the error that says why it has no result."""
        return self.error

    @property
    def errors(self) -> tuple[BaseException, ...]:
        """The errors of all failed attempts, oldest first."""
        earlier = [past.error for past in self.history or () if past.error is not None]
        return (*earlier, *([self.error] if self.error is not None and self.attempt else ()))

    @property
    def traceback(self) -> str | None:
        """The traceback as text, or None when nothing was raised inside the task."""
        if self.trace is not None or self.error is None or isinstance(self.error, RunError):
            return self.trace
        import traceback

        tb = self.error.__traceback__
        if tb is not None and tb.tb_next is not None:
            tb = tb.tb_next  # the first frame is the worker's
        return "".join(traceback.format_exception(type(self.error), self.error, tb))

    @property
    def abandoned(self) -> bool:
        """Whether its thread was given up and still runs."""
        return self._runner.is_abandoned(self)

    @property
    def wait_seconds(self) -> float | None:
        """Seconds between being added and being started, or None if it never was."""
        return None if self.started is None else max(0.0, self.started - self.created)

    @property
    def run_seconds(self) -> float | None:
        """Seconds its last attempt took, or None if it never started or still runs."""
        if self.started is None or self.ended is None:
            return None
        return max(0.0, self.ended - self.started)

    @property
    def created_at(self) -> datetime:
        """When it was added, in UTC."""
        return _at(self.created)

    @property
    def started_at(self) -> datetime | None:
        """When its last attempt started, in UTC, or None."""
        return None if self.started is None else _at(self.started)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, in UTC, or None."""
        return None if self.ended is None else _at(self.ended)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end and return the result.

        A task that waits for another one in this way gives its slot back meanwhile.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        TimeoutError
            When the run has not ended within ``timeout`` (it goes on).
        Exception
            What the task raised; or :class:`abreast.errors.TimedOut`, ``Crashed``,
            ``Cancelled``, ``Skipped`` when that is how it ended.
        """
        if self.state not in ENDED:
            self._runner.wait_for(self, timeout)
        return self._outcome()

    def _outcome(self) -> Any:
        if self.state is COMPLETED:
            return self.value
        if self.error is not None:
            raise self.error
        kind = Cancelled if self.state is CANCELLED else Skipped
        raise kind(f"{self.label!r} ended {self.state}({self.reason})")

    def __await__(self) -> Generator[Any, None, Any]:
        yield from self._runner.until_ended(self).__await__()
        return self._outcome()

    def cancel(self) -> None:
        """Ask it to end. What has not started ends at once; a process or command is killed."""
        self._runner.cancel(self)

    def why(self) -> str:
        """Say in one sentence why the run is in the state it is in."""
        return self._runner.explain(self)


def _at(seconds: float) -> datetime:
    from datetime import UTC, datetime  # not needed by those who never ask

    return datetime.fromtimestamp(seconds, UTC)


def current_run() -> Record | None:
    """Return the run that the calling code is part of, or None outside of one."""
    attempt = attempt_here.get()
    return None if attempt is None else attempt.run


def progress(done: float, total: float | None = None, message: str = "") -> None:
    """Say from inside a task how far it is. Outside of a run this does nothing.

    Parameters
    ----------
    done, total : float
        Units done and units in all (None: unknown).
    message : str
        What is going on now.

    Raises
    ------
    Cancelled
        When the run was asked to end, which lets a thread stop at a good place.
    """
    attempt = attempt_here.get()
    if attempt is None:
        return
    attempt.host.progress(attempt, done, total, message)
    if attempt.stop is not None:
        raise Cancelled(f"{attempt.run.label!r} was asked to stop ({attempt.stop})")
