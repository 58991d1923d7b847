"""When attempts have to have ended."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf

from ..domain.model import Attempt
from ..domain.states import Reason

_Entry = tuple[float, int, Attempt, Reason | None]


class Deadlines:
    """A heap of (time, attempt, reason), of which most are never reached.

    Entries of attempts that have ended are left in place and swept when they outnumber the
    living, so that memory follows what is in flight.
    """

    __slots__ = ("_count", "_heap", "_sweep_at", "next_at")

    def __init__(self) -> None:
        self.next_at = inf
        self._heap: list[_Entry] = []
        self._count = 0
        self._sweep_at = 1024

    def add(self, at: float, attempt: Attempt, reason: Reason | None) -> None:
        """Note that ``attempt`` has to have ended by ``at``."""
        self._count += 1
        heappush(self._heap, (at, self._count, attempt, reason))
        if len(self._heap) >= self._sweep_at:
            self._sweep()
        self.next_at = self._heap[0][0] if self._heap else inf

    def pop(self, now: float) -> list[tuple[Attempt, Reason | None]]:
        """Remove and return what has been reached."""
        heap = self._heap
        reached = []
        while heap and heap[0][0] <= now:
            _, _, attempt, reason = heappop(heap)
            reached.append((attempt, reason))
        self.next_at = heap[0][0] if heap else inf
        return reached

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].run.trying is entry[2]]
        heapify(self._heap)
        self._sweep_at = max(1024, 2 * len(self._heap))
