"""One app in one process: its store, its engine, and the way between them.

What an app asks of its store beyond :class:`abreast.ports.Store` is :class:`Book`. Reading verbs
may be called from any thread at any time; everything that writes goes through the engine, in one
of its turns (:meth:`Node.post`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from weakref import WeakValueDictionary

from ..domain.model import Flow, Run, Task
from ..domain.states import ENDED, Reason, State
from ..engine.engine import Engine
from ..errors import UnknownRun, UsageError

if TYPE_CHECKING:
    from ..domain.model import Change
    from .app_waiting import Watch

T = TypeVar("T")

TaskOf = Callable[[str, "Mapping[str, Any] | None"], "Task | None"]


class LimitRow(NamedTuple):
    """One key of a limit: units held of ``n`` (None: no one number), by which runs, and how many
    runs wait for it."""

    key: str
    held: float
    n: float | None
    holders: tuple[int, ...]
    waiting: int


class Step(NamedTuple):
    """A recorded step of a run; see :func:`abreast.step`. ``output`` counts once it has ended."""

    name: str
    number: int  # order within the run, from 1
    attempt: int
    input: Any
    output: Any
    error: str | None
    started: float
    ended: float | None

    @property
    def seconds(self) -> float | None:
        """How long it took, or None while it is under way."""
        return None if self.ended is None else max(0.0, self.ended - self.started)


class Book(Protocol):
    """What an app asks of a store besides moving runs.

    ``read`` and ``find`` return records: live ones in memory, snapshots from a file. ``find`` lists
    the newest first, only ids below ``before``. ``flow`` returns the counters of a flow by the id
    of its run, None when that run is none. ``parents`` lists what a run comes after. Values of
    steps are as :meth:`Node.pack` makes them; ``step_output`` returns None when that step has not
    finished.
    """

    log_folder: str | None

    def read(self, ids: Iterable[int]) -> dict[int, Run]: ...

    def find(
        self,
        task: str | None = None,
        states: Iterable[State] | None = None,
        flow: int | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Run]: ...

    def counts(self, task: str | None = None) -> dict[State, int]: ...

    def flow(self, id: int) -> Flow | None: ...

    def parents(self, id: int) -> list[Run]: ...

    def steps(self, run: int) -> list[Any]: ...

    def step_begin(self, run: int, attempt: int, name: str, input: Any, now: float) -> None: ...

    def step_end(
        self, run: int, attempt: int, name: str, output: Any, error: str | None, now: float
    ) -> None: ...

    def step_output(self, run: int, name: str) -> Any: ...

    def limits(self) -> list[Any]: ...

    def workers(self) -> list[Any]: ...


class Node:
    """A store with its engine in this process.

    Parameters
    ----------
    live : bool
        Whether records are live objects of this process (``memory://``).
    watch : Watch, optional
        Tells of ends that other processes recorded; None: the engine hears of all of them.
    """

    def __init__(
        self, url: str, store: Any, engine: Engine, *, live: bool, watch: Watch | None = None
    ) -> None:
        self.url = url
        self.store = store
        self.engine = engine
        self.live = live
        self.writes_json = not live  # arguments have to be JSON; in tests: will have to be
        self.pid = os.getpid()
        self.now = engine.now
        self.inline: Callable[[], None] | None = None  # executes what may start, in tests
        self._watch = watch

    # -- writing ----------------------------------------------------------------------------

    def post(self, what: Callable[[float], T]) -> T:
        """Do something in a turn of the engine; returns what it returns, raises what it raises."""
        return self.act(lambda now, changes: what(now))

    def act(self, what: Callable[[float, list[Change]], T]) -> T:
        """Like :meth:`post`, for what changes runs: it adds the changes to the list it is given."""
        answer: list[T] = []
        failure: list[BaseException] = []

        def message(now: float) -> Sequence[Change]:
            changes: list[Change] = []
            try:
                answer.append(what(now, changes))
            except Exception as error:
                if self.store.trouble_of(error) is not None:
                    raise  # the whole turn comes to nothing, and engine.post says so
                failure.append(error)
            return changes

        self.engine.post(message)
        if failure:
            raise failure[0]
        return answer[0]

    def submit(self, runs: Sequence[Run], conn: Any = None) -> None:
        """Hand in new runs, parents before children; with ``conn`` inside its transaction."""
        if conn is not None:
            arrivals = getattr(self.store, "arrivals", None)
            if arrivals is None:
                raise UsageError(
                    "conn= writes the run into the same SQLite file as your data; "
                    f"the store {self.url!r} has no such file"
                )
            arrivals.check(conn, self.store.path, runs)
            arrivals.write(conn, runs)
            return
        self.engine.submit(runs)

    def submit_flow(self, flow: Flow, runs: Sequence[Run]) -> None:
        """Hand in a flow with all its runs at once; its own run comes first."""
        assert flow.run is not None
        self.submit([flow.run, *runs])

    def cancel(self, record: Run, reason: Reason = Reason.USER) -> None:
        """Ask a run to end."""
        self.engine.cancel([record], reason)
        self.execute_inline()

    def execute_inline(self) -> None:
        """In tests: execute now what may start. Elsewhere workers do it."""
        if self.inline is not None:
            self.inline()

    # -- reading ----------------------------------------------------------------------------

    def record(self, id: int) -> Run:
        """Return the record of a run; raises ``UnknownRun``."""
        found: Run | None = self.store.read([id]).get(id)
        if found is None:
            raise UnknownRun(f"the store {self.url!r} has no run {id}; it may have been pruned")
        return found

    def fresh(self, record: Run) -> Run:
        """Return the record as it is now."""
        if self.live or record.state in ENDED or not record.id:
            return record
        return self.record(record.id)

    # -- waiting ----------------------------------------------------------------------------

    def when_ended(self, record: Run, call: Callable[[], None]) -> None:
        """Call once, on whatever thread, when the run has ended; at once if it has."""
        if self._watch is None:
            self.engine.when_ended(record, call)
        else:
            self._watch.when_ended(record.id, call)

    def forget(self, record: Run, call: Callable[[], None]) -> None:
        """Take back :meth:`when_ended`."""
        if self._watch is None:
            self.engine.forget(record, call)
        else:
            self._watch.forget(record.id, call)

    # -- values of steps --------------------------------------------------------------------

    def pack(self, value: Any, what: str) -> Any:
        """A value as the store keeps it: never None."""
        if self.live:
            return (value,)
        from ..values import dumps

        try:
            return dumps(value)
        except Exception as error:
            from ..errors import NotStorable

            raise NotStorable(
                f"{what} (type {type(value).__name__!r}) cannot be written to the store: {error}"
            ) from None

    def unpack(self, data: Any) -> Any:
        """What :meth:`pack` was given (in a file: as JSON)."""
        if isinstance(data, tuple):
            return data[0]
        if data is None:
            return None
        from ..values import loads

        return loads(data)

    def close(self, grace_s: float | None = None) -> None:
        """Free what it holds. A fork only forgets it."""
        if self.pid != os.getpid():
            return
        with _LOCK:
            if _OPEN.get(self.url) is self:
                del _OPEN[self.url]
        if self._watch is not None:
            self._watch.close()
        self.engine.close(grace_s)
        close = getattr(self.store, "close", None)
        if close is not None:
            close()


# Nodes of this process by URL, for code that knows no app; and those no app would keep alive.
_OPEN: WeakValueDictionary[str, Node] = WeakValueDictionary()
_OWN: list[Node] = []
_LOCK = threading.Lock()


def _forget_all() -> None:
    """In a fork: connections and threads of the parent are not ours."""
    global _LOCK
    _LOCK = threading.Lock()
    _OPEN.clear()
    _OWN.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def node_at(url: str) -> Node:
    """The node of a URL in this process, opened when there is none (for ``step`` in children)."""
    with _LOCK:
        node = _OPEN.get(url)
    if node is None:
        node = open_node(url, lambda name, options: None)
        _OWN.append(node)
    return node


def open_node(url: str, task_of: TaskOf, durability: str = "full", logs: str | None = None) -> Node:
    """Open the store a URL names, with an engine that executes nothing yet."""
    if url == "memory://":
        from .app_memory import open_memory

        return open_memory()
    from . import wiring

    path = url.removeprefix("sqlite:///")
    from ..clock import SystemClock
    from ..stores.sqlite import SqliteStore

    store = SqliteStore(path, wiring.jitter, durability=durability, task_of=task_of)
    if logs is not None:
        store.log_folder = logs
    return share_node(url, store, Engine(store, SystemClock(through_sleep=True)))


def share_node(url: str, store: Any, engine: Engine) -> Node:
    """The node of a store in a file that is open with an engine."""
    from .app_waiting import Watch

    node = Node(url, store, engine, live=False, watch=Watch(store))
    with _LOCK:
        _OPEN.setdefault(url, node)
    return node


def absolute(url: str, folder: str | None = None) -> str:
    """Check a store URL and return it with an absolute path.

    Parameters
    ----------
    folder : str, optional
        What relative paths are relative to; the current folder by default.

    Raises
    ------
    UsageError
        For anything but ``sqlite:///path`` and ``memory://``.
    """
    if url in ("memory://", "memory:"):
        return "memory://"
    if url.startswith("sqlite:///") and url != "sqlite:///":
        path = os.path.join(folder or os.getcwd(), os.path.expanduser(url[len("sqlite:///") :]))
        return f"sqlite:///{os.path.abspath(path)}"
    known = "'sqlite:///jobs.db', 'sqlite:////var/lib/jobs.db' or 'memory://'"
    if url.startswith("sqlite:"):
        raise UsageError(f"the store {url!r} names no file; write {known}")
    if url.startswith(("postgresql:", "postgres:")):
        raise UsageError(f"the store {url!r} is not available in this version; use {known}")
    if "://" not in url:
        raise UsageError(f"the store {url!r} is no URL; for this file write 'sqlite:///{url}'")
    raise UsageError(f"the store {url!r} is of an unknown kind; use {known}")
