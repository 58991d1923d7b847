"""The thread that sleeps until the next deadline. It exists only while there is one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import inf

from ..ports import Clock

_LONGEST_S = 3600.0  # a sleep is never longer, whatever the deadline


class Sentry:
    """Calls ``attend`` when the time it was told to watch has come.

    ``watch`` and ``stop`` are called with the engine's lock held, or before there are threads.
    """

    def __init__(self, attend: Callable[[], None], clock: Clock) -> None:
        self.until = inf  # when it wakes up next
        self._attend = attend
        self._now = clock.now
        self._bell = threading.Lock()  # rung by releasing it
        self._bell.acquire()
        self._rung = False
        self._stopped = False
        self._thread: threading.Thread | None = None

    def watch(self, at: float) -> None:
        """Wake up at ``at`` at the latest."""
        if at >= self.until or self._stopped:
            return
        self.until = at
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, name="abreast-sentry", daemon=True)
            self._thread.start()
        else:
            self._ring()

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._ring()

    def _ring(self) -> None:
        if not self._rung:
            self._rung = True
            self._bell.release()

    def _keep(self) -> None:
        while not self._stopped:
            wait = min(max(0.0, self.until - self._now()), _LONGEST_S)
            if self._bell.acquire(timeout=wait):
                self._rung = False  # only now: rung a moment after the time-out it stays rung
            if self._stopped:
                return  # type: ignore[unreachable]  # another thread sets it meanwhile
            if self._now() >= self.until:
                self.until = inf
                self._attend()
