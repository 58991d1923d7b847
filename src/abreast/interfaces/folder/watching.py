"""Watches a folder of tasks and tells the app what its files declare."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ...errors import UsageError
from ..toml_tasks import Definition, path_of, place_of
from . import disk, loading
from .definitions import Place, apart_of, define, requirements_beside, separate_names
from .probing import LIMIT_S, Request, probe

if TYPE_CHECKING:
    from ..app import App
    from ..settings import Settings

_AT_ONCE: Final = 4  # files that are imported at the same time


@dataclass(frozen=True, slots=True)
class FileState:
    """What is known of one file: the tasks it has registered, and what is wrong with it.

    ``checked`` is when it was last read, in seconds since 1970; ``detail`` a traceback and what
    the file printed when it was imported. Beside an ``error`` ``names`` are those of the last
    good version.
    """

    path: str
    names: tuple[str, ...]
    error: str | None
    checked: float
    detail: str = ""


@dataclass(slots=True)
class _File:
    """A file and the last that was heard of it."""

    path: str
    seen: Any = None  # as it was on disk when it was read
    tasks: list[dict[str, Any]] = field(default_factory=list)  # of the last good version
    good: bool = False  # whether there was one
    used: tuple[str, ...] = ()
    error: str | None = None
    detail: str = ""
    clash: str | None = None  # what is wrong although it can be read
    checked: float = 0.0


class Folder:
    """The tasks of a folder's files, registered with an app.

    Files are read in child processes, never here. All methods may be called from any thread.

    Parameters
    ----------
    app : App
        Gets the tasks through ``register`` and ``unregister``.
    settings : Settings
        Its ``tasks_dir`` is the folder; its ``tasks`` say more about them, and may name further
        files.
    limit : float
        Seconds that importing one file may take.
    """

    def __init__(self, app: App, settings: Settings, *, limit: float = LIMIT_S) -> None:
        self._app = app
        self._settings = settings
        self._limit = limit
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._known: dict[str, Definition] = {}  # registered
        self._trouble: str | None = None  # with the folder itself
        self._apart: dict[str, dict[str, Any]] = {}  # tables that name an interpreter
        self._states: tuple[FileState, ...] = ()

    @property
    def files(self) -> list[FileState]:
        """Every file that has tasks or an error, and ``abreast.toml`` if it names no task."""
        return list(self._states)

    def load(self) -> None:
        """Read all files and register their tasks; what is wrong is in :attr:`files`."""
        self._look(always=True)

    def refresh(self) -> list[str]:
        """Look whether files have changed, read those that have, and say so in words.

        Costs one ``stat`` per file when nothing has.
        """
        return self._look()

    def change(self, settings: Settings) -> list[str]:
        """Go by another configuration; returns what has changed in words."""
        with self._lock:
            self._settings = settings
        return self._look(always=True)

    def _look(self, always: bool = False) -> list[str]:
        with self._lock:
            trouble = self._trouble
            found = self._on_disk()
            if found is None:
                self._states = tuple(self._described())
                return [self._trouble] if self._trouble and self._trouble != trouble else []
            stale = {path for path, seen in found.items() if self._seen(path) != seen}
            gone = [path for path in self._files if path not in found]
            if not stale and not gone and not always and not trouble:
                return []
            said = [f"{self._shown(path)} is gone" for path in gone]
            for path in gone:
                del self._files[path]
            if stale or gone:  # what was missing may be there now
                failed = {path for path, file in self._files.items() if file.error}
                said += self._read(found, stale, failed - stale)
            said += self._apply()
            self._states = tuple(self._described())
            return said

    # -- files on disk ----------------------------------------------------------------------

    def _on_disk(self) -> dict[str, Any] | None:
        """How every file is now, by path; None when the folder cannot be looked at."""
        folder = self._settings.tasks_dir
        self._apart = apart_of(self._settings.tasks)
        self._trouble = None
        paths: list[str] = []
        try:
            with os.scandir(folder) as entries:
                paths += sorted(entry.path for entry in entries if disk.is_tasks(entry))
        except OSError as error:
            if any(os.path.dirname(path) == folder for path in self._files):
                # The tasks stay as they are: it may be a hiccup of a network.
                self._trouble = f"{folder} cannot be read: {error.strerror}"
                return None
            if not isinstance(error, FileNotFoundError):
                self._trouble = f"{folder} cannot be read: {error.strerror}"
        paths += [path for path in self._extra() if path not in paths]
        return {path: self._stats(path) for path in paths}

    def _extra(self) -> list[str]:
        """Files that only ``abreast.toml`` names."""
        return [
            table["file"]
            for table in self._settings.tasks.values()
            if "file" in table and table.get("enabled", True)
        ]

    def _stats(self, path: str) -> Any:
        """What tells one state of a file, and of all it depends on, from another."""
        file = self._files.get(path)
        files = {path, requirements_beside(path), *(file.used if file else ())}
        if not path.endswith(".py"):
            files.update(disk.sources(path))
        separate = separate_names(self._apart, path)
        return separate, {name: disk.stat_of(name) for name in sorted(files)}

    def _seen(self, path: str) -> Any:
        file = self._files.get(path)
        return None if file is None else file.seen

    def _read(self, found: Mapping[str, Any], stale: set[str], failed: set[str]) -> list[str]:
        """Read these files; the failed ones are only mentioned when that has an effect."""
        paths = sorted(stale | failed)
        requests = [self._request(path) for path in paths]
        with ThreadPoolExecutor(_AT_ONCE, "abreast-probe") as pool:
            answers = list(pool.map(probe, requests))
        said = []
        for path, answer in zip(paths, answers, strict=True):
            file = self._files.setdefault(path, _File(path))
            before = file.error
            file.error, file.detail = answer.error, answer.detail
            file.used, file.checked = answer.used, time.time()
            if answer.error is None:
                file.tasks, file.good = answer.tasks, True
            file.seen = self._with_used(path, found[path])
            if file.error and (path in stale or file.error != before):
                said.append(file.error)
            elif not file.error:
                names = ", ".join(task["name"] for task in file.tasks)
                said.append(f"{self._shown(path)}: " + (names or "no tasks"))
        return said

    def _with_used(self, path: str, seen: Any) -> Any:
        """The state before the file was read, together with what it turned out to use."""
        separate, stats = self._stats(path)
        return separate, {name: seen[1].get(name, stat) for name, stat in stats.items()}

    def _request(self, path: str) -> Request:
        separate: bool | list[str] = os.path.isfile(requirements_beside(path))
        if not separate:
            separate = separate_names(self._apart, path)
        place = self._place(path)
        return Request(path, place.folder, place.project, separate, self._limit)

    # -- tasks ------------------------------------------------------------------------------

    def _apply(self) -> list[str]:
        """Have exactly the tasks registered that the files declare."""
        before = {file.path: file.clash for file in self._files.values()}
        for file in self._files.values():
            file.clash = None
        wanted = self._wanted()
        for name, old in list(self._known.items()):
            if name not in wanted or wanted[name].origin != old.origin:
                self._app.unregister(name)
                del self._known[name]
        for name, new in wanted.items():
            known = self._known.get(name)
            if known is not None and known.key == new.key:
                continue
            try:
                self._check(new)
                new.register(self._app)
                self._known[name] = new
            except UsageError as error:
                self._clash(new.origin[1] or "", str(error))
        return [
            f"{self._shown(file.path)}: {file.clash}"
            for file in self._files.values()
            if file.clash and file.clash != before.get(file.path)
        ]

    def _check(self, new: Definition) -> None:
        """Refuse schedules that cannot be read, so that the last good version stays."""
        if new.options.get("schedule") is not None:
            from ..app_schedules import declarations
            from ..app_task import AppTask

            task = AppTask(self._app, new.fn, {**new.options, "name": new.name})
            declarations(task, self._settings.scheduler.timezone)

    def _wanted(self) -> dict[str, Definition]:
        """What is to be registered, by name. Of two files with one name the first keeps it."""
        wanted: dict[str, Definition] = {}
        # Those that have the name already come first.
        holders = {name: definition.origin[1] for name, definition in self._known.items()}
        offers = [offer for path in self._files for offer in self._offers(self._files[path])]
        offers.sort(key=lambda offer: holders.get(offer[1]) != offer[0].path)
        for file, name, task in offers:
            table = self._settings.tasks.get(name, {})
            if name in wanted:
                other = self._shown(wanted[name].origin[1] or "")
                self._clash(
                    file.path,
                    f"the task {name!r} is declared in {other} already; give one of them another "
                    'name, for example with @task(name="...")',
                )
                continue
            try:
                wanted[name] = define(task, file.path, self._place(file.path), table, name)
            except UsageError as error:
                self._clash(file.path, f"task {name!r}: {error}")
                if name in self._known and holders[name] == file.path:
                    wanted[name] = self._known[name]
        return wanted

    def _offers(self, file: _File) -> Iterator[tuple[_File, str, dict[str, Any]]]:
        """The tasks of a file under their names, and under those of ``abreast.toml``."""
        tables = self._settings.tasks
        named = [
            name
            for name, table in tables.items()
            if table.get("file") == file.path and table.get("enabled", True)
        ]
        if os.path.dirname(file.path) == self._settings.tasks_dir:
            for task in file.tasks:
                name = task["name"]
                table = tables.get(name, {})
                if "command" in table:
                    self._clash(
                        file.path, f"{place_of(self._settings, name)} is a command of this name"
                    )
                elif table.get("enabled", True) and name not in named:
                    yield file, name, task
        for name in named:
            chosen = self._chosen(file, name)
            if chosen is not None:
                yield file, name, chosen

    def _chosen(self, file: _File, name: str) -> dict[str, Any] | None:
        """The task of a file that a table of ``abreast.toml`` is about."""
        by_name = {task["name"]: task for task in file.tasks}
        if name in by_name:
            return by_name[name]
        if len(by_name) == 1:
            return file.tasks[0]
        if file.good:
            known = ", ".join(sorted(by_name)) or "none"
            self._clash(
                file.path,
                f"{place_of(self._settings, name)} names this file for one task, but it has "
                f"{known}; write run_task(config) or one @task in it, or use one of these names",
            )
        return None

    def _clash(self, path: str, text: str) -> None:
        file = self._files[path]
        file.clash = text if file.clash is None else f"{file.clash}; {text}"

    # -- for people -------------------------------------------------------------------------

    def _described(self) -> Iterator[FileState]:
        names: dict[str | None, list[str]] = {}
        for name, definition in self._known.items():
            names.setdefault(definition.origin[1], []).append(name)
        now = time.time()
        if self._trouble is not None:
            yield FileState(self._settings.tasks_dir, (), self._trouble, now)
        for file in self._files.values():
            own = tuple(names.get(file.path, ()))
            clash = f"{self._shown(file.path)}: {file.clash}" if file.clash else None
            error = file.error or clash
            if own or error:
                yield FileState(file.path, own, error, file.checked, file.detail)
        unknown = list(self._unknown())
        if unknown:
            yield FileState(path_of(self._settings), (), "; ".join(unknown), now)

    def _unknown(self) -> Iterable[str]:
        """Tables of ``abreast.toml`` that are about no task."""
        if any(file.error and not file.good for file in self._files.values()):
            return  # it may be one of that file
        declared = {task["name"] for file in self._files.values() for task in file.tasks}
        for name, table in self._settings.tasks.items():
            if "command" in table or "file" in table or name in declared:
                continue
            if not table.get("enabled", True):
                continue
            place = place_of(self._settings, name)
            if name in self._app.tasks:
                yield f"{place}: {name!r} is a task of the app, which says its options itself"
                continue
            import difflib

            near = difflib.get_close_matches(name, sorted(declared), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "give it command = ... or file = ..."
            yield f"{place}: there is no task {name!r} in {self._settings.tasks_dir}; {hint}"

    def _place(self, path: str) -> Place:
        """The surroundings of a file; one outside of the folder has its own."""
        folder = self._settings.tasks_dir
        if not loading.is_below(path, folder):
            folder = os.path.dirname(path)
        url = self._app.url
        data = self._settings.data_dir
        if url.startswith("sqlite:///"):
            data = url.removeprefix("sqlite:///") + ".d"
        return Place(folder, self._settings.folder, os.path.join(data, "envs"))

    def _shown(self, path: str) -> str:
        near = os.path.relpath(path, self._settings.folder)
        return path if near.startswith("..") else near
