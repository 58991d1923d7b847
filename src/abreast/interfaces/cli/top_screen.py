"""The live screen of ``abreast top``. Needs rich."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..display_live import elapsed
from ..lane_text import LEAST, Cell, Frame, plain
from ..report_text import duration, for_encoding, one_line, tally, width
from .described import progress_text
from .top import ids
from .top_state import AHEAD_S, WINDOW_S, Snapshot, Watcher

_PACE_S = 0.5
_BAR = 12  # columns of a bar of workers and limits
_NARROW = 70  # columns; below that there are no lanes
_THICK = 4  # rows of a lane
_RUNNING = 60  # runs; more do not fit on a screen
_AHEAD = 60  # columns of lanes; with fewer nothing to come is shown
_STYLES = {
    "succeeded": "green", "failed": "red", "running": "cyan", "cancelled": "magenta",
    "retrying": "yellow", "skipped": "yellow", "queued": "dim", "wait": "dim", "ghost": "dim",
    "now": "dim", "point": "yellow",
}  # fmt: skip
_KEYS = (b"q", b"Q", b"\x1b")


def watch(watcher: Watcher) -> None:
    """Show the state until somebody presses q; Ctrl-C raises."""
    console = Console(highlight=False)
    with _keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            now = time.time()
            live.update(Page(watcher.look(now)), refresh=True)
            if _leaves(keys, _PACE_S):
                return


@contextmanager
def _keys() -> Iterator[int | None]:
    """The keyboard, key by key; None when there is none."""
    try:
        import termios
        import tty

        keyboard = sys.stdin.fileno()
        before = termios.tcgetattr(keyboard)
    except (ImportError, AttributeError, ValueError, OSError):
        yield None
        return
    except Exception:  # termios.error, which is no OSError
        yield None
        return
    try:
        tty.setcbreak(keyboard, termios.TCSANOW)
        yield keyboard
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)


def _leaves(keyboard: int | None, timeout_s: float) -> bool:
    """Wait for the next look; whether a key says that there shall be none."""
    if keyboard is None:
        select.select([], [], [], timeout_s)
        return False
    readable, _, _ = select.select([keyboard], [], [], timeout_s)
    if not readable:
        return False
    pressed = os.read(keyboard, 64)
    return not pressed or pressed in _KEYS  # nothing: the terminal is gone


class Page:
    """One state, as high and wide as the terminal."""

    def __init__(self, found: Snapshot) -> None:
        self._found = found

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self._encoding = options.encoding
        room = console.size.height - 1
        for part in (self._head(), self._workers(), self._lanes(options, room // 2),
                     self._limits(), self._running()):  # fmt: skip
            if part is None:
                continue
            lines = console.render_lines(part, options, pad=False)
            if room > 2 * len(lines) and room < console.size.height - 1:
                yield _newline()
                room -= 1
            for number, line in enumerate(lines):
                if room <= 0:
                    return
                if room == 1 and number + 1 < len(lines):
                    yield Text(self._fit("…"), style="dim")
                    return
                yield from line
                yield _newline()
                room -= 1

    def _fit(self, text: str) -> str:
        if self._encoding.lower() not in ("utf-8", "utf8"):
            text = plain(text)
        return for_encoding(text, self._encoding)

    def _head(self) -> Table:
        found = self._found
        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        head.add_column(no_wrap=True, justify="right")
        clock = time.strftime("%H:%M:%S", time.localtime(found.now))
        head.add_row(Text(self._fit(found.store), style="bold"), Text(f"{clock}  q leaves"))
        head.add_row(Text(self._fit(tally(found.counts) or "no runs")), Text(""))
        return head

    def _workers(self) -> Table | Text:
        found = self._found
        if not found.workers:
            return Text("No worker is alive; start one with: abreast worker", style="yellow")
        part = _table("worker", "host", ">pid", "", ">running", "state", ">since", "tasks")
        for row in found.workers:
            part.add_row(
                str(row.id), self._fit(row.host), str(row.pid),
                self._bar(row.running, row.concurrency), f"{row.running}/{row.concurrency}",
                row.state, duration(found.now - row.started), self._fit(row.tasks or "all"),
            )  # fmt: skip
        return part

    def _bar(self, part: float, whole: float | None) -> Text:
        share = 0.0 if not whole else min(1.0, part / whole)
        full = round(share * _BAR)
        if part and not full:
            full = 1
        style = "yellow" if share >= 1.0 else "cyan"
        return Text.assemble(
            (self._fit("█" * full), style), (self._fit("░" * (_BAR - full)), "dim")
        )

    # -- lanes --------------------------------------------------------------------------------

    def _lanes(self, options: ConsoleOptions, room: int) -> Table | None:
        found = self._found
        if not found.tasks:
            return None
        widest = max(4, *(min(24, width(task.name)) for task in found.tasks))
        columns = options.max_width - widest - len("running waiting ") - 2
        picture = options.max_width >= _NARROW and columns >= LEAST
        part = _table("task", ">running", ">waiting", *([""] if picture else []))
        drawn = {}
        if picture:
            ahead = AHEAD_S if found.scheduled and columns >= _AHEAD else 0.0
            frame = Frame(found.now - WINDOW_S, found.now + ahead, found.now, columns)
            part.columns[-1].header = Text(self._fit(frame.axis(relative=True)), style="not bold")
            drawn = frame.lanes(found.timeline, found.points, _THICK)
        left = room
        for task in found.tasks:
            lane = drawn.get(task.name)
            rows = [] if lane is None else [self._row(row) for row in lane.rows]
            if left < max(1, len(rows)):
                part.add_row(Text(self._fit("…"), style="dim"))
                break
            cells: list[Any] = [Text(self._fit(one_line(task.name, 24)), no_wrap=True),
                                f"{task.running:,}", f"{task.waiting:,}"]  # fmt: skip
            if picture:
                cells.append(Text("\n").join(rows))
            part.add_row(*cells)
            left -= max(1, len(rows))
        return part

    def _row(self, cells: list[Cell]) -> Text:
        text = Text(no_wrap=True)
        for cell in cells:
            text.append(self._fit(cell.sign), _STYLES.get(cell.word, ""))
        return text

    # -- limits and runs --------------------------------------------------------------------------

    def _limits(self) -> Table | None:
        if not self._found.limits:
            return None
        part = _table("limit", "", ">held", ">waiting", "held by")
        for row in self._found.limits:
            of = "" if row.n is None else f"/{row.n:g}"
            part.add_row(
                Text(self._fit(one_line(row.key, 40))), self._bar(row.held, row.n),
                f"{row.held:g}{of}", f"{row.waiting:,}", ids(row.holders),
            )  # fmt: skip
        return part

    def _running(self) -> Table | None:
        found = self._found
        if not found.running:
            return None
        part = _table(">run", "running", ">for", "", "")
        for run in found.running[:_RUNNING]:
            record = run.known
            progress = run.progress
            fraction = None if progress is None else progress.fraction
            part.add_row(
                str(run.id), Text(self._fit(one_line(run.label, 40))),
                elapsed(found.now - (record.started or found.now)),
                Text("") if fraction is None else self._bar(fraction, 1.0),
                Text(self._fit(progress_text(progress)), style="dim"),
            )  # fmt: skip
        return part


def _table(*heads: str) -> Table:
    """A table without lines; ``>`` before a head aligns its column to the right."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold dim", pad_edge=False)
    for head in heads:
        table.add_column(
            head.removeprefix(">"), no_wrap=True, overflow="ellipsis",
            justify="right" if head.startswith(">") else "left",
        )  # fmt: skip
    return table


def _newline() -> Any:
    from rich.segment import Segment

    return Segment.line()
