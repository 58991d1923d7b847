"""Flows as runs, soft parents, walls and turns."""

from __future__ import annotations

from typing import Any

import pytest

from abreast import Backoff, Reason, Retry, State
from abreast.domain import decide, fair, flows
from abreast.domain.model import CRASHED, ERROR, NOTHING, Attempt, Extra, Flow, Run, Task
from abreast.domain.states import ALLOWED, ENDED, NOT_STARTED

NOW = 1000.0


def nothing() -> None:
    pass


def a_run(state: State = State.PENDING, flow: Flow | None = None, **policy: Any) -> Run:
    run = Run(1, Task("work", nothing, **policy), (), {}, NOW, flow)
    run.state = state
    return run


def a_flow(state: State = State.RUNNING, total: int = 3) -> tuple[Flow, Run]:
    flow = Flow()
    record = Run(9, flows.task_of("all"), (), {}, NOW)
    flow.become(record)
    flow.total, record.state = total, state
    return flow, record


def end(change: Any) -> str:
    assert change.target in ALLOWED[change.source]
    return f"{change.target}({change.reason})" if change.reason else str(change.target)


def test_a_record_knows_its_flow() -> None:
    flow, record = a_flow()
    child = a_run(flow=flow)
    assert (flows.of(record), flows.of(child)) == (flow, None)
    assert (flows.above(child), flows.above(record), flows.above(a_run(flow=Flow()))) == (
        *(flow, None),
        None,
    )


@pytest.mark.parametrize("state", State)
def test_the_first_start_of_a_child(state: State) -> None:
    flow, record = a_flow(state)
    child = a_run(flow=flow)
    child.extra = Extra()
    child.extra.note = "working"
    change = flows.started(flow, child, NOW)
    assert flow.message == "working"
    assert (change is not None) == (state in NOT_STARTED)
    if change is not None:
        assert (change.run, change.target, change.attempt) == (record, State.RUNNING, 1)
    flows.started(flow, a_run(flow=flow), NOW)
    assert flow.message == "working", "a child without a note leaves it"


@pytest.mark.parametrize(
    ("states", "asked", "wanted"),
    [
        ("CCC", None, "completed"),
        ("CCC", Reason.USER, "completed"),
        ("CFC", None, "failed(error)"),
        ("CXC", None, "failed(error)"),
        ("XXX", None, "cancelled(user)"),
        ("XXF", None, "failed(error)"),
        ("XXF", Reason.SHUTDOWN, "cancelled(shutdown)"),
        ("KKK", None, "failed(error)"),
    ],
)
def test_the_end_of_the_last_child(states: str, asked: Reason | None, wanted: str) -> None:
    names = {"C": State.COMPLETED, "F": State.FAILED, "X": State.CANCELLED, "K": State.SKIPPED}
    flow, record = a_flow()
    record.asked = asked
    last = [flows.counted(flow, a_run(names[letter], flow)) for letter in states]
    assert last == [False, False, True]
    change = flows.ended(flow, states.count("X"), NOW)
    assert change is not None
    assert end(change) == wanted
    record.state = change.target
    assert flows.ended(flow, 0, NOW) is None


def test_a_child_that_was_not_made() -> None:
    flow, _ = a_flow(total=2)
    flows.counted(flow, a_run(State.COMPLETED, flow))
    assert flows.uncounted(flow)
    assert not flows.uncounted(flow), "none is left: a flow without children ends elsewhere"


def test_children_of_a_flow_that_is_to_end() -> None:
    flow, record = a_flow()
    record.asked = Reason.USER
    child = a_run(State.BLOCKED, flow)
    state = decide.first_state(child, NOW)
    assert end(decide.admit(child, state, NOW)) == "cancelled(user)"


def test_the_rank_of_a_durable_flows_runs_is_absolute() -> None:
    flow, record = a_flow()
    record.created = NOW - 50
    for created, wanted in ((NOW - 60, NOW - 50), (NOW - 49.5, NOW - 50), (NOW, NOW)):
        run = a_run(flow=flow, priority=5)
        run.created = created
        assert decide.rank(run) == wanted - 5


# -- soft parents ------------------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(ENDED))
def test_any_end_of_a_soft_parent_will_do(state: State) -> None:
    parent, child = a_run(state), a_run(State.BLOCKED)
    child.after, child.extra = (parent,), Extra()
    child.extra.soft = (parent,)
    assert decide.satisfied(child, parent)
    assert decide.first_state(child, NOW) is State.PENDING
    change = decide.release(child, parent, NOW)
    assert change is not None
    assert end(change) == "pending"


