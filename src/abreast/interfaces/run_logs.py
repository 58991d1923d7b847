"""What the runs of a worker print to, and where its last lines begin."""

from __future__ import annotations

import os
from typing import IO, Any

from ..domain.model import Run

_PIECE = 1 << 16  # bytes read at once


class Logs:
    """Makes what attempts print to. A file is made with the first byte."""

    def __init__(self, store: Any) -> None:
        from ..executors.runlog import RunLog

        self._make = RunLog
        self._store = store

    def of(self, run: Run) -> Any:
        """What an attempt of this run prints to."""
        return self._make(_Path(self._store, run))


class _Path:
    """Asked for the path only when there is something to write."""

    __slots__ = ("_run", "_store")

    def __init__(self, store: Any, run: Run) -> None:
        self._store = store
        self._run = run

    def __call__(self) -> str:
        path: str = self._store.log_file(self._run)
        return path


def start_of_tail(file: IO[bytes], lines: int, longest: float = float("inf")) -> int:
    """Where the last so many lines of a file begin; reads from the end, ``longest`` bytes or a
    little more."""
    end = position = file.seek(0, os.SEEK_END)
    if lines == 0:
        return end
    missing = lines
    while position > max(0, end - longest):
        size = min(_PIECE, position)
        position = file.seek(position - size)
        data = file.read(size)
        at = size
        if position + size == end and data.endswith(b"\n"):
            at -= 1  # the end of the last line begins no further one
        while missing and (at := data.rfind(b"\n", 0, at)) >= 0:
            missing -= 1
        if not missing:
            return position + at + 1
    return position
