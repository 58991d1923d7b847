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
    too_late  a time has passed

What a flow makes of the starts and ends of its runs is in ``flows``, what becomes of work that is
already known in ``unique``.
"""

from __future__ import annotations

from ..errors import Backoff, Busy, Crashed, LimitHeld, Skipped, TimedOut
from .model import CRASHED, ERROR, NOTHING, OK, Attempt, Change, Extra, Run
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
    flow = run.flow
    if flow is not None:
        if flow.failed:
            return SKIPPED
        if flow.run is not None and flow.run.asked is not None:
            run.asked = flow.run.asked
            return CANCELLED
    missing = 0
    for parent in run.after:
        if parent.state is not COMPLETED:
            if parent.state not in ENDED:
                missing += 1
            elif run.extra is None or not is_soft(run, parent):
                return SKIPPED
    if run.extra is not None and too_late(run, now) is not None:
        return SKIPPED
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
        for parent in run.after:
            if parent.state in ENDED and not satisfied(run, parent):
                return _skip_after(run, parent, now)
        return _expired(run, now)
    return Change(run, BLOCKED, state, now, run.attempt, due=run.due)


def walls(run: Run) -> None:
    """Set the times after which a new run is too late, from the durations its task declares."""
    task = run.task
    for name, limit_s in (("expires", task.expires), ("deadline", task.deadline)):
        if limit_s is not None and getattr(run.extra or NOTHING, name) is None:
            run.extra = run.extra or Extra()
            setattr(run.extra, name, run.created + limit_s)


def wall(run: Run) -> float | None:
    """Return when a run that does not run will be too late (:func:`too_late`); None: never."""
    extra = run.extra
    if extra is None or run.state not in NOT_STARTED:
        return None
    expires, deadline = extra.expires, extra.deadline
    if expires is None or run.attempt > 0:
        return deadline
    return expires if deadline is None else min(expires, deadline)


def too_late(run: Run, now: float) -> Change | None:
    """Say what becomes of a run that does not run: nothing (None) until its time is over."""
    at = wall(run)
    if at is None or now < at:
        return None
    if run.attempt == 0:
        return _expired(run, now)
    error = TimedOut(f"{run.label!r} did not complete before its deadline")
    return Change(run, run.state, FAILED, now, run.attempt, Reason.TIMEOUT, error=error)


def _expired(run: Run, now: float) -> Change:
    extra = run.extra or NOTHING
    what = "expired" if extra.expires is not None and now >= extra.expires else "deadline passed"
    error = Skipped(f"{run.label!r} did not start: it {what}")
    return Change(run, run.state, SKIPPED, now, run.attempt, Reason.EXPIRED, error=error)


def _in_time(run: Run, due: float) -> bool:
    """Whether another try at ``due`` would come before the run's deadline."""
    deadline = (run.extra or NOTHING).deadline
    return deadline is None or due < deadline


def rank(run: Run) -> float:
    """Return the order in which pending runs start; smaller first, then the longer path, then age.

    ``created - priority``, so that priority is seconds of head start and nothing starves. Runs of
    one flow count as created when the flow began, or whole seconds later, so that within a second
    the longest remaining path decides. Among durable runs that is an absolute time, so that flows
    take their turn with everything else.
    """
    flow = run.flow
    if flow is None:
        return run.created - run.task.priority
    if flow.run is not None:
        began = flow.run.created
        return began + float(int(max(0.0, run.created - began))) - run.task.priority
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
    if attempt.stop is Reason.SHUTDOWN and run.task.on_crash == "retry" and run.asked is None:
        # not its fault: it waits for another worker, and the attempt counts for nothing
        return Change(run, RUNNING, PENDING, at, attempt.number, attempt.stop, error=error,
                      backoffs=(run.extra or NOTHING).backoffs + 1)  # fmt: skip
    if attempt.stop is not None and attempt.stop is not Reason.TIMEOUT:
        return Change(run, RUNNING, CANCELLED, at, attempt.number, attempt.stop, error=error,
                      trace=attempt.trace)  # fmt: skip
    if isinstance(error, Backoff) and outcome is ERROR and attempt.stop is None:
        return _backed_off(run, attempt, error, now)
    reason = Reason.ERROR if outcome is ERROR and attempt.stop is None else Reason.TIMEOUT
    # this one included; crashes and backoffs are counted apart
    failures = attempt.number - run.crashes - (run.extra or NOTHING).backoffs
    delay = None
    if error is not None and not attempt.abandoned and run.asked is None:
        # an abandoned one may still be running: never twice at the same time
        delay = _delay(run, failures, error, jitter)
    if delay is not None and _in_time(run, now + delay):
        due = now + delay
        return Change(run, RUNNING, SCHEDULED, at, attempt.number, reason, error=error,
                      trace=attempt.trace, due=due)  # fmt: skip
    return Change(run, RUNNING, FAILED, at, attempt.number, reason, error=error,
                  trace=attempt.trace)  # fmt: skip


def _backed_off(run: Run, attempt: Attempt, error: Backoff, now: float) -> Change:
    """The task asks to be tried again later, which is neither a failure nor a try of its retry."""
    if run.asked is not None:
        return Change(run, RUNNING, CANCELLED, attempt.ended, attempt.number, run.asked,
                      error=error)  # fmt: skip
    due = now + (error.seconds if error.seconds > 0 else 0.0)
    if not _in_time(run, due):
        return Change(run, RUNNING, FAILED, attempt.ended, attempt.number, Reason.TIMEOUT,
                      error=error, trace=attempt.trace)  # fmt: skip
    backoffs = (run.extra or NOTHING).backoffs + 1
    return Change(run, RUNNING, SCHEDULED, attempt.ended, attempt.number, error=error, due=due,
                  backoffs=backoffs)  # fmt: skip


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
    again = (
        run.task.on_crash == "retry"
        and crashes < CRASHES_AT_MOST
        and run.asked is None
        and _in_time(run, attempt.ended)
    )
    error = attempt.error or Crashed(f"the process that executed {run.label!r} died")
    if again:
        return Change(run, RUNNING, PENDING, attempt.ended, attempt.number, Reason.CRASHED,
                      error=error, crashes=crashes)  # fmt: skip
    return Change(run, RUNNING, FAILED, attempt.ended, attempt.number, Reason.CRASHED,
                  error=error, crashes=crashes)  # fmt: skip


def is_soft(child: Run, parent: Run) -> bool:
    """Whether any end of ``parent`` will do for ``child``."""
    return any(known is parent for known in (child.extra or NOTHING).soft)


def satisfied(child: Run, parent: Run) -> bool:
    """Whether a parent that has ended did so in a way that lets the child start.

    If so, a store counts ``child.missing`` down.
    """
    return parent.state is COMPLETED or is_soft(child, parent)


def release(child: Run, parent: Run, now: float) -> Change | None:
    """Say what the end of ``parent`` means for one blocked run that comes after it.

    A store counts ``child.missing`` down before it asks; None: others are still missing.
    """
    if child.state is not BLOCKED:
        return None
    if not satisfied(child, parent):
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
        None if holder is None else holder.id or None,
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
