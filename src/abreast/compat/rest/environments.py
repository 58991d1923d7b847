"""What tasks say about where they run: environments, requirements, the packages they are in."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any


def environment_of(task: Any) -> tuple[str | None, str | None]:
    """The interpreter and the file of requirements that a task names."""
    found = []
    for name in ("python", "requirements"):
        value = getattr(task.fn, name, None)
        found.append(str(value) if isinstance(value, (str, os.PathLike)) else None)
    return found[0], found[1]


def folder_of(python: str) -> str:
    """The folder of the environment that an interpreter, or the folder itself, stands for."""
    return python if os.path.isdir(python) else os.path.dirname(os.path.dirname(python))


def interpreter_of(folder: str) -> str:
    """The interpreter of an environment."""
    return os.path.join(folder, "bin", "python")


def file_of(task: Any) -> str | None:
    """The file a task was read from, or None for one that a program declares."""
    path = task.origin[1]
    return None if path is None else str(path)


def same_place(one: str, other: str) -> bool:
    """Whether two paths, from wherever, lead to one place."""
    try:
        return os.path.realpath(one) == os.path.realpath(other)
    except ValueError:  # no path: it contains a NUL
        return False


def environments(tasks: Iterable[Any]) -> list[dict[str, Any]]:
    """The virtual environments that tasks name."""
    found: dict[str, dict[str, Any]] = {}
    for task in tasks:
        python, _ = environment_of(task)
        if python is None:
            continue
        folder = folder_of(python)
        interpreter = interpreter_of(folder) if os.path.isdir(python) else python
        found.setdefault(
            folder,
            {
                "name": f"{task.name}_{os.path.basename(folder)}",
                "path": folder,
                "task_folder": _folder_name(task),
                "python_executable": interpreter if os.path.exists(interpreter) else None,
            },
        )
    return list(found.values())


def requirements_files(tasks: Iterable[Any]) -> list[dict[str, Any]]:
    """The files of requirements that tasks name."""
    found: dict[str, dict[str, Any]] = {}
    for task in tasks:
        _, path = environment_of(task)
        if path is None or not os.path.isfile(path):
            continue
        found[path] = {
            "name": f"{task.name}_{os.path.basename(path)}",
            "path": path,
            "task_folder": _folder_name(task),
            "size": os.path.getsize(path),
        }
    return list(found.values())


def projects(tasks: Iterable[Any]) -> list[dict[str, Any]]:
    """The packages that tasks were read from."""
    found: dict[str, dict[str, Any]] = {}
    for task in tasks:
        path = file_of(task)
        if path is None:
            continue
        main = os.path.join(path, "__init__.py") if os.path.isdir(path) else path
        folder = os.path.dirname(main)
        if not os.path.isfile(os.path.join(folder, "__init__.py")):
            continue
        files = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
        found[folder] = {
            "name": os.path.basename(folder),
            "path": folder,
            "main_file": os.path.join(os.path.basename(folder), os.path.basename(main)),
            "file_count": len(files),
            "files": files,
            "is_package": True,
        }
    return list(found.values())


def validate(tasks: Iterable[Any], path: str, requirements: str | None) -> dict[str, Any]:
    """Look whether an environment and a file of requirements can be used.

    Only those that tasks name, or that lie where the files of tasks lie, are looked at; others do
    not exist here. Nothing is executed or installed.
    """
    tasks = list(tasks)
    environment = _inside(tasks, path)
    errors: list[str] = []
    python = None
    if environment is None or not os.path.isdir(environment):
        errors.append("Environment path does not exist")
    else:
        python = interpreter_of(environment)
        if not os.access(python, os.X_OK):
            errors.append("Path is not a valid virtual environment")
    if requirements:
        file = _inside(tasks, requirements)
        if file is None or not os.path.isfile(file):
            errors.append("Requirements file does not exist")
    found: dict[str, Any] = {"valid": not errors, "errors": errors, "warnings": []}
    if not errors:
        found["python_executable"] = python
    return found


def _inside(tasks: Iterable[Any], path: str) -> str | None:
    """The path in full, when it may be looked at."""
    if "\0" in path:
        return None
    folders, known = set(), set()
    for task in tasks:
        file = file_of(task)
        if file is not None:
            folders.add(os.path.realpath(os.path.dirname(file)))
        python, requirements = environment_of(task)
        if python is not None:
            known.add(os.path.realpath(folder_of(python)))
        if requirements is not None:
            known.add(os.path.realpath(requirements))
    candidates = [path] if os.path.isabs(path) else [
        os.path.join(folder, part)
        for folder in folders
        for part in (path, os.path.join(os.pardir, path))
    ]  # fmt: skip
    for candidate in candidates:
        real = os.path.realpath(candidate)
        here = real in known or any(real.startswith(folder + os.sep) for folder in folders)
        if here and os.path.exists(real):
            return real
    return None


def _folder_name(task: Any) -> str:
    path = file_of(task)
    return "" if path is None else os.path.basename(os.path.dirname(path))
