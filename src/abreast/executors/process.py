"""Runs attempts in child processes of our own, which can be killed with all they started."""

from __future__ import annotations

import weakref
from typing import Any

from ..domain.model import Attempt, Traits
from ..platform import require_posix
from ..ports import Host
from .loop import remember
from .pool import Pool


class ProcessExecutor:
    """Executes each attempt in a child process.

    Children live on from run to run, are forked from a small nursery process when they are
    first needed, and end when this process does, however that ends. A run with
    ``task.fresh`` gets a child of its own.

    Parameters
    ----------
    size : int
        How many attempts may be started at once. The caller keeps to it; it is not enforced.

    Raises
    ------
    UsageError
        On Windows, where processes cannot be handled this way.
    """

    name = "process"
    traits = Traits(can_kill=True, keeps_objects=False)

    def __init__(self, size: int) -> None:
        require_posix("the process executor")
        self.size = size
        self._pool = Pool(_function_of, ok_after_stop=True)
        remember(self._pool)
        # Dropped without close(): the processes must not stay.
        weakref.finalize(self, self._pool.abandon).atexit = False
        self.start = self._pool.start  # bound here, for one call less on the fast path
        self.stop = self._pool.stop

    def bind(self, host: Host) -> None:
        """Say to whom attempts are reported. Called once, first."""
        self._pool.bind(host)

    def close(self, grace_s: float) -> None:
        """End every run (those that ignore SIGTERM after ``grace_s`` seconds) and process."""
        self._pool.close(grace_s)


def _function_of(attempt: Attempt) -> Any:
    return attempt.run.task.fn
