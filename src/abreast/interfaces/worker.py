"""A worker: claims runs of an app, executes them, records what came of it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..clock import SystemClock
from ..domain.model import Run, Task
from ..domain.states import COMPLETED, RUNNING, Reason
from ..engine.engine import Engine
from ..engine.pool import Pool
from ..errors import StoreError, UsageError, WrongType
from .late_executor import LateExecutor
from .run_logs import Logs
from .worker_peers import Peers
from .worker_room import Room

if TYPE_CHECKING:
    from .app import App

_log = logging.getLogger("abreast")
_EXECUTORS = ("thread", "coroutine", "process", "command")
_TIDY_S = 60.0  # how often it looks whether old runs are to be removed
_LEAVE_S = 5.0  # how long a worker waits for the ends of what it has killed


class Worker:
    """Executes runs of an app, several at a time, until it is told to stop.

    Made by :meth:`App.worker`. ``with app.worker():`` executes in the background for as long as the
    block lasts; :meth:`run` executes in the foreground.

    Parameters
    ----------
    concurrency : int or "auto"
        Runs at a time; ``"auto"`` follows the load and the free memory of the machine.
    executor : str, optional
        ``"process"`` (default; ``"thread"`` for ``memory://``) or ``"thread"`` for plain functions
        that do not say otherwise.
    tasks : list of str, optional
        Only runs of these tasks.
    fresh : bool
        Every run in a new process of its own.
    drain : float
        Seconds that running runs get when the worker stops. What is left then is stopped, and
        queued again unless its task says ``on_crash="fail"``.
    pools : mapping, optional
        What ``needs`` of tasks are drawn from, besides ``cpu`` and ``memory``: ``{"gpu": 2}``.
    """

    def __init__(
        self,
        app: App,
        concurrency: int | str = 5,
        executor: str | None = None,
        tasks: Sequence[str] | None = None,
        fresh: bool = False,
        drain: float = 30.0,
        pools: Mapping[str, float | str] | None = None,
    ) -> None:
        auto = concurrency == "auto"
        if not auto and (isinstance(concurrency, bool) or not isinstance(concurrency, int)):
            raise WrongType(f"concurrency must be a whole number or 'auto', not {concurrency!r}")
        if isinstance(concurrency, int) and concurrency < 1:
            raise UsageError(f"concurrency must be 1 or more, not {concurrency}")
        if executor not in (None, "process", "thread"):
            raise UsageError(f"executor must be 'process' or 'thread', not {executor!r}")
        for name in tasks or ():
            app.find_task(name)
        self.app = app
        self.auto = auto
        self.concurrency = os.cpu_count() or 1 if auto else int(concurrency)
        self.fresh = fresh
        self.drain = float(drain)
        self.id: int | None = None
        self.shared = False  # whether the app submits and looks through this worker's store
        self.engine: Engine
        self._memory = app.url == "memory://"
        self._executor = executor or ("thread" if self._memory else "process")
        self._only = None if tasks is None else frozenset(tasks)
        self._store: Any = None
        self._pool = Pool(self.concurrency)
        self._room = Room(self._running, pools or {})
        self._peers: Peers | None = None
        self._started = False
        self._stop_asked = threading.Event()
        self._closed = threading.Event()
        self._hurry = False
        self._made: dict[Task, Task] = {}

    # -- life -------------------------------------------------------------------------------

    def start(self) -> Worker:
        """Begin to execute in background threads and return."""
        if self._started:
            return self
        self._started = True
        self.app.prefer(self._executor)
        if self._memory:
            self.engine = self.app.node.engine
        else:
            self._join_store()
        self._add_executors()
        if self.auto:
            self._room.follow(self.engine, self._pool)
        if self.app.retention is not None and not self._memory:
            threading.Thread(target=self._tidy, name="abreast-tidy", daemon=True).start()
        self.engine.open()
        return self

    def _tidy(self) -> None:
        """Remove old runs from time to time, off the way of those that execute."""
        from .care import prune_store, retention_due

        while not self._closed.wait(_TIDY_S):
            try:
                if retention_due(self._store, self.engine):
                    prune_store(self._store, self.engine, self.app.retention, sweep=False)
            except StoreError as error:  # say, a backup is being made
                _log.warning("old runs were not removed this time: %s", error)

    def run(self, once: bool = False) -> int:
        """Execute until a signal or :meth:`stop`; with ``once`` until nothing is left to do now.

        The first SIGTERM or SIGINT drains, a second one stops at once. Returns the exit code: 0.

        Raises
        ------
        StoreError
            When the store cannot be used.
        """
        lock = self.only_one() if once else None
        if once and lock is None and not self._memory:
            _log.info("another worker is doing this already")
            return 0
        restore = self._heed_signals()
        try:
            self.start()
            if once:
                self._when_done(self._stop_asked.set)
            while not self._stop_asked.wait(3600.0):
                pass
            self.close()
        finally:
            restore()
            if lock is not None:
                os.close(lock)
        return 0

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop_asked.is_set()

    def until_done(self) -> None:
        """Wait until nothing runs here and nothing may start, or somebody asks it to stop."""
        done = threading.Event()
        self._when_done(done.set)
        while not done.wait(0.2) and not self.stopping:
            pass

    def execute(self, id: int) -> bool:
        """Execute one pending run, in this process's care, and tell whether it has completed.

        Raises
        ------
        UsageError
            When it cannot start now: it is not pending, or a limit holds it.
        UnknownRun
            When there is none with this id.
        """
        name = self.app.run(id).name
        self._started = True
        self.app.prefer(self._executor)
        self._join_store()
        self._add_executors()
        store = self._store
        taken: list[Run] = []

        def claim(now: float) -> Run | None:
            store.open(True)
            run: Run | None = store.claims.take_this(id, now)
            taken.extend([] if run is None else [run])
            return run

        try:
            self.engine.execute(claim)
            if not taken:
                why = self.app.run(id).why()
                raise UsageError(f"run {id} ({name}) cannot be executed now: {why}")
            while not self._wait_for_rest(3600.0):
                pass
        finally:
            self.close()
        return self.app.run(id).state is COMPLETED

    def resize(self, concurrency: int) -> None:
        """Execute that many runs at a time from now on."""
        self.concurrency = concurrency
        self.engine.resize(self._pool, concurrency)

    def stop(self) -> None:
        """Ask :meth:`run` to come to an end, from any thread; a second time: without waiting."""
        if self._stop_asked.is_set():
            self._hurry = True
        self._stop_asked.set()

    def hurry(self) -> None:
        """Do not wait any longer for running runs."""
        self._hurry = True

    def close(self) -> None:
        """Drain, then leave: no new starts, running runs get ``drain`` seconds."""
        if self._started:
            self.finish()
            self.leave()

    def finish(self) -> None:
        """Start nothing more, give running runs ``drain`` seconds, stop what is left then."""
        if not self._started:
            return
        self._started = False
        self._closed.set()
        self._room.stop()
        self.engine.pause()
        self._say("draining")
        if not self._wait_for_rest(self.drain):
            self._say("stopping")
            self.engine.stop_all(self._running, Reason.SHUTDOWN)
            self._hurry = False
            self._wait_for_rest(_LEAVE_S)

    def __enter__(self) -> Worker:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, state: str) -> None:
        """Let others know; a store in trouble must not keep the worker from leaving."""
        if self._memory:
            return
        try:
            self.engine.post(lambda now: self._store.workers_here.say(state) or ())
        except StoreError as error:
            _log.warning("worker %s cannot say that it is %s: %s", self.id, state, error)

    # -- parts ------------------------------------------------------------------------------

    def _join_store(self) -> None:
        from ..engine.watchman import Watchman
        from ..stores.sqlite import SqliteStore
        from . import wiring

        path = self.app.url.removeprefix("sqlite:///")
        store = self._store = SqliteStore(
            path, wiring.jitter, durability=self.app.durability, task_of=self._task_of
        )
        if self.app.logs is not None:
            store.log_folder = self.app.logs
        watchmen: list[Watchman] = []

        def sentry(attend: Callable[[], None], clock: Any) -> Watchman:
            watchmen.append(Watchman(attend, clock))
            return watchmen[0]

        self.engine = Engine(store, SystemClock(through_sleep=True), sentry=sentry)
        self._peers = Peers(self.engine, store, watchmen[0])
        names = None if self._only is None else ",".join(sorted(self._only))
        self.id = self._peers.enter(self.app.name, socket.gethostname(), self.concurrency, names)
        store.lanes.only = self._only
        store.claims.room = self._room.of
        self.engine.claimer.log_path = Logs(store).of if store.log_folder else None
        self.engine.claimer.origin = self.app.url
        if self.shared:
            self.app.share(store, self.engine)

    def _add_executors(self) -> None:
        for name in _EXECUTORS:
            if name not in self.engine.claimer.executors:
                self.engine.add_executor(self._make(name), self._pool)

    def _make(self, name: str) -> Any:
        """An executor that notes what has begun; made when it is first needed."""
        from . import wiring

        if self._peers is None:
            return wiring.executor(name, self.concurrency)
        marks, heirloom = self._peers.marks, self._peers.heirloom
        return LateExecutor(
            name, lambda: wiring.executor(name, self.concurrency, marks, True, heirloom)
        )

    def _task_of(self, name: str, options: Mapping[str, Any] | None) -> Task | None:
        task = self.app.task_of(name, options)
        if task is None or not self.fresh or task.executor != "process":
            return task
        task.fresh = True
        return task

    def _running(self) -> list[Run]:
        if self._memory:
            found: list[Run] = self.app.node.store.find(states=[RUNNING], limit=10_000)
            return found
        return list(self._store.rows.running.values())

    # -- the end ----------------------------------------------------------------------------

    def _wait_for_rest(self, timeout_s: float) -> bool:
        """Wait until nothing runs here; False when it takes too long, or somebody is in a hurry."""
        rest = threading.Event()

        def at_rest() -> bool:
            rest.set()
            return True

        self.engine.when_at_rest(at_rest)
        left = timeout_s
        while left > 0 and not self._hurry:
            if rest.wait(min(0.1, left)):
                return True
            left -= 0.1
        return rest.is_set()

    def _when_done(self, call: Callable[[], object]) -> None:
        """Call when nothing runs here and nothing that may start now is left."""

        def look() -> bool:
            store = self.engine.store
            more = store.unfinished if self._memory else self._store.lanes.more
            if self._room.refused():  # nothing runs, and still there is no room for what is left
                more = False
            if not more:
                call()
            return not more

        self.engine.when_at_rest(look)
        self.engine.attend()

    def leave(self) -> None:
        """Sign off and close the store, after :meth:`finish`."""
        engine = self.engine
        if self._memory:
            return
        engine.close(1.0)
        assert self._peers is not None
        try:
            self._peers.leave()
        except StoreError as error:  # others will see that it is gone, and take over
            _log.warning("worker %s cannot sign off: %s", self.id, error)
        self._store.close()

    def only_one(self) -> int | None:
        """A lock that says a worker with ``once`` is at work; None: another one has it."""
        if self._memory:
            return None
        import fcntl

        from ..stores.place import make_folder

        folder = make_folder(self.app.url.removeprefix("sqlite:///") + ".d")
        path = os.path.join(folder, "once.lock")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def _heed_signals(self) -> Callable[[], None]:
        if threading.current_thread() is not threading.main_thread():
            return lambda: None
        known = {}

        def asked(number: int, frame: Any) -> None:
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            known[number] = signal.signal(number, asked)

        def restore() -> None:
            for number, handler in known.items():
                signal.signal(number, handler)

        return restore
