"""Lanes: the lines in which pending runs wait, and the keys that hold whole lines back.

Runs with the same executor and the same claims share a lane. A lane is *awake* (its first run
stands in the ready heap of its executor), *parked* on one key that has no room, or empty. Runs
never move: a key that gets room wakes its best lane, a woken lane that blocks elsewhere passes
the wake on, and a full key therefore costs nothing per waiting run.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush, heapreplace

from ..domain.decide import rank
from ..domain.graph import with_results
from ..domain.limits import Claim, Keys, Usage, blocked_on, cost_of
from ..domain.model import Run, Task
from ..domain.states import PENDING, RUNNING

# (rank, -path, id, lane, run): smaller starts first; the id makes every entry unique
Entry = tuple[float, float, int, "Lane", Run]


Key = tuple[str, float, float]  # executor, rank, -path


def _alike(line: Lane | list[Entry], like: Key) -> bool:
    entry = line.first() if isinstance(line, Lane) else line[0]
    return entry is not None and (entry[3].executor, entry[0], entry[1]) == like


class Line:
    """Entries in order. Those that come in order, the usual case, need no heap."""

    __slots__ = ("_fifo", "_heap")

    def __bool__(self) -> bool:
        return bool(self._fifo or self._heap)

    def __init__(self) -> None:
        self._fifo: deque[Entry] = deque()
        self._heap: list[Entry] = []

    def push(self, entry: Entry) -> None:
        fifo = self._fifo
        if not fifo or entry > fifo[-1]:
            fifo.append(entry)
        else:
            heappush(self._heap, entry)

    def first(self) -> Entry | None:
        """Return the entry that is first, or None."""
        fifo, heap = self._fifo, self._heap
        if not heap:
            return fifo[0] if fifo else None
        return heap[0] if not fifo or heap[0] < fifo[0] else fifo[0]

    def pop(self) -> Entry:
        """Remove and return the first entry."""
        fifo, heap = self._fifo, self._heap
        if heap and (not fifo or heap[0] < fifo[0]):
            return heappop(heap)
        return fifo.popleft()

    def runs(self) -> list[Run]:
        """The pending runs in order."""
        return [
            entry[4] for entry in sorted([*self._fifo, *self._heap]) if entry[4].state is PENDING
        ]

    def pop_pending(self, taken: list[Run], slots: int, like: Key | None = None) -> None:
        """Move pending runs to ``taken`` until it has ``slots`` of them or the line is empty.

        With ``like`` only entries of that rank and path.
        """
        fifo, heap = self._fifo, self._heap
        while fifo or heap:
            if like is not None:
                first = self.first()
                assert first is not None
                if first[1] != like[2] or first[0] != like[1]:
                    return
            run = (self.pop() if heap else fifo.popleft())[4]
            if run.state is PENDING:
                run.state = RUNNING  # at once: a run whose path grew has an older entry, too
                taken.append(run)
                if len(taken) == slots:
                    return


class Lane(Line):
    """Pending runs of one executor that make the same claims, in starting order."""

    __slots__ = ("claims", "executor", "pairs", "parked", "posted", "watched", "woken_by")

    def __init__(self, executor: str, claims: tuple[Claim, ...], usages: tuple[Usage, ...]) -> None:
        super().__init__()
        self.executor = executor
        self.claims = claims
        self.pairs = tuple(zip(claims, usages, strict=True))
        self.watched = any(usage.watched for usage in usages)  # whether one of its keys is
        self.posted: Entry | None = None  # the entry that stands for this lane in a heap
        self.parked: Usage | None = None
        self.woken_by: Usage | None = None


class _Place:
    """Where the runs of one task wait."""

    __slots__ = ("keys", "lane", "lanes")

    def __init__(self, keys: Keys | None, lane: Lane | None) -> None:
        self.keys = keys
        self.lane = lane  # the only one, when the claims do not depend on arguments
        self.lanes: dict[object, Lane] = {}


class Lanes:
    """All lanes of a store, the heaps of ready ones, and the usage of every key."""

    def __init__(self) -> None:
        self._places: dict[Task, _Place] = {}
        self._lanes: dict[tuple[str, tuple[Claim, ...]], Lane] = {}
        self._usages: dict[tuple[str, float | None], Usage] = {}
        self._free: dict[str, Lane] = {}  # per executor the lane without claims: never blocked
        self._ready: dict[str, list[Entry]] = {}  # per executor the awake lanes with claims

    def serve(self, executor: str) -> None:
        """Get ready for runs of an executor."""
        if executor not in self._ready:
            self._ready[executor] = []
            self._free[executor] = Lane(executor, (), ())

    def lane_of(self, run: Run) -> Lane:
        """Return the lane for a run's executor and claims, making it when it is the first."""
        place = self._places.get(run.task)
        if place is None:
            place = self._places[run.task] = self._place(run.task)
        if place.lane is not None:
            return place.lane
        assert place.keys is not None
        args, kwargs = run.args, run.kwargs
        if run.needy:
            args, kwargs = with_results(args), with_results(dict(kwargs))
        values = place.keys.values(args, kwargs)
        lane = place.lanes.get(values)
        if lane is None:
            claims = place.keys.claims(args, kwargs)
            lane = place.lanes[values] = self._lane(run.task.executor, claims)
        return lane

    def watch(self, run: Run) -> None:
        """Begin to note who holds and who waits for the keys of a run that may be refused."""
        lane: Lane = run.lane
        lane.watched = True
        for _, usage in lane.pairs:
            if usage.watched:
                continue
            usage.watched = True
            others = [
                other
                for other in self._lanes.values()
                if any(key is usage for _, key in other.pairs)
            ]
            for other in others:
                other.watched = True
            for known in run.flow.runs if run.flow is not None else ():
                if known.lane in others and known.state is PENDING and known is not run:
                    usage.line[known] = None
                elif known.lane in others and known.state is RUNNING:
                    usage.holders[known] = cost_of(known, usage)

    def _place(self, task: Task) -> _Place:
        if not task.limits:
            return _Place(None, self._lane(task.executor, ()))
        keys = Keys(task)
        return _Place(keys, None if keys.fixed is None else self._lane(task.executor, keys.fixed))

    def _lane(self, executor: str, claims: tuple[Claim, ...]) -> Lane:
        self.serve(executor)
        if not claims:
            return self._free[executor]
        lane = self._lanes.get((executor, claims))
        if lane is None:
            usages = tuple(self._usage(claim) for claim in claims)
            lane = self._lanes[executor, claims] = Lane(executor, claims, usages)
        return lane

    def _usage(self, claim: Claim) -> Usage:
        usage = self._usages.get((claim.key, claim.per))
        if usage is None:
            usage = self._usages[claim.key, claim.per] = Usage(claim.key, claim.per)
        return usage

    def usages(self) -> list[Usage]:
        """Every key there is."""
        return list(self._usages.values())

    def waiting_for(self, usage: Usage) -> list[Run]:
        """The pending runs of all lanes parked on a key."""
        lanes = [lane for lane in self._lanes.values() if lane.parked is usage]
        return [run for lane in lanes for run in lane.runs()]

    def push(self, run: Run) -> None:
        """Put a pending run into its lane."""
        lane: Lane = run.lane
        entry = (rank(run), -run.path, run.id, lane, run)
        lane.push(entry)
        if not lane.claims:
            return
        if lane.watched:
            for _, usage in lane.pairs:
                if usage.watched:
                    usage.line[run] = None
        posted = lane.posted
        if posted is None or entry < posted:
            lane.posted = entry
            heappush(
                self._ready[lane.executor] if lane.parked is None else lane.parked.parked, entry
            )

    def take(self, executors: tuple[str, ...], slots: int, like: Key | None = None) -> list[Run]:
        """Remove and return the first runs, ``slots`` at most, that may start now on one of these
        executors. Their units are counted as held.

        With ``like`` it ends at the first run whose executor, rank or path differ, or that a
        limit holds back.
        """
        taken: list[Run] = []
        if len(executors) == 1:
            free, ready = self._free[executors[0]], self._ready[executors[0]]
            if not ready:
                free.pop_pending(taken, slots, like)
                return taken
        while len(taken) < slots:
            if len(executors) > 1 or free.first() is not None:
                line = self._first_of(executors)
            else:
                line = ready
            if not line:
                break
            if like is not None and not _alike(line, like):
                break
            if isinstance(line, Lane):
                run = line.pop()[4]
                if run.state is PENDING:
                    run.state = RUNNING
                    taken.append(run)
            elif not self._take_limited(line, taken) and like is not None:
                break
        return taken

    @staticmethod
    def key_of(run: Run) -> Key:
        """What decides when a run starts, its age left aside."""
        return run.task.executor, rank(run), -run.path

    def _first_of(self, executors: tuple[str, ...]) -> Lane | list[Entry] | None:
        """The free lane or the heap of limited lanes in which the first entry of all stands."""
        best: Entry | None = None
        found: Lane | list[Entry] | None = None
        for name in executors:
            free, ready = self._free[name], self._ready[name]
            first = free.first()
            if first is not None and (best is None or first < best):
                best, found = first, free
            if ready and (best is None or ready[0] < best):
                best, found = ready[0], ready
        return found

    def _take_limited(self, ready: list[Entry], taken: list[Run]) -> bool:
        """Look at the first of the limited lanes: take its first run, or park it (False)."""
        entry = ready[0]
        lane, run = entry[3], entry[4]
        if lane.posted is not entry:  # a better entry was posted since
            heappop(ready)
        elif run.state is not PENDING:  # cancelled while it waited
            if self._advance(lane, ready) is None:
                self._pass_on_wake(lane)
        elif (usage := self._blocked(lane, entry)) is not None:
            heappop(ready)
            self._park(lane, usage, entry)
            return False
        else:
            self._advance(lane, ready)
            run.state = RUNNING
            taken.append(run)
            lane.woken_by = None
            for claim, usage in lane.pairs:
                usage.held += claim.cost
                if usage.watched:
                    usage.holders[run] = usage.holders.get(run, 0) + claim.cost
                    usage.line.pop(run, None)
                if usage.parked:
                    self.wake(usage)
        return True

    @staticmethod
    def _advance(lane: Lane, heap: list[Entry]) -> Entry | None:
        """Drop the first run of a lane that stands on top of ``heap``; return the next entry."""
        lane.pop()
        entry = lane.posted = lane.first()
        if entry is None:
            heappop(heap)
        else:
            heapreplace(heap, entry)
        return entry

    def _blocked(self, lane: Lane, entry: Entry) -> Usage | None:
        usage = blocked_on(lane.pairs)
        if usage is not None:
            return usage
        for _, usage in lane.pairs:
            # Who came first is served first, also when a later run would fit into what is left.
            if usage.parked and self._is_waiting(usage) and usage.parked[0] < entry:
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
                if self._advance(lane, parked) is None:
                    lane.parked = None
            else:
                return True
        return False

    def _park(self, lane: Lane, usage: Usage, entry: Entry) -> None:
        lane.parked = usage
        heappush(usage.parked, entry)
        self._pass_on_wake(lane)

    def _pass_on_wake(self, lane: Lane) -> None:
        """A woken lane does not use what it was woken for: the next one may.

        That can be a lane parked on the very key the woken one parks on: one that came before it
        and could not be seen when the key was freed.
        """
        woken_by, lane.woken_by = lane.woken_by, None
        if woken_by is not None:
            self.wake(woken_by)

    def give_back(self, run: Run) -> None:
        """Return the units a run held until its end; those of rates return by their time."""
        lane: Lane = run.lane
        for claim, usage in lane.pairs:
            if claim.per is None:
                usage.held -= claim.cost
                if usage.watched:
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
        if run.lane is not None and run.lane.watched:
            for _, usage in run.lane.pairs:
                usage.line.pop(run, None)

    def wake(self, usage: Usage) -> None:
        """Wake the best lane parked on a key if there is room for its first run."""
        if not self._is_waiting(usage):
            return
        entry: Entry = usage.parked[0]
        lane = entry[3]
        claim = next(claim for claim, key in lane.pairs if key is usage)
        if usage.held + claim.cost > claim.n:
            return
        heappop(usage.parked)
        lane.parked, lane.woken_by = None, usage
        heappush(self._ready[lane.executor], entry)
