"""Runs that exist exactly when the data of a caller's own transaction does.

They are written with the caller's connection, as rows that nothing looks at but their handles, and
taken in like new ones by the first turn that sees them committed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..domain import unique
from ..domain.model import Change, Run
from ..domain.states import BLOCKED
from ..errors import UsageError, WrongType
from .database import SAFE_VERSIONS, library_is_safe

if TYPE_CHECKING:
    from .sql_submit import SqlSubmitting

_PAGE = 200  # taken in at once


class Arrivals:
    """The door for runs that come with a caller's transaction."""

    def __init__(self, store: SqlSubmitting) -> None:
        self._store = store

    def check(self, conn: object, path: str, runs: Sequence[Run]) -> None:
        """Refuse what cannot work.

        Raises
        ------
        WrongType, UsageError
            Saying what is wrong with the connection or the run.
        """
        if not isinstance(conn, sqlite3.Connection):
            raise WrongType(f"conn must be a sqlite3.Connection, not {conn!r}")
        if not library_is_safe():
            raise UsageError(
                f"conn= needs an SQLite library that is safe for it ({SAFE_VERSIONS}); this Python "
                f"has {sqlite3.sqlite_version}, which can lose a commit made beside a checkpoint "
                "of another process. Submit after your commit instead"
            )
        files = [row[2] for row in conn.execute("PRAGMA database_list") if row[1] == "main"]
        if not files or os.path.realpath(files[0]) != os.path.realpath(path):
            raise UsageError(
                f"conn= must be open on the store's own file {path}, so that both commit together; "
                f"it is open on {files[0] if files and files[0] else 'memory'}"
            )
        if any(run.after or run.flow is not None for run in runs):
            raise UsageError("conn= goes with runs of their own: no after=, handles or flows")

    def write(self, conn: sqlite3.Connection, runs: Sequence[Run]) -> None:
        """Write the runs with the caller's connection, whose transaction is begun if need be.

        Their ids are free for others again when it is rolled back.
        """
        if not conn.in_transaction:
            conn.execute("BEGIN IMMEDIATE")
        rows = self._store.rows
        for run in runs:
            name = run.task.name
            conn.execute("INSERT OR IGNORE INTO tasks (name) VALUES (?)", (name,))
            (task,) = conn.execute("SELECT id FROM tasks WHERE name=?", (name,)).fetchone()
            (last,) = conn.execute(
                "SELECT max(coalesce((SELECT max(id) FROM runs), 0), "
                "coalesce((SELECT value FROM counters WHERE name='run'), 0))"
            ).fetchone()
            run.id, run.state = last + 1, BLOCKED
            conn.execute(*rows.insertion(run, task))
            conn.execute("INSERT INTO arrivals (run) VALUES (?)", (run.id,))

    def take_in(self, now: float, changes: list[Change]) -> None:
        """Take in what has been committed, in a turn."""
        store = self._store
        ids = [row[0] for row in store.db.execute(f"SELECT run FROM arrivals LIMIT {_PAGE}")]
        if not ids:
            return
        runs = store.rows.get(ids)
        marks = ",".join(map(str, ids))
        store.db.execute(f"DELETE FROM arrivals WHERE run IN ({marks})")
        store.db.execute(f"DELETE FROM runs WHERE id IN ({marks})")  # written anew, as it turns out
        store.rows.forget(runs)
        changes += store.take_in_all(runs, now, alone=False)
        for run in runs:
            known = None if run.extra is None else run.extra.joined
            if isinstance(known, Run):  # its caller has a handle already
                store.keep(run)
                store.apply(unique.skip_duplicate(run, known, now), changes)
