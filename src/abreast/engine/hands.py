"""Hands: several short runs given to one thread at once, and taken back when one is long after all.

Waking another thread costs about 50 microseconds, and asking the engine for every single run more
than many a run takes. A thread whose runs are shorter than that therefore gets several at once,
and while it keeps coming back no others are woken. The runs of a hand count as running from the
moment they are given; what its thread has not begun after two milliseconds is taken back and goes
to whoever is free, so a run that turns out long delays its neighbours by no more.
"""

from __future__ import annotations

from collections import deque
from math import inf

from ..domain.model import Attempt

_SHORT_S = 0.00005  # a run that takes less is not worth waking a thread for
_LARGEST = 64  # runs
_RECALL_S = 0.002
_SLOW_TURN_S = 0.0001  # putting a turn on record takes that long: threads would wait for it
_LONG_S = 0.002  # a run that takes more gets a thread of its own
_IN_A_TURN = 256  # runs: 6 ms
_IN_A_SHORT_TURN = 32  # while other processes wait for their turns: 1 ms
_WEIGHT = 0.125  # of the latest measurement


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
        short = now - self.given < self.size * _SHORT_S
        return min(_LARGEST, 2 * self.size) if short else 1

    # One of a kind, whatever it contains; a deque has no hash.
    __hash__ = object.__hash__  # type: ignore[assignment]


class Hands:
    """The hands that are out and may be recalled."""

    __slots__ = ("_latest", "_out", "_run_s", "_turn_s", "next_at")

    def __init__(self) -> None:
        self.next_at = inf
        self._turn_s = 0.0  # how long a turn takes, and
        self._run_s = inf  # how long a run takes, of late
        self._latest = -inf  # when the last hand of several runs was given
        self._out: dict[Hand, None] = {}  # in the order they were given

    def give(self, hand: Hand, now: float) -> None:
        """Note a hand that will have to be looked after."""
        hand.watched = True
        self._out[hand] = None
        if self.next_at == inf:
            self.next_at = now + _RECALL_S

    def deal(self, hand: Hand, now: float) -> None:
        """Note a hand of several runs for a thread that is quick."""
        self._latest = now
        self.give(hand, now)

    def quick(self, now: float) -> bool:
        """Whether a quick thread is at work, so that waking others would only cost."""
        return now - self._latest < _RECALL_S

    def learn(self, hand: Hand) -> None:
        """Note how long the runs of a hand took that has come back."""
        took = (hand.mark - hand.given) / hand.size
        known = self._run_s
        self._run_s = took if known == inf else known + (took - known) * _WEIGHT

    def turned(self, took_s: float) -> None:
        """Note how long a turn took."""
        self._turn_s += (took_s - self._turn_s) * _WEIGHT

    def size(self, hands: int = 1, crowded: bool = False) -> int:
        """How many runs each of so many hands gets, so that their threads are busy for about one
        turn.

        More than one only where turns are slow, because they are put on record, and runs short.
        All together no more than a turn can record while others wait for theirs (``crowded``).
        """
        if self._turn_s < _SLOW_TURN_S or self._run_s > _LONG_S:
            return 1
        size = int(self._turn_s / max(self._run_s, 1e-6))
        most = (_IN_A_SHORT_TURN if crowded else _IN_A_TURN) // max(1, hands)
        return max(1, min(_LARGEST, most, size))

    def look_again(self) -> None:
        """Have the sentry look when the quick thread may have stopped being quick."""
        self.next_at = min(self.next_at, self._latest + _RECALL_S)

    def close(self, hand: Hand) -> None:
        """A thread has come back."""
        self._out.pop(hand, None)

    def recall(self, now: float) -> list[Attempt]:
        """Take back, last first, what has not been begun of the hands that are out for too long."""
        back: list[Attempt] = []
        for hand in list(self._out):
            if now - hand.given > _RECALL_S - 1e-6:  # what was due at this very time, rounded
                back += empty(hand)
                self._out.pop(hand, None)
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
