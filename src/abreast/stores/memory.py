"""The store of a script: live objects in memory, no rules of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from math import inf

from ..domain import decide, graph
from ..domain.limits import Then, Usage, at_the_door, blocked_on, cost_of
from ..domain.model import OK, Attempt, Change, PastAttempt, Progress, Run
from ..domain.states import (
    BLOCKED,
    COMPLETED,
    ENDED,
    FAILED,
    PENDING,
    RUNNING,
    SCHEDULED,
    Reason,
    State,
)
from ..errors import Busy
from .lanes import Lane, Lanes


class MemoryStore:
    """Runs of one process. Not thread-safe: the engine attends it with its lock held.

    Parameters
    ----------
    jitter : callable
        Returns a random number in [0, 1) that spreads retries.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.unfinished = 0  # runs that have not ended
        self.running = 0
        self.next_at = inf  # when due() has something to do
        self.telling = False  # whether changes are wanted that nothing but listeners needs
        self.to_stop: list[Run] = []  # running ones that were asked to end since last looked
        self._jitter = jitter
        self._lanes = Lanes()
        self._scheduled: list[tuple[float, int, Run]] = []
        self._returns: list[tuple[float, int, Run, _Return]] = []
        self._armed: dict[Run, list[_Return]] = {}  # of running attempts, in case they never begin
        self._returned = 0

    def serve(self, executor: str) -> None:
        """Get ready for runs of an executor, before the first is claimed."""
        self._lanes.serve(executor)

    # -- verbs ------------------------------------------------------------------------------

    def submit(self, runs: Sequence[Run], now: float) -> list[Change]:
        """Take in new runs, parents before children where both are new.

        Raises
        ------
        Busy
            When a limit with ``then="fail"`` refuses a run. Nothing of that run is kept; those
            before it in ``runs`` are.
        UsageError
            When the key of a limit cannot be made from a run's arguments. Nothing is kept.
        """
        changes: list[Change] = []
        linked = False
        for run in runs:
            if run.task.limits and not run.needy:
                try:
                    run.lane = self._lanes.lane_of(run)
                except Exception:  # a callable or an argument of the user's
                    if len(runs) == 1:
                        raise
            linked = linked or bool(run.after)
        if linked:
            graph.measure_paths(runs)
            if self.unfinished:
                for run in dict.fromkeys(graph.correct_ancestors(runs)):
                    if run.state is PENDING:  # its old entry is passed over once this one is used
                        self._lanes.push(run)
        alone = len(runs) == 1
        for run in runs:
            self.unfinished += 1
            if run.flow is not None:
                run.flow.runs.append(run)
            state = decide.first_state(run, now)
            if state is PENDING and not run.task.bounded and (run.lane or not run.task.limits):
                run.state = state
                self._join(run, now)
                if self.telling:
                    changes.append(decide.admit(run, state, now))
            else:
                self._enter_first(run, state, now, changes, alone)
        return changes

    def _enter_first(
        self, run: Run, state: State, now: float, changes: list[Change], alone: bool
    ) -> None:
        if state is BLOCKED:
            for parent in run.after:
                if parent.state not in ENDED:
                    if parent.children is None:
                        parent.children = [run]
                    else:
                        parent.children.append(run)
            return
        moved: list[Run] = []
        try:
            self._enter(decide.admit(run, state, now), now, moved, changes, refuse=alone)
        except Busy:
            self.unfinished -= 1
            if run.flow is not None:
                run.flow.runs.remove(run)
            raise
        moved.append(run)
        self._follow(moved, now, changes)

    def claim(
        self, executors: tuple[str, ...], slots: int, now: float, like: Run | None = None
    ) -> list[Run]:
        """Start up to ``slots`` pending runs of these executors and return them, best first.

        With ``like`` it stops before the first run that has another executor, rank or path, or is
        held back by a limit, so that nothing is started ahead of what an earlier one may release.
        """
        runs = self._lanes.take(
            executors, slots, None if like is None else self._lanes.key_of(like)
        )
        for run in runs:
            run.attempt += 1
            run.started = now
            if run.task.rated:
                self._arm_returns(run, now)
        self.running += len(runs)
        return runs

    def unclaim(self, runs: Iterable[Run], now: float, changes: list[Change]) -> None:
        """Take back claims of runs that were never begun: they are pending again, and the attempt
        does not count."""
        for run in runs:
            if self.telling:
                changes.append(Change(run, RUNNING, PENDING, now, run.attempt))
            self.running -= 1
            run.state = PENDING
            run.attempt -= 1
            if not run.attempt:
                run.started = None
            for entry in self._armed.pop(run, ()):
                self._lanes.return_unit(entry.usage, entry.cost, run)
                entry.cost = 0.0
            if run.task.limits:
                self._lanes.give_back(run)
            self._lanes.push(run)

    def settle(self, attempts: Iterable[Attempt], now: float, changes: list[Change]) -> None:
        """Record how attempts ended, adding to ``changes``. Stale attempts change nothing."""
        for attempt in attempts:
            run = attempt.run
            jitter = 0.0 if attempt.outcome is OK else self._jitter()
            if not self._apply(decide.settle(run, attempt, now, jitter), changes):
                continue
            if attempt.started is not None:
                run.started = attempt.started
            if run.task.rated:
                self._armed.pop(run, None)
            if run.task.limits and not attempt.abandoned:
                self._lanes.give_back(run)
            if run.state is not COMPLETED:
                self._follow([run], now, changes)
            elif run.children is not None:
                moved: list[Run] = []
                self._release(run, now, moved, changes)
                if moved:
                    self._follow(moved, now, changes)

    def returned(self, attempt: Attempt) -> None:
        """An abandoned thread has returned at last: only its units are of interest."""
        self._lanes.give_back(attempt.run)

    def cancel(self, runs: Iterable[Run], reason: Reason, now: float) -> list[Change]:
        """End runs that have not started; flag running ones and list them in ``to_stop``."""
        changes: list[Change] = []
        ended = []
        for run in runs:
            change = decide.cancel(run, reason, now)
            if change is not None:
                self._apply(change, changes)
                ended.append(run)
            elif run.state is RUNNING and run.asked is None:
                run.asked = reason
                self.to_stop.append(run)
        # Only now: what was cancelled together carries the same reason, whatever came after what.
        self._follow(ended, now, changes)
        return changes

    def due(self, now: float) -> list[Change]:
        """Carry out what was to happen by now: scheduled starts, units of rates that return."""
        changes: list[Change] = []
        returns = self._returns
        while returns and returns[0][0] <= now:
            _, _, run, entry = heappop(returns)
            if entry.cost:
                self._lanes.return_unit(entry.usage, entry.cost, run)
                entry.cost = 0.0
        scheduled = self._scheduled
        while scheduled and scheduled[0][0] <= now:
            run = heappop(scheduled)[2]
            change = decide.due(run, now)
            if change is not None:
                moved: list[Run] = []
                if run.attempt == 0:
                    self._enter(change, now, moved, changes)
                else:
                    self._apply(change, changes)
                self._follow([*moved, run], now, changes)
        self._look_ahead()
        return changes

    def _look_ahead(self) -> None:
        heaps = (self._returns, self._scheduled)
        self.next_at = min((heap[0][0] for heap in heaps if heap), default=inf)

    def end_stuck(self, abandoned: Iterable[Run], now: float) -> list[Change]:
        """End pending runs whose limit is held by abandoned threads only."""
        changes: list[Change] = []
        gone = list(abandoned)
        for usage in self._lanes.usages():
            holders = [run for run in gone if cost_of(run, usage)]
            if not holders or sum(cost_of(run, usage) for run in holders) < usage.held:
                continue
            for run in self._lanes.waiting_for(usage):
                if run.state is not PENDING:  # what was ended before it has ended it, too
                    continue
                self._apply(decide.stuck(run, usage.key, holders[0], now), changes)
                self._follow([run], now, changes)
        return changes

    def held_by(self, run: Run) -> Usage | None:
        """Return the key that keeps a pending run from starting, or None."""
        lane: Lane | None = run.lane
        if lane is None or run.state is not PENDING:
            return None
        return lane.parked or blocked_on(lane.pairs)

    def note_progress(self, run: Run, attempt: int, progress: Progress) -> None:
        """Keep how far a running run says it is."""
        if run.state is RUNNING and run.attempt == attempt:
            run.progress = progress

    def usages(self) -> list[Usage]:
        """Every key in use, with the units held and by whom."""
        return self._lanes.usages()

    # -- applying ---------------------------------------------------------------------------

    def _apply(self, change: Change, changes: list[Change]) -> bool:
        """Write one change into its run, unless the run has moved on since (compare-and-set)."""
        run, source, target = change.run, change.source, change.target
        if run.state is not source or run.attempt != change.attempt or source in ENDED:
            return False
        if source is PENDING:
            self._lanes.leave(run)
        run.state = target
        if source is RUNNING:
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
        changes.append(change)
        return True

    def _remember(self, change: Change) -> None:
        run = change.run
        assert run.started is not None
        if run.history is None:
            run.history = []
        run.history.append(PastAttempt(run.started, change.at, change.reason, change.error))

    def _follow(self, runs: list[Run], now: float, changes: list[Change]) -> None:
        """Carry out what follows from the states these runs have just reached."""
        while runs:
            run = runs.pop()
            state = run.state
            if state is PENDING:
                self._join(run, now)
            elif state is SCHEDULED:
                assert run.due is not None
                heappush(self._scheduled, (run.due, run.id, run))
                self.next_at = min(self.next_at, run.due)
            elif state in ENDED:
                if run.children is not None:
                    self._release(run, now, runs, changes)
                flow = run.flow
                if state is FAILED and flow is not None and flow.fail_fast:
                    flow.failed = True
                    changes += self.cancel(flow.unended(), Reason.FAIL_FAST, now)

    def _release(self, run: Run, now: float, moved: list[Run], changes: list[Change]) -> None:
        completed = run.state is COMPLETED
        children, run.children = run.children or (), None
        for child in children:
            if completed:
                child.missing -= 1
                if child.missing > 0:
                    continue
            change = decide.release(child, run, now)
            if change is None:
                continue
            if change.target is PENDING and not child.task.limits:
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
        if change.target is PENDING and run.task.limits and (run.task.bounded or run.lane is None):
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
        if not run.lane.watched:
            self._lanes.watch(run)
        verdict = at_the_door(run.lane.pairs)
        usage = verdict.usage
        if usage is None:
            return change
        holder = next(iter(usage.holders), None) or next(iter(usage.line), None)
        if verdict.then is Then.FAIL and refuse:
            raise decide.busy(run, usage.key, holder)
        if verdict.then >= Then.SKIP:
            return decide.skip_at_limit(run, usage.key, holder, now)
        for other in verdict.out:
            if self._apply(decide.skip_at_limit(other, usage.key, run, now), changes):
                moved.append(other)
        self.cancel(verdict.stop, Reason.LIMIT, now)
        return change

    def _join(self, run: Run, now: float) -> None:
        """Put a pending run into the line in which it waits for a slot and its limits."""
        if run.after or run.attempt:
            run.ready = now
        if run.lane is None:
            run.lane = self._lanes.lane_of(run)
        self._lanes.push(run)

    def _arm_returns(self, run: Run, now: float) -> None:
        armed = []
        for claim, usage in run.lane.pairs:
            if claim.per is not None:
                self._returned += 1
                entry = _Return(usage, claim.cost)
                armed.append(entry)
                heappush(self._returns, (now + claim.per, self._returned, run, entry))
                self.next_at = min(self.next_at, now + claim.per)
        self._armed[run] = armed


class _Return:
    """A unit of a rate that will come back."""

    __slots__ = ("cost", "usage")

    def __init__(self, usage: Usage, cost: float) -> None:
        self.usage = usage
        self.cost = cost  # 0 once it has come back otherwise
