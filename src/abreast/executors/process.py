"""Runs attempts in child processes of our own, which can be killed with all they started."""

from __future__ import annotations

import weakref

from ..domain.model import Attempt, Traits
from ..platform import require_posix
from ..ports import Host
from .loop import remember
from .pool import Call, Pool


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
        self._pool = Pool(_call_of, ok_after_stop=True)
        remember(self._pool)
        # Dropped without close(): the processes must not stay.
        weakref.finalize(self, self._pool.abandon).atexit = False
        self.start = self._pool.start  # bound here, for one call less on the fast path
        self.stop = self._pool.stop

    def bind(self, host: Host) -> None:
        """Say to whom attempts are reported. Called once, first."""
        self._pool.bind(host)

    def abandon(self, attempt: Attempt) -> None:
        """Do nothing: a stopped attempt always ends."""

    def resize(self, by: int) -> None:
        """Do nothing: children are made as attempts are started."""

    def close(self, grace_s: float) -> None:
        """End every run (those that ignore SIGTERM after ``grace_s`` seconds) and process."""
        self._pool.close(grace_s)


def _call_of(attempt: Attempt) -> Call:
    task = attempt.run.task
    return task, task.fn, attempt.args, attempt.kwargs
