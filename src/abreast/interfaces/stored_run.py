"""The handle of a run in a store."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from ..domain.graph import present, runs_in
from ..domain.model import NOTHING, Extra, Progress
from ..domain.model import Run as Record
from ..domain.states import ENDED, Reason, State
from ..errors import UsageError
from . import app_waiting
from .run_view import RunView

if TYPE_CHECKING:
    from .app import App


class StoredRun(RunView):
    """One execution of a task, written down in the store of an app.

    Attributes are read from the store whenever they are asked for, until the run has ended. Two
    handles of one run are equal. Times are seconds since 1970 in UTC; ``started_at`` and the like
    give them as ``datetime``.
    """

    __slots__ = ("app", "known")

    def __init__(self, app: App, record: Record) -> None:
        self.app = app
        self.known = record  # as it was when last read

    @property
    def _record(self) -> Record:
        known = self.known
        if known.state not in ENDED:
            known = self.known = self.app.node.fresh(known)
        return known

    # -- what it is ---------------------------------------------------------------------------

    @property
    def id(self) -> int:
        """Its number in the store; 0 while its flow has not been submitted."""
        return self.known.id

    @property
    def label(self) -> str:
        """The label it was given, or the name of its task."""
        return self.known.label

    @property
    def args(self) -> tuple[Any, ...]:
        """Positional arguments; runs among them as handles."""
        args: tuple[Any, ...] = self._with_handles(self.known.args)
        return args

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """Keyword arguments; runs among them as handles."""
        kwargs: Mapping[str, Any] = self._with_handles(dict(self.known.kwargs))
        return kwargs

    def _with_handles(self, value: Any) -> Any:
        if isinstance(value, Record):
            return StoredRun(self.app, value)
        kind = type(value)
        if kind not in CONTAINERS or next(runs_in(value), None) is None:
            return value
        if kind is dict:
            return {key: self._with_handles(item) for key, item in value.items()}
        return kind(map(self._with_handles, value))

    @property
    def flow(self) -> int | None:
        """The id of the flow it is part of, or None."""
        flow = self.known.flow
        return None if flow is None or flow.run is None else flow.run.id

    @property
    def created(self) -> float:
        """When it was submitted."""
        return self.known.created

    # -- what has become of it ------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where it is now."""
        return self._record.state

    @property
    def reason(self) -> Reason | None:
        """Why it ended other than ``completed``."""
        return self._record.reason

    @property
    def attempt(self) -> int:
        """How often it has been started."""
        return self._record.attempt

    @property
    def due(self) -> float | None:
        """When it is to start, if a time was given or it is tried again; else None."""
        return self._record.due

    @property
    def started(self) -> float | None:
        """When its last attempt started, or None."""
        return self._record.started

    @property
    def ended(self) -> float | None:
        """When it ended, or None."""
        return self._record.ended

    @property
    def progress(self) -> Progress | None:
        """How far it says it is; of a flow, how many of its runs have ended."""
        record = self._record
        if self._may_be_flow(record):
            flow = self.app.node.store.flow(record.id)
            if flow is not None:
                return Progress(flow.ended, flow.total, flow.message)
        return record.progress

    def _may_be_flow(self, record: Record) -> bool:
        return record.progress is None

    @property
    def value(self) -> Any:
        """The result, or None."""
        return self._record.value

    @property
    def error(self) -> BaseException | None:
        """What it raised, or the error that says why it has no result."""
        return self._record.error

    @property
    def trigger(self) -> str:
        """Who made it: ``schedule nightly``, ``user anna``, ``after extract``, ``retry of 12``;
        empty when a program simply submitted it."""
        extra = self.known.extra or NOTHING
        if extra.retry_of is not None:
            return f"retry of {extra.retry_of}"
        return extra.by

    @property
    def worker(self) -> int | None:
        """The id of the worker that executes it, or None."""
        return (self._record.extra or NOTHING).worker

    # -- waiting --------------------------------------------------------------------------------

    def _see_end(self, timeout: float | None) -> None:
        if not self.wait(timeout):
            raise TimeoutError(
                f"{self.label!r} (run {self.id}) has not ended within {timeout:g} seconds; "
                "it goes on"
            )

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; False when ``timeout`` seconds were not enough."""
        self._check_submitted()
        record = self._record
        return record.state in ENDED or app_waiting.wait(self.app.node, record, timeout)

    def __await__(self) -> Generator[Any, None, Any]:
        self._check_submitted()
        record = self._record
        if record.state not in ENDED:
            yield from app_waiting.until_ended(self.app.node, record).__await__()
        return self.result()

    def _check_submitted(self) -> None:
        if not self.known.id and self.known.state not in ENDED:
            raise UsageError(
                f"{self.label!r} has not been submitted yet: its flow is submitted at the end of "
                "the with block; wait for it after that"
            )

    # -- doing something with it ----------------------------------------------------------------

    def cancel(self) -> None:
        """Ask it to end. What has not started ends at once; a flow ends with all its runs."""
        self._check_submitted()
        record = self._record
        if record.state not in ENDED:
            self.app.node.cancel(record)

    def retry(self) -> StoredRun:
        """Submit an ended run again, as a new run with the same task, arguments and options.

        Under ``unique`` it may meet another run that is the same work; then that is returned.

        Raises
        ------
        UsageError
            When it has not ended, is a flow, or its task is not one of this app.
        """
        node, record = self.app.node, self._record
        if record.state not in ENDED:
            raise UsageError(f"run {self.id} is {record.state}; only what has ended is repeated")
        if node.store.flow(record.id) is not None:
            raise UsageError(f"run {self.id} is a flow; retry those of its children that failed")
        name, options = record.task.name, (record.extra or NOTHING).options
        task = self.app.task_of(name, options)
        if task is not None and task.unique is not None and task.unique.until not in _STATES:
            options = {**(options or {}), "unique": None}  # it would meet the run it repeats
            task = self.app.task_of(name, options)
        if task is None:
            self.app.find_task(name)  # raises, saying what there is
            raise AssertionError
        again = Record(0, task, record.args, record.kwargs, node.now(), None, record.given)
        again.needy = record.needy  # what only came before it has done so
        again.after = tuple(dict.fromkeys(runs_in([*record.args, *record.kwargs.values()])))
        again.extra = Extra()
        again.extra.options = options
        again.extra.retry_of = record.id
        node.submit([again])
        node.execute_inline()
        return self.app.handle(present(again))

    # -- looking closer -------------------------------------------------------------------------

    @property
    def log_path(self) -> str | None:
        """The file with what it printed, or None when it printed nothing."""
        store = self.app.node.store
        if store.log_folder is None:
            return None
        path: str = store.log_file(self._record)
        return path if os.path.exists(path) else None

    @property
    def place(self) -> tuple[str, int] | None:
        """Host name and process id of its last attempt, or None when it has not started."""
        found: tuple[str, int] | None = self.app.node.store.executor_of(self._record)
        return found

    def log(self) -> str:
        """What it has printed so far."""
        path = self.log_path
        if path is None:
            return ""
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def why(self) -> str:
        """Say in one sentence why the run is in the state it is in."""
        from .app_why import why

        return why(self.app.node, self._record)

    def steps(self) -> list[Any]:
        """Its recorded steps in order: ``name``, ``attempt``, ``input``, ``output``, ``error``,
        ``started``, ``ended``; see :func:`abreast.step`."""
        node = self.app.node
        return [
            step._replace(input=node.unpack(step.input), output=node.unpack(step.output))
            for step in node.store.steps(self.id)
        ]

    def children(self) -> list[StoredRun]:
        """The runs of a flow, in the order in which they were added; of another run, none."""
        return [self.app.handle(record) for record in children(self.app, self.id)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StoredRun):
            return NotImplemented
        if self.known is other.known:
            return True
        return self.app is other.app and self.id == other.id != 0

    def __hash__(self) -> int:
        if not self.known.id:
            raise TypeError("a run has no hash before its flow has been submitted: it has no id")
        return hash((id(self.app), self.known.id))

    def __repr__(self) -> str:
        try:
            record = self._record
        except Exception:  # the store is gone; a repr still has to say what it can
            record = self.known
        reason = f"({record.reason})" if record.reason else ""
        return f"<{type(self).__name__} {record.id} {record.label!r} {record.state}{reason}>"


CONTAINERS = (list, tuple, set, frozenset, dict)  # in which handles are looked for
_STATES = ("start", "end")  # what ``until`` of a Unique names that has no duration
_PAGE = 1000


def children(app: App, flow: int) -> list[Record]:
    """The records of a flow's runs, oldest first."""
    found: list[Record] = []
    before: int | None = None
    while True:
        page = app.node.store.find(flow=flow, before=before, limit=_PAGE)
        found += page
        if len(page) < _PAGE:
            return found[::-1]
        before = page[-1].id
