"""Looking through many runs of an app: lists with filters, periods, what can be said of a task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.model import Run as Record
from ..domain.states import State
from ..errors import UsageError
from .app_queries import as_states

if TYPE_CHECKING:
    from .app_node import Node
    from .app_task import AppTask
    from .stored_run import StoredRun


class Event(NamedTuple):
    """Something that happened. ``kind``: ``run``, ``instant`` or ``schedule``, ``id`` its number,
    ``state``: the new one of a run, ``seq``: grows with every event."""

    seq: int
    at: float
    kind: str
    id: int
    state: State | None


class TaskStats(NamedTuple):
    """What the last runs of a task were like, 100 at most that have ended.

    ``success_rate`` (0 to 1) leaves skipped runs out; ``median`` and ``p95`` are seconds that
    completed runs took; ``recent``: (id, state, seconds), the newest first; ``active`` runs now,
    ``waiting`` has not started.
    """

    last: StoredRun | None
    last_ended: StoredRun | None
    counted: int
    success_rate: float | None
    median: float | None
    p95: float | None
    recent: list[tuple[int, str, float | None]]
    active: int
    waiting: int


class Searching:
    """The part of :class:`abreast.App` that looks through many runs."""

    if TYPE_CHECKING:

        @property
        def node(self) -> Node: ...

        @property
        def url(self) -> str: ...

        @property
        def tasks(self) -> Any: ...

        def handle(self, record: Record) -> StoredRun: ...

        def find_task(self, task: AppTask | str) -> AppTask: ...

    def file_store(self) -> Any:
        """The open store, which is one in a file; raises ``UsageError`` for ``memory://``."""
        node = self.node
        if node.live:
            raise UsageError("this needs a store in a file, for example 'sqlite:///jobs.db'")
        return node.store

    def search(
        self,
        *,
        tasks: Sequence[str] | None = None,
        states: Iterable[State | str] | None = None,
        since: float | None = None,
        until: float | None = None,
        text: str | None = None,
        flow: int | None = None,
        flows_only: bool = False,
        worker: int | None = None,
        reason: str | None = None,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
        oldest_first: bool = False,
        system: bool = False,
    ) -> list[StoredRun]:
        """List the runs that match, the newest first.

        Parameters
        ----------
        since, until : float, optional
            Submitted then or later, and before.
        text : str, optional
            Part of the label or of the task's name, in upper or lower case.
        flows_only : bool
            Only flows and batches.
        before, after : int, optional
            Only ids below, above: the last one of the page before.
        system : bool
            Also runs of abreast's own tasks, whose names begin with ``abreast:``.
        """
        wanted = self._wanted(
            tasks, states, since, until, text, flow, flows_only, worker, reason, before, after,
            system,
        )  # fmt: skip
        found = self.file_store().search(wanted, limit, oldest_first)
        return [self.handle(record) for record in found]

    def count_found(self, **filters: Any) -> int:
        """How many runs match the filters of :meth:`search`."""
        names = ("tasks", "states", "since", "until", "text", "flow", "flows_only", "worker",
                 "reason", "before", "after", "system")  # fmt: skip
        given = [filters.get(name) for name in names]
        found: int = self.file_store().count(self._wanted(*given))
        return found

    def _wanted(self, tasks: Any, states: Any, *rest: Any) -> Any:
        from ..stores.sql_search import Wanted

        return Wanted(tasks, as_states(states), *rest)

    def timeline(
        self,
        since: float,
        until: float,
        *,
        tasks: Sequence[str] | None = None,
        limit: int = 5000,
    ) -> list[StoredRun]:
        """The runs submitted before ``until`` that had not ended before ``since``, oldest first;
        when there are more than ``limit``, the newest of them.

        A run that was submitted more than a day before the period and has ended in it is left out.
        """
        found = self.file_store().during(since, until, tasks, limit)
        return [self.handle(record) for record in found]

    def stats(self, names: Iterable[str] | None = None) -> dict[str, TaskStats]:
        """What can be said of the last runs of these tasks, or of all."""
        store = self.file_store()
        numbers = store.numbers(list(self.tasks) if names is None else names)
        ids = {id for item in numbers.values() for id in item[:2] if id is not None}
        records = store.read(ids)
        handles = {id: self.handle(record) for id, record in records.items()}
        return {
            name: TaskStats(handles.get(item.last), handles.get(item.last_ended), *item[2:])
            for name, item in numbers.items()
        }

    def live(self) -> dict[str, tuple[int, int]]:
        """How many runs run and how many are pending now, by task; quick, however many runs the
        store has."""
        found: dict[str, tuple[int, int]] = self.file_store().live()
        return found

    def task_ids(self) -> dict[str, int]:
        """A number for every task of this app and of the store's runs, which never changes."""
        store = self.file_store()
        known: dict[str, int] = store.task_ids()
        missing = [name for name in self.tasks if name not in known]
        missing.sort(key=lambda name: name.startswith("abreast:"))  # people's tasks come first
        if missing:
            self.node.post(lambda now: store.open(True) or store.rows.name_tasks(missing))
            known = store.task_ids()
        return known

    def waiters(self, key: str, limit: int = 100) -> list[int]:
        """The ids of pending runs that need units of a limit's key."""
        found: list[int] = self.file_store().waiters(key, limit)
        return found

    def forget(self, id: int) -> None:
        """Remove an ended run (a flow with all its runs) with all that belongs to it.

        Raises
        ------
        UsageError
            When it has not ended, is part of a flow, or others that have not ended come after it.
        UnknownRun
            When there is none with this id.
        """
        from .care import forget

        forget(self, id)  # type: ignore[arg-type]

    # -- what happens -----------------------------------------------------------------------

    def tell_events(self) -> None:
        """Have the store write down what happens, for :meth:`events`, from now on."""
        store = self.file_store()
        self.node.post(lambda now: store.events.tell())

    def events(self, after: int, limit: int = 500) -> list[Event]:
        """What happened after the event with this number, in order."""
        states = tuple(State)
        return [
            Event(row.seq, row.at, "run" if row.kind == "note" else row.kind, row.id,
                  None if row.state is None else states[row.state])
            for row in self.file_store().events.after(after, limit)
        ]  # fmt: skip

    def event_bounds(self) -> tuple[int, int]:
        """The numbers of the oldest event that is kept, and of the newest (0: there was none)."""
        found: tuple[int, int] = self.file_store().events.bounds()
        return found

    def data_version(self) -> int:
        """A number that is another one after any process has written to the store."""
        rows = self.file_store().db.read("PRAGMA data_version", ())
        return int(rows[0][0])

    def store_bytes(self) -> int:
        """Bytes the store's files take, without logs and payloads."""
        import os

        path = self.url.removeprefix("sqlite:///")
        return sum(
            os.path.getsize(path + end) for end in ("", "-wal") if os.path.exists(path + end)
        )
