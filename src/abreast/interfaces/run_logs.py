"""What the runs of a worker print to."""

from __future__ import annotations

from typing import Any

from ..domain.model import Run


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
