"""Adaptive: a limit that finds its own size."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abreast import Backoff, Limit, Reason
from abreast.domain.adaptive import Adaptive, Level, adapted, units
from abreast.domain.limits import Claim, Keys, Then, Usage, blocked_on
from abreast.domain.model import CRASHED, ERROR, OK, STOPPED, Attempt, Outcome, Run, Task
from abreast.errors import UsageError, WrongType

NOW = 1000.0


def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("lo", "hi", "error", "text"),
    [
        (0, 5, UsageError, "Adaptive: lo must be 1 or more"),
        (5, 4, UsageError, "Adaptive: hi must not be less than lo, which is 5"),
        (1.5, 4, WrongType, "Adaptive: lo must be a whole number"),
        (1, "4", WrongType, "Adaptive: hi must be a whole number"),
        (True, 4, WrongType, "Adaptive: lo must be a whole number"),
    ],
)
def test_one_that_cannot_be(lo: Any, hi: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Adaptive(lo, hi)


def test_equal_ones_are_equal() -> None:
    assert Adaptive(1, 2) == Adaptive(1, 2)
    assert len({Adaptive(1, 2), Adaptive(1, 2), Adaptive(1, 3)}) == 2
    assert repr(Limit(Adaptive(1, 2))) == "Limit(Adaptive(1, 2), '')"


def test_a_run_may_cost_what_there_always_is() -> None:
    with pytest.raises(UsageError, match="one run costs 3 units but there are only 2"):
        Limit(Adaptive(2, 9), cost=3)
    task = Task("t", nothing, limits=(Limit(Adaptive(2, 9), cost=lambda: 3),))
    with pytest.raises(UsageError, match="there may be as few as 2"):
        Keys(task).claims((), {})
    assert Keys(Task("t", nothing, limits=(Limit(Adaptive(2, 9)),))).claims((), {})[0] == (
        *("t", None, 9, 1, None, Then.WAIT),
        2,
    )


def a_key(level: float | None, held: float = 0, **known: Any) -> tuple[Claim, Usage]:
    usage = Usage("/k", None)
    usage.level, usage.held = level, held
    for name, value in known.items():
        setattr(usage, name, value)
    return Claim("/k", None, 20, 1, None, Then.WAIT, 2), usage


def test_the_units_there_are_now() -> None:
    for level, wanted in ((None, 2), (1, 2), (7, 7), (99, 20)):
        assert units(*a_key(level)) == wanted
    assert blocked_on([a_key(7, held=6)]) is None
    full = a_key(7, held=7)
    assert blocked_on([full]) is full[1]


def end(
    outcome: Outcome = OK, took: float = 1.0, stop: Reason | None = None, error: Any = None
) -> Attempt:
    run = Run(1, Task("t", nothing), (), {}, NOW)
    run.started = NOW
    attempt = Attempt(run, 1, (), {}, None)
    attempt.outcome, attempt.stop, attempt.error, attempt.ended = outcome, stop, error, NOW + took
    return attempt


def after(attempt: Attempt, level: float | None, full: bool = True, **known: Any) -> Level:
    claim, usage = a_key(level, **known)
    return adapted(usage, claim, attempt, full)


def test_it_rises_after_as_many_ends_as_there_are_units() -> None:
    assert after(end(), 10, streak=8) == (10, 9, 1.0, None)
    assert after(end(), 10, streak=9) == (11, 0, 1.0, None)
    assert after(end(), 20, streak=19).level == 20
    assert after(end(), 10, full=False, streak=9) == (10, 9, 1.0, None)


@pytest.mark.parametrize(
    "attempt",
    [
        end(STOPPED, stop=Reason.TIMEOUT),
        end(ERROR, error=Backoff(1)),
        end(OK, took=2.1),
    ],
)
def test_trouble(attempt: Attempt) -> None:
    wanted = {10: 7, 20: 14, 3: 2, 2: 2, 5: 3}
    for level, lower in wanted.items():
        found = after(attempt, level, streak=1, usual=1.0)
        assert (found.level, found.streak, found.cut) == (lower, 0, attempt.ended)
    again = after(attempt, 10, streak=1, usual=1.0, cut=NOW + 0.5)
    assert (again.level, again.streak, again.cut) == (10, 0, NOW + 0.5), "it started before the cut"
    assert after(attempt, 10, usual=1.0, cut=NOW).level == 7


def test_the_usual_duration_is_that_of_what_completes() -> None:
    assert after(end(took=1.8), 5, usual=1.0).usual == pytest.approx(1.1)
    assert after(end(ERROR, took=9, error=ValueError()), 5, usual=1.0)[::2] == (5, 1.0)
    assert after(end(took=50), 5).level == 5, "nothing to compare the first with"


@pytest.mark.parametrize(
    "attempt", [end(CRASHED), end(STOPPED, stop=Reason.USER), end(OK, stop=Reason.SHUTDOWN)]
)
def test_some_ends_say_nothing(attempt: Attempt) -> None:
    assert after(attempt, 5, streak=3, usual=0.1, cut=1.0) == (5, 3, 0.1, 1.0)


@given(st.lists(st.tuples(st.sampled_from([OK, ERROR, STOPPED]), st.floats(0.01, 9)), max_size=60))
def test_it_stays_between_its_bounds(ends: list[tuple[Outcome, float]]) -> None:
    claim, usage = a_key(None)
    for outcome, took in ends:
        stop = Reason.TIMEOUT if outcome is STOPPED else None
        level = adapted(usage, claim, end(outcome, took, stop), True)
        usage.level, usage.streak, usage.usual, usage.cut = level
        assert 2 <= units(claim, usage) <= 20
        assert 0 <= usage.streak < units(claim, usage)
