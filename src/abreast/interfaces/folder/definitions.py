"""From what a file and ``abreast.toml`` say of a task to the task as it is registered."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from inspect import Parameter, Signature
from typing import Any, NamedTuple

from ...errors import UsageError
from ..toml_tasks import Definition, limit_to_one, options_of
from . import loading
from .function import FolderFunction


class Place(NamedTuple):
    """Where the files are, and what belongs to them."""

    folder: str  # of the tasks
    project: str  # the folder of the configuration, in which tasks run
    envs: str  # for environments that are made


def requirements_beside(path: str) -> str:
    """The file of requirements that belongs to a file or a package, whether it exists or not."""
    if path.endswith(".py"):
        return f"{path.removesuffix('.py')}.requirements.txt"
    return os.path.join(path, "requirements.txt")


def define(
    task: Mapping[str, Any], path: str, place: Place, table: Mapping[str, Any], name: str
) -> Definition:
    """Make the definition of a task.

    Parameters
    ----------
    task : mapping
        What the file says; see :func:`abreast.interfaces.folder.describe.tasks_of`.
    table : mapping
        What ``[tasks.NAME]`` says, which counts more; may be empty.

    Raises
    ------
    UsageError
        When an option is impossible.
    """
    if not name.isprintable() or "/" in name or name.startswith("abreast:") or len(name) > 200:
        raise UsageError(
            f"{name!r} cannot be the name of a task; use letters, digits, '-', '_' and '.'"
        )
    said = dict(task["options"])
    concurrent = table.get("concurrent", said.pop("concurrent", None))
    options = {**options_of(said), **options_of(table)}
    limited = task["limited"] if concurrent is None else not concurrent
    limit_to_one(options, limited)
    options.update(executor="process", fresh=True)
    beside = requirements_beside(path)
    requirements = table.get("requirements") or (beside if os.path.isfile(beside) else None)
    if "python" in table and "requirements" not in table:
        requirements = None  # a ready environment is named
    signature = _signature(task)
    key = [task, path, place, sorted(table.items()), requirements, name]
    fn = FolderFunction(
        path,
        task["attribute"],
        table.get("python"),
        requirements,
        table.get("cwd") or place.project,
        table.get("env"),
        name=name,
        folder=place.folder,
        project=place.project,
        envs=place.envs,
        plain=task["plain"],
        signature=signature,
    )
    return Definition(
        name,
        fn,
        options,
        ("file", path),
        json.dumps(key, default=repr),
        signature,
        table.get("description") or _first_lines(task["doc"]),
    )


def apart_of(tables: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tables of ``abreast.toml`` that name an interpreter or requirements."""
    return {n: t for n, t in tables.items() if "python" in t or "requirements" in t}


def separate_names(apart: Mapping[str, Mapping[str, Any]], path: str) -> list[str]:
    """Tasks with an interpreter of their own, as far as a file may have them."""
    found = set(apart)
    if any(table.get("file") == path for table in apart.values()):
        found.add(loading.stem_of(path))  # it has another name there
    return sorted(found)


def _signature(task: Mapping[str, Any]) -> Signature | None:
    """What the task takes, as far as that can be said without the file."""
    if task["plain"]:
        config = Parameter("config", Parameter.POSITIONAL_OR_KEYWORD, default=None)
        values = Parameter("values", Parameter.VAR_KEYWORD)
        return Signature([config.replace(annotation=Shown("dict")), values])
    if task["parameters"] is None:
        return None
    return Signature([_parameter(item) for item in task["parameters"]])


def _parameter(said: Mapping[str, Any]) -> Parameter:
    default: Any = Parameter.empty
    if "default" in said:
        default = said["default"]
    elif "shown" in said:
        default = Shown(said["shown"])
    annotation = Shown(said["annotation"]) if "annotation" in said else Parameter.empty
    kind = getattr(Parameter, said["kind"])
    return Parameter(said["name"], kind, default=default, annotation=annotation)


class Shown(str):
    """What stands in the file, where it is no plain value: a default, an annotation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _first_lines(doc: str | None) -> str | None:
    return doc.split("\n\n", 1)[0] if doc else None
