"""The configuration of a service: options, variables and files as one, checked, each value with
its origin.

What counts more stands first: options of the command, variables ``ABREAST_…``, ``--config`` or the
nearest ``abreast.toml``, ``[tool.abreast]`` of ``pyproject.toml``, the user's and the machine's
``abreast.toml``, defaults. Every key is merged by itself; a task and a channel are taken whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UsageError
from . import settings_env, settings_files, settings_notify
from .settings_check import Place
from .settings_merge import Merge, Problems, Value
from .settings_notify import Notify
from .settings_secrets import MASK, masked_address, masked_table, masked_text
from .settings_sections import SECTIONS, RetentionSettings, Scheduler, Server, local_zone


@dataclass(frozen=True)
class Settings:
    """The configuration of a service; see :func:`load`."""

    app: str | None
    store_url: str | None = field(repr=False)  # absolute; None: nobody names one
    folder: str  # what relative paths are relative to
    path: str | None  # of the file that counts most
    server: Server
    scheduler: Scheduler
    retention: RetentionSettings
    notify: Notify
    tasks: dict[str, dict[str, Any]] = field(repr=False)  # by name; see settings_tasks
    tasks_dir: str  # absolute; need not exist
    app_folder: str  # what a relative name of the app is relative to
    files: tuple[str, ...] = ()  # all that were read
    origins: Mapping[str, Value] = field(default_factory=dict, repr=False)  # by "section.key"
    places: Mapping[str, Place] = field(default_factory=dict, repr=False)  # of tasks, by name
    asked: Mapping[str, Any] = field(default_factory=dict, repr=False)  # of load

    def again(self) -> Settings:
        """Read everything anew, as it was asked for; raises as :func:`load` does."""
        return load(**self.asked)

    @property
    def data_dir(self) -> str:
        """The folder for what a service keeps when ``[store] url`` is not set.

        ``$ABREAST_HOME``, else systemd's ``$STATE_DIRECTORY``, else ``.abreast`` in the folder of
        the configuration.
        """
        home = os.environ.get("ABREAST_HOME")
        if home:
            return os.path.abspath(os.path.expanduser(home))
        state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
        return state or os.path.join(self.folder, settings_files.FOLDER)

    @property
    def service_store(self) -> str:
        """The URL of the store a service uses: the named one, or one in :attr:`data_dir`."""
        return self.store_url or f"sqlite:///{os.path.join(self.data_dir, settings_files.DATABASE)}"

    def origin(self, key: str) -> str:
        """Where a value such as ``"server.listen"`` comes from."""
        found = self.origins.get(key)
        return found.origin if found else "default"

    def explain(self) -> list[tuple[str, Any, str]]:
        """Every key, what it is set to (secrets masked) and where that comes from."""
        return [
            (key, _masked(key, value.said), value.origin) for key, value in self.origins.items()
        ]


def load(
    start: str | None = None,
    *,
    config: str | None = None,
    flags: Mapping[str, Any] | None = None,
    problems: Problems | None = None,
) -> Settings:
    """Read the configuration that counts in a folder.

    Parameters
    ----------
    start : str, optional
        The folder; the current one by default.
    config : str, optional
        A file to read instead of the nearest ``abreast.toml``; ``ABREAST_CONFIG`` by default.
    flags : mapping, optional
        What options of a command say, by ``app``, ``store`` or a key such as ``server.listen``;
        None says nothing.
    problems : Problems, optional
        Collects what is wrong; what is left is returned. Otherwise the first is raised.

    Raises
    ------
    UsageError
        Naming the file, the section, the key and what was expected.
    """
    wrong = Problems() if problems is None else problems
    here = os.path.abspath(start or os.getcwd())
    if not os.path.isdir(here):
        raise UsageError(f"there is no folder {here}")
    config = config or os.environ.get("ABREAST_CONFIG")
    layers = settings_files.layers(here, config)
    spoken = [*settings_env.from_options(flags, here), *settings_env.from_variables(here)]
    merge = Merge(here, spoken, layers, wrong)
    plain = {name: merge.section(name) for name in SECTIONS}
    if "timezone" not in plain["scheduler"]:
        zone, origin = local_zone()
        plain["scheduler"]["timezone"] = zone
        merge.origins["scheduler.timezone"] = Value(zone, zone, origin)
    store = merge.store()
    notify = merge.notify()
    own = bool(layers) and (bool(config) or layers[0].path not in settings_files.machine_files())
    folder = layers[0].folder if own else here
    return Settings(
        app=plain["app"].get("app"),
        store_url=store,
        folder=folder,
        path=layers[0].path if layers else None,
        server=Server(**plain["server"]),
        scheduler=Scheduler(**plain["scheduler"]),
        retention=RetentionSettings(**plain["retention"]),
        notify=notify,
        tasks=merge.tasks(notify),
        tasks_dir=merge.tasks_dir(plain["app"].get("tasks"), folder),
        app_folder=merge.origins["app.app"].folder,
        files=tuple(layer.path for layer in layers),
        origins=merge.origins,
        places=merge.places,
        asked={"start": here, "config": config, "flags": flags},
    )


def _masked(key: str, said: Any) -> Any:
    """What is shown of the value of a key."""
    section, _, last = key.rpartition(".")
    if section.startswith("notify.channels."):
        tables = settings_notify.CHANNELS.values()
        if any(last in keys and keys[last].secret for keys in tables):
            if isinstance(said, dict):
                return dict.fromkeys(said, MASK)
            return masked_address(said) if last == "url" else MASK
    if section.startswith("tasks.") and last == "env" and isinstance(said, dict):
        return masked_table(said)
    return masked_text(said)
