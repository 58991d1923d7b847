"""How long it may still take, from what the ended runs took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .run import Run


class Pace:
    """Mean durations per task, and how many runs of each task have not ended."""

    def __init__(self) -> None:
        self._unended: Counter[str] = Counter()
        self._expected: dict[str, float] = {}
        self._times: dict[str, tuple[int, float]] = {}  # task -> runs measured, their seconds
        self._all = (0, 0.0)

    def added(self, runs: Iterable[Run]) -> None:
        """Take in new runs."""
        for run in runs:
            self._unended[run.task.name] += 1
            if run.task.expected is not None:
                self._expected[run.task.name] = run.task.expected

    def ended(self, run: Run) -> None:
        """Take in the end of a run, which was added before or will be."""
        name = run.task.name
        self._unended[name] -= 1
        took = run.run_seconds
        if took is not None:
            number, total = self._times.get(name, (0, 0.0))
            self._times[name] = (number + 1, total + took)
            self._all = (self._all[0] + 1, self._all[1] + took)

    def usual(self, name: str) -> float | None:
        """Mean seconds of a task: measured, else as declared, else that of all tasks."""
        number, total = self._times.get(name, (0, 0.0))
        if number:
            return total / number
        if name in self._expected:
            return self._expected[name]
        return self._all[1] / self._all[0] if self._all[0] else None

    def left(self, running: Collection[Run], slots: int, now: float) -> float | None:
        """Return the seconds until all have ended, or None when that cannot be told.

        Parameters
        ----------
        running : collection of Run
        slots : int
            How many runs execute at once.
        now : float
            Seconds since 1970 UTC.
        """
        waiting = self._unended.copy()
        work = longest = 0.0
        for run in running:
            waiting[run.task.name] -= 1
            usual = self.usual(run.task.name)
            if usual is None:
                return None
            rest = max(0.0, usual - (now - (run.started or now)))
            work += rest
            longest = max(longest, rest)
        for name, number in waiting.items():
            if number > 0:
                usual = self.usual(name)
                if usual is None:
                    return None
                work += number * usual
                longest = max(longest, usual)
        left = max(longest, work / max(1, slots))
        return left if left > 0 else None  # all are overdue: nobody knows
