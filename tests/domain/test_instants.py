"""What becomes of the instants of a schedule, as pure rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abreast.domain.instants import (
    GRACE_S,
    MAX_CATCH_UP,
    Outcome,
    Policy,
    Way,
    judge,
    overlapping,
    policy,
)
from abreast.errors import UsageError, WrongType

NOW = 1_000_000.0
MINUTE = 60.0


def instants(*late: float) -> list[tuple[float, float]]:
    """Instants that were due so many seconds ago, the latest first named."""
    return sorted((NOW - seconds, NOW - seconds) for seconds in late)


def outcomes(found: list[tuple[float, float]], said: Policy, **how: object) -> list[str]:
    verdicts = judge(found, NOW, said, MINUTE, bool(how.get("paused")), bool(how.get("more")))
    return [str(v.outcome) for v in verdicts for _ in range(v.times)]


def test_what_is_on_time_may_start() -> None:
    assert outcomes(instants(0), Policy()) == ["ran"]
    assert outcomes(instants(GRACE_S), Policy(catch_up="none")) == ["ran"]
    assert outcomes(instants(GRACE_S, 5, 0), Policy(catch_up="none")) == ["ran"] * 3


def test_only_the_latest_is_made_up() -> None:
    assert outcomes(instants(50, 40, 30), Policy()) == ["missed", "missed", "ran"]


def test_the_latest_is_not_made_up_when_the_next_is_on_time() -> None:
    assert outcomes(instants(50, 0), Policy()) == ["missed", "ran"]


def test_nothing_is_made_up_under_none() -> None:
    assert outcomes(instants(50, 30), Policy(catch_up="none")) == ["missed", "missed"]


def test_too_late_is_too_late() -> None:
    """Without a window: the shorter of the period and an hour."""
    assert outcomes(instants(61), Policy()) == ["missed"]
    assert outcomes(instants(59), Policy()) == ["ran"]
    assert outcomes(instants(600), Policy(window=601)) == ["ran"]
    assert Policy().longest(86_400) == 3600
    assert Policy(catch_up="all").longest(60) == 3600


def test_all_are_made_up_but_not_without_end() -> None:
    late = [20.0 + number for number in range(MAX_CATCH_UP + 5)]
    assert outcomes(instants(*late), Policy(catch_up="all")) == ["missed"] * 5 + ["ran"] * 100


def test_the_latest_waits_for_the_last_page() -> None:
    """While more instants are due, none of these is the latest."""
    assert outcomes(instants(50, 40), Policy(), more=True) == ["missed", "missed"]


def test_a_pause_lets_everything_pass() -> None:
    assert outcomes(instants(600, 50, 0), Policy(catch_up="all"), paused=True) == ["paused"] * 3


def test_long_series_share_a_row() -> None:
    found = instants(*[MINUTE * number for number in range(1, 1000)], 0)
    verdicts = judge(found, NOW, Policy(), MINUTE, False)
    assert len(verdicts) == 2
    assert verdicts[0].times == 999
    assert (verdicts[0].at, verdicts[0].until) == (found[0][0], found[-2][0])
    assert verdicts[1].outcome is Outcome.RAN


@given(
    st.lists(st.floats(0, 10_000), min_size=1, max_size=200, unique=True),
    st.sampled_from(["latest", "none", "all"]),
    st.one_of(st.none(), st.floats(0, 5000)),
    st.booleans(),
    st.booleans(),
)
def test_every_instant_gets_one_answer(
    late: list[float], catch_up: str, window: float | None, paused: bool, more: bool
) -> None:
    found = instants(*late)
    verdicts = judge(found, NOW, Policy(catch_up=catch_up, window=window), MINUTE, paused, more)
    assert sum(verdict.times for verdict in verdicts) == len(found)
    ats = [verdict.at for verdict in verdicts]
    assert ats == sorted(ats)
    assert set(ats) <= {at for at, _ in found}
    for verdict in verdicts:
        assert verdict.outcome in (Outcome.RAN, Outcome.MISSED, Outcome.PAUSED)
        assert verdict.times == 1 or verdict.outcome is not Outcome.RAN


@pytest.mark.parametrize(
    ("overlap", "unfinished", "waiting", "way"),
    [
        ("skip", 0, False, Way.START),
        ("skip", 1, False, Way.SKIP),
        ("queue_one", 1, False, Way.QUEUE),
        ("queue_one", 2, True, Way.MERGE),
        ("queue_all", 5, True, Way.QUEUE),
        ("cancel_running", 1, False, Way.CANCEL),
        ("allow(3)", 2, False, Way.START),
        ("allow(3)", 3, False, Way.SKIP),
    ],
)
def test_overlap(overlap: str, unfinished: int, waiting: bool, way: Way) -> None:
    assert overlapping(Policy(overlap), unfinished, waiting) is way


def test_a_policy_is_checked() -> None:
    assert policy({"overlap": "allow( 3 )", "jitter": "30s"}, "x") == Policy("allow(3)", jitter=30)
    with pytest.raises(UsageError, match="schedule 'x': overlap 'sometimes' is not one of skip"):
        policy({"overlap": "sometimes"}, "x")
    with pytest.raises(UsageError, match=r"allow\(0\)"):
        policy({"overlap": "allow(0)"}, "x")
    with pytest.raises(WrongType, match="overlap must be a text"):
        policy({"overlap": 3}, "x")
    with pytest.raises(UsageError, match="catch_up 'some'"):
        policy({"catch_up": "some"}, "x")
    with pytest.raises(UsageError, match="window"):
        policy({"window": "soon"}, "x")
