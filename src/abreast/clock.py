"""The time of this machine, in a form that never steps back."""

from __future__ import annotations

import time


class SystemClock:
    """Seconds since 1970 in UTC: read once from the machine's clock, then counted monotonically.

    Resetting the machine's clock while a program runs changes neither durations nor deadlines.
    """

    __slots__ = ("now",)

    def __init__(self) -> None:
        monotonic = time.monotonic
        offset = time.time() - monotonic()

        def now() -> float:
            return offset + monotonic()

        self.now = now
