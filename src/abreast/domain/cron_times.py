"""The instants of a cron expression in a time zone, also where clocks change.

cronsim finds the times of a clock that match, on clocks that never change. Which instants these
are is decided here, as Debian's cron does it: what is due at a fixed time runs once on every day,
right after the change when its time does not exist; what follows ``*`` goes by the time that
really passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import copy
from datetime import datetime, tzinfo

from .cron_text import Expression
from .zones import EPOCH, NOWHERE, instants_of, offsets, shift, wall_at


class CronTimes:
    """The instants of one expression in one zone. Cheap to ask: some 20 µs."""

    __slots__ = ("_cron", "expression", "fixed", "zone")

    def __init__(self, expression: Expression, zone: tzinfo) -> None:
        from cronsim import CronSim

        self.expression = expression
        self.zone = zone
        self.fixed = expression.fixed
        self._cron = CronSim(expression.text, EPOCH)

    def after(self, at: float) -> float | None:
        """The first instant after ``at``; None when there is none in the next fifty years."""
        try:
            wall = wall_at(math.floor(at), self.zone)
            # In the first pass of an hour that comes twice the walls before will come again.
            again = 0.0 if self.fixed or wall.fold else self._repeated(wall)
            return self._first(wall.replace(fold=0) - shift(again), at, bool(again))
        except NOWHERE:
            return None

    def _first(self, wall: datetime, at: float, compare: bool) -> float | None:
        best: float | None = None
        for found in map(self.instants, self.walls(wall)):
            if best is not None and found and found[0] >= best:
                break
            for instant in found:
                if instant > at and (best is None or instant < best):
                    best = instant
            if best is not None and not compare:
                break
        return best

    def before(self, at: float) -> float | None:
        """The last instant before ``at``; None when there is none in the fifty years before."""
        try:
            wall = wall_at(math.ceil(at), self.zone)
            # In the second pass of such an hour the walls after have been there already.
            gone = self._repeated(wall) if wall.fold else 0.0
            start = wall.replace(fold=0) + shift(gone)
            return self._last(start, at, bool(gone) and not self.fixed)
        except NOWHERE:
            return None

    def _last(self, wall: datetime, at: float, compare: bool) -> float | None:
        best: float | None = None
        for found in map(self.instants, self.walls(wall, back=True)):
            if best is not None and found and found[-1] <= best:
                break
            for instant in found:
                if instant < at and (best is None or instant > best):
                    best = instant
            if best is not None and not compare:
                break
        return best

    def instants(self, wall: datetime) -> tuple[float, ...]:
        """The instants that stand for a wall which matches: none, one or two."""
        return instants_of(wall, self.zone, self.fixed)

    def walls(self, start: datetime, back: bool = False) -> Iterator[datetime]:
        """Yield the walls that match after ``start``, or with ``back`` before it."""
        cron = copy(self._cron)
        cron.dt = start
        cron.tick_direction = -1 if back else 1
        return cron

    def _repeated(self, wall: datetime) -> float:
        """How many seconds of clock time come twice round here; 0 where none do."""
        first, second = offsets(wall, self.zone)
        return max(0.0, first - second)
