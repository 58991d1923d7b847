"""Time under the control of a test."""

from __future__ import annotations


class ManualClock:
    """A clock that stands still until it is moved.

    Parameters
    ----------
    start : float
        Seconds since 1970 in UTC.
    """

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        """The present time in seconds since 1970."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards: {seconds}")
        self._now += seconds

    def advance_to(self, at: float) -> None:
        """Move forward to a point in time; nothing happens when it is past."""
        self._now = max(self._now, at)