def test_a_hard_parent_beside_a_soft_one() -> None:
    soft, hard, child = a_run(State.FAILED), a_run(State.FAILED), a_run(State.BLOCKED)
    hard.given = "the hard one"
    child.after, child.extra = (soft, hard), Extra()
    child.extra.soft = (soft,)
    change = decide.admit(child, decide.first_state(child, NOW), NOW)
    assert end(change) == "skipped(dependency)"
    assert "the hard one" in str(change.error)


# -- walls -------------------------------------------------------------------------------------


def walled(state: State, attempt: int, expires: float | None, deadline: float | None) -> Run:
    run = a_run(state, expires=expires, deadline=deadline)
    run.attempt = attempt
    decide.walls(run)
    return run


@pytest.mark.parametrize(
    ("attempt", "expires", "deadline", "wall"),
    [
        (0, None, None, None),
        (0, 5.0, None, NOW + 5),
        (0, None, 9.0, NOW + 9),
        (0, 5.0, 9.0, NOW + 5),
        (0, 9.0, 5.0, NOW + 5),
        (1, 5.0, None, None),
        (1, 5.0, 9.0, NOW + 9),
    ],
)
def test_walls(attempt: int, expires: Any, deadline: Any, wall: float | None) -> None:
    for state in State:
        run = walled(state, attempt, expires, deadline)
        found = decide.wall(run)
        assert found == (wall if state in NOT_STARTED else None)
        if found is not None:
            assert decide.too_late(run, found - 0.1) is None
            late = decide.too_late(run, found)
            assert end(late) == ("failed(timeout)" if attempt else "skipped(expired)")


def test_a_run_keeps_the_walls_it_came_with() -> None:
    run = a_run(expires=5.0)
    run.extra = Extra()
    run.extra.expires = NOW + 1
    decide.walls(run)
    assert (run.extra.expires, run.extra.deadline) == (NOW + 1, None)
    plain = a_run()
    decide.walls(plain)
    assert plain.extra is None
    assert NOTHING.expires is None


def test_a_new_run_that_is_too_late() -> None:
    run = walled(State.BLOCKED, 0, 5.0, None)
    state = decide.first_state(run, NOW + 5)
    assert end(decide.admit(run, state, NOW + 5)) == "skipped(expired)"


# -- backoff and the deadline of tries ---------------------------------------------------------


def settled(run: Run, outcome: Any, error: Exception | None, now: float = NOW) -> Any:
    run.state, run.attempt = State.RUNNING, run.attempt or 1
    attempt = Attempt(run, run.attempt, (), {}, None)
    attempt.outcome, attempt.error, attempt.ended = outcome, error, now
    return decide.settle(run, attempt, now, 0.0)


def test_backoff() -> None:
    run = a_run()
    change = settled(run, ERROR, Backoff(5))
    assert (end(change), change.due, change.backoffs) == ("scheduled", NOW + 5, 1)
    for seconds in (-1.0, float("nan")):
        assert settled(run, ERROR, Backoff(seconds)).due == NOW
    run.asked = Reason.SHUTDOWN
    assert end(settled(run, ERROR, Backoff(5))) == "cancelled(shutdown)"


def test_backoffs_are_counted_apart() -> None:
    run = a_run(retry=Retry(1))
    run.extra = Extra()
    run.attempt, run.extra.backoffs = 4, 3
    assert end(settled(run, ERROR, ValueError())) == "scheduled(error)"
    run.attempt = 5
    assert end(settled(run, ERROR, ValueError())) == "failed(error)"


@pytest.mark.parametrize(
    ("outcome", "error", "wanted"),
    [
        (ERROR, ValueError(), "failed(error)"),
        (ERROR, Backoff(5), "failed(timeout)"),
        (CRASHED, None, "failed(crashed)"),
    ],
)
def test_nothing_is_tried_again_at_the_deadline(outcome: Any, error: Any, wanted: str) -> None:
    before = 0.1 if outcome is CRASHED else 5.1
    for seconds, ended in ((0.0 if outcome is CRASHED else 5.0, True), (before, False)):
        run = a_run(retry=Retry(3, 5), deadline=seconds)
        decide.walls(run)
        assert (end(settled(run, outcome, error)) == wanted) is ended


# -- turns -------------------------------------------------------------------------------------


def test_turns() -> None:
    assert fair.next_turn(0, 0) == 1
    assert fair.next_turn(7, 0) == 7, "a value that was away takes part in the present round"
    assert fair.next_turn(7, 7) == 8
    assert fair.next_turn(7, 9) == 10


def test_those_behind_move_up() -> None:
    assert [fair.moved_up(turn, [2, 4]) for turn in (1, 3, 5, 6)] == [1, 2, 3, 4]
    assert [fair.given_after(given, [2, 4]) for given in (1, 3, 4, 6)] == [1, 2, 2, 4]
