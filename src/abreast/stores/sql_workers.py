"""Who executes: workers enter themselves, leave, and what a dead one held is taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..domain import decide
from ..domain.model import CRASHED, STOPPED, Attempt, Change, Run
from ..domain.states import Reason
from ..errors import Crashed

if TYPE_CHECKING:
    from collections.abc import Container

    from .sql_apply import SqlApplying


_GONE_KEPT = 10_000  # rows of workers that have left


class Peer(NamedTuple):
    """Another worker of the same store."""

    id: int
    pid: int
    host: str
    state: str


class Workers:
    """The table of workers. Every method is called in a turn."""

    def __init__(self, store: SqlApplying) -> None:
        self._store = store

    def enter(
        self, name: str, host: str, pid: int, concurrency: int, tasks: str | None, now: float
    ) -> int:
        """Enter a worker and return its number; this store claims for it from now on."""
        store = self._store
        store.open(True)
        cursor = store.db.execute(
            "INSERT INTO workers (name, host, pid, started, concurrency, tasks, state) "
            "VALUES (?,?,?,?,?,?,'working')",
            (name, host, pid, now, concurrency, tasks),
        )
        store.worker = int(cursor.lastrowid or 0)
        store.work = True  # others get to know it
        return store.worker

    def say(self, state: str) -> None:
        """Write what this worker does now: working, draining, stopping."""
        self._store.open(True)
        self._store.db.execute("UPDATE workers SET state=? WHERE id=?", (state, self._store.worker))

    def peers(self) -> list[Peer]:
        """All other workers that have entered and not left."""
        rows = self._store.db.read(
            "SELECT id, pid, host, state FROM workers WHERE id IS NOT ? AND state<>'gone'",
            (self._store.worker,),
        )
        return [Peer(*row) for row in rows]

    def asked(self) -> list[int]:
        """The runs of this worker that somebody has asked to end; from any thread."""
        rows = self._store.db.read(
            "SELECT id FROM runs WHERE state=3 AND worker=? AND asked IS NOT NULL",
            (self._store.worker,),
        )
        return [row[0] for row in rows]

    def leave(self, id: int, now: float, begun: Container[int]) -> list[Change]:
        """Take a worker that is no more off the list.

        Runs it had begun (``begun``) crashed with it, or were stopped when it said so; runs it had
        only claimed are pending as if nothing had been. Units that its abandoned threads held
        return.
        """
        store = self._store
        store.open(True)
        changes: list[Change] = []
        row = store.db.execute("SELECT state FROM workers WHERE id=?", (id,)).fetchone()
        if row is None or row[0] == "gone":
            return changes  # somebody else was faster
        store.flush()
        runs = store.rows.select("state=3 AND worker=? ORDER BY id", (id,))
        store.running += len(runs)  # as if they had been ours
        store.unfinished += len(runs)
        for run in runs:
            if run.id in begun:
                self._end(run, row[0] == "stopping", id, now, changes)
        store.end_flows(now, changes)
        for run in runs:
            if run.id not in begun:
                self._return(run, now, changes)
        store.end_flows(now, changes)
        for key, cost in store.db.execute(
            "DELETE FROM units WHERE worker=? AND until IS NULL RETURNING key, cost", (id,)
        ).fetchall():
            store.lanes.return_units(store.lanes.key_by_id(key), cost)
        # its row stays for a while, so that one can see where a run was executed
        store.db.execute("UPDATE workers SET state='gone' WHERE id=?", (id,))
        store.db.execute("DELETE FROM workers WHERE state='gone' AND id<?", (id - _GONE_KEPT,))
        store.work = True
        return changes

    def _end(
        self, run: Run, stopping: bool, worker: int, now: float, changes: list[Change]
    ) -> None:
        store = self._store
        attempt = Attempt(run, run.attempt, (), {}, None)
        attempt.ended = now
        attempt.stop = run.asked or (Reason.SHUTDOWN if stopping else None)
        attempt.outcome = CRASHED if attempt.stop is None else STOPPED
        attempt.error = Crashed(f"worker {worker}, which executed {run.label!r}, died")
        store.end(attempt, now, 0.0, changes)

    def _return(self, run: Run, now: float, changes: list[Change]) -> None:
        store = self._store
        rows = store.db.execute(
            "DELETE FROM units WHERE run=? AND attempt=? AND until IS NOT NULL RETURNING key, cost",
            (run.id, run.attempt),
        ).fetchall()
        for key, cost in rows:
            store.lanes.return_units(store.lanes.key_by_id(key), cost)
        store.unclaim([run], now, changes)
        if run.asked is not None:
            change = decide.cancel(run, run.asked, now)
            if change is not None and store.apply(change, changes):
                store.follow([run], now, changes)
