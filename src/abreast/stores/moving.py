"""How every store carries out what the rules decide: changes, and what follows from them.

A store says how a change is written and how runs are found; the steps, and their order, are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..domain import decide, flows
from ..domain.keys import Template
from ..domain.limits import Claim, Then, Usage, at_the_door
from ..domain.model import Change, Flow, PastAttempt, Run, Task
from ..domain.states import (
    CANCELLED,
    ENDED,
    FAILED,
    PENDING,
    RUNNING,
    SCHEDULED,
    Reason,
    State,
)
from ..errors import Busy


class Moving:
    """The part of a store that moves runs from state to state.

    Parameters
    ----------
    jitter : callable
        Returns a random number in [0, 1) that spreads retries.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.unfinished = 0  # runs this process has submitted or started that have not ended
        self.running = 0
        self.telling = False  # whether changes are wanted that nothing but listeners needs
        self.to_stop: list[Run] = []  # running ones that were asked to end since last looked
        self.aside: list[Change] = []  # changes that a claim brought about, told with the next
        self._jitter = jitter
        self._ending: list[Flow] = []  # those whose last child has ended
        self._templates: dict[Task, Template] = {}  # of the keys of Unique

    # -- what differs from store to store -----------------------------------------------------

    def apply(self, change: Change, changes: list[Change]) -> bool:
        """Write one change into its run, unless the run has moved on since (compare-and-set)."""
        raise NotImplementedError

    def drop(self, run: Run) -> None:
        """Forget a new run that was refused at the door."""
        raise NotImplementedError

    def _lane_of(self, run: Run) -> Any:
        """The lane for a run's executor and claims."""
        raise NotImplementedError

    def _at_the_door(self, run: Run) -> Sequence[tuple[Claim, Usage]]:
        """The claims of a run whose limits may refuse it; the keys know who holds and who waits."""
        raise NotImplementedError

    def _join(self, run: Run, now: float) -> None:
        """Put a pending run into the line in which it waits for a slot and its limits."""
        raise NotImplementedError

    def _schedule(self, run: Run) -> None:
        """See to it that a scheduled run is looked at when its time has come."""
        raise NotImplementedError

    def _release(self, run: Run, now: float, moved: list[Run], changes: list[Change]) -> None:
        """Tell the runs that come after one that has ended; ``moved``: whom to follow up."""
        raise NotImplementedError

    def _stuck(self, abandoned: list[Run]) -> Iterable[tuple[Run, Usage, Run]]:
        """Runs whose key is held by abandoned threads only: run, key, holder."""
        raise NotImplementedError

    def _ask(self, run: Run) -> None:
        """Have a running run stopped."""
        self.to_stop.append(run)

    def _unended(self, flow: Flow) -> list[Run]:
        """The runs of a flow that have not ended."""
        return flow.unended()

    def _cancelled_in(self, flow: Flow) -> int:
        """How many runs of a flow ended cancelled."""
        return sum(run.state is CANCELLED for run in flow.runs)

    def _touch(self, run: Run) -> None:
        """Write a changed record; a live object is written already."""

    def _touch_flow(self, flow: Flow) -> None:
        """Write a changed flow; a live object is written already."""

    # -- verbs ------------------------------------------------------------------------------

    def _begun(self) -> list[Change]:
        """The changes of a verb begin with those that nobody has heard of yet."""
        changes, self.aside = self.aside, []
        return changes

    def cancel(self, runs: Iterable[Run], reason: Reason, now: float) -> list[Change]:
        """End runs that have not started; flag running ones and list them in ``to_stop``."""
        changes = self._begun()
        self.cancel_all(runs, reason, now, changes)
        self.end_flows(now, changes)
        return changes

    def end_stuck(self, abandoned: Iterable[Run], now: float) -> list[Change]:
        """End pending runs whose limit is held by abandoned threads only."""
        changes = self._begun()
        for run, usage, holder in self._stuck(list(abandoned)):
            if run.state is PENDING:  # what was ended before it may have ended it, too
                self.apply(decide.stuck(run, usage.key, holder, now), changes)
                self.follow([run], now, changes)
        self.end_flows(now, changes)
        return changes

    # -- changes and what follows -------------------------------------------------------------

    def cancel_all(
        self, runs: Iterable[Run], reason: Reason, now: float, changes: list[Change]
    ) -> None:
        """End runs that have not started; flag running ones."""
        ended = []
        wanted = list(runs)
        for run in wanted:  # grows while it is read
            flow = flows.of(run)
            if flow is not None:  # its children go, and it with the last of them
                if run.state not in ENDED and run.asked is None:
                    run.asked = reason
                    self._touch(run)
                    wanted += self._unended(flow)
                continue
            change = decide.cancel(run, reason, now)
            if change is not None:
                self.apply(change, changes)
                ended.append(run)
            elif run.state is RUNNING and run.asked is None:
                run.asked = reason
                self._ask(run)
        # Only now: what was cancelled together carries the same reason, whatever came after what.
        self.follow(ended, now, changes)

    def follow(self, runs: list[Run], now: float, changes: list[Change]) -> None:
        """Carry out what follows from the states these runs have just reached."""
        while runs:
            run = runs.pop()
            state = run.state
            if state is PENDING:
                self._join(run, now)
            elif state is SCHEDULED:
                self._schedule(run)
            elif state in ENDED:
                self._release(run, now, runs, changes)
                flow = run.flow
                if state is FAILED and flow is not None and flow.fail_fast:
                    flow.failed = True
                    self._touch_flow(flow)
                    self.cancel_all(self._unended(flow), Reason.FAIL_FAST, now, changes)

    def _remember(self, change: Change) -> None:
        """Note an attempt that was not the last one of its run."""
        run = change.run
        assert run.started is not None
        if run.history is None:
            run.history = []
        run.history.append(PastAttempt(run.started, change.at, change.reason, change.error))

    # -- times that have come -----------------------------------------------------------------

    def _end_late(self, run: Run, now: float, changes: list[Change]) -> bool:
        """End a run whose wall has come; False: it is not too late for it."""
        change = decide.too_late(run, now)
        if change is None or not self.apply(change, changes):
            return False
        self.follow([run], now, changes)
        return True

    def _start_due(self, run: Run, now: float, changes: list[Change]) -> bool:
        """Let a scheduled run wait for its start from now on; False: it is not its time."""
        change = decide.due(run, now)
        if change is None:
            return False
        moved: list[Run] = []
        if run.attempt == 0:
            self._enter(change, now, moved, changes)
        else:
            self.apply(change, changes)
        run.ready = now
        self.follow([*moved, run], now, changes)
        return True

    # -- the door: limits that may refuse a newcomer --------------------------------------------

    def _enter_first(
        self, run: Run, state: State, now: float, changes: list[Change], alone: bool
    ) -> None:
        """Admit a new run that is not blocked, with what its limits say to it."""
        moved: list[Run] = []
        try:
            self._enter(decide.admit(run, state, now), now, moved, changes, refuse=alone)
        except Busy:
            self.drop(run)
            raise
        moved.append(run)
        self.follow(moved, now, changes)

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
            change = self._judge(change, now, moved, changes, refuse)
        return self.apply(change, changes)

    def _judge(
        self, change: Change, now: float, moved: list[Run], changes: list[Change], refuse: bool
    ) -> Change:
        """Return the change to make instead of letting a run wait, or the one given.

        Raises :class:`~abreast.errors.Busy` when ``refuse`` and a limit says so.
        """
        run = change.run
        try:
            run.lane = run.lane or self._lane_of(run)
        except Exception as error:  # a callable or an argument of the user's
            return decide.broken(run, error, now)
        if not run.task.bounded:
            return change
        verdict = at_the_door(self._at_the_door(run))
        usage = verdict.usage
        if usage is None:
            return change
        holder = usage.holder()
        if verdict.then is Then.FAIL and refuse:
            raise decide.busy(run, usage.key, holder)
        if verdict.then >= Then.SKIP:
            return decide.skip_at_limit(run, usage.key, holder, now)
        for other in verdict.out:
            if self.apply(decide.skip_at_limit(other, usage.key, run, now), changes):
                moved.append(other)
        self.cancel_all(verdict.stop, Reason.LIMIT, now, changes)
        return change

    # -- flows as runs ----------------------------------------------------------------------

    def child_started(self, run: Run, now: float) -> None:
        """Let the flows above a run that has just started know."""
        child: Run | None = run
        while child is not None:
            flow = flows.above(child)
            child = None if flow is None else self._begin_flow(flow, child, now, self.aside)

    def _begin_flow(
        self, flow: Flow, child: Run | None, now: float, changes: list[Change]
    ) -> Run | None:
        """Make the record of a flow running; return it if it has just become so."""
        self._touch_flow(flow)
        change = flows.started(flow, child, now)
        if change is None:
            return None
        run = change.run
        run.state, run.attempt, run.started = RUNNING, change.attempt, now
        self._touch(run)
        changes.append(change)
        return run

    def end_flows(self, now: float, changes: list[Change]) -> None:
        """End the records of flows whose last child has ended, and carry out what follows."""
        while self._ending:
            flow = self._ending.pop(0)
            cancelled = self._cancelled_in(flow) if flow.bad == flow.total else 0
            change = flows.ended(flow, cancelled, now)
            if change is not None and self.apply(change, changes):
                self.follow([change.run], now, changes)
