"""``abreast timeline``: a period as text, as a page, as trace events, as a document."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from ...domain.policy import seconds
from .. import lane_text
from ..lane_text import Cell, Drawn, Frame, Point
from ..lanes import Timeline, lay_out, span_of
from ..report_dict import iso
from ..report_text import count, one_line, speaks_unicode, tally, width
from ..run_json import SCHEMA, row_of
from ..run_view import Recorded
from ..timeline_data import Period
from . import out
from .exits import OK, Refused, quietly
from .found import opened
from .options import Where
from .queue import check_task

if TYPE_CHECKING:
    from ..app import App

_MOST = 20_000  # runs
_LATEST = 253_000_000_000.0  # seconds since 1970; some thousand years from now
_ON_A_PIPE = 100  # columns
_IN_A_FILE = 120
_MOST_ROWS = 12  # of a lane
_POINTS = 20  # instants that are told below the picture
_COLOURS = {
    "succeeded": "green", "failed": "red", "running": "cyan", "cancelled": "magenta",
    "retrying": "yellow", "skipped": "yellow", "point": "yellow",
}  # fmt: skip


@quietly
def timeline(
    where: Where,
    since: str,
    until: str,
    tasks: tuple[str, ...],
    html: str | None,
    trace: str | None,
    as_json: bool,
) -> int:
    """Carry out the command; returns the exit code."""
    now = time.time()
    begin, end = moment(since, "--since", now), moment(until, "--until", now)
    if begin >= end:
        raise Refused(f"--since {since!r} is not before --until {until!r}")
    with opened(where) as app:
        shown = Shown(app, begin, end, list(tasks) or None, now)
        for name in tasks:
            if not any(run.known.task.name == name for run in shown.runs):
                check_task(app, name)
        if html is not None:
            from ..timeline_page import extras, page

            data = shown.period.columns("task", _MOST) | extras(app, shown.runs)
            _write(html, page(data, "\n".join(shown.picture(_IN_A_FILE))))
        if trace is not None:
            from ..timeline_trace import trace_of

            _write(trace, trace_of(shown.runs, begin).decode())
        if as_json:
            out.document(shown.document())
        elif html is None and trace is None:
            shown.print()
    return OK


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror or error}") from None
    out.note(f"Wrote {path}.")


def moment(text: str, option: str, now: float) -> float:
    """Read a point in time: ``1h`` or ``-1h`` (so long ago), ``+10m``, ``18:00`` (the last time it
    was that late), a date with or without time on the clock of this machine, ``now``."""
    said = text.strip()
    try:
        if re.fullmatch(r"\d\d?:\d\d(:\d\d)?", said):
            found = _late(said, datetime.fromtimestamp(now))
        elif re.match(r"\d{4}-\d\d-\d\d", said):
            found = datetime.fromisoformat(said).timestamp()
        else:
            away = 0.0 if said == "now" else seconds(said.lstrip("+-"), option)
            found = now + away if said.startswith("+") else now - away
        if 0 <= found < _LATEST:
            return found
    except (ValueError, OverflowError):  # a UsageError is a ValueError
        pass
    raise Refused(
        f"{option} {text!r} is no time; write for example 1h (so long ago), +10m, 18:00, "
        "2026-12-24, 2026-12-24T18:00, 2026-12-24T18:00+01:00 or now"
    )


def _late(text: str, now: datetime) -> float:
    """The last time it was that late."""
    hour, minute, *rest = (int(part) for part in text.split(":"))
    found = now.replace(hour=hour, minute=minute, second=sum(rest), microsecond=0)
    return (found if found <= now else found - timedelta(days=1)).timestamp()


class Shown:
    """A period of a store with all that is to be said about it."""

    def __init__(
        self, app: App, since: float, until: float, tasks: list[str] | None, now: float
    ) -> None:
        self.since, self.until, self.now = since, until, now
        self.period = Period(app, since, until, tasks, now)
        self.runs, self.more = self.period.runs(_MOST)
        self.past = self.period.instants()
        self.coming = self.period.coming()
        self._records: list[Any] = [Recorded(run.known) for run in self.runs]
        self.lanes: Timeline = lay_out(self._records, since, min(now, until))

    # -- text -----------------------------------------------------------------------------------

    def print(self) -> None:
        """Print it, as wide as the terminal."""
        import sys

        wide = shutil.get_terminal_size().columns if out.on_terminal() else _ON_A_PIPE
        plain = not speaks_unicode(sys.stdout)
        for text in self.picture(wide, plain, out.colourful()):
            out.line(text)

    def picture(self, wide: int, plain: bool = False, colours: bool = False) -> list[str]:
        """The lanes as lines of at most so many columns."""
        lines = [self._head()]
        names = sorted({lane.name for lane in self.lanes.lanes} | set(self._points()))
        if names:
            label = min(24, wide // 4, max(width(_called(name)) for name in names))
            frame = Frame(self.since, self.until, self.now, max(lane_text.LEAST, wide - label - 2))
            drawn = frame.lanes(self.lanes, self._points(), _MOST_ROWS)
            lines += ["", " " * (label + 2) + frame.axis()]
            for name in names:
                lines += self._lane(drawn[name], label, plain, colours)
            lines += ["", *self._legend(drawn, plain)]
        return lines + self._reasons()

    def _head(self) -> str:
        local = [datetime.fromtimestamp(at).astimezone() for at in (self.since, self.until)]
        same = local[0].date() == local[1].date()
        text = f"{local[0]:%Y-%m-%d %H:%M:%S} to "
        text += f"{local[1]:%H:%M:%S %Z}" if same else f"{local[1]:%Y-%m-%d %H:%M:%S %Z}"
        counts: dict[Any, int] = {}
        for run in self.runs:
            counts[run.known.state] = counts.get(run.known.state, 0) + 1
        said = f"{count(len(self.runs), 'run')}: {tally(counts)}" if self.runs else "no runs"
        return f"{text}   {said}" + (f" (and more: these are {_MOST:,})" if self.more else "")

    def _lane(self, drawn: Drawn, label: int, plain: bool, colours: bool) -> list[str]:
        name = one_line(_called(drawn.name), label)
        lines = []
        for row in drawn.rows:
            text = "".join(_painted(row, plain, colours)).rstrip()
            lines.append(f"{name}{' ' * (label - width(name))}  {text}".rstrip())
            name = ""
        return lines

    def _legend(self, drawn: dict[str, Drawn], plain: bool) -> list[str]:
        there = {cell.sign for lane in drawn.values() for row in lane.rows for cell in row}
        words = [f"{sign} {word}" for sign, word in lane_text.SIGNS if sign in there]
        text = "   ".join(words)
        return [lane_text.plain(text) if plain else text] if words else []

    def _points(self) -> dict[str, Sequence[Point]]:
        found: dict[str, list[Point]] = {}
        for one in self.past:
            found.setdefault(one.task, []).append(Point(one.at))
        for next_ in self.coming:
            found.setdefault(next_.task, []).append(Point(next_.at, next_.seconds, True))
        if len(self.lanes.lanes) == 1 and not self.lanes.lanes[0].name:  # they share a lane
            return {"": [point for some in found.values() for point in some]} if found else {}
        return dict(found)

    def _reasons(self) -> list[str]:
        if not self.past:
            return []
        most = f" (the last {_POINTS} of {len(self.past):,})" if len(self.past) > _POINTS else ""
        lines = ["", f"Instants that made no run{most}:"]
        for one in self.past[-_POINTS:]:
            at = datetime.fromtimestamp(one.at)
            times = f" ({one.count} times)" if one.count > 1 else ""
            why = f": {one_line(one.reason)}" if one.reason else ""
            lines.append(f"  {at:%m-%d %H:%M:%S}  {one_line(one.schedule, 60)} {one.outcome}"
                         f"{times}{why}")  # fmt: skip
        return lines

    # -- a document -----------------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """It as values that JSON can hold."""
        lanes = self.lanes.lanes
        return {
            "schema": SCHEMA,
            "since": iso(self.since), "until": iso(self.until), "now": iso(self.now),
            "truncated": self.more,
            "lanes": [{"name": lane.name, "rows": lane.rows} for lane in lanes],
            "runs": [
                {**row_of(run), "lane": bar.lane, "row": bar.row,
                 "first_started": None if (span := span_of(bar.run)) is None else iso(span[0])}
                for run, bar in zip(self.runs, self.lanes.bars, strict=True)
            ],
            "instants": [
                {"schedule": one.schedule, "task": one.task, "at": iso(one.at),
                 "until": iso(one.until), "count": one.count, "outcome": str(one.outcome),
                 "reason": one.reason, "run": one.run}
                for one in self.past
            ],
            "coming": [
                {"schedule": one.schedule, "task": one.task, "at": iso(one.at),
                 "seconds": one.seconds, "p95_seconds": one.p95_seconds}
                for one in self.coming
            ],
        }  # fmt: skip


def _called(name: str) -> str:
    return name or "all tasks"


def _painted(row: list[Cell], plain: bool, colours: bool) -> list[str]:
    """The cells, each run of one colour in one piece."""
    found = []
    at = 0
    while at < len(row):
        end = at
        while end < len(row) and row[end].word == row[at].word:
            end += 1
        text = "".join(cell.sign for cell in row[at:end])
        if plain:
            text = lane_text.plain(text)
        if colours and row[at].word:
            colour = _COLOURS.get(row[at].word)
            text = click.style(text, fg=colour, dim=colour is None)
        found.append(text)
        at = end
    return found
