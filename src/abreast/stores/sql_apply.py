"""How an SQL store carries out what the rules decide: changes, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any

from ..domain import decide, flows
from ..domain.keys import Template
from ..domain.model import Attempt, Change, Extra, Flow, PastAttempt, Progress, Run, Task
from ..domain.states import (
    ENDED,
    FAILED,
    PENDING,
    RUNNING,
    SCHEDULED,
    Reason,
)
from .database import Database
from .sql_claims import Claims
from .sql_door import Door
from .sql_epoch import Epoch
from .sql_lanes import SqlLanes
from .sql_records import Values
from .sql_rows import Rows
from .sql_workers import Workers

_PAGE = 500  # children released in one turn


class SqlApplying:
    """The part of an SQL store that moves runs from state to state."""

    def __init__(
        self,
        db: Database,
        jitter: Callable[[], float],
        values: Values,
        task_of: Callable[[str, Mapping[str, Any] | None], Task | None],
        keep: bool = False,
    ) -> None:
        self.db = db
        self.rows = Rows(db, values, task_of, keep)
        self.lanes = self.rows.lanes = SqlLanes(self.rows)
        self.door = Door(self)
        self.claims = Claims(self)
        self.workers_here = Workers(self)
        self.epoch = Epoch(self)
        self.worker: int | None = None  # who claims here
        self.log_folder: str | None = None
        self.unfinished = 0  # runs this process has submitted or started that have not ended
        self.running = 0
        self._next_at = inf
        self.telling = False
        self.to_stop: list[Run] = []
        self.aside: list[Change] = []  # changes that a claim brought about, told with the next
        self.on_the_way: set[int] = set()  # pending runs that do not stand in their line yet
        self.work = False  # something may start that could not before this turn
        self.ends = False  # something has ended in this turn
        self._again: list[Run] = []  # claims to be given up, because that was undone
        self._jitter = jitter
        self._ahead = True  # whether next_at has to be looked up
        self._edges: list[tuple[int, int, bool]] = []
        self._linked: bool | None = None  # whether there are edges at all; None: to be read
        self._progress: dict[int, tuple[int, Progress]] = {}
        self._ending: list[Flow] = []  # those whose last child has ended
        self._templates: dict[Task, Template] = {}  # of the keys of Unique

    next_at: float

    def end(self, attempt: Attempt, now: float, jitter: float, changes: list[Change]) -> None:
        """Record the end of an attempt that was not the usual one."""
        raise NotImplementedError

    def unclaim(self, runs: Iterable[Run], now: float, changes: list[Change]) -> None:
        """Take back claims of runs that were never begun."""
        raise NotImplementedError

    def open(self, durable: bool) -> None:
        """Begin the turn's transaction, unless it has begun."""
        raise NotImplementedError

    def flush(self) -> None:
        """Write what is to be written, so that queries see it."""
        self.rows.flush()
        if self._edges:
            edges, self._edges = self._edges, []
            self.db.executemany(
                "INSERT OR IGNORE INTO edges (parent, child, soft) VALUES (?,?,?)", edges
            )
        self.lanes.flush()

    def apply(self, change: Change, changes: list[Change]) -> bool:
        """Write one change into its run, unless the run has moved on since (compare-and-set)."""
        run, source, target = change.run, change.source, change.target
        if run.state is not source or run.attempt != change.attempt or source in ENDED:
            return False
        run.state = target
        if target in ENDED:
            self.unfinished -= 1
            self.ends = True
            run.ended, run.reason = change.at, change.reason
            run.error, run.trace, run.value = change.error, change.trace, change.value
        else:
            run.due = change.due
            if source is RUNNING:
                self._remember(change)
            if target is PENDING:
                self.on_the_way.add(run.id)
        if change.crashes:
            run.crashes = change.crashes
        elif change.backoffs:
            run.extra = run.extra or Extra()
            run.extra.backoffs = change.backoffs
        self.rows.touch(run)
        changes.append(change)
        if source is SCHEDULED or run.extra is not None:
            self._ahead = True  # next_at may have been this run's
        if source is RUNNING and (run.extra is None or run.extra.flow is None):
            self.running -= 1
        elif source is PENDING and run.lane is not None:
            self.lanes.left(run, run.lane, run.id not in self.on_the_way)
            self.on_the_way.discard(run.id)
        flow = flows.above(run) if target in ENDED else None
        if flow is not None:
            self._count(flow, run)
        return True

    def _count(self, flow: Flow, run: Run) -> None:
        if flows.counted(flow, run):
            self._ending.append(flow)
        self.rows.touch_flow(flow)

    def _remember(self, change: Change) -> None:
        run = change.run
        assert run.started is not None
        if run.history is None:
            run.history = []
        run.history.append(PastAttempt(run.started, change.at, change.reason, change.error))
        error = change.error and self.rows.values.error_to_row(change.error, change.trace)
        extra = run.extra
        self.db.execute(
            "INSERT OR REPLACE INTO attempts (run, number, started, ended, reason, error, worker, "
            "pid) VALUES (?,?,?,?,?,?,?,?)",
            (run.id, run.attempt, run.started, change.at, change.reason, error,
             extra and extra.worker, extra and extra.pid),
        )  # fmt: skip

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
                    self.rows.touch(run)
                    wanted += self.claims.unended(flow)
                continue
            change = decide.cancel(run, reason, now)
            if change is not None:
                self.apply(change, changes)
                ended.append(run)
            elif run.state is RUNNING and run.asked is None:
                run.asked = reason
                self.claims.ask(run)
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
                assert run.due is not None
                self.next_at = min(self.next_at, run.due)
            elif state in ENDED:
                self._release(run, now, runs, changes)
                flow = run.flow
                if state is FAILED and flow is not None and flow.fail_fast:
                    flow.failed = True
                    self.rows.touch_flow(flow)
                    self.cancel_all(self.claims.unended(flow), Reason.FAIL_FAST, now, changes)

    # -- runs that come after ---------------------------------------------------------------

    def with_children(self, runs: Sequence[Run]) -> set[int]:
        """Which of these have runs that come after them."""
        if self._linked is None:
            self._linked = bool(self.db.execute("SELECT 1 FROM edges LIMIT 1").fetchone())
        if not self._linked or not runs:
            return set()
        self.flush()
        marks = ",".join(str(run.id) for run in runs)
        return {
            row[0]
            for row in self.db.execute(
                f"SELECT DISTINCT parent FROM edges WHERE parent IN ({marks})"
            )
        }

    def _release(
        self, run: Run, now: float, moved: list[Run], changes: list[Change], beyond: int = 0
    ) -> None:
        if not self.with_children([run]):
            return
        edges = self.db.execute(
            "SELECT child, soft FROM edges WHERE parent=? AND child>? ORDER BY child LIMIT ?",
            (run.id, beyond, _PAGE),
        ).fetchall()
        soft = dict(edges)
        for child in self.rows.get([edge[0] for edge in edges]):
            if soft[child.id] and not decide.is_soft(child, run):
                child.extra = child.extra or Extra()
                child.extra.soft = (*child.extra.soft, run)
            if decide.satisfied(child, run):
                child.missing -= 1
                self.rows.touch(child)
                if child.missing > 0:
                    continue
            change = decide.release(child, run, now)
            if change is None:
                continue
            child.ready = now
            if change.target is PENDING and not child.task.keyed:
                if self.apply(change, changes):
                    self._join(child, now)
            elif self._enter(change, now, moved, changes):
                moved.append(child)
        if len(edges) == _PAGE:  # the rest in turns of their own
            self.db.execute(
                "INSERT OR REPLACE INTO releases (parent, child) VALUES (?,?)",
                (run.id, edges[-1][0]),
            )
            self.next_at = 0.0
        elif beyond:
            self.db.execute("DELETE FROM releases WHERE parent=?", (run.id,))

    def go_on_releasing(self, now: float, changes: list[Change]) -> None:
        """Release the next page of a fan-out."""
        row = self.db.execute("SELECT parent, child FROM releases LIMIT 1").fetchone()
        if row is not None:
            moved: list[Run] = []
            self._release(self.rows.one(row[0]), now, moved, changes, row[1])
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
            change = self.door.judge(change, now, moved, changes, refuse)
        return self.apply(change, changes)

    def _join(self, run: Run, now: float) -> None:
        """Put a pending run into the line in which it waits for a slot and its limits."""
        self.on_the_way.discard(run.id)
        if run.attempt or run.after:
            run.ready = now
        if run.lane is None:
            run.lane = self.lanes.lane_of(run)
        if run.lane.fair:
            self.lanes.give_turn(run)
        self.rows.touch(run)
        self.lanes.push(run)
        self.work = True

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
        self.rows.touch_flow(flow)
        change = flows.started(flow, child, now)
        if change is None:
            return None
        run = change.run
        run.state, run.attempt, run.started = RUNNING, change.attempt, now
        self.rows.touch(run)
        changes.append(change)
        return run

    def end_flows(self, now: float, changes: list[Change]) -> None:
        """End the records of flows whose last child has ended, and carry out what follows."""
        while self._ending:
            flow = self._ending.pop(0)
            assert flow.run is not None
            cancelled = 0
            if flow.bad == flow.total:
                self.flush()
                row = self.db.execute(
                    "SELECT count(*) FROM runs WHERE flow=? AND state=6", (flow.run.id,)
                ).fetchone()
                cancelled = row[0]
            change = flows.ended(flow, cancelled, now)
            if change is not None and self.apply(change, changes):
                self.follow([change.run], now, changes)
