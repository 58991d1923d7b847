"""Limits that find their own size: additive increase, multiplicative decrease.

The level of a key rises by one when that many runs in a row ended without trouble while the key
was full, and falls to 0.7 of itself on trouble (Chiu and Jain 1989; the idea of adaptive
concurrency limits is Netflix's, 2018).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import Backoff, UsageError, WrongType
from .model import CRASHED, OK, Attempt
from .states import Reason

if TYPE_CHECKING:
    from .limits import Claim, Usage

_SMOOTHING = 1 / 8  # weight of the newest duration
_SLOW = 2.0  # times the usual duration: trouble


class Adaptive:
    """Units of a :class:`Limit` that follow what the runs meet: ``Limit(Adaptive(2, 20), "/api")``.

    It begins with ``lo`` units. One is added when as many runs in a row as there are units ended
    without trouble while all units were in use. It falls to 0.7 of itself when an attempt exceeds
    its time, raises :class:`abreast.Backoff`, or takes more than twice as long as usual; what had
    started before a fall does not cause another.

    Parameters
    ----------
    lo, hi : int
        Fewest and most units.
    """

    __slots__ = ("hi", "lo")

    def __init__(self, lo: int, hi: int) -> None:
        for name, value in (("lo", lo), ("hi", hi)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise WrongType(
                    f"Adaptive: {name} must be a whole number, not {value!r} "
                    f"({type(value).__name__})"
                )
        if lo < 1:
            raise UsageError(f"Adaptive: lo must be 1 or more, not {lo}")
        if hi < lo:
            raise UsageError(f"Adaptive: hi must not be less than lo, which is {lo}, but is {hi}")
        self.lo = lo
        self.hi = hi

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Adaptive) and (self.lo, self.hi) == (other.lo, other.hi)

    def __hash__(self) -> int:
        return hash((self.lo, self.hi))

    def __repr__(self) -> str:
        return f"Adaptive({self.lo}, {self.hi})"


class Level(NamedTuple):
    """What a key with an adaptive size remembers: the fields of the same names of its usage."""

    level: float | None  # units there are now; None: lo
    streak: int  # ends in a row without trouble while the key was full
    usual: float | None  # smoothed duration of completed attempts, in seconds
    cut: float | None  # when the level fell last


def units(claim: Claim, usage: Usage) -> float:
    """Return how many units of a key there are now."""
    lo = claim.lo
    if lo is None:
        return claim.n
    level = usage.level
    return lo if level is None else min(max(level, lo), claim.n)


def is_full(claim: Claim, usage: Usage) -> bool:
    """Whether there is no unit left for another claim like this one."""
    return usage.held + claim.cost > units(claim, usage)


def adapted(usage: Usage, claim: Claim, attempt: Attempt, full: bool) -> Level:
    """Return what the end of an attempt makes of an adaptive key it held.

    ``full`` is whether the key was, before the first of the attempts that are recorded together
    gave back its units. An attempt that was cancelled or crashed says nothing.
    """
    known = Level(usage.level, usage.streak, usage.usual, usage.cut)
    timed_out = attempt.stop is Reason.TIMEOUT
    if attempt.outcome is CRASHED or (attempt.stop is not None and not timed_out):
        return known
    started = attempt.started if attempt.started is not None else attempt.run.started
    assert started is not None
    usual = known.usual
    slow = False
    if attempt.outcome is OK and not timed_out:
        took = attempt.ended - started
        slow = usual is not None and took > _SLOW * usual
        usual = took if usual is None else usual + (took - usual) * _SMOOTHING
    now = int(units(claim, usage))
    lo = int(claim.lo or 1)
    if slow or timed_out or isinstance(attempt.error, Backoff):
        if known.cut is not None and started < known.cut:
            return Level(now, 0, usual, known.cut)
        return Level(max(lo, now * 7 // 10), 0, usual, attempt.ended)
    if not full:  # more could not have been of use
        return Level(known.level, known.streak, usual, known.cut)
    if known.streak + 1 < now:
        return Level(known.level, known.streak + 1, usual, known.cut)
    return Level(min(int(claim.n), now + 1), 0, usual, known.cut)
