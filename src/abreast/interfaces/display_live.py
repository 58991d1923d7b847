"""The live display of a terminal: what runs now, how much is done, how long it may still take.

rich is imported only when something has been going on for a third of a second, so that a short
script does not pay for it. Nothing stays on the screen but failures and one line at the end.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from functools import cache
from typing import IO, TYPE_CHECKING, Any

from ..domain.states import CANCELLED, COMPLETED, ENDED, FAILED, RUNNING, SKIPPED
from .display_eta import Pace
from .display_plain import closing_line, describe
from .report_text import ICONS, PLAIN_ICONS, duration, for_encoding, one_line, speaks_unicode

if TYPE_CHECKING:
    from ..domain.model import Change
    from .run import Run
    from .runner import Runner

_PATIENCE = 0.3  # seconds before anything is drawn
_REFRESH = 0.1
_MOST_FAILURES = 20  # shown as they happen; the report has them all


class LiveView:
    """Keeps the figures, and a rich display while something runs."""

    def __init__(self, runner: Runner, stream: IO[str]) -> None:
        self.runner = runner
        self.stream = stream
        self.running: dict[Run, None] = {}  # oldest first
        self.counts: Counter[str] = Counter()  # of ends, by state
        self.pace = Pace()
        self.now = 0.0
        self.most = 1  # runs seen running at once
        self.began: float | None = None
        self._busy_since: float | None = None
        self._known = 0  # runs the pace knows of
        self._failures: list[str] = []
        self._failures_shown = 0
        self._live: Any = None
        self.icons = ICONS if speaks_unicode(stream) else PLAIN_ICONS

    @property
    def total(self) -> int:
        """Runs added so far."""
        return len(self.runner)

    @property
    def left(self) -> float | None:
        """Seconds it may still take, or None when that cannot be told."""
        return self.pace.left(self.running, self.runner.concurrency or self.most, self.now)

    def show(self, changes: list[Change], now: float) -> float | None:
        """Take in changes and draw; see :class:`abreast.interfaces.display.View`."""
        try:
            return self._show(changes, now)
        except Exception:
            give_streams_back()  # the display is over, and tasks go on printing
            raise

    def _show(self, changes: list[Change], now: float) -> float | None:
        self.now = now
        for change in changes:
            self._take(change)
        self.most = max(self.most, len(self.running))
        if not self.running:
            self._busy_since = None
            if sum(self.counts.values()) >= self.total:
                self._stop()
            self._draw()
            return None
        if self._busy_since is None:
            self._busy_since = now
            self.began = self.began or now
        patience = 0.0 if self._live else self._busy_since + _PATIENCE - now
        if patience > 0:
            return patience
        self._learn()
        self._start()
        self._draw()
        return _REFRESH

    def finish(self) -> None:
        """Take the display away and leave one line."""
        self._draw()
        self._stop()
        line = closing_line(self.runner)
        lines = [*self._failures, *([line] if line else [])]
        encoding = getattr(self.stream, "encoding", None)
        self.stream.write("".join(f"{for_encoding(text, encoding)}\n" for text in lines))
        self.stream.flush()

    def _take(self, change: Change) -> None:
        run: Run = change.run  # type: ignore[assignment]
        target = change.target
        if target is RUNNING:
            self.running[run] = None
        elif change.source is RUNNING:
            self.running.pop(run, None)
        if target in ENDED:
            self.counts[target] += 1
            self.pace.ended(run)
            if target is FAILED:
                self._note_failure(change)

    def _note_failure(self, change: Change) -> None:
        self._failures_shown += 1
        if self._failures_shown <= _MOST_FAILURES:
            described = describe(change)
            if described is not None:
                self._failures.append(f"{self.icons['failed']} {described[1]}")
        elif self._failures_shown == _MOST_FAILURES + 1:
            self._failures.append("… more have failed; the report names them all")

    def _learn(self) -> None:
        if self.total != self._known:
            runs = self.runner.runs
            self.pace.added(runs[self._known :])
            self._known = len(runs)

    # -- rich -------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._live is not None:
            return
        from rich.console import Console
        from rich.live import Live

        from .display_screen import Screen

        _guard_forks()
        console = Console(file=self.stream, force_terminal=True, highlight=False)
        self._live = Live(
            Screen(self),
            console=console,
            auto_refresh=False,
            transient=True,
            # What tasks print goes above the display, unless it goes elsewhere anyway.
            redirect_stdout=_shows(sys.stdout),
            redirect_stderr=_shows(sys.stderr),
        )
        self._live.start()

    def _draw(self) -> None:
        if self._live is None:
            return
        from rich.text import Text

        for line in self._failures:
            self._live.console.print(Text(line, style="red"))
        self._failures.clear()
        self._live.refresh()

    def _stop(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()


def give_streams_back() -> None:
    """Let standard output and error be what they were before rich put itself in front."""
    for name in ("stdout", "stderr"):
        original = getattr(getattr(sys, name), "rich_proxied_file", None)
        if original is not None:
            setattr(sys, name, original)


@cache
def _guard_forks() -> None:
    """A process that a task forks off must not draw the display a second time."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=give_streams_back)


def _shows(stream: IO[str] | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (AttributeError, ValueError):
        return False


def counts_text(view: LiveView, *, short: bool = False) -> str:
    """``37 of 100  ✓ 35 completed  ✕ 2 failed  8 running  55 waiting``."""
    ended = sum(view.counts.values())
    waiting = max(0, view.total - ended - len(view.running))
    parts = [f"{ended:,} of {view.total:,}"]
    for state in (COMPLETED, FAILED, CANCELLED, SKIPPED):
        if view.counts[state]:
            word = "" if short else f" {state}"
            parts.append(f"{view.icons[state]} {view.counts[state]:,}{word}")
    parts.append(f"{len(view.running):,} running")
    if waiting:
        parts.append(f"{waiting:,} waiting")
    return "  ".join(parts)


def row_texts(view: LiveView, run: Run) -> tuple[str, str, str, float | None]:
    """Label, elapsed time, message and fraction of a running run."""
    progress = run.progress
    text = ""
    if progress is not None:
        text = one_line(progress.message, 60)
        if progress.total is None or not text:
            total = "" if progress.total is None else f"/{progress.total:,g}"
            text = f"{progress.done:,g}{total} {text}".strip()
    fraction = None if progress is None else progress.fraction
    return one_line(run.label, 60), elapsed(view.now - (run.started or view.now)), text, fraction


def elapsed(seconds: float) -> str:
    """A duration that is shown while it grows: tenths of a second are enough."""
    return f"{max(0.0, seconds):.1f} s" if seconds < 60 else duration(seconds)
