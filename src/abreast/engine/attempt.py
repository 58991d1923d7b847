"""One attempt: made for a run that has just started, completed when its executor reports."""

from __future__ import annotations

from ..domain.graph import with_results
from ..domain.model import ERROR, STOPPED, Attempt
from ..domain.states import Reason
from ..errors import Cancelled, TimedOut


def load(attempt: Attempt, now: float) -> bool:
    """Replace the runs among the arguments by their results.

    False: that failed, and the attempt carries the error as its outcome.
    """
    try:
        attempt.args = with_results(attempt.args)
        attempt.kwargs = with_results(dict(attempt.kwargs))
    except Exception as error:  # say, a result that cannot be a member of a set
        attempt.outcome, attempt.error, attempt.ended = ERROR, error, now
        return False
    return True


def finish(attempt: Attempt) -> None:
    """Give an attempt that was asked to stop the outcome that follows from it.

    What ended before the request counts as if it had not been made.
    """
    if attempt.ended < attempt.stop_at and attempt.outcome is not STOPPED:
        attempt.stop = None
        return
    attempt.outcome = STOPPED
    attempt.error = _why(attempt)


def substitute(attempt: Attempt, now: float) -> Attempt:
    """Return a report in place of an attempt that cannot be ended."""
    stand_in = Attempt(attempt.run, attempt.number, (), {}, attempt.host)
    stand_in.stop, stand_in.stop_at = attempt.stop, attempt.stop_at
    stand_in.outcome, stand_in.ended = STOPPED, now
    stand_in.abandoned = True
    return stand_in


def _why(attempt: Attempt) -> Exception:
    run = attempt.run
    if attempt.stop is not Reason.TIMEOUT:
        return Cancelled(f"{run.label!r} was cancelled while it ran ({attempt.stop})")
    after = "" if run.task.timeout is None else f" of {run.task.timeout:g} seconds"
    return TimedOut(f"{run.label!r} exceeded its timeout{after}")
