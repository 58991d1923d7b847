"""Hands: several short runs given to one thread at once, and taken back when one is long after all.

Asking the engine for every single run costs more than many a run takes. A thread whose last hand
was over within half a millisecond therefore gets a larger one. The runs of a hand count as running
from the moment they are given; what a thread has not begun after two milliseconds is taken back
and goes to whoever is free, so a run that turns out long delays its neighbours by no more.
"""

from __future__ import annotations

from collections import deque
from math import inf

from ..domain.model import Attempt

_SHORT_S = 0.0005  # a hand that took less is followed by a larger one
_LARGEST = 64
_RECALL_S = 0.002


class Hand(deque[Attempt]):
    """Attempts that one thread executes in turn. Thread and engine both take from it: the thread
    from the left, the engine, when it recalls, from the right; a deque does either atomically."""

    __slots__ = ("freed", "given", "mark", "size", "watched")

    def __init__(self, first: Attempt, now: float) -> None:
        super().__init__((first,))
        self.given = self.mark = now  # mark: when the attempt that is reported next began
        self.size = 1
        self.watched = False  # whether it may be recalled
        self.freed = False  # its slot was refilled: the thread is to go home

    def next_size(self, now: float) -> int:
        """How many runs the thread that comes back from this hand may get."""
        return min(_LARGEST, 2 * self.size) if now - self.given < _SHORT_S else 1

    __hash__ = object.__hash__  # one of a kind, whatever it contains


class Hands:
    """The hands that are out and may be recalled."""

    __slots__ = ("_out", "next_at")

    def __init__(self) -> None:
        self.next_at = inf
        self._out: set[Hand] = set()

    def give(self, hand: Hand, now: float) -> None:
        """Note a hand that will have to be looked after."""
        hand.watched = True
        self._out.add(hand)
        if self.next_at == inf:
            self.next_at = now + _RECALL_S

    def close(self, hand: Hand) -> None:
        """A thread has come back."""
        self._out.discard(hand)
        if not self._out:
            self.next_at = inf

    def recall(self, now: float) -> list[Attempt]:
        """Take back, last first, what has not been begun of the hands that are out for too long."""
        back: list[Attempt] = []
        for hand in list(self._out):
            if now - hand.given >= _RECALL_S:
                back += empty(hand)
                self._out.discard(hand)
        self.next_at = now + _RECALL_S if self._out else inf
        return back


def empty(hand: Hand) -> list[Attempt]:
    """Take back what has not been begun of one hand."""
    back = []
    try:
        while True:
            back.append(hand.pop())
    except IndexError:  # the thread may take the last one at the same moment
        return back
