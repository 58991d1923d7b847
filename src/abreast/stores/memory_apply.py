"""How the memory store carries out what the rules decide: changes, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf

from ..domain import decide, flows
from ..domain.keys import Template
from ..domain.limits import Then, Usage, at_the_door
from ..domain.model import Change, Extra, Flow, PastAttempt, Run, Task
from ..domain.states import (
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    PENDING,
    RUNNING,
    SCHEDULED,
    Reason,
)
from .agenda import Agenda
from .lanes import Lanes


class Return:
    """A unit of a rate that will come back."""

    __slots__ = ("cost", "run", "usage")

    def __init__(self, run: Run, usage: Usage, cost: float) -> None:
        self.run = run
        self.usage = usage
        self.cost = cost  # 0 once it has come back otherwise


class Applying:
    """The part of the memory store that writes into runs."""

    @property
    def crowded(self) -> bool:
        """Nobody else has it."""
        return False

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.unfinished = 0  # runs that have not ended
        self.running = 0
        self.next_at = inf  # when due() has something to do
        self.telling = False  # whether changes are wanted that nothing but listeners needs
        self.to_stop: list[Run] = []  # running ones that were asked to end since last looked
        self.aside: list[Change] = []  # changes that a claim brought about, told with the next
        self._jitter = jitter
        self._lanes = Lanes()
        self._last_id = 0
        self._known: dict[str, Run] = {}  # the last run of each key of Unique
        self._forget_at = 1024  # how many known runs make a look at them worth while
        self._joined = False  # whether a run has ever joined a known one
        self._templates: dict[Task, Template] = {}  # of their keys
        self._ending: list[Flow] = []  # those whose last child has ended
        self._starts = Agenda[Run](lambda at, run: run.state is SCHEDULED and run.due == at)
        self._walls = Agenda[Run](lambda at, run: decide.wall(run) == at)
        self._returns = Agenda[Return](lambda at, entry: entry.cost > 0)
        self._armed: dict[Run, list[Return]] = {}  # of running attempts, in case they never begin

    def _apply(self, change: Change, changes: list[Change]) -> bool:
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

    def _forget_known(self, run: Run) -> None:
        """Let go of a run that has ended and that its key no longer stands for."""
        unique, key = run.task.unique, run.extra.unique if run.extra is not None else None
        if unique is None or key is None or not isinstance(unique.until, str):
            return
        if self._known.get(key) is run:
            del self._known[key]

    def _remember(self, change: Change) -> None:
        run = change.run
        assert run.started is not None
        if run.history is None:
            run.history = []
        run.history.append(PastAttempt(run.started, change.at, change.reason, change.error))

    def _cancel(
        self, runs: Iterable[Run], reason: Reason, now: float, changes: list[Change]
    ) -> None:
        ended = []
        wanted = list(runs)
        for run in wanted:  # grows while it is read
            flow = flows.of(run)
            if flow is not None:  # its children go, and it with the last of them
                if run.state not in ENDED and run.asked is None:
                    run.asked = reason
                    wanted += flow.unended()
                continue
            change = decide.cancel(run, reason, now)
            if change is not None:
                self._apply(change, changes)
                ended.append(run)
            elif run.state is RUNNING and run.asked is None:
                run.asked = reason
                self.to_stop.append(run)
        # Only now: what was cancelled together carries the same reason, whatever came after what.
        self._follow(ended, now, changes)

    def _follow(self, runs: list[Run], now: float, changes: list[Change]) -> None:
        """Carry out what follows from the states these runs have just reached."""
        while runs:
            run = runs.pop()
            state = run.state
            if state is PENDING:
                self._join(run, now)
            elif state is SCHEDULED:
                self._schedule(run)
            elif state in ENDED:
                if run.children is not None:
                    self._release(run, now, runs, changes)
                flow = run.flow
                if state is FAILED and flow is not None and flow.fail_fast:
                    flow.failed = True
                    self._cancel(flow.unended(), Reason.FAIL_FAST, now, changes)

    def _release(self, run: Run, now: float, moved: list[Run], changes: list[Change]) -> None:
        completed = run.state is COMPLETED
        children, run.children = run.children or (), None
        for child in children:
            if completed or (child.extra is not None and decide.is_soft(child, run)):
                child.missing -= 1
                if child.missing > 0:
                    continue
            change = decide.release(child, run, now)
            if change is None:
                continue
            if change.target is PENDING and not child.task.keyed:
                self._apply(change, changes)
                self._join(child, now)
            elif self._enter(change, now, moved, changes):
                moved.append(child)

    def _enter(
        self,
        change: Change,
        now: float,
        moved: list[Run],
        changes: list[Change],
        refuse: bool = False,
    ) -> bool:
        """Apply the change that makes a run pending for the first time, if its limits allow."""
        run = change.run
        if change.target is PENDING and run.task.keyed and (run.task.bounded or run.lane is None):
            change = self._at_the_door(change, now, moved, changes, refuse)
        return self._apply(change, changes)

    def _at_the_door(
        self, change: Change, now: float, moved: list[Run], changes: list[Change], refuse: bool
    ) -> Change:
        run = change.run
        try:
            run.lane = run.lane or self._lanes.lane_of(run)
        except Exception as error:  # a callable or an argument of the user's
            return decide.broken(run, error, now)
        if not run.task.bounded:
            return change
        if not run.lane.known:
            self._lanes.watch(run)
        verdict = at_the_door(run.lane.pairs)
        usage = verdict.usage
        if usage is None:
            return change
        holder = usage.holder()
        if verdict.then is Then.FAIL and refuse:
            raise decide.busy(run, usage.key, holder)
        if verdict.then >= Then.SKIP:
            return decide.skip_at_limit(run, usage.key, holder, now)
        for other in verdict.out:
            if self._apply(decide.skip_at_limit(other, usage.key, run, now), changes):
                moved.append(other)
        self._cancel(verdict.stop, Reason.LIMIT, now, changes)
        return change

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

    # -- times ------------------------------------------------------------------------------

    def _schedule(self, run: Run) -> None:
        assert run.due is not None
        self._starts.add(run.due, run, run.id)
        self.next_at = min(self.next_at, run.due)

    def _watch_wall(self, run: Run) -> None:
        at = decide.wall(run)
        if at is not None:
            self._walls.add(at, run, run.id)
            self.next_at = min(self.next_at, at)

    def _look_ahead(self) -> None:
        self.next_at = min(self._starts.next_at(), self._walls.next_at(), self._returns.next_at())

    # -- flows as runs ----------------------------------------------------------------------

    def _child_started(self, run: Run, now: float) -> None:
        """Let the flows above a run that has just started know."""
        child: Run | None = run
        while child is not None:
            flow = flows.above(child)
            child = None if flow is None else self._begin_flow(flow, child, now, self.aside)

    def _begin_flow(
        self, flow: Flow, child: Run | None, now: float, changes: list[Change]
    ) -> Run | None:
        """Make the record of a flow running; return it if it has just become so."""
        change = flows.started(flow, child, now)
        if change is None:
            return None
        run = change.run
        run.state, run.attempt, run.started = RUNNING, change.attempt, now
        changes.append(change)
        return run

    def _end_flows(self, now: float, changes: list[Change]) -> None:
        """End the records of flows whose last child has ended, and carry out what follows."""
        while self._ending:
            flow = self._ending.pop(0)
            cancelled = 0
            if flow.bad == flow.total:
                cancelled = sum(run.state is CANCELLED for run in flow.runs)
            change = flows.ended(flow, cancelled, now)
            if change is not None and self._apply(change, changes):
                self._follow([change.run], now, changes)
