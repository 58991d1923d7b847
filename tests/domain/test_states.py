"""The eight states: which changes are allowed, which reasons go with which end, the diagram."""

from __future__ import annotations

import itertools

import pytest

from abreast import Reason, State
from abreast.domain.states import ALLOWED, ENDED, FIRST, NOT_STARTED, REASONS, diagram

B, S, P, R = State.BLOCKED, State.SCHEDULED, State.PENDING, State.RUNNING
C, F, X, K = State.COMPLETED, State.FAILED, State.CANCELLED, State.SKIPPED

# Written out a second time on purpose: a slip in the table shows here.
PAIRS = {
    *((B, S), (B, P), (B, F), (B, X), (B, K)),
    *((S, P), (S, F), (S, X), (S, K)),
    *((P, R), (P, S), (P, F), (P, X), (P, K)),  # P, S: its start is put off
    *((R, C), (R, S), (R, P), (R, F), (R, X)),
}


def test_there_are_eight_states_and_they_equal_their_names() -> None:
    assert [str(state) for state in State] == [
        *("blocked", "scheduled", "pending", "running"),
        *("completed", "failed", "cancelled", "skipped"),
    ]
    assert State.RUNNING == "running"


@pytest.mark.parametrize(("source", "target"), list(itertools.product(State, State)))
def test_every_pair_is_allowed_or_refused(source: State, target: State) -> None:
    assert (target in ALLOWED[source]) == ((source, target) in PAIRS), f"{source} -> {target}"


def test_an_end_is_an_end() -> None:
    assert {C, F, X, K} == ENDED
    assert all(not ALLOWED[state] for state in ENDED)
    assert {B, S, P} == NOT_STARTED
    assert NOT_STARTED | ENDED | {R} == set(State)


def test_what_a_new_run_may_be() -> None:
    assert {B, S, P, X, K} == FIRST


def test_every_state_can_be_reached_and_left() -> None:
    reached = set(FIRST)
    for _ in State:
        reached |= {target for source in reached for target in ALLOWED[source]}
    assert reached == set(State)
    assert all(ALLOWED[state] for state in set(State) - ENDED)


def test_only_a_running_run_completes_and_none_is_skipped_once_it_runs() -> None:
    assert {source for source in State if C in ALLOWED[source]} == {R}
    assert K not in ALLOWED[R]


# The table of ends in the design: what happened -> state(reason).
@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        (F, {"error", "timeout", "crashed", "limit"}),
        (X, {"user", "fail_fast", "limit", "shutdown"}),
        (K, {"dependency", "fail_fast", "limit", "duplicate", "expired"}),
    ],
)
def test_the_reasons_of_the_table_of_ends(state: State, reasons: set[str]) -> None:
    assert {str(reason) for reason in REASONS[state]} == reasons


def test_completed_has_no_reason_and_every_reason_belongs_somewhere() -> None:
    assert set(REASONS) == {F, X, K}
    assert set().union(*REASONS.values()) == set(Reason)


def test_the_diagram_shows_exactly_the_table() -> None:
    lines = diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    drawn = {tuple(line.strip().split(" --> ")) for line in lines[1:]}
    assert len(drawn) == len(lines) - 1, "a line is drawn twice"
    wanted = {(str(source), str(target)) for source, target in PAIRS}
    wanted |= {("[*]", str(state)) for state in FIRST} | {(str(state), "[*]") for state in ENDED}
    assert drawn == wanted
    assert diagram().endswith("\n")
