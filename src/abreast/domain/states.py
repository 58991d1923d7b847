"""The eight states of a run, the table of allowed changes, and the diagram drawn from it."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a run is now. Members compare equal to their lower-case names."""

    BLOCKED = "blocked"  # waits for other runs
    SCHEDULED = "scheduled"  # waits for a time: a delay or a retry
    PENDING = "pending"  # may start; possibly held by a limit
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a run ended other than ``completed``."""

    ERROR = "error"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    LIMIT = "limit"
    DEPENDENCY = "dependency"
    FAIL_FAST = "fail_fast"
    USER = "user"
    DUPLICATE = "duplicate"
    EXPIRED = "expired"
    SHUTDOWN = "shutdown"


BLOCKED, SCHEDULED, PENDING, RUNNING = State.BLOCKED, State.SCHEDULED, State.PENDING, State.RUNNING
COMPLETED, FAILED, CANCELLED, SKIPPED = (
    State.COMPLETED,
    State.FAILED,
    State.CANCELLED,
    State.SKIPPED,
)

ENDED = frozenset({COMPLETED, FAILED, CANCELLED, SKIPPED})
NOT_STARTED = frozenset({BLOCKED, SCHEDULED, PENDING})

FIRST = frozenset({BLOCKED, SCHEDULED, PENDING, CANCELLED, SKIPPED})  # what a new run may be

# Every change a run may make. The key is where it comes from, the value where it may go.
ALLOWED: dict[State, frozenset[State]] = {
    BLOCKED: frozenset({PENDING, SCHEDULED, FAILED, CANCELLED, SKIPPED}),
    SCHEDULED: frozenset({PENDING, FAILED, CANCELLED, SKIPPED}),
    PENDING: frozenset({RUNNING, SCHEDULED, FAILED, CANCELLED, SKIPPED}),
    RUNNING: frozenset({COMPLETED, SCHEDULED, PENDING, FAILED, CANCELLED}),
    COMPLETED: frozenset(),
    FAILED: frozenset(),
    CANCELLED: frozenset(),
    SKIPPED: frozenset(),
}

REASONS: dict[State, frozenset[Reason]] = {
    FAILED: frozenset({Reason.ERROR, Reason.TIMEOUT, Reason.CRASHED, Reason.LIMIT}),
    CANCELLED: frozenset({Reason.USER, Reason.FAIL_FAST, Reason.LIMIT, Reason.SHUTDOWN}),
    SKIPPED: frozenset(
        {Reason.DEPENDENCY, Reason.FAIL_FAST, Reason.LIMIT, Reason.DUPLICATE, Reason.EXPIRED}
    ),
}


def diagram() -> str:
    """Return the table of allowed changes as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {state}" for state in State if state in FIRST]
    for source in State:
        lines += [f"    {source} --> {target}" for target in State if target in ALLOWED[source]]
    lines += [f"    {state} --> [*]" for state in State if state in ENDED]
    return "\n".join(lines) + "\n"
