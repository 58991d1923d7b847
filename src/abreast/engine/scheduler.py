"""The scheduler: a thread that acts on what the clock on the wall says, and looks often enough to
notice that somebody has set it.

The engine counts time monotonically, so that no deadline moves when a clock is set. Schedules go
by the clock people look at, which may be set forward or back at any moment; so this thread never
sleeps longer than a second, which costs next to nothing, and asks that clock anew.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from math import inf

from ..errors import StoreError

_log = logging.getLogger("abreast")
_LOOK_S = 1.0  # the longest time until a clock that was set, or a schedule of others, is noticed
_SOON_S = 0.005


class Scheduler:
    """Calls ``turn`` when something is due.

    Parameters
    ----------
    wall : callable
        Seconds since 1970 in UTC, by the clock that schedules go by.
    next_due : callable
        When something is due by that clock (inf: never).
    turn : callable
        Acts on what is due at the time it is given; returns whether there is more.
    beat : callable
        Called at least once a second, after a turn that went well: the loop really turns.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        next_due: Callable[[], float],
        turn: Callable[[float], bool],
        beat: Callable[[], object] = lambda: None,
    ) -> None:
        self.wall = wall
        self.beats = 0  # grows as long as the loop turns
        self.trouble: str | None = None  # why the last turn could not be recorded
        self._next_due = next_due
        self._turn = turn
        self._beat = beat
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._keep, name="abreast-scheduler", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look now: a schedule has been changed."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread and wait for it. A turn under way is carried out."""
        self._stopped = True
        self._wake.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def look(self) -> float:
        """Act on what is due; return the seconds until it is worth looking again."""
        now = self.wall()
        try:
            due = self._next_due()
            if due <= now:
                more = self._turn(now)
                due = now if more else self._next_due()
        except StoreError as error:
            if self.trouble != str(error):
                _log.error("schedules wait, the store cannot be used: %s", error)
            self.trouble = str(error)
            return _LOOK_S
        self.trouble = None
        self.beats += 1
        self._beat()
        if due == inf:
            return _LOOK_S
        return min(max(_SOON_S, due - self.wall()), _LOOK_S)

    def _keep(self) -> None:
        while not self._stopped:
            wait = self.look()
            self._wake.wait(wait)
            self._wake.clear()
