"""How an SQL store takes in new runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property

from ..domain import decide, graph
from ..domain.model import Change, Run
from ..domain.states import BLOCKED, NOT_STARTED, PENDING
from ..errors import UnknownRun
from .sql_apply import SqlApplying
from .sql_arrivals import Arrivals


class SqlSubmitting(SqlApplying):
    """The part of an SQL store that takes in new runs."""

    _next_id = 0  # 0: to be read

    @cached_property
    def arrivals(self) -> Arrivals:
        """The door for runs that come with a caller's transaction."""
        return Arrivals(self)

    def submit(self, runs: Sequence[Run], now: float) -> list[Change]:
        """Take in new runs, parents before children where both are new.

        A run with the id 0 gets one. Raises like the memory store.
        """
        self.open(True)
        return self._begun() + self.take_in_all(runs, now, alone=len(runs) == 1)

    def take_in_all(self, runs: Sequence[Run], now: float, alone: bool) -> list[Change]:
        """Take in new runs; ``alone``: what refuses one is raised, and not recorded."""
        changes: list[Change] = []
        linked, special = self._look_over(runs, alone)
        if linked:
            self._measure(runs)
        if special:
            self.prepare(runs)
        for run in runs:
            self._take_in(run, now, alone, changes)
        if special:
            self.end_empty_flows(runs, now, changes)
        if self._ending:
            self.end_flows(now, changes)
        self.work = True
        return changes

    def _look_over(self, runs: Sequence[Run], alone: bool) -> tuple[bool, bool]:
        """Give ids and lanes; tell whether runs come after others, and whether any needs more
        than a place in a line."""
        linked = special = False
        rows = self.rows
        for run in runs:
            if run.id == 0:
                run.id = self.new_id()
            task, flow = run.task, run.flow
            if run.after:
                linked = True
                self._find_parents(run)
            if task.keyed and not run.needy:
                try:
                    run.lane = self.lanes.lane_of(run)
                except Exception:  # a callable or an argument of the user's
                    if alone:
                        raise
            rows.known[run.id] = run
            if (
                not task.plain
                or run.extra is not None
                or (flow is not None and flow.run is not None)
            ):
                special = True
        return linked, special

    def _find_parents(self, run: Run) -> None:
        """Replace what a run comes after by the records as they are now."""
        if self.rows.keep:
            return
        given = run.after
        found = {parent.id: parent for parent in self.rows.get(p.id for p in given if p.id)}
        for parent in given:
            if parent.id and parent.id not in found:
                raise UnknownRun(
                    f"{run.label!r} comes after run {parent.id}, which the store does not have; "
                    "it may have been pruned"
                )
        run.after = tuple(found.get(parent.id, parent) for parent in given)
        if run.extra is not None and run.extra.soft:
            run.extra.soft = tuple(found.get(p.id, p) for p in run.extra.soft)

    def _take_in(self, run: Run, now: float, alone: bool, changes: list[Change]) -> None:
        task = run.task
        if run.after:
            graph.follow_joined(run)
        state = decide.first_state(run, now)
        if run.extra is not None:
            if self.is_taken(run, state, now, changes, alone):
                return
            if run.after and run.task.unique is not None:  # a parent may have stepped aside for it
                state = decide.first_state(run, now)
        if state is PENDING and not task.bounded and (run.lane or not task.keyed):
            run.state = state
            if run.lane is None:
                run.lane = self.lanes.lane_of(run)
            if run.lane.fair:
                self.lanes.give_turn(run)
            self.keep(run)
            self.lanes.push(run)
            if self.telling:
                changes.append(decide.admit(run, state, now))
        else:
            self.keep(run)
            if state is not BLOCKED:
                self._enter_first(run, state, now, changes, alone)
        if run.extra is not None:
            self._ahead = True  # it may have walls

    def _measure(self, runs: Sequence[Run]) -> None:
        """Give every run its longest remaining path, and those it comes after."""
        graph.measure_paths(runs)
        new = set(runs)
        if not self.rows.keep:
            self._find_ancestors(new)
        for run in dict.fromkeys(graph.correct_ancestors(runs)):
            if run in new:
                continue
            self.rows.touch(run)
            if run.state is PENDING and run.lane is not None:
                self.lanes.moved_forward(run)

    def _find_ancestors(self, new: set[Run]) -> None:
        """Let the records of runs that were there before know what they come after themselves."""
        level = {parent for run in new for parent in run.after} - new
        left = graph.ANCESTORS_AT_MOST * len(new)
        while left > 0 and (waiting := {r.id: r for r in level if r.state in NOT_STARTED}):
            left -= len(waiting)
            self.flush()
            above: dict[int, list[int]] = {}
            for child, parent in self.db.execute(
                "SELECT child, parent FROM edges WHERE child IN (SELECT value FROM json_each(?))",
                (json.dumps(list(waiting)),),
            ).fetchall():
                above.setdefault(child, []).append(parent)
            level = set()
            for child, parents in above.items():
                waiting[child].after = tuple(self.rows.get(parents))
                level.update(waiting[child].after)

    def new_id(self) -> int:
        """Return the next id. The counter is only written when the newest run is pruned."""
        if self._next_id == 0:
            self.rows.flush()
            newest, pruned = self.db.execute(
                "SELECT (SELECT max(id) FROM runs), (SELECT value FROM counters WHERE name='run')"
            ).fetchone()
            self._next_id = max(newest or 0, pruned or 0) + 1
        number = self._next_id
        self._next_id = number + 1
        return number
