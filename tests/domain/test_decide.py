"""What happens next: every function of ``decide`` with every outcome."""

from __future__ import annotations

from typing import Any

import pytest

from abreast import Busy, Reason, Retry, State, TimedOut
from abreast.domain import decide
from abreast.domain.model import CRASHED, ERROR, OK, STOPPED, Attempt, Flow, Outcome, Run, Task
from abreast.domain.states import ALLOWED, ENDED, FIRST, NOT_STARTED, REASONS
from abreast.errors import Cancelled, Crashed, LimitHeld, Skipped

NOW = 1000.0
STARTED_BEFORE = NOW - 5
ENDED_AT = NOW - 1


def nothing() -> None:
    pass


def make_run(state: State = State.PENDING, *, flow: Flow | None = None, **policy: Any) -> Run:
    run = Run(1, Task("work", nothing, **policy), (), {}, STARTED_BEFORE, flow)
    run.state = state
    return run


def end(
    run: Run,
    outcome: Outcome,
    *,
    stop: Reason | None = None,
    error: BaseException | None = None,
    abandoned: bool = False,
    jitter: float = 0.0,
) -> Any:
    """Let the present attempt of a run end and return the change that follows."""
    run.state = State.RUNNING
    run.attempt = run.attempt or 1
    attempt = Attempt(run, run.attempt, (), {}, None)
    attempt.outcome, attempt.stop, attempt.error = outcome, stop, error
    attempt.abandoned, attempt.ended = abandoned, ENDED_AT
    attempt.value, attempt.trace = "the value", "the trace"
    change = decide.settle(run, attempt, NOW, jitter)
    assert change.run is run
    assert change.source is State.RUNNING
    assert change.target in ALLOWED[State.RUNNING]
    assert change.attempt == run.attempt
    assert change.at == ENDED_AT, "what is recorded is when it ended, not when it was noticed"
    if change.target in REASONS:
        assert change.reason in REASONS[change.target]
    return change


def outcome_of(change: Any) -> str:
    return f"{change.target}({change.reason})" if change.reason else str(change.target)


# -- first_state and admit ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parents", "due", "wanted", "missing"),
    [
        ([], None, "pending", 0),
        ([], NOW - 1, "pending", 0),
        ([], NOW, "pending", 0),
        ([], NOW + 1, "scheduled", 0),
        (["completed"], None, "pending", 0),
        (["completed"], NOW + 1, "scheduled", 0),
        (["running"], None, "blocked", 1),
        (["blocked", "pending", "scheduled", "completed"], None, "blocked", 3),
        (["running"], NOW + 1, "blocked", 1),
        (["failed"], None, "skipped", 0),
        (["completed", "cancelled"], None, "skipped", 0),
        (["running", "skipped"], None, "skipped", 0),
        (["failed"], NOW + 1, "skipped", 0),
    ],
)
def test_the_first_state(parents: list[str], due: float | None, wanted: str, missing: int) -> None:
    run = make_run(State.BLOCKED)
    run.after = tuple(make_run(State(state)) for state in parents)
    run.due = due
    state = decide.first_state(run, NOW)
    assert state == wanted
    assert state in FIRST
    if state is State.BLOCKED:
        assert run.missing == missing
    change = decide.admit(run, state, NOW)
    assert (change.run, change.source, change.target, change.at) == (
        *(run, State.BLOCKED, state),
        NOW,
    )
    assert change.reason == (Reason.DEPENDENCY if state is State.SKIPPED else None)


def test_a_run_added_after_a_failed_one_says_so() -> None:
    good, bad, run = make_run(State.COMPLETED), make_run(State.FAILED), make_run(State.BLOCKED)
    bad.given, bad.reason = "the bad one", Reason.TIMEOUT
    run.after = (good, bad)
    change = decide.admit(run, decide.first_state(run, NOW), NOW)
    assert isinstance(change.error, Skipped)
    assert "'the bad one'" in str(change.error)
    assert "failed(timeout)" in str(change.error)


# -- rank --------------------------------------------------------------------------------------


def test_without_a_flow_the_order_is_created_less_priority() -> None:
    run = make_run(priority=60)
    assert decide.rank(run) == run.created - 60


