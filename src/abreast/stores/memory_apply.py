"""How the memory store writes: changes into live objects, and what has to be found again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf

from ..domain import decide, flows, unique
from ..domain.limits import Claim, Usage, cost_of
from ..domain.model import Change, Extra, Run
from ..domain.states import COMPLETED, ENDED, PENDING, RUNNING, SCHEDULED
from .agenda import Agenda
from .lanes import Lanes
from .lines import Lane
from .meeting import Meeting


class Return:
    """A unit of a rate that will come back."""

    __slots__ = ("cost", "run", "usage")

    def __init__(self, run: Run, usage: Usage, cost: float) -> None:
        self.run = run
        self.usage = usage
        self.cost = cost  # 0 once it has come back otherwise


class Applying(Meeting):
    """The part of the memory store that writes into runs."""

    @property
    def crowded(self) -> bool:
        """Nobody else has it."""
        return False

    def __init__(self, jitter: Callable[[], float]) -> None:
        super().__init__(jitter)
        self.next_at = inf  # when due() has something to do
        self._lanes = Lanes()
        self._last_id = 0
        self._known: dict[str, Run] = {}  # the last run of each key of Unique
        self._forget_at = 1024  # how many known runs make a look at them worth while
        self._joined = False  # whether a run has ever joined a known one
        self._starts = Agenda[Run](lambda at, run: run.state is SCHEDULED and run.due == at)
        self._walls = Agenda[Run](lambda at, run: decide.wall(run) == at)
        self._returns = Agenda[Return](lambda at, entry: entry.cost > 0)
        self._armed: dict[Run, list[Return]] = {}  # of running attempts, in case they never begin

    def apply(self, change: Change, changes: list[Change]) -> bool:
        """Write one change into its run, unless the run has moved on since (compare-and-set)."""
        run, source, target = change.run, change.source, change.target
        if run.state is not source or run.attempt != change.attempt or source in ENDED:
            return False
        run.state = target
        if source is PENDING:
            self._lanes.leave(run, run.lane)
        if source is RUNNING and (run.extra is None or run.extra.flow is None):
            self.running -= 1
        if target in ENDED:
            self.unfinished -= 1
            run.ended = change.at
            if target is COMPLETED:
                run.value = change.value
            else:
                run.reason = change.reason
                run.error = change.error
                run.trace = change.trace
        else:
            run.due = change.due
            if source is RUNNING:
                self._remember(change)
        if change.crashes:
            run.crashes = change.crashes
        elif change.backoffs:
            run.extra = run.extra or Extra()
            run.extra.backoffs = change.backoffs
        changes.append(change)
        if run.extra is not None:
            self._applied_rarely(change)
        elif source is SCHEDULED:
            self._look_ahead()
        return True

    def _applied_rarely(self, change: Change) -> None:
        """What the change of a run means that has walls, a known key or a flow above it."""
        run = change.run
        if change.target not in ENDED:
            self._watch_wall(run)
        else:
            flow = flows.above(run)
            if flow is not None and flows.counted(flow, run):
                self._ending.append(flow)
            self._forget_known(run)
        self._look_ahead()

    def _release(self, run: Run, now: float, moved: list[Run], changes: list[Change]) -> None:
        if run.children is None:
            return
        completed = run.state is COMPLETED
        children, run.children = run.children, None
        for child in children:
            if completed or (child.extra is not None and decide.is_soft(child, run)):
                child.missing -= 1
                if child.missing > 0:
                    continue
            change = decide.release(child, run, now)
            if change is None:
                continue
            if change.target is PENDING and not child.task.keyed:
                self.apply(change, changes)
                self._join(child, now)
            elif self._enter(change, now, moved, changes):
                moved.append(child)

    def _join(self, run: Run, now: float) -> None:
        """Put a pending run into the line in which it waits for a slot and its limits."""
        if run.after or run.attempt:
            run.ready = now
        if run.lane is None:
            run.lane = self._lanes.lane_of(run)
        if run.task.fair_by is None:
            self._lanes.push(run)
        else:
            self._lanes.enter(run)

    def _lane_of(self, run: Run) -> Lane:
        return self._lanes.lane_of(run)

    def _leave(self, run: Run, lane: Lane | None) -> None:
        self._lanes.leave(run, lane)

    def _line_up(self, run: Run) -> None:
        self._lanes.enter(run)

    def _at_the_door(self, run: Run) -> Sequence[tuple[Claim, Usage]]:
        lane: Lane = run.lane
        if not lane.known:
            self._lanes.watch(run)
        return lane.pairs

    def _stuck(self, abandoned: list[Run]) -> Iterator[tuple[Run, Usage, Run]]:
        for usage in self._lanes.usages():
            holders = [run for run in abandoned if cost_of(run, usage)]
            if holders and sum(cost_of(run, usage) for run in holders) >= usage.held:
                for run in self._lanes.waiting_for(usage):
                    yield run, usage, holders[0]

    # -- units of rates -----------------------------------------------------------------------

    def _arm_returns(self, run: Run, now: float) -> None:
        armed = []
        for claim, usage in run.lane.pairs:
            if claim.per is not None:
                entry = Return(run, usage, claim.cost)
                armed.append(entry)
                self._returns.add(now + claim.per, entry)
                self.next_at = min(self.next_at, now + claim.per)
        self._armed[run] = armed

    def _return(self, entry: Return) -> None:
        self._lanes.return_unit(entry.usage, entry.cost, entry.run)
        entry.cost = 0.0

    # -- new runs and known ones --------------------------------------------------------------

    def keep(self, run: Run) -> None:
        """Note that a run is one of the store's."""
        if run.id > self._last_id:
            self._last_id = run.id
        elif not run.id:
            run.id = self._last_id = self._last_id + 1
        self.unfinished += 1
        if run.flow is not None:
            run.flow.runs.append(run)

    def drop(self, run: Run) -> None:
        """Forget a new run that was refused at the door."""
        self.unfinished -= 1
        if run.flow is not None:
            run.flow.runs.remove(run)
        key = None if run.extra is None else run.extra.unique
        if key is not None and self._known.get(key) is run:
            del self._known[key]
        self._uncount(run)

    def _known_as(self, key: str) -> Run | None:
        return self._known.get(key)

    def _know_as(self, key: str, run: Run) -> None:
        self._known[key] = run
        if len(self._known) >= self._forget_at:
            self._forget_old(run.created)

    def _join_known(self, run: Run, known: Run) -> None:
        self._joined = True
        super()._join_known(run, known)

    def _forget_old(self, at: float) -> None:
        """Let go of runs that no submit would find any more, so that memory follows the rest."""
        self._known = {
            key: run
            for key, run in self._known.items()
            if run.task.unique is not None and unique.is_known(run.task.unique, run, at)
        }
        self._forget_at = max(1024, 2 * len(self._known))

    def _forget_known(self, run: Run) -> None:
        """Let go of a run that has ended and that its key no longer stands for."""
        key = None if run.extra is None else run.extra.unique
        rule = run.task.unique
        if rule is None or key is None or not isinstance(rule.until, str):
            return
        if self._known.get(key) is run:
            del self._known[key]

    # -- times ------------------------------------------------------------------------------

    def _schedule(self, run: Run) -> None:
        assert run.due is not None
        self._starts.add(run.due, run, run.id)
        self.next_at = min(self.next_at, run.due)

    def _rescheduled(self, run: Run) -> None:
        self._schedule(run)
        self._look_ahead()

    def _watch_wall(self, run: Run) -> None:
        at = decide.wall(run)
        if at is not None:
            self._walls.add(at, run, run.id)
            self.next_at = min(self.next_at, at)

    def _look_ahead(self) -> None:
        self.next_at = min(self._starts.next_at(), self._walls.next_at(), self._returns.next_at())
