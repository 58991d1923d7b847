"""What app and store are meant: options, environment variables, and ``abreast.toml``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import UsageError
from . import settings_files
from .app_node import absolute
from .settings_check import Place, text
from .settings_files import FILE as FILE
from .settings_files import Layer
from .settings_secrets import masked_text


class Setting(NamedTuple):
    """A value and where it came from, for people."""

    value: str
    source: str
    folder: str  # what relative paths in it are relative to
    file: str | None = None  # that says it
    given: bool = False  # by an option or a variable


@dataclass(frozen=True)
class Config:
    """What the files say that count here. Empty when there are none."""

    path: str | None = None  # of the file that counts most
    app: str | None = None
    store: str | None = None


@dataclass(frozen=True)
class Found:
    """The app and the store that are meant, each with its source; None: nobody names one."""

    app: Setting | None
    store: Setting | None
    config: Config

    def describe(self) -> list[str]:
        """One line for each: what was found and where."""
        return [
            f"{name}: {masked_text(setting.value)} ({setting.source})"
            for name, setting in (("app", self.app), ("store", self.store))
            if setting is not None
        ]

    @property
    def store_url(self) -> str | None:
        """The URL of the store with an absolute path, or None."""
        if self.store is None:
            return None
        try:
            return absolute(self.store.value, self.store.folder)
        except UsageError as error:
            said = self.store.value
            shown = str(error).replace(said, masked_text(said))
            raise UsageError(f"{self.store.source}: {shown}") from None


def find(app: str | None = None, store: str | None = None, start: str | None = None) -> Found:
    """Say which app and store are meant.

    The first that says something counts: the argument (an option of a command), the environment
    variable ``ABREAST_APP`` or ``ABREAST_STORE``, the nearest ``abreast.toml`` upward (or the file
    that ``ABREAST_CONFIG`` names), ``[tool.abreast]`` of the nearest ``pyproject.toml``, the user's
    and the machine's ``abreast.toml``. A store that nobody names is the one that a service has
    made in ``.abreast``, here or in a folder above.

    Parameters
    ----------
    start : str, optional
        Folder where the search begins; the current one by default.

    Raises
    ------
    UsageError
        When the file cannot be read or says something unknown.
    """
    here = os.path.abspath(start or os.getcwd())
    layers = settings_files.layers(here, os.environ.get("ABREAST_CONFIG"))
    config = _config(layers)
    named = _setting(app, "--app", "ABREAST_APP", layers, ("app", "app"), here)
    kept = _setting(store, "--store", "ABREAST_STORE", layers, ("store", "url"), here)
    return Found(named, _made(here) if kept is None else kept, config)


def store_url() -> str:
    """The URL of the store for an app that names none.

    Raises
    ------
    UsageError
        When nobody names one, saying how to.
    """
    url = find().store_url
    if url is None:
        raise UsageError(
            "no store is named: give App('sqlite:///jobs.db'), set ABREAST_STORE, or write "
            f"url = 'sqlite:///jobs.db' under [store] in {FILE}, here or in a folder above; "
            "in tests use 'with app.testing():'"
        )
    return url


def _setting(
    given: str | None,
    option: str,
    variable: str,
    layers: list[Layer],
    key: tuple[str, str],
    here: str,
) -> Setting | None:
    if given:
        return Setting(given, option, here, given=True)
    named = os.environ.get(variable)
    if named:
        return Setting(named, variable, here, given=True)
    file = os.environ.get(f"{variable}_FILE")
    if file:
        from .settings_notify import said_in_file

        secret = said_in_file(Place(f"{variable}_FILE"), file)
        return Setting(secret, f"{variable}_FILE", here, given=True)
    for layer in layers:
        value = layer.said(*key)
        if value is not None:
            return Setting(value, layer.origin(*key), layer.folder, layer.path)
    return None


def _made(here: str) -> Setting | None:
    path = settings_files.made_store(here)
    if path is None:
        return None
    source = f"made by abreast serve, {path}"
    return Setting(f"sqlite:///{path}", source, os.path.dirname(path))


def _config(layers: list[Layer]) -> Config:
    """What the files say about app and store, checked."""
    said: dict[str, str | None] = {"app": None, "store": None}
    for layer in reversed(layers):
        for name, key in (("app", "app"), ("store", "url")):
            value = layer.said(name, key)
            if value is not None:
                said[name] = text(layer.place(name, key), value)
    return Config(layers[0].path if layers else None, said["app"], said["store"])


def read_config(start: str) -> Config:
    """Read what the files say that count in a folder; an empty one if there are none."""
    return _config(settings_files.layers(start))
