"""From a file to its tasks: import it, in this process and in those of the process executor."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ...errors import AbreastError
from ..discovery import import_file, module_name, near_file
from ..tasks import TaskFunction
from .exits import Refused

_HINT = """\
{path!r} declares no tasks. Put @task above the functions to run:

    from abreast import task

    @task
    def hello():
        print("hello")"""


def load(path: str) -> ModuleType:
    """Import a file as a module; its folder comes first on ``sys.path``.

    Raises
    ------
    Refused
        When it cannot be read or imported, with the line that is to blame.
    """
    full = os.path.abspath(path)
    if os.path.isdir(full):
        raise Refused(f"{path!r} is a folder; give a Python file with @task functions")
    if not os.path.isfile(full):
        raise Refused(f"there is no file {path!r}{near_file(full)}")
    try:
        return import_file(full, module_name(full))
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise Refused(
            f"{path} cannot be read as Python\n{_where(error.filename, error.lineno)}: "
            f"{error.msg}" + (f"\n    {line}" if line else "")
        ) from None
    except (Exception, SystemExit) as error:
        raise Refused(f"{path} cannot be imported\n{_blame(error, full)}") from None


def tasks_of(module: ModuleType, path: str) -> dict[str, TaskFunction]:
    """Return the tasks that a file declares or imports, by name, in their order there.

    Raises
    ------
    Refused
        When there are none, or two of one name.
    """
    found: dict[str, TaskFunction] = {}
    for attribute, value in list(vars(module).items()):
        if not isinstance(value, TaskFunction):
            continue
        known = found.get(value.name)
        if known is not None and known.fn is not value.fn:
            raise Refused(
                f"{path}: two tasks are named {value.name!r}; give one another name: "
                f'@task(name="...")'
            )
        if known is None:
            value.options.setdefault("name", value.name)
            found[value.name] = value
            _homes[id(value)] = module.__name__, attribute
    if not found:
        raise Refused(_HINT.format(path=path))
    return found


_homes: dict[int, tuple[str, str]] = {}  # of tasks: module and name in it


def importable(task: TaskFunction, path: str) -> TaskFunction:
    """Return the task with a function that other processes find by importing the file."""
    home = _homes.get(id(task))
    if home is None:
        return task
    fn = FileFunction(os.path.abspath(path), *home)
    return TaskFunction(fn, task.options)


class FileFunction:
    """The function of a task, pickled as the place where it is declared."""

    __slots__ = ("place", "target")

    def __init__(self, full: str, module: str, attribute: str) -> None:
        self.place = full, module, attribute
        self.target: Callable[..., Any] = getattr(import_file(full, module), attribute).fn

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.target(*args, **kwargs)

    def __reduce__(self) -> tuple[type[FileFunction], tuple[str, str, str]]:
        return FileFunction, self.place


def _where(filename: str | None, line: int | None) -> str:
    shown = filename or "?"
    relative = os.path.relpath(shown) if os.path.isabs(shown) else shown
    return f"{relative if not relative.startswith('..') else shown}:{line or 1}"


def _blame(error: BaseException, full: str) -> str:
    """``file:line: Type: message``, at the last line of the file itself that took part."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == full] or list(frames)
    text = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, AbreastError):
        text = str(error)
    elif isinstance(error, SystemExit):
        text = f"it ends the program (SystemExit: {error.code})"
    if not own:
        return text
    frame = own[-1]
    line = f"\n    {frame.line}" if frame.line else ""
    return f"{_where(frame.filename, frame.lineno)}: {text}{line}"
