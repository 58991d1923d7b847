"""Rows of the table ``runs``: from records and back, written together at the end of a turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..domain import decide
from ..domain.model import NOTHING, Extra, Flow, Run, Task
from ..errors import StoreError
from .sql_records import COLUMNS, IS_FLOW, NUMBERS, STATES, Records, Values, stand_in

if TYPE_CHECKING:
    from .database import Database
    from .sql_known import SqlLane

_INSERT = """INSERT INTO runs (id, task, state, lane, turn, rank, path, created, ready, due,
    missing, flow, label, fair, needy, wall, args, extra)
    VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"""
_UPDATE = """UPDATE runs SET state=?, reason=?, lane=?, turn=?, rank=?, path=min(path,?), ready=?,
    due=?, started=?, ended=?, attempt=?, crashes=?, missing=?, worker=?, pid=?, asked=?, wall=?,
    value=?, error=?, extra=?, fair=? WHERE id=?"""
_COMPLETE = """UPDATE runs SET state=4, ended=?, started=?, value=?, pid=?, asked=NULL
    WHERE id=? AND state=3 AND attempt=?"""
_MANY = 500  # ids in one statement


class Lost(StoreError):
    """A row was not as this process left it: what the turn was to write must be looked at again."""


class Rows(Records):
    """Records by id, and what has to be written of them when the turn ends."""

    def __init__(
        self,
        db: Database,
        values: Values,
        task_of: Callable[[str, Mapping[str, Any] | None], Task | None],
        keep: bool,
    ) -> None:
        super().__init__(db, values, task_of, keep)
        self.running: dict[int, Run] = {}  # claimed by this process
        self.known: dict[int, Run] = {}  # of this turn (for ever with keep)
        self._bare: set[int] = set()  # those of them whose arguments have not been read
        self._inserts: list[Run] = []
        self._dirty: dict[int, Run] = {}
        self._calls: dict[int, Run] = {}
        self._completed: list[tuple[Any, ...]] = []
        self.dirty_flows: dict[int, Flow] = {}

    def name_tasks(self, names: Iterable[str]) -> None:
        """Give numbers to tasks that have had no run yet. In a turn."""
        for name in names:
            self.db.execute("INSERT OR IGNORE INTO tasks (name) VALUES (?)", (name,))
        self.load_tasks()

    # -- reading ----------------------------------------------------------------------------

    def current(self, runs: Iterable[Run]) -> list[Run]:
        """The records of these runs as the store has them now."""
        return self.get([run.id for run in runs])

    def get(self, ids: Iterable[int]) -> list[Run]:
        """The records with these ids, in that order; those that do not exist are left out."""
        wanted = list(ids)
        unknown = [
            id
            for id in wanted
            if (id not in self.known and id not in self.running) or id in self._bare
        ]
        if unknown:
            self.flush()
            for start in range(0, len(unknown), _MANY):
                part = unknown[start : start + _MANY]
                marks = ",".join("?" * len(part))
                sql = f"SELECT {COLUMNS} FROM runs WHERE id IN ({marks})"
                for row in self.db.execute(sql, part).fetchall():
                    self.take_in(row)
        known, running = self.known, self.running
        found = [known.get(id) or running.get(id) for id in wanted]
        for run in found:
            if run is not None:
                self.freshen(run)
        return [run for run in found if run is not None]

    def freshen(self, run: Run) -> None:
        """Let a record that has lived longer than a turn refer to its flow as it is now."""
        flow = run.flow
        if flow is not None and flow.run is not None and run.id in self.running and not self.keep:
            run.flow = self.flow(flow.run.id)

    def select(self, where: str, given: tuple[Any, ...]) -> list[Run]:
        """The records of rows that match, in the order the condition asks for."""
        rows = self.db.execute(f"SELECT {COLUMNS} FROM runs WHERE {where}", given).fetchall()
        return [self.take_in(row) for row in rows]

    def take_in(self, row: tuple[Any, ...]) -> Run:
        """Return the record of a row, making it when it is not known."""
        run = self.known.get(row[0]) or self.running.get(row[0])
        if run is None:
            run = self.known[row[0]] = self.record(row, self._named, self.flow)
            return run
        self.freshen(run)
        if run.id in self._bare:
            self._bare.remove(run.id)
            if row[19] is not None:
                run.args, run.kwargs = self.values.call_from_row(row[19], self._named)
        return run

    def _named(self, id: int) -> Run:
        """The record of a run that is named in arguments, without its own arguments: these may
        name another one, and so on without end. A stand-in when it was pruned, which happens only
        to what the arguments of ended runs name."""
        run = self.known.get(id) or self.running.get(id)
        if run is None:
            self.flush()
            sql = f"SELECT {COLUMNS} FROM runs WHERE id=?"
            row = self.db.execute(sql, (id,)).fetchone()
            if row is None:
                return stand_in(id)
            run = self.known[id] = self.record(row, None, self.flow)
            self._bare.add(id)
        return run

    def one(self, id: int) -> Run:
        """The record with this id, which must exist."""
        return self.get([id])[0]

    def flow(self, id: int) -> Flow:
        """The flow whose run has this id."""
        flow = self._flows.get(id)
        if flow is None:
            flow = self._flows[id] = self._read_flow(id)
            if flow.run is None:
                flow.become(self.one(id))
        return flow

    # -- writing ----------------------------------------------------------------------------

    def insert(self, run: Run) -> None:
        """Write a new run when the turn ends."""
        self._inserts.append(run)
        self.known[run.id] = run

    def touch(self, run: Run) -> None:
        """Write a changed record when the turn ends."""
        self._dirty[run.id] = run

    def insertion(self, run: Run, task: int) -> tuple[str, tuple[Any, ...]]:
        """The statement that writes a new run, for a connection that is not ours."""
        return _INSERT, self._insert_row(run, task)

    def forget(self, runs: Iterable[Run]) -> None:
        """Let go of records whose rows were removed."""
        for run in runs:
            self.known.pop(run.id, None)
            self._dirty.pop(run.id, None)

    def withdraw(self, run: Run) -> None:
        """Forget a new run that is not to be made after all."""
        if run in self._inserts:
            self._inserts.remove(run)
        else:
            self.db.execute("DELETE FROM runs WHERE id=?", (run.id,))
        self._dirty.pop(run.id, None)
        self.known.pop(run.id, None)

    def complete(self, run: Run, value: bytes | None, pid: int | None) -> None:
        """Write the usual end of a run that this process executed."""
        self._completed.append((run.ended, run.started, value, pid, run.id, run.attempt))

    def flush(self) -> None:
        """Write what is to be written, so that queries see it."""
        if self._inserts:
            inserts, self._inserts = self._inserts, []
            dirty = self._dirty
            self.db.executemany(_INSERT, [self._insert_row(run) for run in inserts])
            for run in inserts:  # a new run is usually as it was inserted
                if run.id in dirty and _as_inserted(run):
                    del dirty[run.id]
        if self._completed:
            completed, self._completed = self._completed, []
            cursor = self.db.executemany(_COMPLETE, completed)
            if cursor.rowcount != len(completed):
                raise Lost("a run that was executed here has been given to somebody else")
        if self._dirty:
            dirty, self._dirty = self._dirty, {}
            self.db.executemany(_UPDATE, [self._update_row(run) for run in dirty.values()])
        if self._calls:
            calls, self._calls = self._calls, {}
            self.db.executemany(
                "UPDATE runs SET args=?, needy=? WHERE id=?",
                [(self.values.call_to_row(run), run.needy, id) for id, run in calls.items()],
            )
        if self.dirty_flows:
            flows, self.dirty_flows = self.dirty_flows, {}
            self.db.executemany(
                "INSERT OR REPLACE INTO flows (id, fail_fast, failed, began, total, ended, bad, "
                "message) VALUES (?,?,?,?,?,?,?,?)",
                [
                    (id, f.fail_fast, f.failed, f.began, f.total, f.ended, f.bad, f.message)
                    for id, f in flows.items()
                ],
            )

    def write(self, run: Run) -> None:
        """Write what is to be written, if it concerns this record."""
        if run.id in self._dirty:
            self.flush()

    def touch_call(self, run: Run) -> None:
        """Write changed arguments when the turn ends."""
        self._calls[run.id] = run

    def touch_flow(self, flow: Flow) -> None:
        """Write a changed flow when the turn ends."""
        if flow.run is not None:
            self.dirty_flows[flow.run.id] = flow
            self._flows[flow.run.id] = flow

    def _insert_row(self, run: Run, task: int | None = None) -> tuple[Any, ...]:
        flow = run.flow.run.id if run.flow is not None and run.flow.run is not None else None
        extra = run.extra
        lane: SqlLane | None = run.lane
        return (
            run.id,
            self.task_id(run.task) if task is None else task,
            NUMBERS[run.state],
            None if lane is None else lane.id,
            0 if extra is None else extra.turn,
            decide.rank(run),
            -run.path,
            run.created,
            run.ready,
            run.due,
            run.missing,
            flow,
            run.given,
            None if extra is None else extra.fair,
            run.needy,
            None if extra is None else decide.wall(run),
            self.values.call_to_row(run),
            None if extra is None else self._extra(extra),
        )

    def _update_row(self, run: Run) -> tuple[Any, ...]:
        extra = run.extra or NOTHING
        lane: SqlLane | None = run.lane
        values = self.values
        error = None if run.error is None else values.error_to_row(run.error, run.trace)
        return (
            NUMBERS[run.state],
            run.reason,
            None if lane is None else lane.id,
            extra.turn,
            decide.rank(run),
            -run.path,
            run.ready,
            run.due,
            run.started,
            run.ended,
            run.attempt,
            run.crashes,
            run.missing,
            extra.worker,
            extra.pid,
            run.asked,
            decide.wall(run),
            None if run.value is None else values.to_row(run.value, run.label),
            error,
            None if run.extra is None else self._extra(run.extra),
            extra.fair,
            run.id,
        )

    def _extra(self, extra: Extra) -> bytes | None:
        kept = {name: value for name, value in vars(extra).items() if name in _KEPT and value}
        if extra.flow is not None:
            kept[IS_FLOW] = True
        return self.values.to_row(kept, "extra") if kept else None

    # -- turns ------------------------------------------------------------------------------

    def end_turn(self) -> None:
        """Forget what belongs to the turn."""
        self.values.recorded()
        if not self.keep:
            self.known.clear()
            self._bare.clear()
            self._flows.clear()

    def undo(self) -> None:
        """Forget what was to be written; records that stay are read again."""
        self.values.undo()
        self._inserts.clear()
        self._dirty.clear()
        self._calls.clear()
        self._completed.clear()
        self.dirty_flows.clear()
        self._tasks.clear()
        self._names.clear()
        self.end_turn()


_KEPT = frozenset(
    {"expires", "deadline", "unique", "fair", "backoffs", "note", "options", "retry_of", "pid",
     "by"}
)  # fmt: skip


def _as_inserted(run: Run) -> bool:
    return run.state not in _ENDED_OR_RUNNING and run.asked is None


_ENDED_OR_RUNNING = frozenset(STATES[3:])
