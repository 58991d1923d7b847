"""The store of one box and of a fleet: runs as rows, the same verbs, no rules of its own.

A turn of the engine is one transaction: the first verb that needs one begins it, ``end_turn``
commits. Rules are asked in :mod:`abreast.domain`, as the memory store does; what is kept in
memory between turns holds only as long as no other process has written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from ..domain import decide, flows
from ..domain.limits import Usage
from ..domain.model import ERROR, OK, Attempt, Change, Progress, Run
from ..domain.states import COMPLETED, PENDING, RUNNING, Reason
from ..errors import NotStorable
from .sql_records import COLUMNS
from .sql_submit import SqlSubmitting

_PROGRESS_S = 0.1


class SqlStore(SqlSubmitting):
    """Runs in a database. Not thread-safe: the engine attends it with its lock held.

    Parameters
    ----------
    db : Database
        The connection with its turns.
    jitter : callable
        Returns a random number in [0, 1) that spreads retries.
    values : Values
        How arguments and results become bytes.
    task_of : callable
        Finds the task of a name, changed by the options of a submit; None: not known here.
    keep : bool
        See :class:`~abreast.stores.sql_rows.Rows`.
    """

    _before = (0, 0)  # unfinished and running when the turn began
    _arrived = True  # whether there may be runs to take in
    _doubt = False  # whether what we believe to execute has to be compared with the rows

    @property
    def crowded(self) -> bool:
        """Whether other processes have lately waited for turns."""
        return self.db.crowded

    def serve(self, executor: str) -> None:
        """Get ready for runs of an executor, before the first is claimed."""
        self.lanes.serve(executor)

    # -- turns ------------------------------------------------------------------------------

    def open(self, durable: bool) -> None:
        """Begin the turn's transaction, unless it has begun."""
        db = self.db
        if db.in_turn:
            if durable:
                db.harden()
            return
        self._before = self.unfinished, self.running
        db.begin(durable)
        if db.changed():
            self.lanes.stale()
            self.epoch.heed()
            self._next_id, self._linked, self._ahead = 0, None, True
            self.claims.look_for_asked()
            self._arrived = True
        if self._again:
            again, self._again = self._again, []
            self.unclaim(again, 0.0, [])

    def look_for_arrivals(self, now: float, changes: list[Change]) -> None:
        """Take in runs that came with transactions of others."""
        if self._arrived:
            self._arrived = False
            self.open(True)
            self.arrivals.take_in(now, changes)

    def end_turn(self) -> None:
        """Commit what the verbs of this turn have done; nothing when there was nothing to do."""
        if not self.db.in_turn:
            return
        self.lanes.move_up()
        self.flush()
        if self._progress:
            self._write_progress()
        if self._ahead:
            self._look_ahead()
        self.db.commit()
        self._before = self.unfinished, self.running
        self.claims.recorded()
        self.rows.end_turn()

    def undo_turn(self, reports: Sequence[Attempt]) -> None:
        """Roll back; what the turn did to records that stay is read again."""
        self.db.rollback()
        self.unfinished, self.running = self._before
        self._again += self.claims.undo()
        for attempt in reports:
            run = attempt.run
            if run.attempt == attempt.number:
                run.state, run.reason, run.error, run.value = RUNNING, None, None, None
                run.ended = run.due = run.trace = None
                self.rows.running[run.id] = run
        self._doubt = True
        self._edges.clear()
        self._ending.clear()
        self.aside.clear()
        self.on_the_way.clear()
        self._next_id, self._linked, self._ahead = 0, None, True
        self.rows.undo()
        self.lanes.forget()
        self.work = self.ends = False

    # -- claim ------------------------------------------------------------------------------

    def claim(
        self, executors: tuple[str, ...], slots: int, now: float, like: Run | None = None
    ) -> list[Run]:
        """Start up to ``slots`` pending runs of these executors and return them, best first.

        With ``like`` it stops before the first run that has another executor, rank or path, or is
        held back by a limit. Outside of flows a rank is a time, and need not be the same.
        """
        if not self.lanes.more:
            return []
        self.open(False)
        self.look_for_arrivals(now, self.aside)
        taken = self.claims.take(executors, slots, now, like)
        self.running += len(taken)
        return taken

    def unclaim(self, runs: Iterable[Run], now: float, changes: list[Change]) -> None:
        """Take back claims of runs that were never begun: they are pending again, and the attempt
        does not count."""
        self.open(False)
        for run in runs:
            if not self.claims.look_at(run):
                continue
            if self.telling:
                changes.append(Change(run, RUNNING, PENDING, now, run.attempt))
            self.running -= 1
            self.rows.freshen(run)
            self.claims.give_up(run)
            self.rows.known[run.id] = run
            run.state = PENDING
            run.attempt -= 1
            if not run.attempt:
                run.started = None
            self.rows.touch(run)
            if run.task.keyed:
                self.lanes.give_back(run)
            self.lanes.push(run)
            self.work = True
            if run.extra is not None:
                self._ahead = True

    # -- settle -----------------------------------------------------------------------------

    def settle(self, attempts: Iterable[Attempt], now: float, changes: list[Change]) -> None:
        """Record how attempts ended, adding to ``changes``. Stale attempts change nothing."""
        self.open(True)
        if self.aside:
            changes += self._begun()
        mine = list(attempts)
        if self._doubt:
            self._doubt = False
            mine = self.claims.ours(mine)
        parents = self.with_children([attempt.run for attempt in mine])
        self.claims.full.clear()
        for attempt in mine:
            self._settle(attempt, attempt.run.id in parents, now, changes)
        if self._ending:
            self.end_flows(now, changes)

    def _settle(self, attempt: Attempt, is_parent: bool, now: float, changes: list[Change]) -> None:
        run, rows = attempt.run, self.rows
        jitter = 0.0 if attempt.outcome is OK else self._jitter()
        if run.state is not RUNNING or run.attempt != attempt.number:
            return  # it came too late, or twice
        if run.flow is not None:
            rows.freshen(run)
        data = None
        if attempt.outcome is OK and attempt.stop is None and attempt.value is not None:
            try:
                data = rows.values.to_row(attempt.value, run.label)
            except NotStorable as error:
                attempt.outcome, attempt.error, attempt.value = ERROR, error, None
        if attempt.pid is not None and run.extra is not None:
            run.extra.pid = attempt.pid
        if attempt.outcome is not OK or attempt.stop is not None:
            if self.claims.look_at(run):
                self.end(attempt, now, jitter, changes)
            return
        change = decide.settle(run, attempt, now, 0.0)
        if attempt.started is not None:
            run.started = attempt.started
        run.state, run.ended, run.value = COMPLETED, change.at, change.value
        self.running -= 1
        self.unfinished -= 1
        self.ends = True
        rows.complete(run, data, attempt.pid)
        changes.append(change)
        self.claims.done(attempt)
        flow = flows.above(run)
        if flow is not None:
            self._count(flow, run)
        if is_parent:
            self.follow([run], now, changes)

    def end(self, attempt: Attempt, now: float, jitter: float, changes: list[Change]) -> None:
        """Record the end of an attempt that was not the usual one."""
        run = attempt.run
        change = decide.settle(run, attempt, now, jitter)
        if self.apply(change, changes):
            if attempt.started is not None:
                run.started = attempt.started
            self.claims.done(attempt)
            self.follow([run], now, changes)

    def returned(self, attempt: Attempt) -> None:
        """An abandoned thread has returned at last: only its units are of interest."""
        self.open(False)
        self.claims.returned(attempt)

    # -- cancel and due ---------------------------------------------------------------------

    def cancel(self, runs: Iterable[Run], reason: Reason, now: float) -> list[Change]:
        """End runs that have not started; flag running ones and list them in ``to_stop``."""
        self.open(True)
        return super().cancel(self.rows.current(runs), reason, now)

    def due(self, now: float) -> list[Change]:
        """Carry out what was to happen by now: units of rates return, runs that are too late end,
        scheduled ones start."""
        self.open(True)
        changes = self._begun()
        self.claims.return_units(now)
        late, due = "wall IS NOT NULL AND state<3 AND wall", "state=1 AND due"
        while (run := self._next_due(late, now)) and self._end_late(run, now, changes):
            pass
        while (run := self._next_due(due, now)) and self._start_due(run, now, changes):
            pass
        self.go_on_releasing(now, changes)
        self.end_flows(now, changes)
        self._look_ahead()
        return changes

    def _next_due(self, what: str, now: float) -> Run | None:
        """The first run whose time has come, by a condition that ends with the column."""
        self.flush()
        row = self.db.execute(
            f"SELECT {COLUMNS} FROM runs WHERE {what}<=? ORDER BY {what.rsplit(' ', 1)[1]}, id "
            "LIMIT 1",
            (now,),
        ).fetchone()
        return None if row is None else self.rows.take_in(row)

    @property
    def next_at(self) -> float:
        """When :meth:`due` has something to do (inf: never)."""
        if self._ahead and self.db.in_turn:
            self._look_ahead()
        return self._next_at

    @next_at.setter
    def next_at(self, at: float) -> None:
        self._next_at = at

    def _look_ahead(self) -> None:
        """Set when there is something to do next."""
        self._ahead = False
        self.flush()
        row = self.db.execute(
            "SELECT (SELECT min(due) FROM runs WHERE state=1), (SELECT min(until) FROM units "
            "WHERE until IS NOT NULL), (SELECT min(wall) FROM runs WHERE wall IS NOT NULL AND "
            "state<3), (SELECT 0.0 FROM releases LIMIT 1)"
        ).fetchone()
        self._next_at = min((at for at in row if at is not None), default=inf)

    def end_stuck(self, abandoned: Iterable[Run], now: float) -> list[Change]:
        """End pending runs whose limit is held by abandoned threads only."""
        self.open(True)
        return super().end_stuck(abandoned, now)

    # -- looking ----------------------------------------------------------------------------

    def held_by(self, run: Run) -> Usage | None:
        """Return the key that keeps a pending run from starting, or None."""
        return self.claims.held_by(run)

    def note_progress(self, run: Run, attempt: int, progress: Progress, now: float = 0.0) -> bool:
        """Keep how far a running run says it is; written down within a tenth of a second."""
        if run.state is not RUNNING or run.attempt != attempt:
            return False
        run.progress = progress
        first = not self._progress
        self._progress[run.id] = attempt, progress
        if first:
            self.next_at = min(self.next_at, now + _PROGRESS_S)
        return first

    def _write_progress(self) -> None:
        notes, self._progress = self._progress, {}
        to_row = self.rows.values.to_row
        self.db.executemany(
            "UPDATE runs SET progress=? WHERE id=? AND attempt=?",
            [
                (to_row([note.done, note.total, note.message], "progress"), id, attempt)
                for id, (attempt, note) in notes.items()
            ],
        )

    def usages(self) -> list[Usage]:
        """Every key in use, with the units held."""
        return self.claims.usages()
