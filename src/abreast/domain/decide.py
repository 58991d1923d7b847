"""What happens next. Read this file first: it is the product.

Every function here is pure: it looks at records and the time it is given, and returns small
values. A store calls them while it holds its lock, applies what they return, and commits.
Nothing here reads a clock, rolls dice or talks to anybody.

    admit     a new run: which state does it enter?
    rank      which of the pending runs starts next?
    settle    an attempt has ended: completed, again later, or over?
    release   a run has ended: what does that mean for one that comes after it?
    cancel    somebody wants a run to end
    due       a time has come
"""

from __future__ import annotations

from ..errors import Busy, Crashed, LimitHeld, Skipped
from .model import CRASHED, ERROR, OK, Attempt, Change, Run
from .states import (
    BLOCKED,
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    NOT_STARTED,
    PENDING,
    RUNNING,
    SCHEDULED,
    SKIPPED,
    Reason,
    State,
)

CRASHES_AT_MOST = 3  # a run whose process died this often is not repeated again


def first_state(run: Run, now: float) -> State:
    """Say which state a new run enters, limits left aside. Sets ``run.missing``."""
    if run.asked is not None:
        return CANCELLED
    if run.flow is not None and run.flow.failed:
        return SKIPPED
    missing = 0
    for parent in run.after:
        if parent.state is not COMPLETED:
            if parent.state in ENDED:
                return SKIPPED
            missing += 1
    if missing:
        run.missing = missing
        return BLOCKED
    if run.due is not None and run.due > now:
        return SCHEDULED
    return PENDING


def admit(run: Run, state: State, now: float) -> Change:
    """The change that brings a new run into its first state."""
    if state is CANCELLED:
        return Change(run, BLOCKED, CANCELLED, now, run.attempt, run.asked)
    if state is SKIPPED:
        if run.flow is not None and run.flow.failed:
            return Change(run, BLOCKED, SKIPPED, now, run.attempt, Reason.FAIL_FAST)
        gone = next(
            parent
            for parent in run.after
            if parent.state in ENDED and parent.state is not COMPLETED
        )
        return _skip_after(run, gone, now)
    return Change(run, BLOCKED, state, now, run.attempt, due=run.due)


def rank(run: Run) -> float:
    """Return the order in which pending runs start; smaller first, then the longer path, then age.

    ``created - priority``, so that priority is seconds of head start and nothing starves. Runs of
    one flow count as created when the flow began, or whole seconds later, so that within a second
    the longest remaining path decides.
    """
    flow = run.flow
    if flow is None:
        return run.created - run.task.priority
    if flow.began is None or run.created <= flow.began:
        return -run.task.priority
    return float(int(run.created - flow.began)) - run.task.priority


def settle(run: Run, attempt: Attempt, now: float, jitter: float) -> Change:
    """Say what the end of an attempt means for its run.

    ``jitter`` is a random number in [0, 1) that spreads retries.
    """
    outcome = attempt.outcome
    at = attempt.ended
    if outcome is OK and attempt.stop is None:
        change = Change(run, RUNNING, COMPLETED, at, attempt.number)
        change.value = attempt.value
        return change
    if outcome is CRASHED and attempt.stop is None:
        return _crashed(run, attempt)
    error = attempt.error
    if attempt.stop is not None and attempt.stop is not Reason.TIMEOUT:
        return Change(run, RUNNING, CANCELLED, at, attempt.number, attempt.stop, error=error,
                      trace=attempt.trace)  # fmt: skip
    reason = Reason.ERROR if outcome is ERROR and attempt.stop is None else Reason.TIMEOUT
    failures = attempt.number - run.crashes  # this one included; crashes are counted apart
    delay = None
    if error is not None and not attempt.abandoned and run.asked is None:
        # an abandoned one may still be running: never twice at the same time
        delay = _delay(run, failures, error, jitter)
    if delay is not None:
        due = now + delay
        return Change(run, RUNNING, SCHEDULED, at, attempt.number, reason, error=error,
                      trace=attempt.trace, due=due)  # fmt: skip
    return Change(run, RUNNING, FAILED, at, attempt.number, reason, error=error,
                  trace=attempt.trace)  # fmt: skip


