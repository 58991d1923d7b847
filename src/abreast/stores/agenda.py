"""What is to be done when: heaps whose entries are dropped once they are no longer true."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Generic, TypeVar

T = TypeVar("T")


class Agenda(Generic[T]):
    """Items by time, then by ``order``, then as they came.

    Parameters
    ----------
    is_true : callable
        Tells whether an item is still to be done at its time. Others are swept when they come to
        the top or outnumber the true ones, so that memory follows what is in flight.
    """

    __slots__ = ("_count", "_heap", "_is_true", "_noted", "_sweep_at")

    def __init__(self, is_true: Callable[[float, T], bool]) -> None:
        self._is_true = is_true
        self._heap: list[tuple[float, int, int, T]] = []
        self._noted: dict[T, float] = {}  # the time at which an item stands in the heap
        self._count = 0
        self._sweep_at = 1024

    def add(self, at: float, item: T, order: int = 0) -> None:
        """Note that something is to be done at a time."""
        if self._noted.get(item) == at:
            return
        self._noted[item] = at
        self._count += 1
        heappush(self._heap, (at, order, self._count, item))
        if len(self._heap) >= self._sweep_at:
            self._heap = [entry for entry in self._heap if self._is_true(entry[0], entry[3])]
            self._noted = {entry[3]: entry[0] for entry in self._heap}
            heapify(self._heap)
            self._sweep_at = max(1024, 2 * len(self._heap))

    def next_at(self) -> float:
        """When the first item is to be done (inf: there is none)."""
        heap = self._heap
        while heap:
            at, _, _, item = heap[0]
            if self._is_true(at, item):
                return at
            self._drop()
        return inf

    def pop(self, now: float) -> T | None:
        """Remove and return the first item whose time has come, or None."""
        return self._drop() if self.next_at() <= now else None

    def _drop(self) -> T:
        at, _, _, item = heappop(self._heap)
        if self._noted.get(item) == at:
            del self._noted[item]
        return item
