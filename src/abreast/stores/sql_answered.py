"""Submits under a key of the caller's: what came twice is answered with the run of the first.

The key is written in the transaction of the submit, so there is no moment in which one is known and
the other is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain.graph import present
from ..domain.model import Change, Run
from ..errors import KeyReused

if TYPE_CHECKING:
    from .sql_submit import SqlSubmitting

KEPT_S = 86_400.0


class Answered:
    """The table ``answered`` of a store."""

    def __init__(self, store: SqlSubmitting) -> None:
        self._store = store

    def submit(
        self, key: str, digest: str, run: Run, now: float
    ) -> tuple[Run | None, list[Change]]:
        """Take in a run unless its key has been used; then the run of that. In a turn.

        Raises
        ------
        KeyReused
            When the key was used with something else (``digest``).
        """
        store = self._store
        store.open(True)
        store.db.execute("DELETE FROM answered WHERE at<?", (now - KEPT_S,))
        row = store.db.execute("SELECT digest, run FROM answered WHERE key=?", (key,)).fetchone()
        if row is not None:
            if row[0] != digest:
                raise KeyReused(
                    f"the key {key!r} was used with other content for run {row[1]}; use a new key "
                    "for a new run"
                )
            known = store.rows.get([row[1]])
            return (known[0] if known else None), []
        changes = store.submit([run], now)
        store.db.execute(
            "INSERT INTO answered (key, digest, run, at) VALUES (?,?,?,?)",
            (key, digest, present(run).id, now),
        )
        return None, changes
