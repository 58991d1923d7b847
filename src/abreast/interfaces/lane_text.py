"""Lanes as signs in columns: the picture that ``abreast top`` and ``abreast timeline`` draw.

Pure: from places of bars (see ``lanes.py``) to cells of a sign and the word for its colour.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

from .lanes import WAITS, Bar, Kind, Timeline, look

LEAST = 16  # columns; with fewer there is no picture
_FAILED = "✕"
_ENDS = {
    "failed": _FAILED, "cancelled": "■", "skipped": "◇", "running": "▶", "retrying": "↻",
}  # fmt: skip
_RUN, _TRIED, _WAIT, _NEXT = "█", "▓", "░", "▐"
_POINT, _COMING, _GHOST, _NOW = "◇", "○", "╌", "│"
_PLAIN = str.maketrans(
    {_RUN: "#", _TRIED: "+", _WAIT: ".", _NEXT: "[", _POINT: "*", _COMING: "o", _GHOST: "-",
     _NOW: "|", _FAILED: "x", "■": "%", "▶": ">", "↻": "~"}
)  # fmt: skip
SIGNS = (
    (_RUN, "run"), (_NEXT, "the next run"), (_TRIED, "earlier attempt"), (_WAIT, "waits"),
    (_POINT, "no run"), (_FAILED, "failed"), ("■", "cancelled"), ("▶", "running"),
    ("↻", "tried again"), (_COMING, "to come"),
)  # fmt: skip
_DAY_S = 86400
_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, _DAY_S,
    2 * _DAY_S, 7 * _DAY_S, 14 * _DAY_S, 28 * _DAY_S,
)  # fmt: skip


def plain(text: str) -> str:
    """The signs of a picture in ASCII."""
    return text.translate(_PLAIN)


class Cell(NamedTuple):
    """One column: a sign, and the word for its colour: a look of a run (see :func:`lanes.look`),
    ``wait``, ``point``, ``ghost``, ``now`` or nothing."""

    sign: str = " "
    word: str = ""


class Point(NamedTuple):
    """An instant that made no run (``seconds`` is None), or one that is to come, with what runs
    of its task usually take. ``at``: seconds since 1970 UTC."""

    at: float
    seconds: float | None = None
    coming: bool = False


@dataclass(slots=True)
class Drawn:
    """The rows of one lane, top down; what it shows besides runs is in them."""

    name: str
    rows: list[list[Cell]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Frame:
    """A period on so many columns. Times are seconds since 1970 UTC."""

    since: float
    until: float
    now: float
    columns: int

    def column(self, at: float) -> int:
        """The column of a time; outside of the frame below 0, or ``columns`` and more."""
        return int((at - self.since) / (self.until - self.since) * self.columns // 1)

    def lanes(
        self, timeline: Timeline, points: Mapping[str, Sequence[Point]], most: int = 4
    ) -> dict[str, Drawn]:
        """Draw every lane, by its name.

        Parameters
        ----------
        points : dict
            By names of tasks; a task without runs gets a lane of one row.
        most : int
            Rows of a lane; what lies below is drawn into the last one.
        """
        members: list[list[Bar]] = [[] for _ in timeline.lanes]
        for bar in timeline.bars:
            members[bar.lane].append(bar)
        found = {}
        for lane, bars in zip(timeline.lanes, members, strict=True):
            height = min(most, lane.rows)
            rows: list[list[Bar]] = [[] for _ in range(height)]
            for bar in bars:
                rows[min(bar.row, height - 1)].append(bar)
            cells = [self._row(row, timeline.origin) for row in rows]
            found[lane.name] = Drawn(lane.name, cells)
        for name, some in points.items():
            drawn = found.get(name) or found.setdefault(name, Drawn(name, [self._row([], 0.0)]))
            self._points(drawn.rows[0], some)
        return found

    def _row(self, bars: Iterable[Bar], origin: float) -> list[Cell]:
        cells = [Cell()] * self.columns
        line = self.column(self.now)
        if 0 <= line < self.columns:
            cells[line] = Cell(_NOW, "now")
        waits: list[tuple[float, float, Kind, Bar]] = []
        tries: list[tuple[float, float, Kind, Bar]] = []
        ends: list[Bar] = []
        for bar in bars:
            for piece in bar.pieces:
                some = waits if piece.kind in WAITS else tries
                some.append((piece.start + origin, piece.end + origin, piece.kind, bar))
            if bar.executed is None and bar.run.ended is not None:
                ends.append(bar)
        for start, end, _, _ in waits:  # what executed hides waiting
            self._fill(cells, start, end, Cell(_WAIT, "wait"))
        for start, end, kind, bar in sorted(tries, key=lambda item: item[0]):
            self._fill(cells, start, end, *_looks(bar, kind))
        for bar in ends:
            word = look(bar.run)
            at = self.column(bar.run.ended or 0.0)
            if 0 <= at < self.columns:
                cells[at] = Cell(_ENDS.get(word, _POINT), word)
        return cells

    def _fill(self, cells: list[Cell], start: float, end: float, cell: Cell, cap: str = "") -> None:
        """Fill columns from one time to another; a bar beside another one is set off from it, and
        ``cap`` says at its end how it ended."""
        first = self.column(start)
        last = max(first + 1, self.column(end))
        taken = 0 < first < self.columns and cells[first - 1].sign in _SOLID
        for at in range(max(0, first), min(self.columns, last)):
            if cells[at].sign != _FAILED:  # of what shares a column, that is seen
                cells[at] = cell
        if taken and cell.sign == _RUN and last - first > 1:
            cells[first] = Cell(_NEXT, cell.word)
        if cap and 0 <= last - 1 < self.columns and cells[last - 1].sign != _FAILED:
            cells[last - 1] = Cell(cap, cell.word)

    def _points(self, cells: list[Cell], points: Sequence[Point]) -> None:
        for one in points:
            at = self.column(one.at)
            if one.coming:
                last = max(at + 1, self.column(one.at + (one.seconds or 0.0)))
                for place in range(max(0, at), min(self.columns, last)):
                    if cells[place].sign in _FREE or (place == at and cells[at].sign == _GHOST):
                        cells[place] = Cell(_COMING if place == at else _GHOST, "ghost")
            elif 0 <= at < self.columns and cells[at].sign != _FAILED:
                cells[at] = Cell(_POINT, "point")

    def axis(self, relative: bool = False) -> str:
        """Times above the columns where they begin: of the clock of this machine, or how far they
        are from now."""
        span = self.until - self.since
        apart = 13 if span > _DAY_S else 10
        step = next((size for size in _STEPS if size * self.columns >= apart * span), _STEPS[-1])
        zero = self.now if relative else -time.localtime(self.since).tm_gmtoff
        line = [" "] * self.columns
        free = 0
        for number in range(ceil((self.since - zero) / step), int((self.until - zero) // step) + 1):
            at = zero + number * step
            text = _away(number * step, step) if relative else _clock(at, step, span)
            place = min(self.column(at), self.columns - len(text))
            if place >= free:
                line[place : place + len(text)] = text
                free = place + len(text) + 1
        return "".join(line).rstrip()


_FREE = frozenset({" ", _NOW, _WAIT})
_SOLID = frozenset({_RUN, _TRIED, _NEXT, *_ENDS.values()})


def _looks(bar: Bar, kind: Kind) -> tuple[Cell, str]:
    if kind is Kind.TRIED:
        return Cell(_TRIED, "retrying"), "↻"
    word = look(bar.run)
    return Cell(_RUN, word), _ENDS.get(word, "")


def _clock(at: float, step: float, span: float) -> str:
    local = time.localtime(at)
    if span > _DAY_S:
        return time.strftime("%m-%d %H:%M" if step < _DAY_S else "%Y-%m-%d", local)
    return time.strftime("%H:%M:%S" if step < 60 else "%H:%M", local)


def _away(seconds: float, step: float) -> str:
    if not seconds:
        return "now"
    size, unit = (60, "min") if step % 60 == 0 else (1, "s")
    return f"{seconds / size:+g} {unit}"
