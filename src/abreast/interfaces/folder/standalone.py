"""Executed by the interpreter of a task: calls its function and tells the service what came of it.

Standard library only, Python 3.8 or later: abreast is not installed there. ``import abreast`` in
the file gets what a task needs of it: ``task`` and what options are made of, which mean nothing
here, and ``progress``, ``step`` and ``current_run``, which reach the service.

What is said: one JSON object per line on the socket that the first argument names.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import socket
import sys
import threading
import traceback
from types import ModuleType, SimpleNamespace
from typing import Any, Callable  # noqa: UP035  # collections.abc needs 3.9 for brackets

_ERRORS = ("AbreastError", "Backoff", "Busy", "Cancelled", "Crashed", "RunError", "Skipped",
           "StoreError", "TimedOut", "UsageError")  # fmt: skip


def _import_loading() -> Any:
    """Import the file beside this one; neither it nor what else lies here is for the task."""
    home = os.path.dirname(os.path.abspath(__file__))
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, home)
    try:
        return importlib.import_module("loading")
    finally:
        sys.dont_write_bytecode = before
        sys.modules.pop("loading", None)
        while home in sys.path:
            sys.path.remove(home)


loading: Any = _import_loading() if __name__ == "__main__" else None


class Line:
    """The way to the service and back."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb")
        self._sending = threading.Lock()
        self.talking = threading.RLock()  # who asks something hears the answer, and nobody else

    def send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message, default=_plain).encode() + b"\n"
        with self._sending:
            self._sock.sendall(data)

    def receive(self) -> dict[str, Any]:
        line = self._file.readline()
        if not line:
            raise SystemExit(1)  # the service has gone, or has given the run up
        found: dict[str, Any] = json.loads(line)
        return found


def _plain(value: Any) -> Any:
    """What the service would make of values that are not JSON themselves."""
    import dataclasses
    import datetime
    import decimal
    import enum
    import uuid

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"type {type(value).__name__!r} is not JSON")


# -- what `import abreast` gets ----------------------------------------------------------------


class _Option:
    """Stands for a limit, a retry and so on, which the service has read from the file."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass


class _App:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ImportError(
            "a file whose tasks run in an interpreter of their own cannot have an App; "
            "declare its tasks with @task"
        )


def _task(fn: Any = None, **options: Any) -> Any:
    return fn if fn is not None else lambda fn: fn


def _errors(names: tuple[str, ...]) -> dict[str, Any]:
    root = type("AbreastError", (Exception,), {"__module__": "abreast.errors"})
    found: dict[str, Any] = {"AbreastError": root}
    for name in names:
        found.setdefault(name, type(name, (root,), {"__module__": "abreast.errors"}))

    def __init__(self: Any, seconds: float, message: str = "") -> None:
        text = message or f"asked to be tried again after {seconds:g} seconds"
        Exception.__init__(self, text)
        self.given = [seconds, text]

    found["Backoff"].__init__ = __init__
    return found


def stand_in(line: Line, run: dict[str, Any]) -> ModuleType:
    """Make the module ``abreast`` of this process."""
    here = SimpleNamespace(**run)

    def progress(done: float, total: float | None = None, message: str = "") -> None:
        line.send({"kind": "progress", "args": [done, total, message]})

    def step(name: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(fn):
            raise TypeError(
                f"step {name!r}: steps of async functions are not possible in an interpreter of "
                "the task's own; make it a plain function"
            )
        with line.talking:
            line.send({"kind": "step", "name": name, "args": args, "kwargs": kwargs})
            answer = line.receive()
            if answer["kind"] == "call":
                try:
                    value = fn(*args, **kwargs)
                    line.send({"kind": "called", "value": value})
                except BaseException as error:
                    line.send({"kind": "called", "error": told(error)})
                    raise
                answer = line.receive()
        if answer["kind"] == "refused":
            raise TypeError(answer["text"])
        return answer["value"]

    module = ModuleType("abreast", "What a task in an interpreter of its own needs of abreast.")
    known = _errors(_ERRORS)
    inner = ModuleType("abreast.errors")
    vars(inner).update(known)
    vars(module).update(known, errors=inner, task=_task, App=_App, progress=progress, step=step)
    vars(module).update(dict.fromkeys(("Adaptive", "Limit", "Retry", "Unique"), _Option))
    vars(module).update(current_run=lambda: here, __path__=[])
    sys.modules.update({"abreast": module, "abreast.errors": inner})
    return module


# -- the call ------------------------------------------------------------------------------------


def told(error: BaseException, folder: str = "") -> dict[str, Any]:
    """An error in a form that can be sent."""
    kind = type(error)
    entry = loading.below_imports(error.__traceback__, folder)
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be made)"
    args = getattr(error, "given", None) or list(error.args)
    if isinstance(error, OSError) and error.filename is not None:
        args = [error.errno, error.strerror, error.filename]
    if isinstance(error, SystemExit):
        kind, text = RuntimeError, f"the task ended its process: sys.exit({error.code!r})"
        args = [text]
    try:
        json.dumps(args)
    except (TypeError, ValueError):
        args = None
    return {
        "type": kind.__qualname__,
        "text": text,
        "args": args,
        "kinds": [f"{k.__module__}:{k.__qualname__}" for k in kind.__mro__[:-1]],
        "trace": "".join(traceback.format_exception(type(error), error, entry)),
    }


def call(request: dict[str, Any]) -> Any:
    """Import the file and call the function."""
    module = loading.load(request["path"], request["folder"], request["project"])
    fn = loading.find(module, request["attribute"])
    args, kwargs = request["args"], request["kwargs"]
    if request["plain"]:
        args, kwargs = loading.config_of(args, kwargs), {}
    value = fn(*args, **kwargs)
    if inspect.isawaitable(value):
        value = asyncio.run(_await(value))
    return value


async def _await(value: Any) -> Any:
    return await value


def main() -> None:
    """Do what standard input asks for, and answer."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    line = Line(sock)
    request = json.loads(sys.stdin.buffer.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    sys.argv = [request["path"]]
    stand_in(line, request["run"])
    try:
        value = call(request)
        try:
            line.send({"kind": "result", "value": value})
        except (TypeError, ValueError) as error:
            what = type(value).__name__
            raise TypeError(
                f"its result (type {what!r}) is not JSON: {error}; return numbers, text, lists, "
                "dicts, dataclasses or dates, or the path of a file"
            ) from None
    except BaseException as error:
        line.send({"kind": "error", **told(error, request["folder"])})
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue  # closed by the task
    os._exit(0)  # what it leaves running ends with the run


if __name__ == "__main__":
    main()
