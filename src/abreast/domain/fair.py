"""Turns: under ``fair_by`` the runs of a lane start in rounds, one of each value per round.

Start-time fair queueing (Goyal, Vin and Cheng 1996) with a tag per run that is fixed when it
enters the line: inside a lane runs start in the order of (turn, rank, -path, id).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence


def next_turn(started: int, given: int) -> int:
    """Return the turn of a run that enters a lane.

    ``started`` is the highest turn of a run of this lane that has started, ``given`` the last turn
    given to its value in this lane; both begin with 0. A value that was away takes part in the
    round under way, and none of the others starts twice before it.
    """
    return max(started, given + 1)


def moved_up(turn: int, left: Sequence[int]) -> int:
    """Return the turn of a waiting run after others of its value, whose turns were ``left`` (in
    order), went away without having started: it moves up by one for each that was before it."""
    return turn - bisect_left(left, turn)


def given_after(given: int, left: Sequence[int]) -> int:
    """Return the last turn given to a value after runs of it with these turns went away."""
    return given - bisect_right(left, given)
