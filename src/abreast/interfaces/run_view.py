"""What one asks of a run, whether it lives in this process or in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..domain.model import Run as Record
from ..domain.states import CANCELLED, COMPLETED, ENDED
from ..errors import Cancelled, RunError, Skipped

if TYPE_CHECKING:
    from datetime import datetime


class RunView:
    """Properties that follow from a run's record; ``_record`` says which record that is now."""

    __slots__ = ()

    @property
    def _record(self) -> Record:
        raise NotImplementedError

    def _see_end(self, timeout: float | None) -> None:
        """Wait for the end; raises ``TimeoutError`` when ``timeout`` seconds were not enough."""
        raise NotImplementedError

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
        self._see_end(timeout)
        return outcome(self._record)

    @property
    def name(self) -> str:
        """Name of the task."""
        return self._record.task.name

    @property
    def executor(self) -> str:
        """Where it executes: thread, process, coroutine or command."""
        return self._record.task.executor

    @property
    def attempts(self) -> int:
        """How often it has been started."""
        return self._record.attempt

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._record.state in ENDED

    @property
    def ok(self) -> bool:
        """Whether it has completed."""
        return self._record.state is COMPLETED

    @property
    def exception(self) -> BaseException | None:
        """What it raised, or the error that says why it has no result."""
        return self._record.error

    @property
    def errors(self) -> tuple[BaseException, ...]:
        """The errors of all failed attempts, oldest first."""
        run = self._record
        earlier = [past.error for past in run.history or () if past.error is not None]
        return (*earlier, *([run.error] if run.error is not None and run.attempt else ()))

    @property
    def traceback(self) -> str | None:
        """The traceback as text, or None when nothing was raised inside the task."""
        run = self._record
        if run.trace is not None or run.error is None or isinstance(run.error, RunError):
            return run.trace
        import traceback

        tb = run.error.__traceback__
        if tb is not None and tb.tb_next is not None:
            tb = tb.tb_next  # the first frame is the worker's
        return "".join(traceback.format_exception(type(run.error), run.error, tb))

    @property
    def wait_seconds(self) -> float | None:
        """Seconds between being added and being started, or None if it never was."""
        run = self._record
        return None if run.started is None else max(0.0, run.started - run.created)

    @property
    def run_seconds(self) -> float | None:
        """Seconds its last attempt took, or None if it never started or still runs."""
        run = self._record
        if run.started is None or run.ended is None:
            return None
        return max(0.0, run.ended - run.started)

    @property
    def created_at(self) -> datetime:
        """When it was added, in UTC."""
        return at(self._record.created)

    @property
    def started_at(self) -> datetime | None:
        """When its last attempt started, in UTC, or None."""
        started = self._record.started
        return None if started is None else at(started)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, in UTC, or None."""
        ended = self._record.ended
        return None if ended is None else at(ended)


class Recorded(RunView):
    """A record as it was when it was read, with what reports and pictures ask of runs."""

    __slots__ = ("_is",)

    after: tuple[Any, ...] = ()  # which runs it waits for is not looked up: waiting is waiting here

    def __init__(self, record: Record) -> None:
        self._is = record

    @property
    def _record(self) -> Record:
        return self._is

    def __getattr__(self, name: str) -> Any:
        return getattr(self._is, name)


def outcome(run: Record) -> Any:
    """Return the result of an ended run, or raise the error that says why it has none."""
    if run.state is COMPLETED:
        return run.value
    if run.error is not None:
        raise run.error
    kind = Cancelled if run.state is CANCELLED else Skipped
    raise kind(f"{run.label!r} ended {run.state}({run.reason})")


def at(seconds: float) -> datetime:
    """A time in seconds since 1970 as a ``datetime`` in UTC."""
    from datetime import UTC, datetime  # not needed by those who never ask

    return datetime.fromtimestamp(seconds, UTC)
