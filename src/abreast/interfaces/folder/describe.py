"""From an imported file to its tasks as JSON; and its errors in words."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any, Final

from ...domain.command import Command
from ...domain.policy import seconds
from ...errors import NotStorable, UsageError
from .. import app_options
from ..tasks import TaskFunction
from . import loading

# What the module of a plain file may say beside run_task.
PLAIN_OPTIONS: Final = ("concurrent", "schedule", "timezone", "description")
RUN: Final = "run_task"

_APP_ADVICE = (
    "the service never imports this file, so its tasks say plain values only; for a callable "
    "declare the task in an App, named by app = 'module:app' in abreast.toml"
)


class Placed(UsageError):
    """A mistake at a line of a file."""

    def __init__(self, text: str, path: str, line: int) -> None:
        super().__init__(text)
        self.path = path
        self.line = line


def tasks_of(module: ModuleType, path: str) -> list[dict[str, Any]]:
    """The tasks that a file declares, each as one JSON object.

    Its keys: ``name``, ``attribute`` (see :func:`loading.find`), ``options``, ``parameters``,
    ``doc`` and ``plain``, which says that it is ``run_task(config)``.

    Raises
    ------
    UsageError
        Naming task and option, when one is not a plain value.
    """
    found: dict[int, tuple[str, TaskFunction]] = {}
    for attribute, item in _declared(module):
        found.setdefault(id(item.fn), (attribute, item))
    if found:
        return [_placed(item, attribute) for attribute, item in found.values()]
    run = getattr(module, RUN, None)
    if not callable(run) or not _is_own(run, module):
        return []
    said = {key: getattr(module, key) for key in PLAIN_OPTIONS if hasattr(module, key)}
    return [plain_task(loading.stem_of(path), parameters_of(run), said, doc_of(run, module))]


def plain_task(
    name: str, parameters: list[dict[str, Any]] | None, said: Mapping[str, Any], doc: str | None
) -> dict[str, Any]:
    """The object of a ``run_task``, with what its module says of it."""
    options = {key: value for key, value in said.items() if value is not None}
    for key in ("timezone", "description"):
        if not isinstance(options.get(key, ""), str):
            raise UsageError(f"{key} must be a text, not {options[key]!r}")
    if not isinstance(options.get("concurrent", False), bool):
        raise UsageError(f"concurrent must be True or False, not {options['concurrent']!r}")
    return {
        "name": name,
        "attribute": RUN,
        "options": options_json(options, name),
        "parameters": parameters,
        "doc": doc,
        "plain": takes_config(parameters),
        "limited": True,
    }


def takes_config(parameters: list[dict[str, Any]] | None) -> bool:
    """Whether a function takes one argument, which is then its configuration."""
    kinds = [parameter["kind"] for parameter in parameters or ()]
    return kinds in (["POSITIONAL_ONLY"], ["POSITIONAL_OR_KEYWORD"])


def _declared(module: ModuleType) -> Iterator[tuple[str, TaskFunction]]:
    """Every task of a module, of the apps it makes, and of what a package has imported."""
    name = module.__name__
    inner = [
        (key[len(name) + 1 :] + ".", known)
        for key, known in list(sys.modules.items())
        if key.startswith(name + ".") and isinstance(known, ModuleType)
    ]
    apps = getattr(sys.modules.get("abreast.interfaces.app"), "App", ())
    for before, part in [("", module), *inner]:
        for key, value in list(vars(part).items()):
            if isinstance(value, TaskFunction) and _is_own(value.fn, module):
                yield before + key, value
    for before, part in [("", module), *inner]:
        for key, value in list(vars(part).items()):
            if isinstance(value, apps):
                for task in value.tasks.values():
                    if _is_own(task.fn, module):
                        yield f"{before}{key}::{task.name}", task


def _is_own(fn: Any, module: ModuleType) -> bool:
    """Whether a function is declared in this module or below it, not imported from elsewhere."""
    home = getattr(fn, "__module__", None)
    if home is None or not inspect.isroutine(fn):
        return True  # a partial or another callable object, which knows no place
    return bool(home == module.__name__ or home.startswith(module.__name__ + "."))


def _placed(item: TaskFunction, attribute: str) -> dict[str, Any]:
    """The object of a task; mistakes name the line of its function."""
    try:
        return _described(item, attribute)
    except UsageError as error:
        code = getattr(item.fn, "__code__", None)
        if code is None:
            raise
        raise Placed(str(error), code.co_filename, code.co_firstlineno) from None


def _described(item: TaskFunction, attribute: str) -> dict[str, Any]:
    if isinstance(item.fn, Command):
        raise UsageError(
            f"task {item.name!r}: a Command is declared in abreast.toml instead: command = "
            f"... below [tasks.{item.name}]"
        )
    options = {key: value for key, value in item.options.items() if key != "name"}
    return {
        "name": item.name,
        "attribute": attribute,
        "options": options_json(options, item.name),
        "parameters": parameters_of(item.fn),
        "doc": inspect.getdoc(item.fn) if inspect.isroutine(item.fn) else None,
        "plain": False,
        "limited": False,
    }


def doc_of(fn: Callable[..., Any], module: ModuleType) -> str | None:
    """What a plain file says of itself: the text of ``run_task``, or that of the file."""
    return inspect.getdoc(fn) or inspect.getdoc(module)


# -- options ----------------------------------------------------------------------------------


def options_json(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options of a task as JSON; policy in the form of ``app_options.from_json``.

    Raises
    ------
    UsageError
        Naming the task and the option.
    """
    found: dict[str, Any] = {}
    for key, value in options.items():
        if key == "fresh" or value is None:
            continue  # every run is one of a fresh process
        if key == "executor":
            if value != "process":
                raise UsageError(
                    f"task {name!r}: executor={value!r} is not possible here, because tasks of "
                    "this folder run in processes of their own; leave it out, or declare the "
                    "task in an App"
                )
        elif key in app_options.POLICY:
            found.update(_policy_json(key, value, name))
        else:
            found[key] = _service_json(key, value, name)
    return found