def _delay(run: Run, failures: int, error: BaseException, jitter: float) -> float | None:
    """Seconds until the next try, or None when there is none."""
    retry = run.task.retry
    if retry is None or failures > retry.n:
        return None
    try:
        return retry.delay(failures, jitter) if retry.wants(error) else None
    except Exception as mistake:  # in a callable of the user's
        error.add_note(f"not tried again, because its retry policy raised {mistake!r}")
        return None


def _crashed(run: Run, attempt: Attempt) -> Change:
    crashes = run.crashes + 1
    again = run.task.on_crash == "retry" and crashes < CRASHES_AT_MOST and run.asked is None
    error = attempt.error or Crashed(f"the process that executed {run.label!r} died")
    if again:
        return Change(run, RUNNING, PENDING, attempt.ended, attempt.number, Reason.CRASHED,
                      error=error, crashes=crashes)  # fmt: skip
    return Change(run, RUNNING, FAILED, attempt.ended, attempt.number, Reason.CRASHED,
                  error=error, crashes=crashes)  # fmt: skip


def release(child: Run, parent: Run, now: float) -> Change | None:
    """Say what the end of ``parent`` means for one blocked run that comes after it.

    A store counts ``child.missing`` down before it asks; None: others are still missing.
    """
    if child.state is not BLOCKED:
        return None
    if parent.state is not COMPLETED:
        return _skip_after(child, parent, now)
    if child.missing > 0:
        return None
    if child.due is not None and child.due > now:
        return Change(child, BLOCKED, SCHEDULED, now, child.attempt, due=child.due)
    return Change(child, BLOCKED, PENDING, now, child.attempt)


def _skip_after(run: Run, parent: Run, now: float) -> Change:
    why = f"{parent.state}({parent.reason})" if parent.reason else f"{parent.state}"
    error = Skipped(
        f"{run.label!r} did not start: {parent.label!r}, which it comes after, ended {why}"
    )
    return Change(run, run.state, SKIPPED, now, run.attempt, Reason.DEPENDENCY, error=error)


def busy(run: Run, key: str, holder: Run | None) -> Busy:
    """The error a caller gets whose run is refused; no run is made."""
    by = f" by {holder.label!r}" if holder is not None else ""
    return Busy(
        f"{run.label!r} was refused: limit {key!r} is held{by}",
        key,
        None if holder is None else holder.label,
    )


def broken(run: Run, error: Exception, now: float) -> Change:
    """What a run was declared with (a key, a cost) raised when it was asked."""
    return Change(run, run.state, FAILED, now, run.attempt, Reason.ERROR, error=error)


def skip_at_limit(run: Run, key: str, holder: Run | None, now: float) -> Change:
    """A limit refuses a run, or a newer one takes its waiting place."""
    by = f", held by {holder.label!r}" if holder is not None else ""
    error = Skipped(f"{run.label!r} did not start: limit {key!r} is full{by}")
    return Change(run, run.state, SKIPPED, now, run.attempt, Reason.LIMIT, error=error)


def stuck(run: Run, key: str, holder: Run | None, now: float) -> Change:
    """A run that waits for nothing but an abandoned thread: it would wait for ever."""
    by = f" of {holder.label!r}" if holder is not None else ""
    error = LimitHeld(
        f"{run.label!r} did not start: limit {key!r} is held by the abandoned thread{by}, which "
        "timed out or was cancelled and still runs"
    )
    return Change(run, run.state, FAILED, now, run.attempt, Reason.LIMIT, error=error)


def cancel(run: Run, reason: Reason, now: float) -> Change | None:
    """Say what a wish to end a run does. None: it runs (and is asked to stop) or has ended.

    Under ``fail_fast`` what has not been started is skipped; what has is cancelled.
    """
    if run.state not in NOT_STARTED:
        return None
    if reason is Reason.FAIL_FAST and run.attempt == 0:
        return Change(run, run.state, SKIPPED, now, run.attempt, reason)
    return Change(run, run.state, CANCELLED, now, run.attempt, reason)


def due(run: Run, now: float) -> Change | None:
    """A scheduled run may start once its time has come."""
    if run.state is not SCHEDULED or run.due is None or run.due > now:
        return None
    return Change(run, SCHEDULED, PENDING, now, run.attempt)
