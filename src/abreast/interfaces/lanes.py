"""Where every run lies on a timeline: lanes, rows and the pieces of its bar.

One description for all that draws runs over time: the HTML page, the trace file, a dashboard, a
terminal. Pure data made from runs; nothing here knows how it will look. Times are seconds since
the beginning of the timeline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

from ..domain.states import CANCELLED, COMPLETED, FAILED, RUNNING, SKIPPED

if TYPE_CHECKING:
    from .run import Run

MOST_NAMES = 40  # with more task names, runs of all tasks share rows


class Kind(StrEnum):
    """What a run does during one piece of its bar."""

    DEPENDENCY = "dependency"  # waits for the runs it comes after
    SLOT = "slot"  # may start; waits for a free slot or a limit
    DELAY = "delay"  # waits between two attempts
    TRIED = "tried"  # an attempt that was followed by another one
    RUN = "run"  # the last attempt


WAITS = frozenset({Kind.DEPENDENCY, Kind.SLOT, Kind.DELAY})


@dataclass(frozen=True, slots=True)
class Piece:
    """One stretch of a bar, from ``start`` to ``end`` (seconds)."""

    kind: Kind
    start: float
    end: float


@dataclass(slots=True)
class Bar:
    """One run: its pieces in order, and its place (row ``row`` of lane ``lane``)."""

    run: Run
    pieces: list[Piece]
    lane: int = 0
    row: int = 0

    @property
    def executed(self) -> tuple[float, float] | None:
        """From the first start to the end, or None when it never started."""
        busy = [piece for piece in self.pieces if piece.kind not in WAITS]
        return (busy[0].start, self.pieces[-1].end) if busy else None


@dataclass(slots=True)
class Lane:
    """Rows under one name. An empty name: rows that runs of all tasks share."""

    name: str
    rows: int


@dataclass(slots=True)
class Timeline:
    """All bars, in the order in which the runs were added."""

    origin: float  # seconds since 1970 UTC of its beginning
    seconds: float
    lanes: list[Lane] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    critical: list[Run] = field(default_factory=list)


def look(run: Run) -> str:
    """The word for how a run is coloured: one of seven, with a colour and an icon each."""
    if run.state is COMPLETED:
        return "succeeded"
    if run.state in (FAILED, CANCELLED, SKIPPED, RUNNING):
        return str(run.state)
    return "retrying" if run.attempt else "queued"


def pieces(run: Run, origin: float, until: float) -> Iterator[Piece]:
    """Yield what a run has done, first thing first.

    Parameters
    ----------
    origin, until : float
        Beginning of the timeline, and the time up to which unended runs are drawn
        (seconds since 1970 UTC).
    """
    history = run.history or ()
    end = until if run.ended is None else run.ended
    tries = [(past.started, past.ended) for past in history]
    if run.attempt > len(history) and run.started is not None:
        tries.append((run.started, end))
    created = max(run.created, origin)
    first = tries[0][0] if tries else end
    ready = min(first, _ready(run, created, first))
    stretches = [(Kind.DEPENDENCY, created, ready), (Kind.SLOT, ready, first)]
    for number, (started, ended) in enumerate(tries, 1):
        if number > len(history):
            stretches.append((Kind.RUN, started, ended))
            break
        following = tries[number][0] if number < len(tries) else end
        due = following
        if number == len(history) and run.attempt > len(history):
            due = min(following, max(ended, run.ready))
        stretches += [
            (Kind.TRIED, started, ended), (Kind.DELAY, ended, due), (Kind.SLOT, due, following),
        ]  # fmt: skip
    for kind, start, stop in stretches:
        start, stop = max(start, origin), max(start, stop, origin)
        if stop > start or kind not in WAITS:
            yield Piece(kind, start - origin, stop - origin)


def _ready(run: Run, created: float, first: float) -> float:
    """When only slots and limits kept it from its first start."""
    if not run.after:
        return created
    if run.history:  # `ready` tells of the last start, not of the first
        return max((parent.ended or created for parent in run.after), default=created)
    return run.ready if run.ready > run.created else first


def critical_path(runs: Iterable[Run]) -> list[Run]:
    """Return the runs that decided when everything was over, first one first.

    From the run that ended last back through the parent that ended last. Each of them, made
    faster, may make the whole faster, by at most the time it takes itself.
    """
    last = max(
        (run for run in runs if run.started is not None and run.ended is not None),
        key=lambda run: run.ended or 0.0,
        default=None,
    )
    path: list[Run] = []
    while last is not None:
        path.append(last)
        parents = [parent for parent in last.after if parent.ended is not None]
        last = max(parents, key=lambda run: run.ended or 0.0, default=None)  # type: ignore[assignment]
    return path[::-1]


def lay_out(runs: Sequence[Run], started: float | None, now: float) -> Timeline:
    """Place every run.

    One lane per task name, with as many rows as runs of it overlap, so that its thickness is its
    concurrency. With more than 40 names all runs share one lane, and a run prefers the row of the
    run it waited for, so that chains lie in one row. What never started has a row of its own at
    the bottom of its lane.

    Parameters
    ----------
    started, now : float
        When the runner was started (None: not yet), and the time up to which unended runs are
        drawn (seconds since 1970 UTC).
    """
    first = min((run.created for run in runs), default=now)
    origin = max(first, started) if started is not None else first
    until = now
    if all(run.ended is not None for run in runs):
        until = max((run.ended or origin for run in runs), default=origin)
    timeline = Timeline(origin, max(0.0, until - origin))
    timeline.bars = [Bar(run, list(pieces(run, origin, until))) for run in runs]
    timeline.critical = critical_path(runs)
    groups: dict[str, list[Bar]] = {}
    for bar in timeline.bars:
        groups.setdefault(bar.run.name, []).append(bar)
    if len(groups) > MOST_NAMES:
        groups = {"": timeline.bars}
    for name, bars in sorted(groups.items(), key=lambda group: _begin(group[1])):
        for bar in bars:
            bar.lane = len(timeline.lanes)
        timeline.lanes.append(Lane(name, _pack(bars, chains=not name)))
    return timeline


def _begin(bars: list[Bar]) -> float:
    return min((span[0] for bar in bars if (span := span_of(bar.run))), default=inf)


def span_of(run: Run) -> tuple[float, float] | None:
    """From its first start to its end (infinity: it has not ended), in seconds since 1970; None
    when it never started."""
    first = run.history[0].started if run.history else run.started if run.attempt else None
    return None if first is None else (first, inf if run.ended is None else run.ended)


def _pack(bars: list[Bar], *, chains: bool) -> int:
    """Give every bar the lowest row that is free at its start; return the number of rows.

    The rule by which all pictures place runs: in order of their first start (of those that
    started together: of their submit), each takes the lowest row whose last run has ended by
    then. ``tests/dashboard/lane_cases.json`` holds examples.
    """
    placed = [(span_of(bar.run), bar) for bar in bars]
    started = sorted(
        ((span[0], bar.run.created, number, span[1], bar)
         for number, (span, bar) in enumerate(placed) if span)
    )  # fmt: skip
    free_at: list[float] = []  # per row
    free: list[int] = []  # heap of rows, some of which may be taken again
    busy: list[tuple[float, int]] = []
    row_of: dict[Run, int] = {}
    for start, _, _, end, bar in started:
        while busy and busy[0][0] <= start:
            heappush(free, heappop(busy)[1])
        row = _row_of_parent(bar.run, row_of, free_at, start) if chains else None
        while row is None and free:
            candidate = heappop(free)
            if free_at[candidate] <= start:
                row = candidate
        if row is None:
            row = len(free_at)
            free_at.append(0.0)
        free_at[row] = end
        heappush(busy, (end, row))
        bar.row = row_of[bar.run] = row
    rows = len(free_at)
    for span, bar in placed:
        if span is None:
            bar.row = rows
    return rows + any(span is None for span, _ in placed)


def _row_of_parent(
    run: Run, row_of: dict[Run, int], free_at: list[float], start: float
) -> int | None:
    known = [parent for parent in run.after if parent in row_of]
    if not known:
        return None
    row = row_of[max(known, key=lambda parent: parent.ended or 0.0)]
    return row if free_at[row] <= start else None
