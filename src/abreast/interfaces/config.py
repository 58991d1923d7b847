"""What app and store are meant: options, environment variables, and ``abreast.toml``."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import UsageError
from .app_node import absolute

FILE = "abreast.toml"
_KEYS = {"app": {"app"}, "store": {"url"}}


class Setting(NamedTuple):
    """A value and where it came from, for people."""

    value: str
    source: str
    folder: str  # what relative paths in it are relative to


@dataclass(frozen=True)
class Config:
    """What an ``abreast.toml`` says. Empty when there is none."""

    path: str | None = None
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
            f"{name}: {setting.value} ({setting.source})"
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
            raise UsageError(f"{self.store.source}: {error}") from None


def find(app: str | None = None, store: str | None = None, start: str | None = None) -> Found:
    """Say which app and store are meant.

    The first that says something counts: the argument (an option of a command), the environment
    variable ``ABREAST_APP`` or ``ABREAST_STORE``, the nearest ``abreast.toml`` upward.

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
    config = read_config(here)
    return Found(
        _setting(app, "--app", "ABREAST_APP", config.app, config, "[app] app", here),
        _setting(store, "--store", "ABREAST_STORE", config.store, config, "[store] url", here),
        config,
    )


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
    configured: str | None,
    config: Config,
    key: str,
    here: str,
) -> Setting | None:
    if given:
        return Setting(given, option, here)
    named = os.environ.get(variable)
    if named:
        return Setting(named, variable, here)
    if configured and config.path is not None:
        return Setting(configured, f"{key} in {config.path}", os.path.dirname(config.path))
    return None


def read_config(start: str) -> Config:
    """Read the nearest ``abreast.toml`` in a folder or above it; an empty one if there is none."""
    folder = start
    while True:
        path = os.path.join(folder, FILE)
        if os.path.isfile(path):
            return _read(path)
        above = os.path.dirname(folder)
        if above == folder:
            return Config()
        folder = above


def _read(path: str) -> Config:
    import tomllib

    try:
        with open(path, "rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    for section, content in data.items():
        _check_known(section, set(_KEYS), f"{path}: unknown section", "[{}]")
        if not isinstance(content, dict):
            raise UsageError(f"{path}: {section!r} must be a section, [{section}], with keys")
        for key in content:
            _check_known(key, _KEYS[section], f"{path}: unknown key in [{section}]:", "{!r}")
    return Config(path, _text(data, path, "app", "app"), _text(data, path, "store", "url"))


def _check_known(word: str, known: set[str], said: str, form: str) -> None:
    if word in known:
        return
    near = difflib.get_close_matches(word, known, n=1)
    shown = [form.format(name) for name in sorted(known)]
    hint = f"did you mean {form.format(near[0])}?" if near else f"known: {', '.join(shown)}"
    raise UsageError(f"{said} {form.format(word)}; {hint}")


def _text(data: dict[str, Any], path: str, section: str, key: str) -> str | None:
    value = data.get(section, {}).get(key)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise UsageError(f"{path}: {key} in [{section}] must be a text, not {value!r}")
    return value
