"""``abreast logs``: what a run has printed, also while it prints."""

from __future__ import annotations

import os
import sys
import threading
from typing import IO, TYPE_CHECKING

from ..run_logs import start_of_tail
from .described import SCHEMA, ending, outcome_line
from .exits import OK, quietly
from .found import find_run, opened
from .options import Where
from .out import document, note

if TYPE_CHECKING:
    from ..stored_run import StoredRun

_PACE_S = 0.2  # between two looks at a file that grows
_PIECE = 1 << 16  # bytes read at once


@quietly
def logs(where: Where, run: str, follow: bool, tail: int | None, as_json: bool) -> int:
    """Carry out the command; returns the exit code."""
    with opened(where) as app:
        found = find_run(app, run)
        if as_json:
            if follow:
                found.wait()
            _document(found, tail)
        elif follow:
            _follow(found, tail)
        else:
            _print(found, tail)
    return OK


def log_path(run: StoredRun) -> str | None:
    """The file of a run, also one that the store will hear of only when the attempt has ended."""
    path = run.log_path
    record = run.known
    folder = run.app.node.store.log_folder
    if path is not None or folder is None or record.started is None or record.ended is not None:
        return path
    import time
    from glob import escape, glob

    day = time.strftime("%Y-%m-%d", time.gmtime(record.started))
    found = glob(os.path.join(escape(folder), day, f"task_*_{record.id}.log"))
    return found[0] if found else None


def _document(run: StoredRun, tail: int | None) -> None:
    path, text = log_path(run), ""
    file = _open(path)
    if file is not None:
        with file:
            if tail is not None:
                file.seek(start_of_tail(file, tail))
            text = file.read().decode("utf-8", "replace")
    document({"schema": SCHEMA, "id": run.id, "path": path, "text": text})


def _print(run: StoredRun, tail: int | None) -> None:
    file = _open(log_path(run))
    if file is None:
        note(f"Run {run.id} has printed nothing; it is {ending(run)}.")
        return
    with file:
        if tail is not None:
            file.seek(start_of_tail(file, tail))
        _copy(file)


def _follow(run: StoredRun, tail: int | None) -> None:
    ended = threading.Event()
    node, record = run.app.node, run.known
    node.when_ended(record, ended.set)
    file: IO[bytes] | None = None
    try:
        while True:
            over = ended.is_set()  # before reading: what was written until then is read below
            if file is None:
                file = _open(log_path(run))
                if file is not None and tail is not None:
                    file.seek(start_of_tail(file, tail))
            if file is not None:
                _copy(file)
            if over:
                break
            ended.wait(_PACE_S)
    finally:
        node.forget(record, ended.set)
        if file is not None:
            file.close()
    note(outcome_line(run))


def _open(path: str | None) -> IO[bytes] | None:
    if path is None:
        return None
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return None


def _copy(file: IO[bytes]) -> None:
    """Write the rest of a file to standard output."""
    out = sys.stdout.buffer
    sys.stdout.flush()
    while data := file.read(_PIECE):
        out.write(data)
    out.flush()
