"""What the executors share whose attempts run in child processes."""

from __future__ import annotations

import weakref
from typing import ClassVar

from ..domain.model import Attempt, Traits
from ..platform import require_posix
from ..ports import Host
from .loop import remember
from .marks import Marks
from .pool import Call, Pool


class ChildExecutor:
    """An executor on a :class:`~abreast.executors.pool.Pool` of child processes.

    Parameters
    ----------
    size : int
        How many attempts may be started at once. The caller keeps to it; it is not enforced.
    titles : bool
        Whether a child says in its title (``ps aux``) which run of which task it executes. Needs
        the package ``setproctitle``; without it only the first 15 characters are shown, and only
        by tools that look at the name of the process (``ps -e``, ``top``). Such children are also
        the first to be ended when the machine runs out of memory (``oom_score_adj`` 500).
    marks : Marks, optional
        Where it is noted which runs have begun.
    heirloom : int, optional
        A descriptor that all processes below hold, too: as long as one of them lives, a lock on it
        is not free. Programs they start do not inherit it.

    Raises
    ------
    UsageError
        On Windows, where processes cannot be handled this way.
    """

    name: str
    traits = Traits(can_kill=True, keeps_objects=False)
    ok_after_stop: ClassVar[bool]  # whether a value still counts that comes after a stop

    def __init__(
        self,
        size: int,
        titles: bool = False,
        marks: Marks | None = None,
        heirloom: int | None = None,
    ) -> None:
        require_posix(f"the {self.name} executor")
        self.size = size
        self._pool = Pool(self.call_of, self.ok_after_stop, titles, marks, heirloom)
        remember(self._pool)
        # Dropped without close(): the processes must not stay.
        weakref.finalize(self, self._pool.abandon).atexit = False
        self.start = self._pool.start  # bound here, for one call less on the fast path
        self.stop = self._pool.stop

    @staticmethod
    def call_of(attempt: Attempt) -> Call:
        """Return what a child is to call for an attempt."""
        raise NotImplementedError

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
