"""A sentry that also hears: it sleeps until the next deadline, or until something is readable."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Any

from ..ports import Clock

_LONGEST_S = 3600.0


class Watchman:
    """Like :class:`~abreast.engine.sentry.Sentry`, for an engine whose store others write to.

    A descriptor that becomes readable (a bell, the end of another process) calls what
    :meth:`hear` was given, and then the engine attends.
    """

    def __init__(self, attend: Callable[[], None], clock: Clock) -> None:
        self.until = inf  # when it wakes up next
        self._attend = attend
        self._now = clock.now
        self._poll = select.poll()
        self._ears: dict[int, Callable[[], Any]] = {}
        self._calls: list[tuple[float, int, Callable[[], Any]]] = []
        self._bell, self._rope = os.pipe()  # not inherited by programs that are started
        for end in (self._bell, self._rope):
            os.set_blocking(end, False)
        self._poll.register(self._bell, select.POLLIN)
        self._rung = False
        self._stopped = False
        self._thread: threading.Thread | None = None

    def hear(self, descriptor: int, call: Callable[[], Any]) -> None:
        """Call, in the sentry's thread, whenever a descriptor has become readable."""
        self._ears[descriptor] = call
        self._poll.register(descriptor, select.POLLIN)
        self._start()
        self._ring()  # a poll that is under way knows nothing of it

    def forget(self, descriptor: int) -> None:
        """Take back :meth:`hear`."""
        if self._ears.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def call_at(self, at: float, call: Callable[[], Any]) -> None:
        """Call, in the sentry's thread, at a time."""
        heappush(self._calls, (at, id(call), call))
        self._start()
        self._ring()

    def watch(self, at: float) -> None:
        """Wake up at ``at`` at the latest."""
        if at >= self.until or self._stopped:
            return
        self.until = at
        self._start()
        if threading.get_ident() != (self._thread.ident if self._thread else None):
            self._ring()

    def stop(self) -> None:
        """End the thread and wait for it: what it heard with may be closed afterwards."""
        self._stopped = True
        self._ring()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, name="abreast-sentry", daemon=True)
            self._thread.start()

    def _ring(self) -> None:
        if not self._rung:
            self._rung = True
            try:
                os.write(self._rope, b"!")
            except OSError:
                pass  # stopped meanwhile

    def _keep(self) -> None:
        while not self._stopped:
            until = min(self.until, self._calls[0][0]) if self._calls else self.until
            wait = min(max(0.0, until - self._now()), _LONGEST_S)
            heard = False
            # rounded up: waking a fraction of a millisecond early would be for nothing
            for descriptor, _ in self._poll.poll(int(wait * 1000) + (wait > 0)):
                if descriptor == self._bell:
                    self._rung = False
                    os.read(self._bell, 64)
                    continue
                call = self._ears.get(descriptor)
                if call is not None:
                    heard = True
                    call()
            while self._calls and self._calls[0][0] <= self._now():
                heard = True
                heappop(self._calls)[2]()
            if heard or self._now() >= self.until:
                self.until = inf
                self._attend()
        # Nobody may ring a number that means another file by then.
        closing, self._bell, self._rope = (self._bell, self._rope), -1, -1
        for descriptor in closing:
            os.close(descriptor)
