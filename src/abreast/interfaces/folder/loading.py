"""Imports one file of tasks anew, with what lies beside it within reach.

This file is also executed by interpreters in which abreast is not installed: it needs the standard
library only and works from Python 3.8 on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from types import CodeType, ModuleType, TracebackType
from typing import Any


class _Fresh(SourceFileLoader):
    """Compiles what the file says now: compiled files are found by the second and the size only,
    so that a quick edit would go unnoticed."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


class Beside:
    """Finds modules that lie in a folder before those that are installed.

    A file named like a module of the standard library is left out: ``email.py`` among the tasks
    must not be what ``import email`` finds.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: Any = None,
    ) -> ModuleSpec | None:
        """Answer as finders of ``sys.meta_path`` do."""
        where: Sequence[str] = [self.folder]
        if path is not None:
            where = list(path)
            if not any(is_below(item, self.folder) for item in where):
                return None
        elif fullname == "abreast" or is_standard(fullname):
            return None
        spec = PathFinder.find_spec(fullname, where, target)
        if spec is None or spec.loader is None:
            return None  # folders without __init__.py come last, as ever
        if type(spec.loader) is SourceFileLoader:
            spec.loader = _Fresh(fullname, spec.loader.path)
            spec.cached = None
        return spec


def is_below(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies somewhere in it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def is_standard(name: str) -> bool:
    """Whether the standard library has a module of this name."""
    names = getattr(sys, "stdlib_module_names", None)  # since Python 3.10
    if names is not None:
        return name in names
    home = os.path.dirname(os.__file__)
    return name in sys.builtin_module_names or PathFinder.find_spec(name, [home]) is not None


def reach(folder: str, project: str | None) -> None:
    """Let modules of the tasks' folder be imported, and those of the project around it."""
    if not any(isinstance(finder, Beside) and finder.folder == folder for finder in sys.meta_path):
        sys.meta_path.insert(0, Beside(folder))
    for place in (folder, project):  # programs that Python starts itself look here
        if place and place not in sys.path:
            sys.path.append(place)


def module_name(path: str) -> str:
    """The name under which a file or a package folder is imported: its own, where it is free."""
    stem = stem_of(path).replace(".", "_")
    known = sys.modules.get(stem)
    if stem == "abreast" or is_standard(stem) or (known is not None and not _is(known, path)):
        return stem + "_tasks"
    return stem


def stem_of(path: str) -> str:
    """The name of a file without ``.py``, or of a folder."""
    name = os.path.basename(path.rstrip(os.sep))
    return name[:-3] if name.endswith(".py") else name


def source_of(path: str) -> str:
    """The file that is read first: the file itself, or ``__init__.py`` of a package folder."""
    return os.path.join(path, "__init__.py") if os.path.isdir(path) else path


def _is(module: ModuleType, path: str) -> bool:
    return getattr(module, "__file__", None) == source_of(path)


def load(path: str, folder: str, project: str | None = None) -> ModuleType:
    """Import a file, or a folder with ``__init__.py`` as a package; raises what importing raises.

    Parameters
    ----------
    folder : str
        The folder of the tasks, whose modules the file may import.
    project : str, optional
        The folder around it, likewise, after everything that is installed.
    """
    reach(folder, project)
    name = module_name(path)
    known = sys.modules.get(name)
    if known is not None and _is(known, path):
        return known
    file = source_of(path)
    below = [path] if file != path else None
    spec = spec_from_file_location(
        name, file, loader=_Fresh(name, file), submodule_search_locations=below
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{path!r} cannot be imported as {name!r}")
    spec.cached = None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def find(module: ModuleType, attribute: str) -> Any:
    """What an attribute path such as ``sync``, ``jobs.sync`` or ``app::sync`` names in a module.

    After ``::`` follows the name of a task of that app.

    Raises
    ------
    AttributeError
        When the module no longer has it.
    """
    before, colons, task = attribute.partition("::")
    found: Any = module
    for part in before.split("."):
        found = getattr(found, part)
    if not colons:
        return found
    known = found.tasks.get(task)
    if known is None:
        raise AttributeError(f"the app {before!r} has no task {task!r}")
    return known


def below_imports(entry: TracebackType | None, folder: str) -> TracebackType | None:
    """The part of a traceback from the first line in a folder on; all of it if there is none."""
    found = entry
    while found is not None:
        if is_below(found.tb_frame.f_code.co_filename, folder):
            return found
        found = found.tb_next
    return entry


def config_of(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[dict[str, Any]]:
    """The one argument of ``run_task(config)``: a dict given as it is, and values by name."""
    given = dict(kwargs)
    first = args[0] if args else given.pop("config", None)
    config: dict[str, Any] = {}
    if first is not None:
        if not isinstance(first, dict):
            raise TypeError(f"run_task takes one dict, not {first!r}")
        config.update(first)
    config.update(given)
    return (config,)
