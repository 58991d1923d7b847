"""Lanes: the lines in which pending runs wait, and the keys that hold whole lines back.

Runs with the same executor and the same claims share a lane. A lane is *awake* (its first run
stands in the ready heap of its executor), *parked* on one key that has no room, or empty. Runs
never move: a key that gets room wakes its best lane, a woken lane that blocks elsewhere passes
the wake on, and a full key therefore costs nothing per waiting run.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush, heapreplace

from ..domain.limits import Claim, Keys, Usage, blocked_on
from ..domain.model import Run, Task
from ..domain.states import PENDING

# (rank, -path, id, lane, run): smaller starts first; the id makes every entry unique
Entry = tuple[float, float, int, "Lane", Run]


class Lane:
    """Pending runs of one executor that make the same claims, in starting order."""

    __slots__ = ("_fifo", "_heap", "claims", "executor", "parked", "posted", "usages", "woken_by")

    def __init__(self, executor: str, claims: tuple[Claim, ...], usages: tuple[Usage, ...]) -> None:
        self.executor = executor
        self.claims = claims
        self.usages = usages
        self.posted: Entry | None = None  # the entry that stands for this lane in a heap
        self.parked: Usage | None = None
        self.woken_by: Usage | None = None
        # Entries that come in order, the usual case, are kept in a queue; only others need a heap.
        self._fifo: deque[Entry] = deque()
        self._heap: list[Entry] = []

    def push(self, entry: Entry) -> None:
        fifo = self._fifo
        if not fifo or entry > fifo[-1]:
            fifo.append(entry)
        else:
            heappush(self._heap, entry)

    def drop_first(self) -> Entry | None:
        """Remove the first entry and return the one that is first now."""
        fifo, heap = self._fifo, self._heap
        if not heap:
            fifo.popleft()
            return fifo[0] if fifo else None
        if not fifo or heap[0] < fifo[0]:
            heappop(heap)
            if not heap:
                return fifo[0] if fifo else None
        else:
            fifo.popleft()
        return heap[0] if not fifo or heap[0] < fifo[0] else fifo[0]


class _Place:
    """Where the runs of one task wait."""

    __slots__ = ("keys", "lane", "lanes")

    def __init__(self, keys: Keys | None, lane: Lane | None) -> None:
        self.keys = keys
        self.lane = lane  # the only one, when the claims do not depend on arguments
        self.lanes: dict[tuple[Claim, ...], Lane] = {}


class Lanes:
    """All lanes of a store, the heaps of ready ones, and the usage of every key."""

    def __init__(self) -> None:
        self._places: dict[Task, _Place] = {}
        self._lanes: dict[tuple[str, tuple[Claim, ...]], Lane] = {}
        self._usages: dict[tuple[str, float | None], Usage] = {}
        self._ready: dict[str, list[Entry]] = {}

    def lane_of(self, run: Run) -> Lane:
        """Return the lane for a run's executor and claims, making it when it is the first."""
        place = self._places.get(run.task)
        if place is None:
            place = self._places[run.task] = self._place(run.task)
        if place.lane is not None:
            return place.lane
        assert place.keys is not None
        claims = place.keys.claims(run.args, run.kwargs)
        lane = place.lanes.get(claims)
        if lane is None:
            lane = place.lanes[claims] = self._lane(run.task.executor, claims)
        return lane

    def _place(self, task: Task) -> _Place:
        if not task.limits:
            return _Place(None, self._lane(task.executor, ()))
        keys = Keys(task)
        return _Place(keys, None if keys.fixed is None else self._lane(task.executor, keys.fixed))

    def _lane(self, executor: str, claims: tuple[Claim, ...]) -> Lane:
        lane = self._lanes.get((executor, claims))
        if lane is None:
            usages = tuple(self._usage(claim) for claim in claims)
            lane = self._lanes[executor, claims] = Lane(executor, claims, usages)
            self._ready.setdefault(executor, [])
        return lane

    def _usage(self, claim: Claim) -> Usage:
        usage = self._usages.get((claim.key, claim.per))
        if usage is None:
            usage = self._usages[claim.key, claim.per] = Usage(claim.key, claim.per)
        return usage

    def usages(self) -> list[Usage]:
        return list(self._usages.values())

    def push(self, run: Run, rank: float) -> None:
        """Put a pending run into its lane."""
        lane: Lane = run.lane
        entry = (rank, -run.path, run.id, lane, run)
        lane.push(entry)
        for usage in lane.usages:
            usage.line[run] = None
        posted = lane.posted
        if posted is None or entry < posted:
            lane.posted = entry
            heappush(self._ready[lane.executor] if lane.parked is None else lane.parked.parked, entry)

    def take(self, executors: tuple[str, ...]) -> Run | None:
        """Remove and return the first run that may start now on one of these executors.

        Its units are counted as held before the next run is looked at.
        """
        ready = self._heap_with_first(executors)
        while ready:
            entry = ready[0]
            lane, run = entry[3], entry[4]
            if lane.posted is not entry:  # a better entry was posted since
                heappop(ready)
            elif run.state is not PENDING:  # cancelled while it waited
                self._advance(lane, ready)
            elif lane.claims and (usage := self._blocked(lane, entry)) is not None:
                heappop(ready)
                self._park(lane, usage, entry)
            else:
                self._advance(lane, ready)
                if lane.claims:
                    self._hold(lane, run)
                return run
            if len(executors) > 1:
                ready = self._heap_with_first(executors)
        return None

    def _heap_with_first(self, executors: tuple[str, ...]) -> list[Entry]:
        if len(executors) == 1:
            return self._ready.get(executors[0], [])
        heaps = [heap for name in executors if (heap := self._ready.get(name))]
        return min(heaps, key=lambda heap: heap[0], default=[])

    def _advance(self, lane: Lane, heap: list[Entry]) -> None:
        """Drop the first run of a lane that stands on top of ``heap``."""
        entry = lane.posted = lane.drop_first()
        if entry is None:
            heappop(heap)
        else:
            heapreplace(heap, entry)

    def _blocked(self, lane: Lane, entry: Entry) -> Usage | None:
        usage = blocked_on(lane.claims, lane.usages)
        if usage is not None:
            return usage
        for usage in lane.usages:
            # Who came first is served first, also when a later run would fit into what is left.
            if usage.parked and usage.parked[0] < entry and self._is_waiting(usage):
                if usage.parked[0] < entry:
                    return usage
        return None

    def _is_waiting(self, usage: Usage) -> bool:
        """Tidy the top of a key's heap; tell whether a lane really waits there."""
        parked: list[Entry] = usage.parked
        while parked:
            entry = parked[0]
            lane, run = entry[3], entry[4]
            if lane.posted is not entry or lane.parked is not usage:
                heappop(parked)
            elif run.state is not PENDING:
                self._advance(lane, parked)
                if lane.posted is None:
                    lane.parked = None
            else:
                return True
        return False

    def _park(self, lane: Lane, usage: Usage, entry: Entry) -> None:
        lane.parked = usage
        heappush(usage.parked, entry)
        woken_by, lane.woken_by = lane.woken_by, None
        if woken_by is not None and woken_by is not usage:
            self.wake(woken_by)

    def _hold(self, lane: Lane, run: Run) -> None:
        lane.woken_by = None
        for claim, usage in zip(lane.claims, lane.usages, strict=True):
            usage.held += claim.cost
            usage.holders[run] = usage.holders.get(run, 0) + claim.cost
            usage.line.pop(run, None)
            if usage.parked:
                self.wake(usage)

    def give_back(self, run: Run) -> None:
        """Return the units a run held until its end; those of rates return by their time."""
        lane: Lane = run.lane
        for claim, usage in zip(lane.claims, lane.usages, strict=True):
            if claim.per is None:
                usage.held -= claim.cost
                usage.holders.pop(run, None)
                if usage.parked:
                    self.wake(usage)

    def return_unit(self, usage: Usage, cost: float, run: Run) -> None:
        """Return one unit of a rate, because its time has come."""
        usage.held -= cost
        left = usage.holders.get(run, cost) - cost
        if left > 0:
            usage.holders[run] = left
        else:
            usage.holders.pop(run, None)
        if usage.parked:
            self.wake(usage)

    def leave(self, run: Run) -> None:
        """Forget a run that ended without having started."""
        if run.lane is not None:
            for usage in run.lane.usages:
                usage.line.pop(run, None)

    def wake(self, usage: Usage) -> None:
        """Wake the best lane parked on a key if there is room for its first run."""
        if not self._is_waiting(usage):
            return
        entry: Entry = usage.parked[0]
        lane = entry[3]
        claim = lane.claims[lane.usages.index(usage)]
        if usage.held + claim.cost > claim.n:
            return
        heappop(usage.parked)
        lane.parked, lane.woken_by = None, usage
        heappush(self._ready[lane.executor], entry)
