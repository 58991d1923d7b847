"""What every store does with new runs that need more than a place in a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..domain import decide, flows, unique
from ..domain.keys import Template
from ..domain.model import Change, Extra, Run, Task
from ..domain.states import ENDED, PENDING, SCHEDULED, State
from ..domain.unique import DELAY, FAIL, JOIN
from .moving import Moving


class Meeting(Moving):
    """The part of a store that takes in the records of flows, and runs that may be the same work
    as known ones."""

    # -- what differs from store to store -----------------------------------------------------

    def keep(self, run: Run) -> None:
        """Note that a run is one of the store's."""
        raise NotImplementedError

    def _known_as(self, key: str) -> Run | None:
        """The last run taken in under a key."""
        raise NotImplementedError

    def _know_as(self, key: str, run: Run) -> None:
        """Let a new run be found under a key from now on."""
        raise NotImplementedError

    def _rescheduled(self, run: Run) -> None:
        """Note that a scheduled run starts at another time."""
        raise NotImplementedError

    def _leave(self, run: Run, lane: Any) -> None:
        """Take a run that is pending out of its lane."""
        raise NotImplementedError

    def _line_up(self, run: Run) -> None:
        """Put a run that is pending into its lane, with its turn."""
        raise NotImplementedError

    def _touch_call(self, run: Run) -> None:
        """Write changed arguments; a live object is written already."""

    # -- counting ---------------------------------------------------------------------------

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
                self._touch_flow(flow)

    def _uncount(self, run: Run) -> None:
        """Take back the counting of a new run that is not made."""
        flow = flows.above(run)
        if flow is not None:
            if flows.uncounted(flow):
                self._ending.append(flow)
            self._touch_flow(flow)

    def end_empty_flows(self, runs: Sequence[Run], now: float, changes: list[Change]) -> None:
        """A flow without children has nothing to wait for."""
        for run in runs:
            flow = flows.of(run)
            if flow is not None and not flow.total:
                self._begin_flow(flow, None, now, changes)
                self._ending.append(flow)

    # -- meeting known work -------------------------------------------------------------------

    def is_taken(
        self, run: Run, state: State, now: float, changes: list[Change], alone: bool
    ) -> bool:
        """Deal with a new run that is the record of a flow, or known work; False: it is neither."""
        flow = flows.of(run)
        if flow is not None:
            self.keep(run)
            self._touch_flow(flow)
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
            self.keep(run)
            self._move(decide.broken(run, error, now), changes)
            return True
        return self._meets(run, key, now, changes, alone)

    def _template(self, task: Task) -> Template:
        template = self._templates.get(task)
        if template is None:
            template = self._templates[task] = unique.template_of(task)
        return template

    def _move(self, change: Change, changes: list[Change]) -> None:
        """Apply a change and carry out what follows from it."""
        self.apply(change, changes)
        self.follow([change.run], change.at, changes)

    def _meets(self, run: Run, key: str, now: float, changes: list[Change], alone: bool) -> bool:
        """Look for the run a newcomer is the same work as; False: it is new work."""
        assert run.extra is not None
        known = self._known_as(key)
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
                self.keep(run)
                self._move(unique.skip_duplicate(run, known, now), changes)
                return True
            if not unique.must_step_aside(run):
                self._hand_over(known, run, now, changes)
                self._join_known(run, known)
                return True
            self._move(unique.skip_duplicate(known, run, now), changes)
        run.extra.unique = key
        self._know_as(key, run)
        return False

    def _join_known(self, run: Run, known: Run) -> None:
        unique.join(run, known)
        self._uncount(run)

    def _hand_over(self, known: Run, newcomer: Run, now: float, changes: list[Change]) -> None:
        """Put the arguments of a newcomer into a run that has not started."""
        known.args, known.kwargs, known.needy = newcomer.args, newcomer.kwargs, newcomer.needy
        self._touch(known)
        self._touch_call(known)
        if newcomer.task.unique is not None and newcomer.task.unique.then is DELAY:
            change = unique.put_off(known, newcomer, now)
            known.due = unique.first_due(newcomer)
            if change is not None:
                self.apply(change, changes)
            if known.state is SCHEDULED:
                self._rescheduled(known)
        if known.task.keyed:
            if known.state is PENDING:
                self._change_lane(known, now, changes)
            else:
                known.lane = None  # found when it is pending
                self._touch(known)

    def _change_lane(self, run: Run, now: float, changes: list[Change]) -> None:
        """Bring a pending run whose arguments have changed into the lane that follows from them."""
        extra = run.extra
        assert extra is not None
        old = extra.fair
        try:
            lane = self._lane_of(run)
        except Exception as error:  # a callable or an argument of the user's
            extra.fair = old
            self._move(decide.broken(run, error, now), changes)
            return
        if lane is run.lane and extra.fair == old:
            return
        new, before = extra.fair, run.lane
        extra.fair, run.lane = old, None
        self._leave(run, before)
        run.lane, extra.fair = lane, new
        moved: list[Run] = []
        asked = Change(run, PENDING, PENDING, now, run.attempt)
        change = self._judge(asked, now, moved, changes, False)
        if change is asked:
            self._line_up(run)
        else:
            run.lane = None  # it stands in none
            self.apply(change, changes)
            moved.append(run)
        self.follow(moved, now, changes)
