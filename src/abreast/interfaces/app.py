"""The app: tasks with a store, where runs are written down before they are acknowledged."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, WrongType
from . import app_node
from .app_queries import Looking
from .app_registry import Registry
from .app_search import Searching
from .app_submit import Submitting
from .app_task import AppTask

if TYPE_CHECKING:
    from .app_node import Node
    from .app_schedules import Schedules
    from .app_testing import Testing
    from .batch import Job
    from .flows import FlowBuilder
    from .worker import Worker

_APPS: weakref.WeakSet[App] = weakref.WeakSet()


class App(Registry, Submitting, Looking, Searching):
    """Tasks whose runs live in a store: on one box in a file, in tests in memory.

    ::

        app = App("sqlite:///jobs.db")

        @app.task(retry=3)
        def send(address: str) -> None: ...

        run = send.submit("a@example.com")      # written down; a worker executes it
        run.result(timeout=60)

    Nothing is opened before the first submit or query. Calling a task calls its function.

    Parameters
    ----------
    url : str, optional
        ``"sqlite:///jobs.db"`` (relative to the current folder), ``"sqlite:////var/jobs.db"``, or
        ``"memory://"`` for runs that end with this process. None: what ``ABREAST_STORE`` names, or
        ``url`` in the section ``[store]`` of the nearest ``abreast.toml`` upward.
    codec : str
        How arguments and results are written: ``"json"``.
    durability : str
        ``"full"``: what was acknowledged survives a power cut. ``"normal"``: it survives the death
        of any process; a power cut may lose the last moments. Faster.
    logs : str or path, optional
        Folder for what runs print; beside the store by default.
    retention : mapping, optional
        Which ended runs workers remove: ``{"older_than": "30d", "keep": 1000,
        "failed_older_than": "90d"}``; see :func:`abreast.interfaces.care.prune`. None: none.
    name : str, optional
        Shown by tools; the name of the file by default.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        codec: str = "json",
        durability: str = "full",
        logs: str | os.PathLike[str] | None = None,
        retention: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        if codec != "json":
            raise UsageError(f"codec must be 'json', not {codec!r}")
        if durability not in ("full", "normal"):
            raise UsageError(f"durability must be 'full' or 'normal', not {durability!r}")
        if url is not None and not isinstance(url, str):
            raise WrongType(f"a store is named by a text such as 'sqlite:///jobs.db', not {url!r}")
        self._url = None if url is None else app_node.absolute(url)
        self.codec = codec
        self.durability = durability
        self.retention: Any = None if retention is None else _retention(retention)
        self.logs = None if logs is None else os.path.abspath(logs)
        self._name = name
        self._given = url
        Registry.__init__(self)
        self._node: Node | None = None
        self._testing: list[Testing] = []
        self._lock = threading.RLock()
        _APPS.add(self)

    # -- the store --------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The URL of the store, with an absolute path.

        Raises
        ------
        UsageError
            When none was given and neither ``ABREAST_STORE`` nor an ``abreast.toml`` names one.
        """
        if self._url is None:
            from .config import store_url

            self._url = store_url()
        return self._url

    @property
    def name(self) -> str:
        """What tools show: the given name, or that of the store's file."""
        if self._name is not None:
            return self._name
        url = self.url
        return "memory" if url == "memory://" else os.path.basename(url).partition(".")[0]

    @property
    def given_url(self) -> str | None:
        """The URL this app was made with, or None."""
        return self._given

    def bind(self, url: str) -> None:
        """Use another store from now on; what was open is closed."""
        url = app_node.absolute(url)
        if url != self._url:
            self.close()
            self._url = url

    @property
    def node(self) -> Node:
        """The open store and engine of this app in this process; opened when there is none."""
        if self._testing:
            return self._testing[-1].node
        node = self._node
        if node is None or node.pid != os.getpid():
            node = self._open()
        return node

    def share(self, store: Any, engine: Any) -> None:
        """Submit and look through a worker's open store and engine from now on, until
        :meth:`close`: one process then needs only one."""
        with self._lock:
            self.close()
            self._node = app_node.share_node(self.url, store, engine)

    def retain(self, retention: Mapping[str, Any]) -> None:
        """Let workers that start from now on remove old runs; see ``retention`` above."""
        self.retention = _retention(retention)

    @property
    def in_memory(self) -> bool:
        """Whether this app was made with, or bound to, ``memory://``."""
        return self._url == "memory://"

    def _open(self) -> Node:
        with self._lock:
            node = self._node
            if node is None or node.pid != os.getpid():
                node = self._node = app_node.open_node(
                    self.url, self.task_of, self.durability, self.logs
                )
        return node

    def close(self) -> None:
        """Free threads, connections and memory. It opens again when it is needed."""
        with self._lock:
            node, self._node = self._node, None
            if node is not None:
                node.close()

    def __enter__(self) -> App:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def schedules(self) -> Schedules:
        """When runs are made by the clock: ``list``, ``add``, ``pause``, ``ledger`` and more.

        A service (``abreast serve``) acts on them.
        """
        from .app_schedules import Schedules

        return Schedules(self)

    # -- making runs: see Submitting ----------------------------------------------------------

    def flow(self, name: str | None = None, fail_fast: bool = False) -> FlowBuilder:
        """Describe a graph of runs in a ``with`` block; all of it is submitted at its end.

        ``fail_fast``: the first failed run ends all others of the flow.
        """
        from .flows import FlowBuilder

        return FlowBuilder(self, name, fail_fast)

    def batch(
        self,
        task: AppTask | str,
        over: Mapping[str, Iterable[Any]],
        parallel: Mapping[str, Iterable[Any]] | None = None,
        join: AppTask | str | Callable[..., Any] | None = None,
        concurrency: int = 1,
        part_concurrency: int = 4,
        **constants: Any,
    ) -> Job:
        """Run a task for every combination of values, one combination after the other.

        Combinations come in the order of nested loops over ``over``. Within one, a *part* runs for
        every combination of the values in ``parallel``, side by side; then ``join`` is called with
        the list of their results. A part that fails costs its combination its result; the others
        go on.

        Parameters
        ----------
        task : task or name
            Called with one value of each name of ``over`` and ``parallel``, and ``constants``.
        over, parallel : mapping
            Argument name to values.
        join : task or name, optional
            A task of this app.
        concurrency : int
            Combinations at a time.
        part_concurrency : int
            Parts at a time in the whole batch.

        Returns
        -------
        Job
            One run with the progress of the whole; ``result()``, ``partial()``.
        """
        from .batch import submit_batch

        return submit_batch(
            self, task, over, parallel, join, concurrency, part_concurrency, constants
        )

    # -- tests and workers --------------------------------------------------------------------

    def testing(self) -> Testing:
        """A context in which submits run at once, in the calling thread, in a store of their own.

        ``submitted`` of what ``with`` gives lists them: ``task``, ``args``, ``kwargs``,
        ``options``, ``run``. Delays are not waited for.
        """
        from .app_testing import Testing

        return Testing(self)

    def enter_testing(self, testing: Testing) -> None:
        """Called by what :meth:`testing` returned."""
        self._testing.append(testing)
        self._defined.clear()

    def leave_testing(self, testing: Testing) -> None:
        """Called by what :meth:`testing` returned."""
        self._testing.remove(testing)
        self._defined.clear()

    def worker(
        self,
        concurrency: int | str = 5,
        executor: str | None = None,
        tasks: Sequence[str] | None = None,
        fresh: bool = False,
        drain: float = 30.0,
        pools: Mapping[str, float | str] | None = None,
    ) -> Worker:
        """Return a worker that executes runs of this app; see its ``run``.

        Parameters
        ----------
        concurrency : int or "auto"
            Runs at a time; ``"auto"`` follows the load and the free memory of the machine.
        executor : str, optional
            ``"process"`` or ``"thread"`` for plain functions that do not say otherwise.
        tasks : list of str, optional
            Only runs of these tasks.
        fresh : bool
            Execute every run in a new process of its own.
        drain : float
            Seconds that running runs get to end when it stops.
        pools : mapping, optional
            What ``needs`` are drawn from, besides ``cpu`` and ``memory``: ``{"gpu": 2}``.
        """
        from .worker import Worker

        return Worker(self, concurrency, executor, tasks, fresh, drain, pools)

    def __reduce__(self) -> Any:
        # A function that refers to its app takes the app along into another process: by name.
        from .app_task import find_global

        place = find_global(self)
        if place is not None:
            return find_global, (None, *place)
        return _again, (self._given or self._url, self.durability, self.logs, self._name)

    def __repr__(self) -> str:
        shown = self._given or self._url or "store not named yet"
        return f"<App {shown!r}: {len(self._tasks)} tasks>"


def _retention(retention: Mapping[str, Any]) -> Any:
    from . import app_options
    from .care import Retention

    known = ("older_than", "keep", "failed_older_than")
    if not isinstance(retention, Mapping):
        raise WrongType(
            f"retention must be a mapping such as {{'older_than': '30d'}}, not {retention!r}"
        )
    app_options.check(retention, known, "retention")
    return Retention(**retention)


def _again(
    url: str | None, durability: str, logs: str | None, name: str | None
) -> App:  # unpickled where it cannot be imported
    return App(url, durability=durability, logs=logs, name=name)


def _renew_locks() -> None:
    """In a fork: another thread of the parent may have held them."""
    for app in _APPS:
        app._lock = threading.RLock()
        app._node = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
