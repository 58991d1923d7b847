"""The handle a user holds: a run's record with the questions one asks of it."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from ..context import attempt_here
from ..domain.model import Run as Record
from ..domain.states import ENDED
from ..errors import Cancelled
from .run_view import RunView, outcome

if TYPE_CHECKING:
    from .runner import Runner


class Run(RunView, Record):
    """One execution of a task: a live view of its state and, once it has ended, its result.

    Times are seconds since 1970 in UTC; ``started_at`` and the like give them as ``datetime``.
    """

    __slots__ = ()

    @property
    def _runner(self) -> Runner:
        runner: Runner = self.flow.owner  # type: ignore[union-attr]
        return runner

    @property
    def _record(self) -> Record:
        return self

    @property
    def abandoned(self) -> bool:
        """Whether its thread was given up and still runs."""
        return self._runner.is_abandoned(self)

    def _see_end(self, timeout: float | None) -> None:
        if self.state not in ENDED:
            self._runner.wait_for(self, timeout)

    def __await__(self) -> Generator[Any, None, Any]:
        yield from self._runner.until_ended(self).__await__()
        return outcome(self)

    def cancel(self) -> None:
        """Ask it to end. What has not started ends at once; a process or command is killed."""
        self._runner.cancel(self)

    def why(self) -> str:
        """Say in one sentence why the run is in the state it is in."""
        return self._runner.explain(self)


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