@pytest.mark.parametrize(
    ("created", "priority", "wanted"),
    [
        (NOW - 5, 0, 0.0),  # before the flow began: all are equal
        (NOW, 0, 0.0),
        (NOW + 0.9, 0, 0.0),  # within the same second the longest path decides
        (NOW + 1.0, 0, 1.0),
        (NOW + 7.5, 0, 7.0),
        (NOW - 5, 3, -3.0),
        (NOW + 7.5, 3, 4.0),
        (NOW + 7.5, -3, 10.0),
    ],
)
def test_rank_within_a_flow(created: float, priority: float, wanted: float) -> None:
    flow = Flow()
    flow.began = NOW
    run = make_run(flow=flow, priority=priority)
    run.created = created
    assert decide.rank(run) == wanted


def test_before_the_flow_has_begun_only_priority_counts() -> None:
    assert decide.rank(make_run(flow=Flow())) == 0.0
    assert decide.rank(make_run(flow=Flow(), priority=2.5)) == -2.5


def test_nothing_starves() -> None:
    """Whatever priority newcomers have, one that has waited longer than that comes first."""
    flow = Flow()
    flow.began = NOW
    old, new = make_run(flow=flow), make_run(flow=flow, priority=100)
    old.created, new.created = NOW, NOW + 102
    assert decide.rank(old) < decide.rank(new)


# -- settle ------------------------------------------------------------------------------------


def test_a_value_completes() -> None:
    change = end(make_run(), OK)
    assert outcome_of(change) == "completed"
    assert change.value == "the value"
    assert change.error is None


def test_an_exception_without_retries_fails() -> None:
    error = ValueError()
    change = end(make_run(), ERROR, error=error)
    assert outcome_of(change) == "failed(error)"
    assert change.error is error
    assert change.trace == "the trace"
    assert change.value is None


STOPPED_BY = [r for r in Reason if r not in (Reason.TIMEOUT, Reason.SHUTDOWN)]


@pytest.mark.parametrize("outcome", [OK, ERROR, CRASHED, STOPPED])
@pytest.mark.parametrize("stop", STOPPED_BY)
def test_an_attempt_that_was_asked_to_end_is_cancelled_for_that_reason(
    outcome: Outcome, stop: Reason
) -> None:
    run = make_run(retry=Retry(5))
    error = Cancelled("asked")
    attempt = Attempt(run, 1, (), {}, None)
    attempt.outcome, attempt.stop, attempt.error, attempt.ended = outcome, stop, error, ENDED_AT
    change = decide.settle(run, attempt, NOW, 0.0)
    assert outcome_of(change) == f"cancelled({stop})"
    assert change.error is error
    assert change.at == ENDED_AT


@pytest.mark.parametrize("outcome", [OK, ERROR, CRASHED, STOPPED])
def test_an_attempt_that_exceeded_its_time_fails(outcome: Outcome) -> None:
    assert outcome_of(end(make_run(), outcome, stop=Reason.TIMEOUT, error=TimedOut())) == (
        "failed(timeout)"
    )


def test_a_timeout_is_retried_when_the_retry_wants_it() -> None:
    late = TimedOut("late")
    for outcome in (STOPPED, ERROR):
        change = end(make_run(retry=Retry(1)), outcome, stop=Reason.TIMEOUT, error=late)
        assert outcome_of(change) == "scheduled(timeout)"
    change = end(make_run(retry=Retry(1, on=ValueError)), STOPPED, stop=Reason.TIMEOUT, error=late)
    assert outcome_of(change) == "failed(timeout)"


def test_an_abandoned_thread_is_never_tried_again() -> None:
    run = make_run(retry=Retry(5))
    change = end(run, STOPPED, stop=Reason.TIMEOUT, error=TimedOut(), abandoned=True)
    assert outcome_of(change) == "failed(timeout)"


def test_a_run_that_is_to_end_is_not_tried_again() -> None:
    run = make_run(retry=Retry(5))
    run.asked = Reason.USER
    assert outcome_of(end(run, ERROR, error=ValueError())) == "failed(error)"
    run = make_run()
    run.asked = Reason.USER
    assert outcome_of(end(run, CRASHED)) == "failed(crashed)"


