"""Who says what of a configuration: the sections, channels and tasks of all files as one.

The first that says a key counts; a mistake is named also where something else counts more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from . import settings_env, settings_notify, settings_tasks
from .app_node import absolute
from .settings_check import Place, check_known, table_of, toml_key
from .settings_env import Said
from .settings_files import Layer
from .settings_notify import Notify
from .settings_secrets import masked_text
from .settings_sections import SECTIONS


@dataclass(frozen=True)
class Value:
    """What one key is set to: as said and as the program works with it, and by whom."""

    said: Any
    value: Any
    origin: str
    folder: str = ""  # what a relative path in it is relative to


class Problems(list[str]):
    """What is wrong with a configuration; strict: the first is raised."""

    def __init__(self, strict: bool = True) -> None:
        super().__init__()
        self._strict = strict

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the mistake of the block and go on, or raise it."""
        try:
            yield
        except UsageError as error:
            if self._strict:
                raise
            if str(error) not in self:
                self.append(str(error))


class Merge:
    """Merges what options, variables and files say, the one that counts most first.

    Parameters
    ----------
    origins : dict
        Is filled with what every key, such as ``"server.listen"``, is set to.
    """

    def __init__(self, here: str, spoken: list[Said], layers: list[Layer], wrong: Problems) -> None:
        self._here = here
        self._spoken = spoken
        self._layers = layers
        self._wrong = wrong
        self.origins: dict[str, Value] = {}
        self.places: dict[str, Place] = {}  # of tasks

    def _sayings(self, section: str, key: str) -> Iterator[tuple[Any, Place, str]]:
        for said in self._spoken:
            if (said.section, said.key) == (section, key):
                yield said.value, said.place, said.place.source
        for layer in self._layers:
            value = layer.said(section, key)
            if value is not None:
                yield value, layer.place(section, key), layer.origin(section, key)

    def section(self, section: str) -> dict[str, Any]:
        """The keys of a plain section that somebody sets, as the program works with them."""
        found: dict[str, Any] = {}
        for key, about in SECTIONS[section].items():
            values = []
            for said, place, origin in self._sayings(section, key):
                with self._wrong.noted():
                    values.append(Value(said, about.check(place, said), origin, place.folder))
            if values:
                found[key] = values[0].value
            default = Value(about.default, about.default, "default", self._here)
            self.origins[f"{section}.{key}"] = values[0] if values else default
        return found

    def store(self) -> str | None:
        """The URL of the store with an absolute path; None: nobody names one."""
        said = self.origins["store.url"]
        if said.value is None:
            return None
        found: str | None = None
        with self._wrong.noted():
            try:
                found = absolute(said.value, said.folder)
            except UsageError as error:
                shown = str(error).replace(said.value, masked_text(said.value))
                raise UsageError(f"{said.origin}: {shown}") from None
        return found

    def notify(self) -> Notify:
        """``[notify]`` with its channels."""
        for key, about in settings_notify.RULES.items():
            default = list(about.default) if isinstance(about.default, tuple) else about.default
            self.origins[f"notify.{key}"] = Value(default, default, "default")
        channels: dict[str, tuple[Any, Place]] = {}
        for layer in self._layers:
            with self._wrong.noted():
                known = [*settings_notify.RULES, "channels"]
                check_known(layer.data.get("notify", {}), known, layer.place("notify"))
            with self._wrong.noted():
                self._channels(layer, channels)
        self._secrets(channels)
        found = {}
        for name, (table, place) in channels.items():
            with self._wrong.noted():
                found[name] = settings_notify.channel(name, table, place)
        rules = settings_notify.Rules().with_said(self._rules(channels))
        with self._wrong.noted():
            settings_env.check_variables(channels)
        return Notify(found, rules)

    def _rules(self, channels: Iterable[str]) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for key in settings_notify.RULES:
            for number, (value, place, origin) in enumerate(self._sayings("notify", key)):
                with self._wrong.noted():
                    checked = settings_notify.rules_said(place, {key: value}, channels)
                    if not number:
                        said.update(checked)
                        self.origins[f"notify.{key}"] = Value(value, checked[key], origin)
        return said

    def _channels(self, layer: Layer, channels: dict[str, tuple[Any, Place]]) -> None:
        place = layer.place("notify").within("channels")
        for name, table in table_of(layer.said("notify", "channels") or {}, place).items():
            inner = place.within(name)
            if name in channels:
                settings_notify.channel(name, table, inner)
                continue
            channels[name] = dict(table_of(table, inner)), inner
            for key, value in table.items():
                origin = f"[{inner.section}] {key} in {layer.path}"
                full = f"notify.channels.{toml_key(name)}.{key}"
                self.origins[full] = Value(value, value, origin)

    def _secrets(self, channels: dict[str, tuple[Any, Place]]) -> None:
        with self._wrong.noted():
            for name, key, value, place in settings_env.secrets_of(channels, self._here):
                table = channels[name][0]
                table.pop(f"{key}_file", None)
                table[key] = value
                full = f"notify.channels.{toml_key(name)}.{key}"
                self.origins.pop(f"{full}_file", None)
                self.origins[full] = Value(value, value, place.source)

    def tasks(self, notify: Notify) -> dict[str, dict[str, Any]]:
        """Every ``[tasks.NAME]``, checked."""
        found: dict[str, dict[str, Any]] = {}
        for layer in self._layers:
            for name, table in layer.data.get("tasks", {}).items():
                place = layer.place("tasks").within(name)
                with self._wrong.noted():
                    checked = settings_tasks.task(name, table, place)
                    if "notify" in checked:
                        inner = place.within("notify")
                        settings_notify.rules_said(inner, table["notify"], notify.channels)
                    if name in found:
                        continue
                    found[name], self.places[name] = checked, place
                    for key, value in table.items():
                        origin = f"[{place.section}] {key} in {layer.path}"
                        full = f"tasks.{toml_key(name)}.{key}"
                        self.origins[full] = Value(value, checked[key], origin)
        return found

    def tasks_dir(self, said: str | None, folder: str) -> str:
        """The folder of tasks: the one that is named, or ``tasks`` here or in ``folder``."""
        if said:
            return said
        own = os.path.join(self._here, "tasks")
        return own if os.path.isdir(own) else os.path.join(folder, "tasks")
