"""What processes keep in memory of lines and keys must not outlive the rows.

Numbers of lines and keys never change, so that processes keep them for good. Only pruning removes
such rows; it counts up an epoch in its turn, and a process that finds a new one forgets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..domain.states import ENDED

if TYPE_CHECKING:
    from .sql_apply import SqlApplying


class Epoch:
    """Which removal of lines and keys a process knows of. Every method is called in a turn."""

    def __init__(self, store: SqlApplying) -> None:
        self._store = store
        self._number = 0

    def heed(self) -> None:
        """Others have written: forget lines and keys if some were removed."""
        row = self._store.db.execute("SELECT value FROM counters WHERE name='epoch'").fetchone()
        if row is not None and row[0] != self._number:
            self._number = row[0]
            self._store.lanes.forget()

    def in_use(self) -> set[int]:
        """Lines that records in memory name, rows or not."""
        rows = self._store.rows
        runs = (*rows.known.values(), *rows.running.values())
        return {run.lane.id for run in runs if run.lane is not None and run.state not in ENDED}

    def renew(self, lanes: Iterable[int], keys: Iterable[int]) -> None:
        """Lines and keys were removed: forget them here, have others forget."""
        self._number = self._store.db.execute(
            "INSERT INTO counters (name, value) VALUES ('epoch', 1) "
            "ON CONFLICT (name) DO UPDATE SET value=value+1 RETURNING value"
        ).fetchone()[0]
        self._store.lanes.drop(lanes, keys)
