"""From what a call names to the app, its store, and its runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from ...errors import UnknownRun, UsageError
from .. import config
from ..settings_files import FOLDER
from .exits import NotFound, Refused
from .options import Where
from .out import note

if TYPE_CHECKING:
    from ..app import App
    from ..stored_run import StoredRun

_LONGEST_ID = 18  # digits; SQLite knows no longer numbers
_NO_STORE = (
    "no store is named: give --store sqlite:///jobs.db or --app module:app, set ABREAST_STORE or "
    f"ABREAST_APP, or write url = 'sqlite:///jobs.db' under [store] in {config.FILE}, here or in a "
    "folder above"
)


@contextmanager
def opened(
    where: Where, *, tasks: bool | None = False, create: bool = False, says: bool | None = None
) -> Iterator[App]:
    """The app that is meant, with its store; closed at the end of the block.

    Parameters
    ----------
    tasks : bool, optional
        Whether its tasks are needed; None: if it is named. Otherwise the app is imported only
        when nothing else says which store is meant.
    create : bool
        Whether the store may be new.
    says : bool, optional
        Whether to say on standard error what was found.

    Raises
    ------
    UsageError, NotFound
        When nothing is named, or what is named does not exist.
    """
    app, line = _find(where, tasks, create)
    try:
        if app.url == "memory://":
            raise Refused(
                "the store memory:// lives in one process only; commands need one in a file: "
                "--store sqlite:///jobs.db"
            )
        path = app.url.removeprefix("sqlite:///")
        folder = os.path.dirname(path)
        if create and os.path.basename(folder) == FOLDER:  # a service makes it, too
            os.makedirs(folder, mode=0o700, exist_ok=True)
        if not create and not os.path.exists(path):
            raise NotFound(f"there is no store yet, the first submit makes it: {line}")
        if where.says if says is None else says:
            note(f"abreast: {line}")
        yield app
    finally:
        app.close()


def _find(where: Where, tasks: bool | None, create: bool) -> tuple[App, str]:
    """The app, and a line that says what was found and from where."""
    found = config.find(where.app, where.store)
    on_the_spot = found.store is not None and found.store.given
    if tasks is False:
        load = found.app is not None and not on_the_spot
    else:
        load = tasks or found.app is not None
    if tasks and found.app is None:
        served = served_here(found.store_url)
        if served is not None:
            return served
    if load:
        from ..discovery import find_app

        with redirect_stdout(sys.stderr):  # what modules print when they are imported
            app, found = find_app(where.app, where.store)
    else:
        from ..app import App

        url = found.store_url
        if url is None and create:
            url = _store_to_come()
        if url is None:
            raise UsageError(_NO_STORE)
        app = App(url)
    store = found.store
    if store is None and not load:
        source = "where a service keeps it"
    elif store is None or (load and app.given_url is not None and not on_the_spot):
        source = "named by the app"
    else:
        source = store.source
    place = app.url.removeprefix("sqlite:///")
    if not load or found.app is None:
        return app, f"store {place} ({source})"
    named = f"app {found.app.value}"
    both = found.app.file is not None and store is not None and store.file == found.app.file
    if both and source != "named by the app":
        return app, f"{named}, store {place} (both from {found.app.file})"
    return app, f"{named} ({found.app.source}), store {place} ({source})"


def _store_to_come() -> str | None:
    """Where a service in this folder will keep its runs; None: nothing says that one is to run
    here."""
    from ..settings import load

    settings = load()
    if settings.path is None and not os.path.isdir(settings.tasks_dir):
        return None
    return settings.service_store


def served_here(store: str | None = None) -> tuple[App, str] | None:
    """An app with the tasks that a service in this folder would serve, and a line about it; None:
    there are none."""
    from ..app import App
    from ..folder import Folder
    from ..settings import load
    from ..toml_tasks import TomlTasks

    settings = load()
    if not settings.tasks and not os.path.isdir(settings.tasks_dir):
        return None
    app = App(store or settings.service_store)
    TomlTasks(app).load(settings)
    Folder(app, settings).load()
    place = app.url.removeprefix("sqlite:///")
    return app, f"tasks of {settings.folder}, store {place}"


def find_run(app: App, text: str) -> StoredRun:
    """The run whose id was given.

    Raises
    ------
    Refused, NotFound
        When it is no id, or there is no such run; with the one that may have been meant.
    """
    if not (text.isascii() and text.isdecimal()):
        named = app.runs(task=text, limit=1)
        hint = f"; did you mean {named[0].id}, the newest of task {text!r}?" if named else ""
        raise Refused(f"{text!r} is not the id of a run, which is a whole number{hint}")
    try:
        if len(text) > _LONGEST_ID:
            raise UnknownRun(text)
        return app.run(int(text))
    except UnknownRun:
        newest = app.runs(limit=1)
        if not newest:
            hint = "the store has no runs"
        elif int(text) > newest[0].id:
            hint = f"did you mean {newest[0].id}, the newest?"
        else:
            hint = "it may have been pruned"
        raise NotFound(f"there is no run {text}; {hint}") from None


def find_runs(app: App, texts: Iterable[str]) -> list[StoredRun]:
    """The runs whose ids were given, each once; raises before anything is done to any of them."""
    return list({run.id: run for run in (find_run(app, text) for text in texts)}.values())
