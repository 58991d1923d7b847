"""What was found in another program's configuration, and the ``abreast.toml`` it makes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import UsageError
from .. import settings_toml
from ..settings_check import toml_key
from ..settings_files import FILE

STORE = "sqlite:///.abreast/abreast.db"


@dataclass
class FoundTask:
    """A task with the keys of its ``[tasks.NAME]``."""

    name: str
    keys: dict[str, Any]
    remarks: list[str] = field(default_factory=list)  # comments above it
    left: list[str] = field(default_factory=list)  # lines of TOML that are kept as comments


@dataclass
class Found:
    """Everything that was found.

    ``notes`` say, line by line, what is not kept and why; ``sections`` are plain ones, in order;
    ``suggested`` are lines of TOML that only a person can decide on; ``copies`` are files to copy,
    by their path in the new folder.
    """

    source: str
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: list[FoundTask] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    suggested: list[str] = field(default_factory=list)
    copies: dict[str, str] = field(default_factory=dict)

    def note(self, place: str, said: str) -> None:
        """Remember what cannot be kept; ``place`` names where it stands."""
        self.notes.append(f"{place}: {said}")


def as_toml(found: Found) -> str:
    """The ``abreast.toml`` that stands for what was found."""
    lines = [f"# Made from {found.source} by 'abreast import'."]
    for section, keys in found.sections.items():
        remarks = keys.pop("#", None)
        lines += ["", *settings_toml.comment(remarks or ""), f"[{section}]"]
        lines += settings_toml.lines(keys)
        if remarks is not None:
            keys["#"] = remarks
    if found.suggested:
        lines += ["", *settings_toml.comment("\n".join(found.suggested))]
    for task in found.tasks:
        lines += ["", *settings_toml.comment("\n".join(task.remarks))]
        lines.append(f"[tasks.{toml_key(task.name)}]")
        plain = {k: v for k, v in task.keys.items() if not isinstance(v, Mapping) or k == "env"}
        lines += settings_toml.lines(plain)
        lines += settings_toml.comment("\n".join(task.left))
        for key in task.keys.keys() - plain.keys():
            lines += ["", f"[tasks.{toml_key(task.name)}.{key}]"]
            lines += settings_toml.lines(task.keys[key])
    return "\n".join(lines) + "\n"


def put(found: Found, folder: str) -> list[str]:
    """Write what was found into a folder, which may be new; nothing in it is overwritten.

    Returns
    -------
    list of str
        Paths of what was written.

    Raises
    ------
    UsageError
        Before anything is written, when something is there already.
    """
    full = os.path.abspath(os.path.expanduser(folder))
    target = os.path.join(full, FILE)
    copies = {os.path.join(full, inner): source for inner, source in found.copies.items()}
    there = [path for path in (target, *copies) if os.path.lexists(path)]
    if there:
        raise UsageError(
            f"{there[0]} is there already and nothing is overwritten; give another folder with "
            "--into, or move it away"
        )
    try:
        os.makedirs(full, exist_ok=True)
        for path, source in copies.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copy2(source, path)
        write_new(target, as_toml(found))
    except OSError as error:
        raise UsageError(f"{error.filename or full} cannot be written: {error.strerror}") from None
    return [*copies, target]


def write_new(path: str, text: str) -> None:
    """Write a file that must not be there yet; raises ``FileExistsError`` otherwise."""
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)


def files_below(folder: str, left_out: Iterable[str] = ()) -> list[str]:
    """Relative paths of the files of a folder, without caches, environments and hidden ones."""
    omitted = {os.path.realpath(path) for path in left_out}
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name != "__pycache__"
            and not os.path.exists(os.path.join(here, name, "pyvenv.cfg"))
            and os.path.realpath(os.path.join(here, name)) not in omitted
        )
        found += [
            os.path.relpath(os.path.join(here, name), folder)
            for name in sorted(files)
            if not name.endswith((".pyc", ".pyo"))
        ]
    return found