@pytest.mark.parametrize(
    ("error", "again"), [(ValueError(), True), (KeyError(), False), (SystemExit(), False)]
)
def test_only_wanted_failures_are_tried_again(error: BaseException, again: bool) -> None:
    change = end(make_run(retry=Retry(1, on=ValueError)), ERROR, error=error)
    assert outcome_of(change) == ("scheduled(error)" if again else "failed(error)")


def test_the_time_of_the_next_try() -> None:
    retry = Retry(4, "exponential", base=10, jitter=0.5)
    for failed, wait in ((1, 10), (2, 20), (3, 40)):
        run = make_run(retry=retry)
        run.attempt = failed
        assert end(run, ERROR, error=ValueError()).due == NOW + wait
        assert end(run, ERROR, error=ValueError(), jitter=0.5).due == NOW + wait * 0.75


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_a_run_makes_n_tries_after_the_first(n: int) -> None:
    run = make_run(retry=Retry(n))
    for attempt in range(1, n + 1):
        run.attempt = attempt
        assert outcome_of(end(run, ERROR, error=ValueError())) == "scheduled(error)"
    run.attempt = n + 1
    assert outcome_of(end(run, ERROR, error=ValueError())) == "failed(error)"


def test_crashes_are_counted_apart_from_failures() -> None:
    """Two crashes and two failures in turn: the retries are still there after the crashes."""
    run = make_run(retry=Retry(2))
    for attempt, (outcome, wanted) in enumerate(
        [
            (CRASHED, "pending(crashed)"),
            (ERROR, "scheduled(error)"),
            (CRASHED, "pending(crashed)"),
            (ERROR, "scheduled(error)"),
            (ERROR, "failed(error)"),
        ],
        start=1,
    ):
        run.attempt = attempt
        change = end(run, outcome, error=ValueError() if outcome is ERROR else None)
        assert outcome_of(change) == wanted, f"attempt {attempt}"
        run.crashes = change.crashes or run.crashes  # what the store does


def test_the_third_crash_is_the_last() -> None:
    run = make_run()
    for attempt in (1, 2, 3):
        run.attempt = attempt
        change = end(run, CRASHED)
        assert change.crashes == attempt
        assert isinstance(change.error, Crashed)
        assert "'work'" in str(change.error)
        wanted = "pending(crashed)" if attempt < 3 else "failed(crashed)"
        assert outcome_of(change) == wanted
        run.crashes = change.crashes


def test_a_crash_keeps_the_error_the_executor_saw() -> None:
    error = Crashed("signal 11")
    assert end(make_run(), CRASHED, error=error).error is error


def test_retries_do_not_pay_for_crashes() -> None:
    run = make_run(retry=Retry(10))
    run.crashes, run.attempt = 2, 3
    assert outcome_of(end(run, CRASHED)) == "failed(crashed)"


def test_on_crash_fail_ends_at_the_first() -> None:
    change = end(make_run(on_crash="fail", retry=Retry(3)), CRASHED)
    assert outcome_of(change) == "failed(crashed)"
    assert change.crashes == 1


# -- release -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING, *ENDED])
def test_a_run_that_is_not_blocked_is_left_alone(state: State) -> None:
    assert decide.release(make_run(state), make_run(State.COMPLETED), NOW) is None
    assert decide.release(make_run(state), make_run(State.FAILED), NOW) is None


@pytest.mark.parametrize(
    ("missing", "due", "wanted"),
    [
        (2, None, None),
        (1, None, None),
        (0, None, "pending"),
        (0, NOW, "pending"),
        (0, NOW + 3, "scheduled"),
    ],
)
def test_a_completed_parent(missing: int, due: float | None, wanted: str | None) -> None:
    child = make_run(State.BLOCKED)
    child.missing, child.due = missing, due
    change = decide.release(child, make_run(State.COMPLETED), NOW)
    assert (change and str(change.target)) == wanted
    if change is not None:
        assert change.due == (due if wanted == "scheduled" else None)


