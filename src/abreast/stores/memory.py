"""The store of a script: live objects in memory, no rules of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..domain import decide, graph
from ..domain.limits import Usage, blocked_on
from ..domain.model import OK, Attempt, Change, Progress, Run
from ..domain.states import BLOCKED, COMPLETED, ENDED, PENDING, RUNNING
from .lines import Lane
from .memory_apply import Applying


class MemoryStore(Applying):
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
            self.prepare(runs)
        alone = len(runs) == 1
        for run in runs:
            if run.after and (special or self._joined):
                graph.follow_joined(run)
            state = decide.first_state(run, now)
            if special and run.extra is not None:
                if self.is_taken(run, state, now, changes, alone):
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
            elif state is BLOCKED:
                self._link(run)
            else:
                self._enter_first(run, state, now, changes, alone)
            if special:
                self._watch_wall(run)
        if special:
            self.end_empty_flows(runs, now, changes)
        if self._ending:
            self.end_flows(now, changes)
        return changes

    @staticmethod
    def _link(run: Run) -> None:
        """Let those a run waits for know of it."""
        for parent in run.after:
            if parent.state not in ENDED:
                if parent.children is None:
                    parent.children = [run]
                else:
                    parent.children.append(run)

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
                self.child_started(run, now)
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
            if not self.apply(decide.settle(run, attempt, now, jitter), changes):
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
                self.follow([run], now, changes)
            elif run.children is not None:
                moved: list[Run] = []
                self._release(run, now, moved, changes)
                if moved:
                    self.follow(moved, now, changes)
        if self._ending:
            self.end_flows(now, changes)

    def returned(self, attempt: Attempt) -> None:
        """An abandoned thread has returned at last: only its units are of interest."""
        self._lanes.give_back(attempt.run)

    def due(self, now: float) -> list[Change]:
        """Carry out what was to happen by now: units of rates return, runs that are too late end,
        scheduled ones start."""
        changes = self._begun()
        while (entry := self._returns.pop(now)) is not None:
            self._return(entry)
        while (run := self._walls.pop(now)) is not None:
            self._end_late(run, now, changes)
        while (run := self._starts.pop(now)) is not None:
            self._start_due(run, now, changes)
        self.end_flows(now, changes)
        self._look_ahead()
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
