"""Lanes and keys as rows: the same steps as in :mod:`abreast.stores.lanes`, which explains them.

What was read or written stays in memory for as long as no other process has written; what changed
is written at the end of the turn. A lane belongs to one task, so that a worker passes over the
lanes of tasks it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

from ..domain.decide import rank
from ..domain.limits import blocked_on, has_room
from ..domain.model import Run
from .sql_known import LAST, Entry, Place, SqlKey, SqlLane, claims_of
from .sql_turns import Turns

if TYPE_CHECKING:
    from .sql_rows import Rows

_FIRST = """SELECT lane, rank, path, id FROM runs WHERE id IN (
    SELECT (SELECT id FROM runs WHERE lane=asked.value AND state=2
            ORDER BY turn, rank, path, id LIMIT 1)
    FROM json_each(?) AS asked)"""
_PAGE = 256  # lanes read at once
_OLD = 32  # entries of one lane that are looked through for those of others


class SqlLanes(Turns):
    """All lanes and keys a process has met.

    Parameters
    ----------
    rows : Rows
        For what needs the runs themselves.
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self.served: dict[str, None] = {}  # executors
        self.only: frozenset[str] | None = None  # names of the tasks that are claimed
        self._picked: set[SqlLane] = set()  # whose first run is about to start
        self._bounds: dict[str, Place] = {}  # awake lanes behind these places were not read

    # -- what is known ----------------------------------------------------------------------

    def serve(self, executor: str) -> None:
        """Get ready for runs of an executor."""
        self.served[executor] = None

    # -- lines ------------------------------------------------------------------------------

    def push(self, run: Run) -> None:
        """Note that a run, whose row says so, waits in its lane."""
        lane = self.fresh(run.lane)
        self.put(lane, (rank(run), -run.path, run.id))

    def put(self, lane: SqlLane, place: Place) -> None:
        """Note that a run waits at a place of a fresh lane."""
        if lane.fair:  # the first is who has the earliest turn, whatever its place
            place = self.first_of(lane) or place
        if lane.place is None or place < lane.place or (lane.fair and place != lane.place):
            lane.place = place
            self._post(lane)
        self.more = True

    def _post(self, lane: SqlLane) -> None:
        self.dirty_lanes[lane] = None
        if lane.place is None:
            return
        entry = (*lane.place, lane)
        if lane.parked is not None:
            if lane.parked.lines == self._generation:
                heappush(lane.parked.parked, entry)
        elif lane.executor in self._ready:
            heappush(self._ready[lane.executor], entry)

    def left(self, run: Run, lane: SqlLane, had_turn: bool = True) -> None:
        """A pending run ends, or goes, without having started. Its record has been changed.

        ``had_turn``: it has stood in the line already.
        """
        self.fresh(lane)
        extra = run.extra
        if lane.fair and had_turn and extra is not None and extra.fair is not None:
            self._left.setdefault((lane, extra.fair), []).append(extra.turn)
        if lane.place is not None and lane.place[2] == run.id:
            lane.place = self.first_of(lane)
            if lane.place is None:
                lane.parked = None  # nobody stands here any more to be woken
            self._post(lane)
            if lane.place is None:
                self._pass_on_wake(lane)

    def first_of(self, lane: SqlLane) -> Place | None:
        """The place of the first run in line."""
        self.rows.flush()
        found: Place | None = self.db.execute(
            "SELECT rank, path, id FROM runs WHERE lane=? AND state=2 "
            "ORDER BY turn, rank, path, id LIMIT 1",
            (lane.id,),
        ).fetchone()
        return found

    # -- the next to start ------------------------------------------------------------------

    def next(self, executors: tuple[str, ...], stop: Callable[[Entry], bool]) -> Entry | None:
        """Return the first awake lane of these executors that is not blocked; the blocked ones
        before it are parked. None: there is none, or ``stop`` says so of the one that is first."""
        if self._left:
            self.move_up()
        while True:
            heap = self._first_heap(executors)
            if heap is None:
                return None
            entry = heap[0]
            if stop(entry):
                return None
            lane = entry[3]
            usage = self._blocked(lane)
            if usage is None:
                return entry
            heappop(heap)
            lane.parked = usage
            self._post(lane)
            self._pass_on_wake(lane)
            if stop(_BLOCKED):
                return None

    def _first_heap(self, executors: tuple[str, ...]) -> list[Entry] | None:
        best: list[Entry] | None = None
        for name in executors:
            heap = self._ready.get(name)
            if heap is None:
                heap = self._load_ready(name)
            while True:
                while heap and self._is_old(heap[0]):
                    heappop(heap)
                bound = self._bounds[name]
                if bound is LAST or (heap and heap[0][:3] <= bound):
                    break
                heap = self._load_ready(name)  # there are more, and they may come first
            if heap and (best is None or heap[0] < best[0]):
                best = heap
        return best

    def _is_old(self, entry: Entry) -> bool:
        """Whether an entry of a ready heap is not, or not for now, true any more."""
        lane = entry[3]
        return lane.parked is not None or lane.place != entry[:3] or lane in self._picked

    def _load_ready(self, executor: str) -> list[Entry]:
        """Read the first awake lanes of an executor."""
        self.flush()
        heap: list[Entry] = []
        numbers = [
            number
            for number, name, found in self._tasks_here()
            if found == executor and (self.only is None or name in self.only)
        ]
        rows = self.db.execute(
            "SELECT id, task, claims, parked, woken, turn, h_rank, h_path, h_id FROM lanes "
            "WHERE parked IS NULL AND h_id IS NOT NULL "
            f"AND task IN ({','.join(map(str, numbers))}) "
            f"ORDER BY h_rank, h_path, h_id LIMIT {_PAGE}"
        ).fetchall()
        for row in rows:
            lane = self._lanes.get(row[0]) or self._known(row[0], row[1], claims_of(row[2]))
            if lane.seen != self._generation:
                self._fill(lane, row[3:])
            if lane.place is not None and lane not in self._picked:
                heap.append((*lane.place, lane))  # sorted, and so a heap
        self._bounds[executor] = tuple(rows[-1][6:9]) if len(rows) == _PAGE else LAST
        self._ready[executor] = heap
        return heap

    def _tasks_here(self) -> Iterable[tuple[int, str, str]]:
        self.rows.load_tasks()
        for number, name in self.rows.task_names().items():
            task = self.rows.task_named(number)
            if task is not None and task.executor in self.served:
                yield number, name, task.executor

    def _blocked(self, lane: SqlLane) -> SqlKey | None:
        if not lane.claims:
            return None
        pairs = self.pairs(lane)
        usage = blocked_on(pairs)
        if usage is not None:
            return usage  # type: ignore[return-value]
        for _, key in pairs:
            # Who came first is served first, also when a later run would fit into what is left.
            first = self.first_parked(key)
            if first is not None and lane.place is not None and first[:3] < lane.place:
                return key
        return None

    def bound_for(self, lane: SqlLane, executors: tuple[str, ...]) -> Place:
        """Up to which place runs of the first lane start before anything else does."""
        bound = min(self._bounds.get(name, LAST) for name in executors)
        assert lane.place is not None
        for name in executors:
            heap = self._ready.get(name, ())
            at = [0]
            for index in at:  # grows while it is read
                if index >= len(heap):
                    continue
                if heap[index][3] is not lane:
                    bound = min(bound, heap[index][:3])
                elif index < _OLD:  # its own, perhaps an old one: others are below
                    at += (2 * index + 1, 2 * index + 2)
                else:
                    bound = min(bound, lane.place)  # too many old ones: one at a time
        for _, key in lane.pairs:
            first = self.first_parked(key)
            if first is not None:
                bound = min(bound, first[:3])
        return bound

    def set_aside(self, lane: SqlLane) -> None:
        """Pass over an awake lane until :meth:`put_back`."""
        heappop(self._ready[lane.executor])

    def put_back(self, lane: SqlLane) -> None:
        """Undo :meth:`set_aside`."""
        if lane.executor in self._ready and lane.place is not None and lane.parked is None:
            heappush(self._ready[lane.executor], (*lane.place, lane))

    def moved_forward(self, run: Run) -> None:
        """A waiting run, whose record has been changed, has a longer path than it had."""
        lane = self.fresh(run.lane)
        first = self.first_of(lane)
        if first != lane.place:
            lane.place = first
            self._post(lane)

    def took(self, lane: SqlLane, count: int, turn: int) -> None:
        """The first runs of a lane have started: count their units, find who is first now."""
        lane.turn = max(lane.turn, turn)
        lane.place = self.first_of(lane)
        lane.woken_by = None
        self._post(lane)
        for claim, key in lane.pairs:
            key.held += claim.cost * count
            self.dirty_keys[key] = None
        for _, key in lane.pairs:
            self.wake(key)

    def pick(self, lane: SqlLane) -> None:
        """Count the units of the first run of an awake lane, which is going to start.

        The lane stands aside until :meth:`find_first` has found who is first then.
        """
        heappop(self._ready[lane.executor])
        self._picked.add(lane)
        lane.woken_by = None
        for claim, key in lane.pairs:
            key.held += claim.cost
            self.dirty_keys[key] = None
        for _, key in lane.pairs:
            self.wake(key)

    def find_first(self, lanes: list[SqlLane]) -> None:
        """Find who is first in lanes whose first run has started."""
        places = {
            row[0]: row[1:]
            for row in self.db.execute(_FIRST, (str([lane.id for lane in lanes]),)).fetchall()
        }
        self._picked.clear()
        for lane in lanes:
            lane.place = places.get(lane.id)
            self._post(lane)

    # -- parked lanes -----------------------------------------------------------------------

    def first_parked(self, key: SqlKey) -> Entry | None:
        """The first lane that waits for a key, or None."""
        if key.lines != self._generation:
            self._load_parked(key)
        heap: list[Entry] = key.parked
        while heap and (heap[0][3].parked is not key or heap[0][3].place != heap[0][:3]):
            heappop(heap)
        if (heap[0][:3] if heap else LAST) > key.bound:
            self._load_parked(key)
            return self.first_parked(key)
        return heap[0] if heap else None

    def _load_parked(self, key: SqlKey) -> None:
        self.flush()
        rows = self.db.execute(
            "SELECT id, parked, woken, turn, h_rank, h_path, h_id FROM lanes "
            f"WHERE parked=? AND h_id IS NOT NULL ORDER BY h_rank, h_path, h_id LIMIT {_PAGE}",
            (key.id,),
        ).fetchall()
        heap: list[Entry] = []
        for row in rows:
            lane = self.by_id(row[0])
            if lane.seen != self._generation:
                self._fill(lane, row[1:])
            heap.append((*row[4:7], lane))
        key.parked = heap
        key.lines = self._generation
        key.bound = tuple(rows[-1][4:7]) if len(rows) == _PAGE else LAST

    def wake(self, key: SqlKey) -> None:
        """Wake the best lane parked on a key if there is room for its first run."""
        entry = self.first_parked(key)
        if entry is None:
            return
        lane = entry[3]
        claim = next(claim for claim, other in lane.pairs if other is key)
        if not has_room(claim, self.fresh_key(key)):
            return
        heappop(key.parked)
        lane.parked, lane.woken_by = None, key
        self._post(lane)
        self.more = True

    def _pass_on_wake(self, lane: SqlLane) -> None:
        woken_by, lane.woken_by = lane.woken_by, None
        if woken_by is not None:
            self.dirty_lanes[lane] = None
            self.wake(woken_by)

    def give_back(self, run: Run) -> None:
        """Return the units a run held until its end; those of rates return by their time."""
        for claim, key in self.pairs(run.lane):
            if claim.per is None:
                self.return_units(key, claim.cost)

    def return_units(self, key: SqlKey, cost: float) -> None:
        """Return units of a key."""
        self.fresh_key(key).held -= cost
        self.dirty_keys[key] = None
        self.wake(key)

    # -- writing ----------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what has changed, so that queries see it."""
        if self.dirty_lanes:
            lanes, self.dirty_lanes = self.dirty_lanes, {}
            self.db.executemany(
                "UPDATE lanes SET parked=?, woken=?, turn=?, h_rank=?, h_path=?, h_id=? WHERE id=?",
                [
                    (
                        None if lane.parked is None else lane.parked.id,
                        None if lane.woken_by is None else lane.woken_by.id,
                        lane.turn,
                        *(lane.place or (None, None, None)),
                        lane.id,
                    )
                    for lane in lanes
                ],
            )
        if self.dirty_keys:
            keys, self.dirty_keys = self.dirty_keys, {}
            self.db.executemany(
                "UPDATE keys SET held=?, level=?, streak=?, usual=?, cut=? WHERE id=?",
                [(key.held, key.level, key.streak, key.usual, key.cut, key.id) for key in keys],
            )


_BLOCKED: Entry = (inf, inf, 0, SqlLane(0, 0, ()))  # what ``stop`` is asked after a lane parked
