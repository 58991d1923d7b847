"""The store of one box: a file that many processes share."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..domain.model import Run, Task
from ..errors import StoreError
from .bells import Bell, Bells
from .database import Database
from .mishaps import translated
from .place import runtime_folder
from .run_logs import log_name
from .sql import SqlStore
from .sql_book import SqlBook
from .sql_values import JsonValues

if TYPE_CHECKING:
    from .sql_answered import Answered
    from .sql_events import Events
    from .sql_schedules import Schedules


class SqliteStore(SqlStore, SqlBook):
    """Runs in an SQLite file.

    Parameters
    ----------
    path : str
        The file; it is made when there is none, with a folder ``PATH.d`` beside it.
    jitter : callable
        Returns a random number in [0, 1) that spreads retries.
    durability : str
        ``"full"`` survives a power cut, ``"normal"`` the end of processes only.
    task_of : callable, optional
        Finds the task of a name, changed by the options of a submit; None: not known here.
    keep : bool
        For tests: keep all records live.

    Raises
    ------
    StoreError
        When the file cannot be used; the text says why and what to do.
    """

    def __init__(
        self,
        path: str,
        jitter: Callable[[], float],
        *,
        durability: str = "full",
        task_of: Callable[[str, Mapping[str, Any] | None], Task | None] | None = None,
        keep: bool = False,
    ) -> None:
        db = Database(path, durability=durability)
        values = JsonValues(os.path.join(db.folder, "payload"))
        SqlStore.__init__(self, db, jitter, values, task_of or _no_task, keep)
        self.path = db.path
        self.folder = db.folder
        self.log_folder = os.path.join(db.folder, "logs")
        self.runtime = runtime_folder(db.path)
        self.bells = Bells(self.runtime)
        self.bell: Bell | None = None  # our own, which is not to be rung by us

    @cached_property
    def schedules(self) -> Schedules:
        """When runs are made, and what became of each instant."""
        from .sql_schedules import Schedules

        return Schedules(self)

    @cached_property
    def events(self) -> Events:
        """What happened, in order."""
        from .sql_events import Events

        return Events(self)

    @cached_property
    def answered(self) -> Answered:
        """Submits under a key of the caller's."""
        from .sql_answered import Answered

        return Answered(self)

    def end_turn(self) -> None:
        """Commit, then wake whom it concerns."""
        super().end_turn()
        if self.work:
            self.work = False
            self.bells.ring("w", self.bell)
        if self.ends:
            self.ends = False
            self.bells.ring("c")

    def trouble_of(self, error: BaseException) -> StoreError | None:
        """The error a person can act on, when the file is the trouble."""
        found = translated(error, self.path) if isinstance(error, sqlite3.Error) else error
        return found if isinstance(found, StoreError) else None

    def log_file(self, run: Run) -> str:
        """Where what a run prints is kept; there is no such file as long as it printed nothing."""
        assert self.log_folder is not None
        name = log_name(self.rows.number_of(run.task.name), run.task.name, run.created, run.id)
        return os.path.join(self.log_folder, name)

    def look_again(self) -> None:
        """Others have written: the next turn looks for something to start."""
        self.lanes.more = True

    def close(self) -> None:
        """Close the file."""
        self.bells.close()
        self.db.close()


def _no_task(name: str, options: Mapping[str, Any] | None) -> Task | None:
    return None
