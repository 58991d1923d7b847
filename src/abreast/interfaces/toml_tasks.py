"""The tasks of ``abreast.toml``: commands, and what is said there of tasks of the folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from inspect import Signature
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.command import Command
from ..domain.limits import Limit
from ..errors import UsageError
from . import app_options
from .tasks import SERVICE

if TYPE_CHECKING:
    from .app import App
    from .settings import Settings

_OPTIONS = (app_options.POLICY | SERVICE) - {"concurrent"}


class Definition(NamedTuple):
    """A task as it is registered. Definitions with equal keys are the same."""

    name: str
    fn: Callable[..., Any] | Command
    options: dict[str, Any]
    origin: tuple[str, str | None]
    key: str
    signature: Signature | None = None
    doc: str | None = None

    def register(self, app: App) -> None:
        """Make it a task of the app, or the new version of one."""
        app.register(
            self.name,
            self.fn,
            self.options,
            origin=self.origin,
            signature=self.signature,
            doc=self.doc,
        )


class TomlTasks:
    """Keeps the commands that a configuration declares registered with an app."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._known: dict[str, Definition] = {}

    def load(self, settings: Settings) -> None:
        """Register the commands; raises ``UsageError`` when one is impossible."""
        self.reload(settings)

    def reload(self, settings: Settings) -> list[str]:
        """Register what is new or different and forget what is gone.

        Returns
        -------
        list of str
            What has changed, in words.

        Raises
        ------
        UsageError
            When a command is impossible, or another task has its name; then nothing has changed.
        """
        known = self._known
        wanted = commands_of(settings)
        changed = [d for d in wanted.values() if _key(known.get(d.name)) != d.key]
        gone = [d for d in known.values() if d.name not in wanted]
        moved = [known[d.name] for d in changed if d.name in known]
        for old in [*gone, *(d for d in moved if d.origin != wanted[d.name].origin)]:
            self.app.unregister(old.name)
        done = []
        try:
            for new in changed:
                done.append(new)
                new.register(self.app)
        except UsageError:
            for new in done[:-1]:
                self.app.unregister(new.name)
            for old in [*gone, *moved]:
                old.register(self.app)
            raise
        self._known = wanted
        return [
            *(f"task {d.name!r} is gone" for d in gone),
            *(f"task {d.name!r} {'has changed' if d.name in known else 'is new'}" for d in changed),
        ]


def commands_of(settings: Settings) -> dict[str, Definition]:
    """The tasks of a configuration that are commands, by name."""
    return {
        name: _command(settings, name, table)
        for name, table in settings.tasks.items()
        if "command" in table and table.get("enabled", True)
    }


def _command(settings: Settings, name: str, table: Mapping[str, Any]) -> Definition:
    said = table["command"]
    words = () if isinstance(said, str) else tuple(said)
    command = Command(
        *words,
        shell=None if words else said,
        cwd=table.get("cwd") or settings.folder,
        env=table.get("env") or None,
        capture=False,  # what it prints is in the log of the run, and nowhere else
    )
    options = options_of(table)
    limit_to_one(options, table.get("concurrent") is not True)
    shown = said if isinstance(said, str) else " ".join(words)
    return Definition(
        name,
        command,
        options,
        ("toml", settings.path),
        repr((settings.path, settings.folder, sorted(table.items()))),
        doc=table.get("description") or shown,
    )


def options_of(table: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a task that a table says, in the form of a declaration.

    The values are those of :mod:`settings_tasks`, or of ``app_options.to_json``.
    """
    from .folder import standing

    found = app_options.from_json(
        {key: table[key] for key in table if key in _OPTIONS and key != "retry"}
    )
    if table.get("retry") is not None:
        found["retry"] = standing.retry_of(table["retry"])
    return found


def limit_to_one(options: dict[str, Any], wanted: bool) -> None:
    """Refuse a second run at the same time, unless limits are said."""
    if wanted and "limits" not in options:
        options["limits"] = [Limit(1, then="fail")]


def place_of(settings: Settings, name: str) -> str:
    """Where a task is declared, for errors."""
    place = settings.places.get(name)
    return str(place) if place is not None else f"[tasks.{name}]"


def path_of(settings: Settings) -> str:
    """The file that is named when nothing better is known."""
    return settings.path or os.path.join(settings.folder, "abreast.toml")


def _key(definition: Definition | None) -> str | None:
    return None if definition is None else definition.key
