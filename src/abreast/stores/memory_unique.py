"""What the memory store does with new runs that need more than a place in a line."""

from __future__ import annotations

from collections.abc import Sequence

from ..domain import decide, flows, unique
from ..domain.keys import Template
from ..domain.model import Change, Extra, Run, Task
from ..domain.states import ENDED, PENDING, SCHEDULED, State
from ..domain.unique import DELAY, FAIL, JOIN
from .memory_apply import Applying


class Meeting(Applying):
    """The part of the memory store that takes in the records of flows, and runs that may be the
    same work as known ones."""

    def _prepare(self, runs: Sequence[Run]) -> None:
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

    def _keep(self, run: Run) -> None:
        """Note that a run is one of the store's."""
        if run.id > self._last_id:
            self._last_id = run.id
        elif not run.id:
            run.id = self._last_id = self._last_id + 1
        self.unfinished += 1
        if run.flow is not None:
            run.flow.runs.append(run)

    def _drop(self, run: Run) -> None:
        """Take back :meth:`_keep`: the run was refused at the door."""
        self.unfinished -= 1
        if run.flow is not None:
            run.flow.runs.remove(run)
        key = None if run.extra is None else run.extra.unique
        if key is not None and self._known.get(key) is run:
            del self._known[key]
        self._uncount(run)

    def _uncount(self, run: Run) -> None:
        flow = flows.above(run)
        if flow is not None and flows.uncounted(flow):
            self._ending.append(flow)

    def _is_taken(
        self, run: Run, state: State, now: float, changes: list[Change], alone: bool
    ) -> bool:
        """Deal with a new run that is the record of a flow, or known work; False: it is neither."""
        flow = flows.of(run)
        if flow is not None:
            self._keep(run)
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
                self._uncount(run)
                raise
            self._keep(run)
            self._apply(decide.broken(run, error, now), changes)
            self._follow([run], now, changes)
            return True
        return self._meets(run, key, now, changes, alone)

    def _template(self, task: Task) -> Template:
        template = self._templates.get(task)
        if template is None:
            template = self._templates[task] = unique.template_of(task)
        return template

    def _meets(self, run: Run, key: str, now: float, changes: list[Change], alone: bool) -> bool:
        """Look for the run a newcomer is the same work as; False: it is new work."""
        assert run.extra is not None
        known = self._known.get(key)
        meeting = unique.meet(known, run)
        if meeting is not None:
            assert known is not None
            if meeting is FAIL and alone:
                self._uncount(run)
                raise unique.busy(run, known)
            if meeting is JOIN:
                self._join_known(run, known)
                return True
            if meeting in (unique.SKIP, FAIL):
                self._keep(run)
                self._apply(unique.skip_duplicate(run, known, now), changes)
                self._follow([run], now, changes)
                return True
            if not unique.must_step_aside(run):
                self._hand_over(known, run, now, changes)
                self._join_known(run, known)
                return True
            self._apply(unique.skip_duplicate(known, run, now), changes)
            self._follow([known], now, changes)
        run.extra.unique = key
        self._known[key] = run
        if len(self._known) >= self._forget_at:
            self._forget_old(run.created)
        return False

    def _join_known(self, run: Run, known: Run) -> None:
        self._joined = True
        unique.join(run, known)
        self._uncount(run)

    def _forget_old(self, at: float) -> None:
        """Let go of runs that no submit would find any more, so that memory follows the rest."""
        self._known = {
            key: run
            for key, run in self._known.items()
            if run.task.unique is not None and unique.is_known(run.task.unique, run, at)
        }
        self._forget_at = max(1024, 2 * len(self._known))

    def _hand_over(self, known: Run, newcomer: Run, now: float, changes: list[Change]) -> None:
        """Put the arguments of a newcomer into a run that has not started."""
        known.args, known.kwargs, known.needy = newcomer.args, newcomer.kwargs, newcomer.needy
        if newcomer.task.unique is not None and newcomer.task.unique.then is DELAY:
            change = unique.put_off(known, newcomer, now)
            known.due = unique.first_due(newcomer)
            if change is not None:
                self._apply(change, changes)
            if known.state is SCHEDULED:
                self._schedule(known)
                self._look_ahead()
        if known.task.keyed:
            if known.state is PENDING:
                self._change_lane(known, now, changes)
            else:
                known.lane = None  # found when it is pending

    def _change_lane(self, run: Run, now: float, changes: list[Change]) -> None:
        """Bring a pending run whose arguments have changed into the lane that follows from them."""
        lanes, extra = self._lanes, run.extra
        assert extra is not None
        old = extra.fair
        try:
            lane = lanes.lane_of(run)
        except Exception as error:  # a callable or an argument of the user's
            extra.fair = old
            self._apply(decide.broken(run, error, now), changes)
            self._follow([run], now, changes)
            return
        if lane is run.lane and extra.fair == old:
            return
        new, before = extra.fair, run.lane
        extra.fair, run.lane = old, None
        lanes.leave(run, before)
        run.lane, extra.fair = lane, new
        moved: list[Run] = []
        asked = Change(run, PENDING, PENDING, now, run.attempt)
        change = self._at_the_door(asked, now, moved, changes, False)
        if change is asked:
            lanes.enter(run)
        else:
            self._apply(change, changes)
            moved.append(run)
        self._follow(moved, now, changes)

    def _end_empty_flows(self, runs: Sequence[Run], now: float, changes: list[Change]) -> None:
        """A flow without children has nothing to wait for."""
        for run in runs:
            flow = flows.of(run)
            if flow is not None and not flow.total:
                self._begin_flow(flow, None, now, changes)
                self._ending.append(flow)
