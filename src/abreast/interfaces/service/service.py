"""The service: tasks of a folder, of the configuration and of an app; a worker; schedules; what
follows from ends. ``abreast serve`` puts the HTTP API in front of it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...engine.scheduler import Scheduler
from ...errors import AbreastError, StoreError, UsageError
from .. import access
from ..app import App
from ..discovery import load_app
from ..folder import Folder
from ..settings import Settings
from ..toml_tasks import TomlTasks
from . import sd_notify
from .health import Health
from .reactor import Reactor, followers_of
from .telling import Telling
from .upkeep import Upkeep

if TYPE_CHECKING:
    from ..stored_run import StoredRun
    from ..worker import Worker

_log = logging.getLogger("abreast")
_LOOK_S = 1.0  # how often the tasks folder is looked at


class Service:
    """``abreast serve`` without its HTTP side.

    Parameters
    ----------
    settings : Settings
        What it is to be; see :func:`abreast.interfaces.settings.load`.
    wall : callable
        The clock that schedules go by: seconds since 1970 in UTC.

    Raises
    ------
    UsageError, StoreError
        When it cannot be started; the text says what to do.
    """

    def __init__(
        self,
        settings: Settings,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.version = __version__
        self.settings = settings
        self.wall = wall
        self.started = wall()
        self.draining = False
        # Those who go by the settings, too; each may refuse new ones before anything has changed.
        self.heeding: list[Callable[[Settings], object]] = []
        self.problems: dict[str, str] = {}  # tasks whose schedule or ``after`` cannot be heeded
        self.app = make_app(settings)
        self.app.schedules.zone = settings.scheduler.timezone
        self.app.schedules.wall = wall
        self.folder = Folder(self.app, settings)
        self._toml = TomlTasks(self.app)
        self.notices = Telling(self.app, settings)
        self.access = access.Access(self.app)
        self.worker: Worker = self.app.worker(
            settings.scheduler.max_workers,
            executor=settings.scheduler.executor,
            drain=settings.scheduler.drain,
            pools=settings.scheduler.pools,
        )
        self.worker.shared = True
        self.scheduler = Scheduler(wall, self._next_due, self._fire, self._beat)
        self.reactor = Reactor(self.app, self.notices.of_end, self.notices.watched)
        self.upkeep = Upkeep(self)
        self._health = Health(self)
        self._stop = threading.Event()
        self._pinged = 0.0
        self._changing = threading.Lock()

    @property
    def zone(self) -> str:
        """The zone of schedules that name none."""
        return self.settings.scheduler.timezone

    # -- life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the store, find the tasks, begin to execute and to act on schedules."""
        self._toml.load(self.settings)
        self.folder.load()
        self.notices.complain()
        self.app.task_ids()  # numbers in the order of the tasks, before any of them runs
        for state in self.folder.files:
            if state.error:
                _log.error("tasks of %s cannot be used: %s", state.path, state.error)
        self.worker.start()
        self.app.tell_events()
        self._declare()
        self._start_the_reboot_ones()
        self.reactor.start()
        self.scheduler.start()
        self.upkeep.start()
        threading.Thread(target=self._look, name="abreast-folder", daemon=True).start()

    def once(self) -> bool:
        """Make the runs that are due, execute all that waits, and leave; False: another process
        does so at this moment."""
        lock = self.worker.only_one()
        if lock is None:
            return False
        try:
            self._toml.load(self.settings)
            self.folder.load()
            self.worker.start()
            self.app.tell_events()
            self._declare()
            while self._next_due() <= self.wall():
                self._fire(self.wall())
            more = True
            while more and not self.worker.stopping:
                self.worker.until_done()
                more = self.reactor.react()
            self.worker.close()
            self.app.close()
        finally:
            os.close(lock)
        return True

    def failed_since(self, began: float) -> list[StoredRun]:
        """The runs that have failed since a time, oldest first."""
        return [
            run
            for run in self.app.search(states=["failed"], limit=1000)
            if run.ended is not None and run.ended >= began
        ][::-1]

    def stop_starting(self) -> None:
        """Begin to stop: no new instants, no new runs; what runs goes on."""
        self.draining = True
        self._stop.set()
        self.scheduler.stop()
        self.reactor.stop()
        self.upkeep.stop()

    def drain(self) -> None:
        """Give running runs their time, then stop what is left; see :meth:`Worker.finish`."""
        self.worker.finish()

    def leave(self) -> None:
        """Sign off and close the store."""
        self.worker.leave()
        self.app.close()

    def _look(self) -> None:
        while not self._stop.wait(_LOOK_S):
            try:
                with self._changing:
                    changes = self.folder.refresh()
                    if changes:
                        self._declare()
            except AbreastError as error:
                _log.error("a change in the tasks folder was not taken in: %s", error)
                continue
            for change in changes:
                _log.info("%s", change)

    def _declare(self) -> None:
        """Write down the schedules that the tasks declare now, and who comes after whom."""
        follow, wrong = followers_of(self.app)
        self.reactor.follow(follow)
        wall, owner = self.wall(), self.app.name
        declared, without = self.app.schedules.declared()
        wrong |= without
        for task, why in wrong.items():
            if self.problems.get(task) != why:
                _log.error("task %s: %s", task, why)
        self.problems = wrong
        rows = self.app.file_store().schedules

        def write(now: float) -> None:
            for source, items in declared.items():
                rows.declare(owner, items, source, wall)

        self.app.node.post(write)
        self.scheduler.wake()

    def reload(self) -> list[str]:
        """Take in the configuration as it is now; when something in it is wrong, nothing changes.

        Returns
        -------
        list of str
            What has changed, in words, and what needs a restart.

        Raises
        ------
        UsageError
            Saying what is wrong; the old configuration goes on.
        """
        old = self.settings
        new = old.again()
        said = [
            f"{key} needs a restart to change"
            for key, before, after in (
                ("[store] url", old.service_store, new.service_store),
                ("[server] listen", old.server.listen, new.server.listen),
                ("[app] app", old.app, new.app),
            )
            if before != after
        ]
        with self._changing:
            for heed in self.heeding:
                heed(new)
            said += self._toml.reload(new)
            self.settings = new
            self.app.schedules.zone = new.scheduler.timezone
            self.notices.change(new)
            self.notices.complain()
            said += self.folder.change(new)
            size = new.scheduler.max_workers
            if isinstance(size, int) and not self.worker.auto and size != self.worker.concurrency:
                self.worker.resize(size)
                said.append(f"max_workers is {size} now")
            self.worker.drain = new.scheduler.drain
            self._declare()
        return said

    # -- schedules --------------------------------------------------------------------------

    def _next_due(self) -> float:
        found: float = self.app.file_store().schedules.next_due(self.app.name)
        return found

    def _fire(self, wall: float) -> bool:
        app = self.app
        rows = app.file_store().schedules
        make = app.schedules.maker()

        def act(now: float, changes: list[Any]) -> tuple[list[Any], bool]:
            ledger, made, more = rows.fire(app.name, make, wall, now)
            told = self.notices.of_instants(ledger)
            changes += made
            changes += app.file_store().take_in_all(told, now, alone=False) if told else []
            return ledger, more

        ledger, more = app.node.act(act)
        for instant in ledger:
            if instant.outcome == "skipped" and "has not ended" in (instant.reason or ""):
                _log.warning("Task %s is already running, skipping", instant.task)
            elif instant.outcome not in ("ran", "paused"):
                _log.warning("schedule %s: %s: %s", instant.schedule, instant.outcome,
                             instant.reason)  # fmt: skip
        return bool(more)

    def _start_the_reboot_ones(self) -> None:
        """Schedules that say ``@reboot`` start when the service does."""
        for view in self.app.schedules.list():
            if view.kind != "start" or view.paused is not None:
                continue
            try:
                task = self.app.find_task(view.task).with_options(by=f"schedule {view.name}")
                task.submit(*view.args, **view.kwargs)
            except AbreastError as error:
                _log.warning("schedule %s: %s", view.name, error)

    def _beat(self) -> None:
        """The scheduler turns: tell systemd."""
        now = time.monotonic()
        if now - self._pinged >= 1.0:
            self._pinged = now
            sd_notify.watchdog()

    # -- how it is --------------------------------------------------------------------------

    def health(self) -> dict[str, tuple[bool, str]]:
        """Each part, whether it is well, and a word about it."""
        return self._health.parts()

    def alive(self) -> bool:
        """Whether the loops really turn."""
        return self._health.alive()


def make_app(settings: Settings) -> App:
    """The app a service serves: the one that is named, or one without tasks of its own."""
    retention = {
        key: getattr(settings.retention, key)
        for key in ("older_than", "keep", "failed_older_than")
        if getattr(settings.retention, key) is not None
    }
    if settings.app is None:
        app = App(settings.service_store, retention=retention or None, name="abreast")
        _make_folder(app)
        return app
    app = load_app(settings.app, settings.app_folder)
    if app.given_url is None or settings.origin("store.url").startswith("--"):
        app.bind(settings.service_store)
    if app.url == "memory://":
        raise UsageError(
            f"the app {settings.app!r} keeps its runs in memory; a service needs a store in a "
            "file: App('sqlite:///jobs.db')"
        )
    if app.retention is None and retention:
        app.retain(retention)
    _make_folder(app)
    return app


def _make_folder(app: App) -> None:
    import os

    folder = os.path.dirname(app.url.removeprefix("sqlite:///"))
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder {folder} for the store cannot be made: {error.strerror}; make it, or name "
            "another place with [store] url"
        ) from error
