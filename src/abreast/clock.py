"""The time of this machine, in a form that never steps back."""

from __future__ import annotations

import time
from functools import partial


class SystemClock:
    """Seconds since 1970 in UTC: read once from the machine's clock, then counted monotonically.

    Resetting the machine's clock while a program runs changes neither durations nor deadlines.

    Parameters
    ----------
    through_sleep : bool
        Count the time in which the machine was suspended, where it tells (Linux): for programs
        whose times others compare with the clock on the wall. What a call costs doubles.
    """

    __slots__ = ("now",)

    def __init__(self, through_sleep: bool = False) -> None:
        monotonic = time.monotonic
        if through_sleep and hasattr(time, "CLOCK_BOOTTIME"):
            monotonic = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
        offset = time.time() - monotonic()

        def now() -> float:
            return offset + monotonic()

        self.now = now
