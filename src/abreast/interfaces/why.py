"""Why a run is in the state it is in, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from ..domain.limits import Usage, cost_of
from ..domain.states import BLOCKED, ENDED, PENDING, RUNNING, Reason
from .run import Run


def why(run: Run, runs: Sequence[Run], usage: Usage | None, started: bool) -> str:
    """Explain a run's state.

    Parameters
    ----------
    runs : sequence of Run
        All runs of the runner.
    usage : Usage or None
        The key that keeps the run from starting, if one does.
    started : bool
        Whether the runner has been started.
    """
    label, state = repr(run.label), run.state
    if not started and state is BLOCKED and all(parent.state in ENDED for parent in run.after):
        return f"{label} waits: the runner has not been started"
    if state is BLOCKED:
        missing = [parent.label for parent in run.after if parent.state not in ENDED]
        return f"{label} is blocked: it comes after {_some(missing, 5)}"
    if state is PENDING:
        return f"{label} is pending: {_what_holds_it(runs, usage, started)}"
    if state is RUNNING:
        asked = f", and was asked to stop ({run.asked})" if run.asked else ""
        return f"{label} is running on attempt {run.attempt}{asked}"
    if state not in ENDED:
        from datetime import UTC, datetime

        due = "" if run.due is None else f" {datetime.fromtimestamp(run.due, UTC):%H:%M:%S.%f} UTC"
        return f"{label} is scheduled: it waits for its time{due}"
    reason = f"({run.reason})" if run.reason else ""
    said = f": {run.error}" if run.error is not None and run.reason is not Reason.USER else ""
    return f"{label} ended {state}{reason}{said}"


def _what_holds_it(runs: Sequence[Run], usage: Usage | None, started: bool) -> str:
    if usage is not None:
        holders = [
            repr(other.label)
            for other in runs
            if (other.state is RUNNING or other.abandoned) and cost_of(other, usage)
        ]
        by = _some(holders, 3) if holders else "nobody now"
        return f"limit {usage.key!r} has no room; held by {by}"
    if not started:
        return "the runner has not been started"
    busy = [repr(other.label) for other in runs if other.state is RUNNING]
    return (
        f"it may start and waits for a free slot; running are {_some(busy, 3) if busy else 'none'}"
    )


def _some(labels: list[str], most: int) -> str:
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more