def _policy_json(key: str, value: Any, name: str) -> dict[str, Any]:
    try:
        return app_options.to_json({key: value}, name)
    except NotStorable as error:
        what = str(error).partition(f"option {key!r} ")[2].partition(";")[0]
        raise UsageError(f"task {name!r}: option {key!r} {what}; {_APP_ADVICE}") from None


def _service_json(key: str, value: Any, name: str) -> Any:
    from ... import values

    if key == "after":
        items = [value] if isinstance(value, (str, TaskFunction)) else list(value)
        value = [item.name if isinstance(item, TaskFunction) else item for item in items]
    try:
        return values.loads(values.dumps(_plain(value)))
    except Exception as error:
        raise UsageError(f"task {name!r}: option {key!r}: {error}; {_APP_ADVICE}") from None


def _plain(value: Any) -> Any:
    """A value with its durations as seconds."""
    if isinstance(value, timedelta):
        return seconds(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


# -- parameters -------------------------------------------------------------------------------


def parameters_of(fn: Callable[..., Any]) -> list[dict[str, Any]] | None:
    """The parameters of a function as JSON; None when it does not tell."""
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return None
    return [_parameter(item) for item in signature.parameters.values()]


def _parameter(item: inspect.Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {"name": item.name, "kind": item.kind.name}
    if item.default is not item.empty:
        found |= default_json(item.default)
    if item.annotation is not item.empty:
        said = item.annotation
        found["annotation"] = said if isinstance(said, str) else inspect.formatannotation(said)
    return found


def default_json(value: Any) -> dict[str, Any]:
    """A default as ``default`` where it is JSON, else as ``shown``, its text."""
    from ... import values

    try:
        return {"default": values.loads(values.dumps(value))}
    except Exception:
        return {"shown": repr(value)[:200]}


# -- errors -----------------------------------------------------------------------------------


def error_text(error: BaseException, path: str, folder: str) -> str:
    """One paragraph: where in the file, what, and where it helps what to do."""
    if isinstance(error, SyntaxError) and error.filename:
        said = f"{type(error).__name__}: {error.msg}"
        if error.text and error.text.strip():
            said += f": {error.text.strip()[:100]}"
        return f"{_place(error.filename, error.lineno, folder)}: {said}"
    if isinstance(error, Placed):
        return f"{_place(error.path, error.line, folder)}: {error}"
    where = _where(error, path, folder)
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        return (
            f"{where}: the file ends the program when it is imported: sys.exit({code}); put what "
            "a script does below: if __name__ == '__main__':"
        )
    if isinstance(error, UsageError):
        return f"{where}: {error}"
    said = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, ModuleNotFoundError):
        stem = loading.stem_of(path)
        beside = f"{stem}/requirements.txt" if os.path.isdir(path) else f"{stem}.requirements.txt"
        said += (
            f"; install it beside the service, or list what this file needs in {beside}, for an "
            "environment of its own"
        )
    return f"{where}: {said}"


def _where(error: BaseException, path: str, folder: str) -> str:
    """The innermost line of a traceback that lies in the folder."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if loading.is_below(frame.filename, folder):
            return _place(frame.filename, frame.lineno, folder)
    return _place(loading.source_of(path), None, folder)


def _place(file: str, line: int | None, folder: str) -> str:
    shown = os.path.relpath(file, os.path.dirname(folder)) if folder else file
    shown = file if shown.startswith("..") else shown
    return shown if line is None else f"{shown}, line {line}"
