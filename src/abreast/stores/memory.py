"""The store of a script: live objects in memory, no rules of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..domain import decide, graph
from ..domain.limits import Usage, blocked_on, cost_of
from ..domain.model import OK, Attempt, Change, Progress, Run
from ..domain.states import BLOCKED, COMPLETED, ENDED, PENDING, RUNNING, Reason, State
from ..errors import Busy
from .lines import Lane
from .memory_unique import Meeting


class MemoryStore(Meeting):
    """Runs of one process. Not thread-safe: the engine attends it with its lock held.

    Parameters
    ----------
    jitter : callable
        Returns a random number in [0, 1) that spreads retries.
    """

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
        changes = self._begun() if self.aside else []
        linked = special = False
        for run in runs:
            task = run.task
            if task.keyed and not run.needy:
                try:
                    run.lane = self._lanes.lane_of(run)
                except Exception:  # a callable or an argument of the user's
                    if len(runs) == 1:
                        raise
            linked = linked or bool(run.after)
            flow = run.flow
            if (
                not task.plain
                or run.extra is not None
                or (flow is not None and flow.run is not None)
            ):
                special = True
        if linked:
            graph.measure_paths(runs)
            if self.unfinished:
                for run in dict.fromkeys(graph.correct_ancestors(runs)):
                    if run.state is PENDING and run.lane is not None:
                        # its old entry is passed over once this one is used
                        self._lanes.push(run)
        if special:
            self._prepare(runs)
        alone = len(runs) == 1
        for run in runs:
            if run.after and (special or self._joined):
                graph.follow_joined(run)
            state = decide.first_state(run, now)
            if special and run.extra is not None:
                if self._is_taken(run, state, now, changes, alone):
                    continue
                state = decide.first_state(run, now)  # a parent may have given way to it
            if run.id > self._last_id:
                self._last_id = run.id
            elif not run.id:
                run.id = self._last_id = self._last_id + 1
            self.unfinished += 1
            if run.flow is not None:
                run.flow.runs.append(run)
            if state is PENDING and not run.task.bounded and (run.lane or not run.task.keyed):
                run.state = state
                self._join(run, now)
                if self.telling:
                    changes.append(decide.admit(run, state, now))
            else:
                self._enter_first(run, state, now, changes, alone)
            if special:
                self._watch_wall(run)
        if special:
            self._end_empty_flows(runs, now, changes)
        if self._ending:
            self._end_flows(now, changes)
        return changes

    def _begun(self) -> list[Change]:
        """The changes of a verb begin with those that nobody has heard of yet."""
        changes, self.aside = self.aside, []
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
            self._drop(run)
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
            if run.extra is not None:
                self._child_started(run, now)
                self._look_ahead()
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
                self._return(entry)
            if run.task.keyed:
                self._lanes.give_back(run)
                self._look_ahead()
            self._lanes.push(run)
            if run.extra is not None:
                self._watch_wall(run)

    def settle(self, attempts: Iterable[Attempt], now: float, changes: list[Change]) -> None:
        """Record how attempts ended, adding to ``changes``. Stale attempts change nothing."""
        if self.aside:
            changes += self._begun()
        full: dict[Usage, bool] = {}
        for attempt in attempts:
            run = attempt.run
            jitter = 0.0 if attempt.outcome is OK else self._jitter()
            if not self._apply(decide.settle(run, attempt, now, jitter), changes):
                continue
            if attempt.started is not None:
                run.started = attempt.started
            if run.task.rated:
                self._armed.pop(run, None)
            if run.task.keyed:
                grown = self._lanes.adapt(attempt, full) if run.task.adaptive else ()
                if not attempt.abandoned:
                    self._lanes.give_back(run)
                for usage in grown:
                    self._lanes.wake(usage)
            if run.state is not COMPLETED:
                self._follow([run], now, changes)
            elif run.children is not None:
                moved: list[Run] = []
                self._release(run, now, moved, changes)
                if moved:
                    self._follow(moved, now, changes)
        if self._ending:
            self._end_flows(now, changes)

    def returned(self, attempt: Attempt) -> None:
        """An abandoned thread has returned at last: only its units are of interest."""
        self._lanes.give_back(attempt.run)

    def cancel(self, runs: Iterable[Run], reason: Reason, now: float) -> list[Change]:
        """End runs that have not started; flag running ones and list them in ``to_stop``."""
        changes = self._begun()
        self._cancel(runs, reason, now, changes)
        self._end_flows(now, changes)
        return changes

    def due(self, now: float) -> list[Change]:
        """Carry out what was to happen by now: units of rates return, runs that are too late end,
        scheduled ones start."""
        changes = self._begun()
        while (entry := self._returns.pop(now)) is not None:
            self._return(entry)
        while (run := self._walls.pop(now)) is not None:
            change = decide.too_late(run, now)
            if change is not None and self._apply(change, changes):
                self._follow([run], now, changes)
        while (run := self._starts.pop(now)) is not None:
            change = decide.due(run, now)
            if change is not None:
                moved: list[Run] = []
                if run.attempt == 0:
                    self._enter(change, now, moved, changes)
                else:
                    self._apply(change, changes)
                run.ready = now
                self._follow([*moved, run], now, changes)
        self._end_flows(now, changes)
        self._look_ahead()
        return changes

    def end_stuck(self, abandoned: Iterable[Run], now: float) -> list[Change]:
        """End pending runs whose limit is held by abandoned threads only."""
        changes = self._begun()
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
        self._end_flows(now, changes)
        return changes

    def held_by(self, run: Run) -> Usage | None:
        """Return the key that keeps a pending run from starting, or None."""
        lane: Lane | None = run.lane
        if lane is None or run.state is not PENDING:
            return None
        return lane.parked or blocked_on(lane.pairs)

    def note_progress(self, run: Run, attempt: int, progress: Progress, now: float = 0.0) -> bool:
        """Keep how far a running run says it is; there is nothing to write down."""
        if run.state is RUNNING and run.attempt == attempt:
            run.progress = progress
        return False

    def end_turn(self) -> None:
        """Nothing has to be put on record."""

    def trouble_of(self, error: BaseException) -> None:
        """There is no file that could be in trouble."""

    def undo_turn(self, reports: Sequence[Attempt]) -> None:
        """Never asked: nothing here can fail to be recorded."""

    def usages(self) -> list[Usage]:
        """Every key in use, with the units held and by whom."""
        return self._lanes.usages()
