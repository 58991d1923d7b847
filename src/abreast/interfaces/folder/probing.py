"""Asks a child process what a file of tasks declares, however that may end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection
from typing import IO, Any, Final, NamedTuple

from ... import platform
from . import loading

LIMIT_S: Final = 20.0  # for importing one file
_SHOWN = 4000  # characters of its output that are kept
_CODE = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from abreast.interfaces.folder.probe import main; main()"
)


class Request(NamedTuple):
    """Which file is to be read, and how; see :func:`abreast.interfaces.folder.probe.answer_to`."""

    path: str
    folder: str
    project: str | None = None
    separate: bool | Collection[str] = False
    limit: float = LIMIT_S  # seconds


class Probed(NamedTuple):
    """What a file declares. ``detail`` is for people: its traceback and what it printed."""

    tasks: list[dict[str, Any]]
    used: tuple[str, ...] = ()
    error: str | None = None
    detail: str = ""


def probe(request: Request) -> Probed:
    """Import a file in a child process and return what it declares, or why it cannot be said."""
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as output:
        code = _ask(request, answer, output)
        printed = _text(output)
        try:
            found = json.loads(_text(answer, whole=True))
        except ValueError:
            return Probed([], (), _no_answer(request, code, printed), printed)
    error = found.get("error")
    parts = [found.get("trace", ""), printed] if error else [printed]
    detail = "\n".join(part.rstrip() for part in parts if part.strip())
    return Probed(found["tasks"], tuple(found["used"]), error, detail)


def _ask(request: Request, answer: IO[bytes], output: IO[bytes]) -> int | str:
    """Return how the child ended: its exit code, or what went wrong in words."""
    separate = request.separate
    asked = {
        **request._asdict(),
        "separate": separate if isinstance(separate, bool) else sorted(separate),
        "sys_path": sys.path,
        "parent": os.getpid(),
    }
    home = os.path.abspath(__file__)
    for _ in range(4):
        home = os.path.dirname(home)
    try:
        child = subprocess.Popen(
            [sys.executable, "-u", "-c", _CODE, home, str(answer.fileno())],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=request.project or request.folder,
            pass_fds=[answer.fileno()],
            start_new_session=True,
        )
    except OSError as error:
        return f"no process can be started to read it: {error.strerror}"
    assert child.stdin is not None
    try:
        with child.stdin as pipe:
            pipe.write(json.dumps(asked).encode())
    except BrokenPipeError:
        pass  # it has ended, which its code tells
    try:
        return child.wait(request.limit)
    except subprocess.TimeoutExpired:
        # Nobody has waited for it yet, so its group is still its own.
        platform.send_group(signal.SIGKILL, child.pid)
        child.wait()
        return f"importing it took longer than {request.limit:g} s"


def _no_answer(request: Request, code: int | str, printed: str) -> str:
    shown = os.path.relpath(loading.source_of(request.path), os.path.dirname(request.folder))
    if isinstance(code, int):
        return f"{shown}: importing it ended the process: {platform.describe_exit(code)}"
    lines = re.findall(rf'File "{re.escape(loading.source_of(request.path))}", line (\d+)', printed)
    place = f"{shown}, line {lines[0]}" if lines else shown
    advice = "; put what a script does below: if __name__ == '__main__':" if lines else ""
    return f"{place}: {code}{advice}"


def _text(file: IO[bytes], whole: bool = False) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(0 if whole else max(0, size - _SHOWN))
    return file.read().decode("utf-8", "replace")
