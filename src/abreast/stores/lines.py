"""Lines of pending runs: in the order of their rank, or in rounds of their ``fair_by`` values."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush

from ..domain import fair
from ..domain.limits import Claim, Usage
from ..domain.model import Run
from ..domain.states import PENDING, RUNNING

# (rank, -path, id, lane, run): smaller starts first; the id makes every entry unique
Entry = tuple[float, float, int, "Lane", Run]


Key = tuple[str, float, float]  # executor, rank, -path


def alike(line: Lane | list[Entry], like: Key) -> bool:
    """Whether the first run of a line, or of a heap of lines, is like another one, or gone."""
    entry = line.first() if isinstance(line, Lane) else line[0]
    if entry is None:
        return False
    lane, run = entry[3], entry[4]
    posted = not lane.number or lane.posted is entry
    if run.state is not PENDING or run.lane is not lane or not posted:
        return True
    return (lane.executor, entry[0], entry[1]) == like


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
        return waiting_in(sorted([*self._fifo, *self._heap]))

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


def waiting_in(entries: list[Entry]) -> list[Run]:
    """The runs of these entries that still wait there, each once."""
    return list(
        dict.fromkeys(
            run for _, _, _, lane, run in entries if run.state is PENDING and run.lane is lane
        )
    )


class Lane(Line):
    """Pending runs of one executor that make the same claims, in starting order."""

    __slots__ = ("claims", "executor", "known", "number", "pairs", "parked", "posted", "running",
                 "watched", "woken_by")  # fmt: skip

    fair = False

    def __init__(
        self, executor: str, claims: tuple[Claim, ...], usages: tuple[Usage, ...], number: int = 0
    ) -> None:
        super().__init__()
        self.number = number
        self.executor = executor
        self.claims = claims
        self.pairs = tuple(zip(claims, usages, strict=True))
        self.watched = any(usage.watched for usage in usages)  # whether one of its keys is
        self.known = False  # whether all of them are
        self.posted: Entry | None = None  # the entry that stands for this lane in a heap
        self.parked: Usage | None = None
        self.woken_by: Usage | None = None
        self.running: dict[Run, None] = {}  # those that hold its units

    def first_waiting(self) -> Entry | None:
        """Drop entries of runs that went away; return the first of the others, or None."""
        while (entry := self.first()) is not None:
            if entry[4].state is PENDING and entry[4].lane is self:
                return entry
            self.pop()
        return None

    def start(self, run: Run) -> None:
        """Note that a run has been taken, in a lane that is fair."""

    def __lt__(self, other: Lane) -> bool:
        # only asked when a run has moved from one lane to another and old entries are left
        return self.number < other.number


class FairLane(Lane):
    """A lane whose runs start in turns of the values of ``fair_by``."""

    __slots__ = ("_given", "_left", "_queue", "_sweep_at", "_waiting", "turn")

    fair = True

    def __init__(
        self, executor: str, claims: tuple[Claim, ...], usages: tuple[Usage, ...], number: int = 0
    ) -> None:
        super().__init__(executor, claims, usages, number)
        self.turn = 0  # the highest that has started
        self._queue: list[tuple[int, Entry]] = []
        self._given: dict[str, int] = {}  # the last turn of every value, unless that is long over
        self._sweep_at = 64
        self._waiting: dict[str, dict[Run, None]] = {}
        self._left: dict[str, list[int]] = {}  # turns of those that went away without a start

    def __bool__(self) -> bool:
        return bool(self._queue)

    def enter(self, run: Run) -> None:
        """Give a run its turn."""
        extra = run.extra
        assert extra is not None
        assert extra.fair is not None
        extra.turn = fair.next_turn(self.turn, self._given.get(extra.fair, 0))
        self._given[extra.fair] = extra.turn

    def push(self, entry: Entry) -> None:
        extra = entry[4].extra
        assert extra is not None
        assert extra.fair is not None
        self._waiting.setdefault(extra.fair, {})[entry[4]] = None
        heappush(self._queue, (extra.turn, entry))

    def first(self) -> Entry | None:
        """Return the entry that is first, or None; entries that are no longer true are dropped."""
        queue = self._queue
        while queue:
            turn, entry = queue[0]
            run = entry[4]
            if run.state is PENDING and run.lane is self and run.extra.turn == turn:  # type: ignore[union-attr]
                return entry
            heappop(queue)
        return None

    def pop(self) -> Entry:
        return heappop(self._queue)[1]

    def runs(self) -> list[Run]:
        return waiting_in([entry for _, entry in sorted(self._queue)])

    def start(self, run: Run) -> None:
        """Note that a run has been taken."""
        extra = run.extra
        assert extra is not None
        assert extra.fair is not None
        self.turn = max(self.turn, extra.turn)
        self._forget(run, extra.fair)
        if len(self._given) >= self._sweep_at:  # values that have fallen behind begin anew
            self._given = {key: turn for key, turn in self._given.items() if turn >= self.turn}
            self._sweep_at = max(64, 2 * len(self._given))

    def leave(self, run: Run) -> None:
        """Note that a waiting run goes away without having been taken."""
        extra = run.extra
        if extra is not None and extra.fair is not None and self._forget(run, extra.fair):
            self._left.setdefault(extra.fair, []).append(extra.turn)

    def _forget(self, run: Run, value: str) -> bool:
        waiting = self._waiting.get(value, {})
        if run not in waiting:
            return False
        del waiting[run]
        if not waiting:
            del self._waiting[value]
        return True

    def move_up(self) -> list[Run]:
        """Let those behind the ones that went away move up; return them, to be pushed again."""
        moved = []
        for value, left in self._left.items():
            left.sort()
            for run in self._waiting.get(value, ()):
                assert run.extra is not None
                turn = fair.moved_up(run.extra.turn, left)
                if turn != run.extra.turn:
                    run.extra.turn = turn
                    moved.append(run)
            if value in self._given:
                self._given[value] = fair.given_after(self._given[value], left)
        self._left = {}
        return moved
