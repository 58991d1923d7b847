"""How an SQL store writes: changes into rows, and what has to be read for those that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any

from ..domain import decide, flows, unique
from ..domain.limits import Claim, Then, Usage
from ..domain.model import Attempt, Change, Extra, Flow, Progress, Run, Task
from ..domain.states import ENDED, PENDING, RUNNING, SCHEDULED
from .database import Database
from .meeting import Meeting
from .sql_claims import Claims
from .sql_epoch import Epoch
from .sql_known import SqlKey, SqlLane
from .sql_lanes import SqlLanes
from .sql_records import Values
from .sql_rows import Rows
from .sql_workers import Workers

_PAGE = 500  # children released in one turn


class SqlApplying(Meeting):
    """The part of an SQL store that moves runs from state to state."""

    def __init__(
        self,
        db: Database,
        jitter: Callable[[], float],
        values: Values,
        task_of: Callable[[str, Mapping[str, Any] | None], Task | None],
        keep: bool = False,
    ) -> None:
        super().__init__(jitter)
        self.db = db
        self.rows = Rows(db, values, task_of, keep)
        self.lanes = self.rows.lanes = SqlLanes(self.rows)
        self.claims = Claims(self)
        self.workers_here = Workers(self)
        self.epoch = Epoch(self)
        self.worker: int | None = None  # who claims here
        self.log_folder: str | None = None
        self._next_at = inf
        self.on_the_way: set[int] = set()  # pending runs that do not stand in their line yet
        self.work = False  # something may start that could not before this turn
        self.ends = False  # something has ended in this turn
        self._again: list[Run] = []  # claims to be given up, because that was undone
        self._ahead = True  # whether next_at has to be looked up
        self._edges: list[tuple[int, int, bool]] = []
        self._linked: bool | None = None  # whether there are edges at all; None: to be read
        self._progress: dict[int, tuple[int, Progress]] = {}

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
        super()._remember(change)
        run = change.run
        error = change.error and self.rows.values.error_to_row(change.error, change.trace)
        extra = run.extra
        self.db.execute(
            "INSERT OR REPLACE INTO attempts (run, number, started, ended, reason, error, worker, "
            "pid) VALUES (?,?,?,?,?,?,?,?)",
            (run.id, run.attempt, run.started, change.at, change.reason, error,
             extra and extra.worker, extra and extra.pid),
        )  # fmt: skip

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

    def _join(self, run: Run, now: float) -> None:
        """Put a pending run into the line in which it waits for a slot and its limits."""
        self.on_the_way.discard(run.id)
        if run.attempt or run.after:
            run.ready = now
        if run.lane is None:
            run.lane = self.lanes.lane_of(run)
        self._line_up(run)
        self.work = True

    def _line_up(self, run: Run) -> None:
        if run.lane.fair:
            self.lanes.give_turn(run)
        self.rows.touch(run)
        self.lanes.push(run)

    def _leave(self, run: Run, lane: SqlLane) -> None:
        self.rows.touch(run)
        self.lanes.left(run, lane)

    def _lane_of(self, run: Run) -> SqlLane:
        return self.lanes.lane_of(run)

    def _at_the_door(self, run: Run) -> Sequence[tuple[Claim, Usage]]:
        pairs = self.lanes.pairs(run.lane)
        for claim, key in pairs:
            if claim.then is not Then.WAIT:
                self._look(key)
        return pairs

    def _look(self, key: SqlKey) -> None:
        """Read who holds a key and who waits in its lanes."""
        self.flush()
        lanes = "lane IN (SELECT lane FROM lane_keys WHERE key=?)"
        line = self.rows.select(f"{lanes} AND state=2 ORDER BY ready, id", (key.id,))
        key.line = dict.fromkeys(run for run in line if run.id not in self.on_the_way)
        held = f"{lanes} AND state=3"
        if key.per is not None:
            held = "id IN (SELECT run FROM units WHERE key=?)"
        holders = self.rows.select(f"{held} ORDER BY started, id", (key.id,))
        key.holders = dict.fromkeys(holders, 0.0)

    def _stuck(self, abandoned: list[Run]) -> Iterable[tuple[Run, Usage, Run]]:
        return self.claims.stuck(abandoned)

    # -- new runs and known ones --------------------------------------------------------------

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
        """Forget a new run that was refused at the door."""
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
        self.rows.known.pop(run.id, None)
        super()._uncount(run)

    def _known_as(self, key: str) -> Run | None:
        row = self.db.execute("SELECT run FROM uniques WHERE name=?", (key,)).fetchone()
        found = [] if row is None else self.rows.get([row[0]])
        return found[0] if found else None

    def _know_as(self, key: str, run: Run) -> None:
        assert run.task.unique is not None
        self.db.execute(
            "INSERT OR REPLACE INTO uniques (name, run, until) VALUES (?,?,?)",
            (key, run.id, unique.known_until(run.task.unique, run)),
        )

    def _schedule(self, run: Run) -> None:
        assert run.due is not None
        self.next_at = min(self.next_at, run.due)

    def _rescheduled(self, run: Run) -> None:
        self._ahead = True

    # -- rows ---------------------------------------------------------------------------------

    def _touch(self, run: Run) -> None:
        self.rows.touch(run)

    def _touch_call(self, run: Run) -> None:
        self.rows.touch_call(run)

    def _touch_flow(self, flow: Flow) -> None:
        self.rows.touch_flow(flow)

    def _ask(self, run: Run) -> None:
        self.claims.ask(run)

    def _unended(self, flow: Flow) -> list[Run]:
        if flow.run is None:
            return flow.unended()
        self.flush()
        return self.rows.select("flow=? AND state<4 ORDER BY id", (flow.run.id,))

    def _cancelled_in(self, flow: Flow) -> int:
        assert flow.run is not None
        self.flush()
        found: tuple[int] = self.db.execute(
            "SELECT count(*) FROM runs WHERE flow=? AND state=6", (flow.run.id,)
        ).fetchone()
        return found[0]
