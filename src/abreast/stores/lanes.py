"""Lanes: the lines in which pending runs wait, and the keys that hold whole lines back.

Runs with the same executor and the same claims share a lane. A lane is *awake* (its first run
stands in the ready heap of its executor), *parked* on one key that has no room, or empty. Runs
never move: a key that gets room wakes its best lane, a woken lane that blocks elsewhere passes
the wake on, and a full key therefore costs nothing per waiting run.
"""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace

from ..domain.adaptive import Level, adapted, is_full
from ..domain.decide import rank
from ..domain.graph import with_results
from ..domain.keys import Template
from ..domain.limits import Claim, Keys, Usage, blocked_on, cost_of, has_room
from ..domain.model import Attempt, Extra, Run, Task
from ..domain.states import PENDING, RUNNING
from .lines import Entry, FairLane, Key, Lane, alike


class _Place:
    """Where the runs of one task wait."""

    __slots__ = ("fair_by", "keys", "lane", "lanes")

    def __init__(self, keys: Keys | None, lane: Lane | None, fair_by: Template | None) -> None:
        self.keys = keys
        self.fair_by = fair_by
        self.lane = lane  # the only one, when the claims do not depend on arguments
        self.lanes: dict[object, Lane] = {}


class Lanes:
    """All lanes of a store, the heaps of ready ones, and the usage of every key."""

    def __init__(self) -> None:
        self._places: dict[Task, _Place] = {}
        # by executor, claims and, if its runs take turns, the task
        self._lanes: dict[tuple[str, tuple[Claim, ...], str | None], Lane] = {}
        self._left: set[FairLane] = set()  # lanes in which runs may move up
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
        if place.lane is not None and place.fair_by is None:
            return place.lane
        args, kwargs = run.args, run.kwargs
        if run.needy:
            args, kwargs = with_results(args), with_results(dict(kwargs))
        lane = place.lane
        if lane is None:
            assert place.keys is not None
            values = place.keys.values(args, kwargs)
            lane = place.lanes.get(values)
            if lane is None:
                claims = place.keys.claims(args, kwargs)
                lane = place.lanes[values] = self._lane(run.task, claims)
        if place.fair_by is not None:
            extra = run.extra = run.extra or Extra()
            extra.fair = place.fair_by.fill(args, kwargs)
        return lane

    def watch(self, run: Run) -> None:
        """Begin to note who holds and who waits for the keys of a run that may be refused."""
        lane: Lane = run.lane
        lane.watched = lane.known = True
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
                for known in other.runs():
                    usage.line[known] = None
                for known in other.running:
                    usage.holders[known] = cost_of(known, usage)

    def _place(self, task: Task) -> _Place:
        fair_by = None if task.fair_by is None else Template(task.fair_by, task, "fair_by")
        if not task.limits:
            return _Place(None, self._lane(task, ()), fair_by)
        keys = Keys(task)
        lane = None if keys.fixed is None else self._lane(task, keys.fixed)
        return _Place(keys, lane, fair_by)

    def _lane(self, task: Task, claims: tuple[Claim, ...]) -> Lane:
        executor = task.executor
        self.serve(executor)
        if not task.keyed:
            return self._free[executor]
        owner = None if task.fair_by is None else task.name
        lane = self._lanes.get((executor, claims, owner))
        if lane is None:
            usages = tuple(self._usage(claim) for claim in claims)
            kind = Lane if owner is None else FairLane
            lane = kind(executor, claims, usages, len(self._lanes) + 1)
            self._lanes[executor, claims, owner] = lane
        return lane

    def _usage(self, claim: Claim) -> Usage:
        usage = self._usages.get((claim.key, claim.per))
        if usage is None:
            usage = self._usages[claim.key, claim.per] = Usage(claim.key, claim.per)
        return usage

    def usages(self) -> list[Usage]:
        """Every key there is, in the order of their names."""
        return [self._usages[key] for key in sorted(self._usages, key=lambda k: (k[0], k[1] or 0))]

    def waiting_for(self, usage: Usage) -> list[Run]:
        """The pending runs of all lanes parked on a key."""
        lanes = [lane for lane in self._lanes.values() if lane.parked is usage]
        runs = [run for lane in lanes for run in lane.runs()]
        return sorted(runs, key=lambda run: (rank(run), -run.path, run.id))

    def enter(self, run: Run) -> None:
        """Put a run that has become pending into its lane."""
        lane: Lane = run.lane
        if isinstance(lane, FairLane):
            if self._left:
                self._move_up()
            lane.enter(run)
        self.push(run)

    def push(self, run: Run) -> None:
        """Put a pending run into its place in its lane."""
        lane: Lane = run.lane
        entry = (rank(run), -run.path, run.id, lane, run)
        lane.push(entry)
        if not lane.number:
            return
        if lane.watched:
            for _, usage in lane.pairs:
                if usage.watched:
                    usage.line[run] = None
        posted = lane.posted
        if lane.fair:
            first = lane.first()
            if first is posted or first is None:
                return
            entry, posted = first, None
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
        if self._left:
            self._move_up()
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
            if like is not None and not alike(line, like):
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
        elif run.state is not PENDING or run.lane is not lane:  # went away while it waited
            if self._advance(lane, ready) is None:
                self._pass_on_wake(lane)
        elif (usage := self._blocked(lane, entry)) is not None:
            heappop(ready)
            self._park(lane, usage, entry)
            return False
        else:
            run.state = RUNNING  # first, because its path may have grown: it has older entries
            self._advance(lane, ready)
            taken.append(run)
            lane.woken_by = None
            lane.running[run] = None
            if lane.fair:
                lane.start(run)
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
        entry = lane.posted = lane.first_waiting()
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
            elif run.state is not PENDING or run.lane is not lane:
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
        lane.running.pop(run, None)
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

    def leave(self, run: Run, lane: Lane | None) -> None:
        """Forget a run that is pending in a lane no more and has not been taken."""
        if lane is None:
            return
        if lane.watched:
            for _, usage in lane.pairs:
                usage.line.pop(run, None)
        if isinstance(lane, FairLane):
            lane.leave(run)
            self._left.add(lane)
        if lane.posted is None or lane.posted[4] is not run:
            return
        if lane.parked is not None or lane.fair:  # else the next one is not before it
            entry = lane.posted = lane.first_waiting()
            if entry is not None:
                heap = self._ready[lane.executor] if lane.parked is None else lane.parked.parked
                heappush(heap, entry)
            else:
                lane.parked = None  # nobody stands here any more to be woken
                self._pass_on_wake(lane)

    def _move_up(self) -> None:
        lanes = sorted(self._left)
        self._left = set()
        for lane in lanes:
            for run in lane.move_up():
                self.push(run)

    def adapt(self, attempt: Attempt, full: dict[Usage, bool]) -> list[Usage]:
        """Let the end of an attempt change the size of its adaptive keys, before its units are
        given back; return the keys that have grown.

        ``full`` keeps which keys were full before the first of the ends recorded together.
        """
        grown = []
        for claim, usage in attempt.run.lane.pairs:
            if claim.lo is not None:
                before = usage.level or claim.lo
                if usage not in full:
                    full[usage] = is_full(claim, usage)
                level: Level = adapted(usage, claim, attempt, full[usage])
                usage.level, usage.streak, usage.usual, usage.cut = level
                if (level.level or claim.lo) > before:
                    grown.append(usage)
        return grown

    def wake(self, usage: Usage) -> None:
        """Wake the best lane parked on a key if there is room for its first run."""
        if self._left:
            self._move_up()
        if not self._is_waiting(usage):
            return
        entry: Entry = usage.parked[0]
        lane = entry[3]
        claim = next(claim for claim, key in lane.pairs if key is usage)
        if usage.held + claim.cost > claim.n or not has_room(claim, usage):
            return
        heappop(usage.parked)
        lane.parked, lane.woken_by = None, usage
        heappush(self._ready[lane.executor], entry)
