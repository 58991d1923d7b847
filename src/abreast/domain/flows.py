"""A flow as a run: what the starts and ends of its children mean for it.

The record of a flow is pending, in no lane, until the first child starts, and ends when the last
has ended. It is never given to an executor.
"""

from __future__ import annotations

from ..errors import RunError
from .model import NOTHING, Change, Flow, Run, Task
from .states import (
    BLOCKED,
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    NOT_STARTED,
    PENDING,
    RUNNING,
    Reason,
)

EXECUTOR = "flow"  # of the records of flows: there is none


def task_of(name: str) -> Task:
    """Return the task of a flow's record."""
    return Task(name, _nothing, EXECUTOR)


def _nothing() -> None:
    """A flow executes nothing itself."""


def of(run: Run) -> Flow | None:
    """Return the flow whose record a run is, or None: it is a run like others."""
    return None if run.extra is None else run.extra.flow


def above(run: Run) -> Flow | None:
    """Return the flow that has to hear of a run's start and end, or None."""
    flow = run.flow
    return None if flow is None or flow.run is None else flow


def admitted(flow: Flow, now: float) -> Change:
    """The change that takes in the record of a flow: pending, and in no lane.

    What has happened to the flow above it meanwhile is passed on to the children, by whose ends it
    ends.
    """
    run = flow.run
    assert run is not None
    outer = run.flow
    if outer is not None:
        flow.failed = flow.failed or outer.failed
        if outer.run is not None and run.asked is None:
            run.asked = outer.run.asked
    return Change(run, BLOCKED, PENDING, now, run.attempt)


def started(flow: Flow, child: Run | None, now: float) -> Change | None:
    """Say what the start of a child means for the record; notes the child's message.

    The change makes it running, in attempt 1; a store writes ``attempt`` and ``started`` with it.
    ``child`` is None for a flow without children.
    """
    if child is not None:
        flow.message = (child.extra or NOTHING).note or flow.message
    run = flow.run
    if run is None or run.state not in NOT_STARTED:
        return None
    return Change(run, PENDING, RUNNING, now, 1)


def counted(flow: Flow, child: Run) -> bool:
    """Count a child that has just ended; tell whether it was the last."""
    flow.ended += 1
    flow.bad += child.state is not COMPLETED
    return flow.ended >= flow.total


def uncounted(flow: Flow) -> bool:
    """Take off a child that was not made after all; tell whether all the others have ended."""
    flow.total -= 1
    return 0 < flow.total <= flow.ended


def ended(flow: Flow, cancelled: int, now: float) -> Change | None:
    """Say how a flow ends whose last child has ended.

    ``cancelled`` is how many children ended cancelled; it matters only when all are bad. None: the
    record has ended, or the flow has none.
    """
    run = flow.run
    if run is None or run.state in ENDED:
        return None
    source = run.state
    if not flow.bad:
        return Change(run, source, COMPLETED, now, run.attempt)
    if run.asked is not None or (flow.bad == flow.total == cancelled):
        return Change(run, source, CANCELLED, now, run.attempt, run.asked or Reason.USER)
    error = RunError(f"{flow.bad} of {flow.total} runs of {run.label!r} did not complete")
    return Change(run, source, FAILED, now, run.attempt, Reason.ERROR, error=error)
