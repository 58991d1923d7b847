"""What an SQL store does with new runs that need more than a place in a line."""

from __future__ import annotations

from collections.abc import Sequence

from ..domain import decide, flows, unique
from ..domain.keys import Template
from ..domain.model import Change, Extra, Run, Task
from ..domain.states import ENDED, PENDING, SCHEDULED, State
from ..domain.unique import DELAY, FAIL, JOIN
from .sql_apply import SqlApplying


class SqlMeeting(SqlApplying):
    """The part of an SQL store that takes in the records of flows, and runs that may be the same
    work as known ones."""

    def prepare(self, runs: Sequence[Run]) -> None:
        """Set what follows from the tasks and flows of new runs."""
        for run in runs:
            decide.walls(run)
            if run.task.unique is not None:
                run.extra = run.extra or Extra()
                run.due = unique.first_due(run)
            flow = flows.above(run)
            if flow is not None:
                run.extra = run.extra or Extra()
                flow.total += 1
                self.rows.touch_flow(flow)

    def keep(self, run: Run) -> None:
        """Note that a run is one of the store's."""
        self.unfinished += 1
        self.rows.insert(run)
        if run.flow is not None and self.rows.keep:
            run.flow.runs.append(run)
        if run.after:
            soft = run.extra.soft if run.extra is not None else ()
            self._edges += [(parent.id, run.id, parent in soft) for parent in run.after]
            self._linked = True

    def drop(self, run: Run) -> None:
        """Take back :meth:`keep`: the run was refused at the door."""
        self.unfinished -= 1
        self.rows.withdraw(run)
        self._edges = [edge for edge in self._edges if edge[1] != run.id]
        self.db.execute("DELETE FROM edges WHERE child=?", (run.id,))
        if run.flow is not None and self.rows.keep:
            run.flow.runs.remove(run)
        if run.extra is not None and run.extra.unique is not None:
            self.db.execute("DELETE FROM uniques WHERE run=?", (run.id,))
        self._uncount(run)

    def _uncount(self, run: Run) -> None:
        flow = flows.above(run)
        if flow is not None:
            if flows.uncounted(flow):
                self._ending.append(flow)
            self.rows.touch_flow(flow)

    def is_taken(
        self, run: Run, state: State, now: float, changes: list[Change], alone: bool
    ) -> bool:
        """Deal with a new run that is the record of a flow, or known work; False: it is neither."""
        flow = flows.of(run)
        if flow is not None:
            self.keep(run)
            self.rows.touch_flow(flow)
            change = flows.admitted(flow, now)
            run.state = change.target
            changes.append(change)
            return True
        if run.task.unique is None or state in ENDED:
            return False
        try:
            key = unique.key_of(run, self._template(run.task))
        except Exception as error:  # an argument of the user's
            if alone:
                self._refuse(run)
                raise
            self.keep(run)
            self.apply(decide.broken(run, error, now), changes)
            self.follow([run], now, changes)
            return True
        return self._meets(run, key, now, changes, alone)

    def _template(self, task: Task) -> Template:
        template = self._templates.get(task)
        if template is None:
            template = self._templates[task] = unique.template_of(task)
        return template

    def _known(self, key: str) -> Run | None:
        row = self.db.execute("SELECT run FROM uniques WHERE name=?", (key,)).fetchone()
        found = [] if row is None else self.rows.get([row[0]])
        return found[0] if found else None

    def _meets(self, run: Run, key: str, now: float, changes: list[Change], alone: bool) -> bool:
        """Look for the run a newcomer is the same work as; False: it is new work."""
        assert run.extra is not None
        assert run.task.unique is not None
        known = self._known(key)
        meeting = unique.meet(known, run)
        if meeting is not None:
            assert known is not None
            if meeting is FAIL and alone:
                self._refuse(run)
                raise unique.busy(run, known)
            if meeting is JOIN:
                self._join_known(run, known)
                return True
            if meeting in (unique.SKIP, FAIL):
                self.keep(run)
                self.apply(unique.skip_duplicate(run, known, now), changes)
                self.follow([run], now, changes)
                return True
            if not unique.must_step_aside(run):
                self._hand_over(known, run, now, changes)
                self._join_known(run, known)
                return True
            self.apply(unique.skip_duplicate(known, run, now), changes)
            self.follow([known], now, changes)
        run.extra.unique = key
        self.db.execute(
            "INSERT OR REPLACE INTO uniques (name, run, until) VALUES (?,?,?)",
            (key, run.id, unique.known_until(run.task.unique, run)),
        )
        return False

    def _join_known(self, run: Run, known: Run) -> None:
        unique.join(run, known)
        self._refuse(run)

    def _refuse(self, run: Run) -> None:
        """Forget a new run that is not made."""
        self.rows.known.pop(run.id, None)
        self._uncount(run)

    def _hand_over(self, known: Run, newcomer: Run, now: float, changes: list[Change]) -> None:
        """Put the arguments of a newcomer into a run that has not started."""
        known.args, known.kwargs, known.needy = newcomer.args, newcomer.kwargs, newcomer.needy
        self.rows.touch(known)
        self.rows.touch_call(known)
        if newcomer.task.unique is not None and newcomer.task.unique.then is DELAY:
            change = unique.put_off(known, newcomer, now)
            known.due = unique.first_due(newcomer)
            if change is not None:
                self.apply(change, changes)
            if known.state is SCHEDULED:
                self._ahead = True
        if known.task.keyed:
            if known.state is PENDING:
                self._change_lane(known, now, changes)
            else:
                known.lane = None  # found when it is pending
                self.rows.touch(known)

    def _change_lane(self, run: Run, now: float, changes: list[Change]) -> None:
        """Bring a pending run whose arguments have changed into the lane that follows from them."""
        lanes, extra = self.lanes, run.extra
        assert extra is not None
        old = extra.fair
        try:
            lane = lanes.lane_of(run)
        except Exception as error:  # a callable or an argument of the user's
            extra.fair = old
            self.apply(decide.broken(run, error, now), changes)
            self.follow([run], now, changes)
            return
        if lane is run.lane and extra.fair == old:
            return
        new, before = extra.fair, run.lane
        extra.fair = old
        run.lane = None
        self.rows.touch(run)
        lanes.left(run, before)
        run.lane, extra.fair = lane, new
        moved: list[Run] = []
        asked = Change(run, PENDING, PENDING, now, run.attempt)
        change = self.door.judge(asked, now, moved, changes, False)
        if change is asked:
            if lane.fair:
                lanes.give_turn(run)
            self.rows.touch(run)
            lanes.push(run)
        else:
            run.lane = None
            self.apply(change, changes)
            moved.append(run)
        self.follow(moved, now, changes)

    def end_empty_flows(self, runs: Sequence[Run], now: float, changes: list[Change]) -> None:
        """A flow without children has nothing to wait for."""
        for run in runs:
            flow = flows.of(run)
            if flow is not None and not flow.total:
                self._begin_flow(flow, None, now, changes)
                self._ending.append(flow)
