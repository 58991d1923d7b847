"""Records from the rows of ``runs``, and the tasks these rows name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..domain import flows
from ..domain.model import Extra, Flow, Progress, Run, Task
from ..domain.states import Reason, State
from ..errors import StoreError

if TYPE_CHECKING:
    from .database import Database
    from .sql_lanes import SqlLanes

STATES = tuple(State)
NUMBERS = {state: number for number, state in enumerate(STATES)}
_REASONS = {str(reason): reason for reason in Reason}

# The columns of a record, in the order in which they are read.
COLUMNS = (
    "id, task, state, reason, lane, turn, created, ready, due, started, ended, attempt, crashes, "
    "missing, worker, asked, flow, label, needy, args, value, error, extra, path, fair, pid"
)
FLOW_COLUMNS = "fail_fast, failed, began, total, ended, bad, message"
IS_FLOW = "is_flow"


class Values(Protocol):
    """How arguments, results and errors become bytes in a row."""

    def call_to_row(self, run: Run) -> bytes | None: ...

    def call_from_row(
        self, data: bytes | None, find: Callable[[int], Run]
    ) -> tuple[tuple[Any, ...], Mapping[str, Any]]: ...

    def to_row(self, value: Any, what: str) -> bytes | None: ...

    def from_row(self, data: bytes | None) -> Any: ...

    def error_to_row(self, error: BaseException, trace: str | None) -> bytes: ...

    def error_from_row(self, data: bytes) -> tuple[BaseException, str | None]: ...

    def recorded(self) -> None: ...

    def undo(self) -> None: ...


class Records:
    """Makes records of rows.

    Parameters
    ----------
    keep : bool
        Keep every record that was ever seen, and keep it current: what was submitted here is then
        *live* like in the memory store. For tests; a process that serves for years must not.
    """

    lanes: SqlLanes

    def __init__(
        self,
        db: Database,
        values: Values,
        task_of: Callable[[str, Mapping[str, Any] | None], Task | None],
        keep: bool,
    ) -> None:
        self.db = db
        self.values = values
        self.keep = keep
        self._task_of = task_of
        self._tasks: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._seen: dict[str, Task] = {}  # with keep: the tasks of all runs
        self._flows: dict[int, Flow] = {}

    def task_id(self, task: Task) -> int:
        """The number of a task, given when its first run is submitted."""
        number = self._tasks.get(task.name)
        if self.keep:
            self._seen[task.name] = task
        if number is None:
            row = self.db.execute("SELECT id FROM tasks WHERE name=?", (task.name,)).fetchone()
            if row is None:
                cursor = self.db.execute("INSERT INTO tasks (name) VALUES (?)", (task.name,))
                row = (int(cursor.lastrowid or 0),)
            number = row[0]
            self._tasks[task.name], self._names[number] = number, task.name
        return number

    def number_of(self, name: str) -> int:
        """The number of a task whose runs the store has, from any thread."""
        if name not in self._tasks:
            self.load_tasks(in_turn=False)
        return self._tasks[name]

    def load_tasks(self, in_turn: bool = True) -> None:
        """Read the numbers of all tasks."""
        sql = "SELECT id, name FROM tasks"
        for number, name in self.db.execute(sql) if in_turn else self.db.read(sql):
            self._tasks[name], self._names[number] = number, name

    def task_names(self) -> dict[int, str]:
        """Name by number."""
        return self._names

    def task_named(self, number: int, options: Mapping[str, Any] | None = None) -> Task | None:
        """The task of this number, or None when this process does not know it."""
        name = self._names.get(number) or self.name_of(number)
        return self._task_of(name, options) or self._seen.get(name)

    def _task(self, name: str, options: Mapping[str, Any] | None) -> Task:
        task = self._task_of(name, options) or self._seen.get(name)
        if task is None:  # another program's; enough of it for looking at its runs
            task = Task(name, _elsewhere, "elsewhere")
        return task

    def name_of(self, task: int, in_turn: bool = True) -> str:
        """The name of a task by its number."""
        if task not in self._names:
            self.load_tasks(in_turn)
        return self._names[task]

    def record(
        self,
        row: tuple[Any, ...],
        find: Callable[[int], Run] | None,
        flow_of: Callable[[int], Flow],
        lanes: bool = True,
    ) -> Run:
        """Make the record of a row; with ``find`` None without its arguments."""
        extra: Extra | None = None
        is_flow = False
        if row[22] is not None:
            extra = Extra()
            kept = self.values.from_row(row[22])
            is_flow = kept.pop(IS_FLOW, False)
            extra.__dict__.update(kept)
        name = self._names.get(row[1]) or self.name_of(row[1], lanes)
        if is_flow:
            task = flows.task_of(name)
        else:
            task = self._task(name, extra.options if extra is not None else None)
        args: tuple[Any, ...] = ()
        kwargs: Mapping[str, Any] = {}
        if row[19] is not None and find is not None:
            try:
                args, kwargs = self.values.call_from_row(row[19], find)
            except StoreError as error:  # its file is gone: only this run suffers for it
                args = (LostCall(row[0], error),)
        flow = None if row[16] is None else flow_of(row[16])
        run = Run(row[0], task, args, kwargs, row[6], flow, row[17])
        run.extra = extra
        if row[24] is not None:
            extra = run.extra = extra or Extra()
            extra.fair, extra.turn = row[24], row[5]
        if row[14] is not None:
            run.extra = run.extra or Extra()
            run.extra.worker, run.extra.pid = row[14], row[25]
        run.state = STATES[row[2]]
        run.reason = None if row[3] is None else _REASONS[row[3]]
        if lanes and row[4] is not None and row[2] < 4:  # those of ended runs may be pruned
            run.lane = self.lanes.by_id(row[4])
        run.ready, run.due, run.started, run.ended = row[7:11]
        run.attempt, run.crashes, run.missing = row[11:14]
        run.asked = None if row[15] is None else _REASONS[row[15]]
        run.needy = bool(row[18]) or (len(args) == 1 and type(args[0]) is LostCall)
        if row[20] is not None:
            run.value = self.values.from_row(row[20])
        if row[21] is not None:
            run.error, run.trace = self.values.error_from_row(row[21])
        if row[23] is not None:
            run.path = -row[23]
        if is_flow:
            own = self._flows.get(run.id) if lanes else None
            (own or self._read_flow(run.id, lanes)).become(run)
        return run

    def _read_flow(self, id: int, in_turn: bool = True) -> Flow:
        flow = Flow()
        sql = f"SELECT {FLOW_COLUMNS} FROM flows WHERE id=?"
        rows = self.db.execute(sql, (id,)).fetchall() if in_turn else self.db.read(sql, (id,))
        for row in rows:
            fill_flow(flow, row)
        return flow


def fill_flow(flow: Flow, row: tuple[Any, ...]) -> None:
    """Set what a row of ``flows`` says, from fail_fast on."""
    flow.fail_fast, flow.failed = bool(row[0]), bool(row[1])
    flow.began, flow.total, flow.ended, flow.bad, flow.message = row[2:7]


def progress_of(data: bytes | None, values: Values) -> Progress | None:
    """The progress a row tells of."""
    return None if data is None else Progress(*values.from_row(data))


class LostCall(Run):
    """Stands for arguments whose file is missing: a run that needs them fails with the reason."""

    __slots__ = ("_why",)

    def __init__(self, id: int, why: StoreError) -> None:
        super().__init__(id, Task(f"run {id}", _elsewhere, "elsewhere"), (), {}, 0.0)
        self._why = why

    @property
    def value(self) -> Any:
        """Raises the reason."""
        if hasattr(self, "_why"):
            raise self._why
        return None

    @value.setter
    def value(self, value: Any) -> None:
        """It never has one."""


def stand_in(id: int) -> Run:
    """Stands in for a run that is named and was pruned."""
    return Run(id, Task(f"run {id}", _elsewhere, "elsewhere"), (), {}, 0.0)


def _elsewhere(*_: Any, **__: Any) -> None:
    raise AssertionError("a task of another program was called")
