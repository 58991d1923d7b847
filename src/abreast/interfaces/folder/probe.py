"""Reads one file of tasks, in a process that may come to any end, and answers in JSON.

``python -m abreast.interfaces.folder.probe FILE`` shows the answer. The service asks through its
standard input and gets the answer on a descriptor of its own, because files may print.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from types import ModuleType
from typing import Any

from ... import platform
from . import loading


def answer_to(request: dict[str, Any]) -> dict[str, Any]:
    """Import a file (or only read it) and say what it declares.

    Parameters
    ----------
    request : dict
        ``path`` of the file or package; ``folder`` of the tasks; ``project``, the folder around
        it; ``separate``: True, or names of tasks, when these have an interpreter of their own, so
        that the file cannot be imported here.

    Returns
    -------
    dict
        ``tasks``; ``error`` and ``trace`` when it went wrong; ``used``: files of the folder that
        were imported; ``imported``: False when the file was only read.
    """
    path, folder = request["path"], request["folder"]
    found: dict[str, Any] = {"tasks": [], "used": [], "imported": False}
    before = set(sys.modules)
    try:
        if _only_read(request):
            from . import reading

            found["tasks"], found["used"] = reading.tasks_of(path)
        else:
            from . import describe

            found["imported"] = True
            module = loading.load(path, folder, request.get("project"))
            found["tasks"] = describe.tasks_of(module, path)
    except BaseException as error:  # whatever a file does when it is imported
        from . import describe

        found["tasks"] = []
        found["error"] = describe.error_text(error, path, folder)
        entry = loading.below_imports(error.__traceback__, folder)
        if isinstance(error, SyntaxError):
            entry = None  # its text shows the line
        found["trace"] = "".join(traceback.format_exception(type(error), error, entry))
    found["used"] = sorted({*_used(before, folder), *found["used"]})
    return found


def _only_read(request: dict[str, Any]) -> bool:
    """Whether a task of the file has an interpreter of its own, with packages of its own."""
    separate = request.get("separate") or ()
    if not separate or separate is True:
        return bool(separate)
    from . import reading

    return not reading.names_of(request["path"]).isdisjoint(separate)


def _used(before: set[str], folder: str) -> list[str]:
    """Files of the folder that have been imported since."""
    files = [
        getattr(module, "__file__", None)
        for name, module in list(sys.modules.items())
        if name not in before and isinstance(module, ModuleType)
    ]
    return [file for file in files if isinstance(file, str) and loading.is_below(file, folder)]


def main() -> None:
    """Answer the request on standard input to the descriptor that the first argument names."""
    fd = int(sys.argv[1])
    os.set_inheritable(fd, False)
    request = json.loads(sys.stdin.buffer.read())
    platform.die_with(request["parent"])
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    sys.path[:] = request["sys_path"]
    sys.argv = [request["path"]]
    import faulthandler

    # Into the output of the file, where the asker finds which line took so long.
    faulthandler.dump_traceback_later(request["limit"] * 0.9, exit=False)
    found = answer_to(request)
    with os.fdopen(fd, "wb") as file:
        file.write(json.dumps(found).encode())
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue  # closed by the file
    # This process leads a group of its own: with it goes what importing has started.
    os.kill(0, signal.SIGKILL)


def _by_hand(path: str) -> None:
    full = os.path.abspath(path)
    folder = os.path.dirname(full.rstrip(os.sep))
    found = answer_to({"path": full, "folder": folder, "project": os.path.dirname(folder)})
    json.dump(found, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m abreast.interfaces.folder.probe FILE")
    _by_hand(sys.argv[1])
