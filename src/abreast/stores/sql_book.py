"""Looking things up: runs by id or by query, steps, limits, workers. From any thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.model import Flow, PastAttempt, Run
from ..domain.states import Reason, State
from .sql_records import COLUMNS, NUMBERS, STATES, fill_flow, progress_of
from .sql_rows import Rows
from .sql_search import SqlSearch

if TYPE_CHECKING:
    from .database import Database

_MANY = 500


class LimitRow(NamedTuple):
    """One key of a limit: units held, of how many, by which runs, and how many wait for it."""

    key: str
    held: float
    n: float | None
    holders: tuple[int, ...]
    waiting: int


class StepRow(NamedTuple):
    """A recorded step of a run. ``input`` and ``output`` as they were packed."""

    name: str
    number: int
    attempt: int
    input: Any
    output: Any
    error: str | None
    started: float
    ended: float | None


class WorkerRow(NamedTuple):
    """A worker: who it is and what it executes."""

    id: int
    name: str
    host: str
    pid: int
    started: float
    concurrency: int
    tasks: str | None
    state: str
    running: int


class SqlBook(SqlSearch):
    """The reading side of a store; see ``interfaces/app_node.py``, which says what is expected."""

    db: Database
    rows: Rows

    def read(self, ids: Iterable[int]) -> dict[int, Run]:
        """Snapshots of the records with these ids."""
        wanted = list(ids)
        found: dict[int, Run] = {}
        for start in range(0, len(wanted), _MANY):
            part = wanted[start : start + _MANY]
            marks = ",".join("?" * len(part))
            for run in self._snapshots(f"id IN ({marks})", part):
                found[run.id] = run
        return found

    def find(
        self,
        task: str | None = None,
        states: Iterable[State] | None = None,
        flow: int | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """Snapshots of runs that match, the newest first."""
        where, given = ["1"], []
        if task is not None:
            where.append("task=(SELECT id FROM tasks WHERE name=?)")
            given.append(task)
        if states is not None:
            numbers = [NUMBERS[State(state)] for state in states]
            where.append(f"state IN ({','.join(map(str, numbers))})")
        if flow is not None:
            where.append("flow=?")
            given.append(flow)  # type: ignore[arg-type]
        if before is not None:
            where.append("id<?")
            given.append(before)  # type: ignore[arg-type]
        return self._snapshots(f"{' AND '.join(where)} ORDER BY id DESC LIMIT {int(limit)}", given)

    def _snapshots(self, where: str, given: Iterable[Any]) -> list[Run]:
        flows: dict[int, Flow] = {}

        def find(id: int) -> Run:
            return _placeholder(id)

        def flow_of(id: int) -> Flow:
            flow = flows.get(id)
            if flow is None:
                flow = flows[id] = Flow()
                flow.run = _placeholder(id)
            return flow

        runs = []
        for row in self.db.read(
            f"SELECT {COLUMNS}, progress FROM runs WHERE {where}", tuple(given)
        ):
            run = self.rows.record(row, find, flow_of, lanes=False)
            run.progress = progress_of(row[26], self.rows.values)
            if run.attempt > 1:
                run.history = self._history(run.id)
            runs.append(run)
        return runs

    def _history(self, id: int) -> list[PastAttempt]:
        from_row = self.rows.values.error_from_row
        return [
            PastAttempt(
                started,
                ended,
                Reason(reason) if reason else None,
                from_row(error)[0] if error else None,
            )
            for started, ended, reason, error in self.db.read(
                "SELECT started, ended, reason, error FROM attempts WHERE run=? ORDER BY number",
                (id,),
            )
        ]

    def counts(self, task: str | None = None) -> dict[State, int]:
        """How many runs are in each state."""
        found = dict.fromkeys(STATES, 0)
        where = "" if task is None else "WHERE task=(SELECT id FROM tasks WHERE name=?)"
        for number, count in self.db.read(
            f"SELECT state, count(*) FROM runs {where} GROUP BY state",
            () if task is None else (task,),
        ):
            found[STATES[number]] = count
        return found

    def flow(self, id: int) -> Flow | None:
        """The counters of the flow whose run has this id, or None."""
        rows = self.db.read(
            "SELECT fail_fast, failed, began, total, ended, bad, message FROM flows WHERE id=?",
            (id,),
        )
        if not rows:
            return None
        flow = Flow()
        fill_flow(flow, rows[0])
        return flow

    def parents(self, id: int) -> list[Run]:
        """The runs that a run comes after, oldest first."""
        return self._snapshots("id IN (SELECT parent FROM edges WHERE child=?) ORDER BY id", (id,))

    # -- steps ------------------------------------------------------------------------------

    def steps(self, run: int) -> list[StepRow]:
        """The steps of a run in order."""
        return [
            StepRow(*row)
            for row in self.db.read(
                "SELECT name, number, attempt, input, output, error, started, ended FROM steps "
                "WHERE run=? ORDER BY number",
                (run,),
            )
        ]

    def step_begin(self, run: int, attempt: int, name: str, input: Any, now: float) -> None:
        """Note, in a turn, that a step has begun; an attempt that is over can note nothing."""
        self.open(True)  # type: ignore[attr-defined]
        self.db.execute(
            "INSERT INTO steps (run, name, number, attempt, input, started) SELECT ?, ?, "
            "(SELECT count(*)+1 FROM steps WHERE run=?), ?, ?, ? FROM runs "
            "WHERE id=? AND state=3 AND attempt=? ON CONFLICT (run, name) DO UPDATE SET "
            "attempt=excluded.attempt, input=excluded.input, started=excluded.started, "
            "output=NULL, error=NULL, ended=NULL",
            (run, name, run, attempt, input, now, run, attempt),
        )

    def step_end(
        self, run: int, attempt: int, name: str, output: Any, error: str | None, now: float
    ) -> None:
        """Note, in a turn, how a step ended."""
        self.open(True)  # type: ignore[attr-defined]
        self.db.execute(
            "UPDATE steps SET output=?, error=?, ended=? WHERE run=? AND name=? AND attempt=? "
            "AND EXISTS (SELECT 1 FROM runs WHERE id=steps.run AND state=3 AND attempt=?)",
            (output, error, now, run, name, attempt, attempt),
        )

    def step_output(self, run: int, name: str) -> Any:
        """What a finished step returned; None when it has not finished."""
        rows = self.db.read(
            "SELECT output FROM steps WHERE run=? AND name=? AND ended IS NOT NULL "
            "AND error IS NULL",
            (run, name),
        )
        return rows[0][0] if rows else None

    # -- limits and workers -----------------------------------------------------------------

    def limits(self) -> list[LimitRow]:
        """Every key in use: units held, by whom, and how many runs wait in its lanes."""
        found = []
        for id, name, held, level in self.db.read("SELECT id, name, held, level FROM keys"):
            lanes = "lane IN (SELECT lane FROM lane_keys WHERE key=?)"
            holders = self.db.read(
                f"SELECT id FROM runs WHERE state=3 AND {lanes} UNION "
                "SELECT run FROM units WHERE key=? ORDER BY 1",
                (id, id),
            )
            waiting = self.db.read(f"SELECT count(*) FROM runs WHERE state=2 AND {lanes}", (id,))
            if held or holders or waiting[0][0]:
                size = level if level is not None else self._size(id, name)
                ids = tuple(row[0] for row in holders)
                found.append(LimitRow(name, held, size, ids, waiting[0][0]))
        return found

    def _size(self, key: int, name: str) -> float | None:
        from .sql_known import claims_of

        for (text,) in self.db.read(
            "SELECT claims FROM lanes WHERE id IN (SELECT lane FROM lane_keys WHERE key=?) "
            "ORDER BY id DESC LIMIT 1",
            (key,),
        ):
            for claim in claims_of(text):
                if claim.key == name:
                    return float(claim.n)
        return None

    def workers(self) -> list[WorkerRow]:
        """Every worker with the number of runs it executes."""
        return [
            WorkerRow(*row)
            for row in self.db.read(
                "SELECT id, name, host, pid, started, concurrency, tasks, state, "
                "(SELECT count(*) FROM runs WHERE state=3 AND worker=workers.id) "
                "FROM workers WHERE state<>'gone' ORDER BY id"
            )
        ]

    def executor_of(self, run: Run) -> tuple[str, int] | None:
        """Host and process of a run's last attempt; None when it never started or that is gone."""
        extra = run.extra
        if extra is None or extra.worker is None:
            return None
        rows = self.db.read("SELECT host, pid FROM workers WHERE id=?", (extra.worker,))
        return (rows[0][0], extra.pid or rows[0][1]) if rows else None


def _placeholder(id: int) -> Run:
    from ..domain.model import Task

    return Run(id, Task(f"run {id}", _placeholder, "elsewhere"), (), {}, 0.0)