@pytest.mark.parametrize("state", sorted(ENDED - {State.COMPLETED}))
@pytest.mark.parametrize("missing", [0, 1, 5])
def test_a_parent_that_did_not_complete_skips_at_once(state: State, missing: int) -> None:
    child, parent = make_run(State.BLOCKED), make_run(state)
    child.missing = missing
    change = decide.release(child, parent, NOW)
    assert change is not None
    assert outcome_of(change) == "skipped(dependency)"
    assert isinstance(change.error, Skipped)


# -- cancel ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("reason", [Reason.USER, Reason.LIMIT, Reason.SHUTDOWN])
def test_cancel_ends_what_has_not_started(state: State, reason: Reason) -> None:
    change = decide.cancel(make_run(state), reason, NOW)
    if state in NOT_STARTED:
        assert change is not None
        assert outcome_of(change) == f"cancelled({reason})"
        assert change.at == NOW
    else:
        assert change is None


@pytest.mark.parametrize("state", sorted(NOT_STARTED))
def test_fail_fast_skips_what_was_never_started_and_cancels_what_was(state: State) -> None:
    run = make_run(state)
    assert outcome_of(decide.cancel(run, Reason.FAIL_FAST, NOW)) == "skipped(fail_fast)"
    run.attempt = 1
    assert outcome_of(decide.cancel(run, Reason.FAIL_FAST, NOW)) == "cancelled(fail_fast)"


# -- due ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("due", [None, NOW - 1, NOW, NOW + 1])
def test_due(state: State, due: float | None) -> None:
    run = make_run(state)
    run.due = due
    change = decide.due(run, NOW)
    if state is State.SCHEDULED and due is not None and due <= NOW:
        assert change is not None
        assert outcome_of(change) == "pending"
    else:
        assert change is None


# -- limits ------------------------------------------------------------------------------------


def test_a_refusal_names_the_key_and_the_holder() -> None:
    holder = make_run(State.RUNNING)
    holder.given = "the holder"
    error = decide.busy(make_run(), "/crm", holder)
    assert isinstance(error, Busy)
    assert (error.key, error.holder) == ("/crm", "the holder")
    assert "/crm" in str(error)
    assert "the holder" in str(error)
    assert decide.busy(make_run(), "/crm", None).holder is None


@pytest.mark.parametrize("state", [State.BLOCKED, State.SCHEDULED, State.PENDING])
def test_ends_at_a_limit(state: State) -> None:
    run, holder = make_run(state), make_run(State.RUNNING)
    holder.given = "the holder"
    for change, wanted, kind in (
        (decide.skip_at_limit(run, "/crm", holder, NOW), "skipped(limit)", Skipped),
        (decide.stuck(run, "/crm", holder, NOW), "failed(limit)", LimitHeld),
    ):
        assert outcome_of(change) == wanted
        assert change.source is state
        assert change.target in ALLOWED[state]
        assert isinstance(change.error, kind)
        assert "'/crm'" in str(change.error)
        assert "'the holder'" in str(change.error)
    assert "/crm" in str(decide.skip_at_limit(run, "/crm", None, NOW).error)
    assert "/crm" in str(decide.stuck(run, "/crm", None, NOW).error)


@pytest.mark.parametrize("state", [State.BLOCKED, State.SCHEDULED, State.PENDING])
def test_a_declaration_that_raises_fails_the_run(state: State) -> None:
    error = ZeroDivisionError()
    change = decide.broken(make_run(state), error, NOW)
    assert outcome_of(change) == "failed(error)"
    assert change.error is error
    assert change.target in ALLOWED[state]


def test_a_run_that_was_stopped_with_its_worker_waits_for_another() -> None:
    """The attempt is neither a failure nor a crash."""
    change = end(make_run(), STOPPED, stop=Reason.SHUTDOWN)
    assert (change.target, change.reason, change.backoffs) == (
        State.PENDING, Reason.SHUTDOWN, 1,
    )  # fmt: skip


def test_a_run_that_must_not_be_repeated_ends_with_its_worker() -> None:
    """It may have done half of its work."""
    change = end(make_run(on_crash="fail"), STOPPED, stop=Reason.SHUTDOWN)
    assert (change.target, change.reason) == (State.CANCELLED, Reason.SHUTDOWN)
