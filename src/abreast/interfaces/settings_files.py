"""The files of a configuration: which there are, which counts more, and that they are readable.

Every part of the program that wants to know what a file says asks here, so that all see the same.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from ..errors import UsageError
from .settings_check import Place, check_known, near, table_of
from .settings_sections import NAMES, SECTIONS

FILE = "abreast.toml"
PYPROJECT = "pyproject.toml"
SYSTEM = "/etc/abreast"
FOLDER = ".abreast"  # what a service keeps beside its tasks, when nothing says another place
DATABASE = "abreast.db"


class Layer(NamedTuple):
    """What one file says."""

    path: str
    folder: str  # what relative paths in it are relative to
    within: str  # "" or "tool.abreast"
    data: dict[str, Any]

    def place(self, section: str, key: str = "") -> Place:
        """Where a section of it stands."""
        above = f"{self.within}." if self.within else ""
        return Place(self.path, above + section, key, self.folder)

    def origin(self, section: str, key: str) -> str:
        """Where a value comes from, as a person is told."""
        return f"[{self.place(section).section}] {key} in {self.path}"

    def said(self, section: str, key: str) -> Any:
        """What stands there, or None."""
        return self.data.get(section, {}).get(key)


def layers(start: str, config: str | None = None) -> list[Layer]:
    """Read the files that count in a folder; the one that counts most first.

    They are: ``config`` or the nearest ``abreast.toml`` in ``start`` or above it,
    ``[tool.abreast]`` of the nearest ``pyproject.toml`` that has it, the user's own and the
    machine's ``abreast.toml``.

    Raises
    ------
    UsageError
        When one cannot be read, is no TOML, or has an unknown section or key.
    """
    here = os.path.abspath(start)
    paths = [named_file(config) if config else nearest(here, FILE)]
    found = [read(path) for path in paths if path is not None]
    project = _project(here)
    if project is not None:
        found.append(project)
    known = {os.path.realpath(layer.path) for layer in found}
    for path in machine_files():
        # One that may not be read, say as it holds secrets of a service, is not for this user.
        readable = os.path.isfile(path) and os.access(path, os.R_OK)
        if readable and os.path.realpath(path) not in known:
            known.add(os.path.realpath(path))
            found.append(read(path))
    return found


def named_file(path: str) -> str:
    """The file that ``--config`` or ``ABREAST_CONFIG`` names, or the one in that folder."""
    full = os.path.abspath(os.path.expanduser(path))
    if os.path.isdir(full):
        full = os.path.join(full, FILE)
    if not os.path.isfile(full):
        raise UsageError(f"there is no configuration file {full}; 'abreast init' writes one")
    return full


def nearest(start: str, name: str) -> str | None:
    """The path of a file of that name in a folder or above it."""
    folder = start
    while True:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def machine_files() -> list[str]:
    """The configurations of the user and of the machine, whether they exist or not."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    system = os.environ.get("CONFIGURATION_DIRECTORY", "").partition(":")[0] or SYSTEM
    return [os.path.join(home, "abreast", FILE), os.path.join(system, FILE)]


def _project(start: str) -> Layer | None:
    """``[tool.abreast]`` of the nearest ``pyproject.toml`` that has one."""
    folder: str | None = start
    while folder is not None:
        path = nearest(folder, PYPROJECT)
        if path is None:
            return None
        try:
            with open(path, "rb") as file:
                mine = b"tool.abreast" in file.read()
        except OSError:
            mine = False
        if mine:  # the others are not ours to judge
            tool = parse(path).get("tool")
            data = tool.get("abreast") if isinstance(tool, dict) else None
            if data is not None:
                layer = Layer(path, os.path.dirname(path), "tool.abreast", data)
                return check_shape(layer)
        here = os.path.dirname(path)
        above = os.path.dirname(here)
        folder = None if above == here else above
    return None


def read(path: str) -> Layer:
    """Read an ``abreast.toml``.

    Raises
    ------
    UsageError
        See :func:`layers`.
    """
    return check_shape(Layer(path, os.path.dirname(path), "", parse(path)))


def parse(path: str) -> dict[str, Any]:
    """Read a file of TOML."""
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None


def check_shape(layer: Layer) -> Layer:
    """Refuse sections and keys that mean nothing; values are looked at by who needs them."""
    if not isinstance(layer.data, dict):
        raise UsageError(f"{layer.path}: 'tool.abreast' must be a section with keys")
    for section, content in layer.data.items():
        place = layer.place(section)
        if section not in NAMES:
            hint = near(section, NAMES, "[{}]")
            raise UsageError(f"{layer.path}: unknown section [{place.section}]; {hint}")
        table = table_of(content, place)
        if section in SECTIONS:
            check_known(table, SECTIONS[section], place)
    return layer


def made_store(start: str) -> str | None:
    """The database that a service without a named store has made here or in a folder above."""
    home = os.environ.get("ABREAST_HOME")
    if home:
        path = os.path.join(os.path.abspath(os.path.expanduser(home)), DATABASE)
        return path if os.path.isfile(path) else None
    return nearest(os.path.abspath(start), os.path.join(FOLDER, DATABASE))
