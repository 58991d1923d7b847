"""One line per change, for pipes, files and terminals that cannot move their cursor."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import IO, TYPE_CHECKING

from ..domain.states import CANCELLED, COMPLETED, ENDED, FAILED, RUNNING, SKIPPED
from .report_text import (
    count,
    duration,
    ending,
    error_text,
    for_encoding,
    message,
    one_line,
    tally,
)

if TYPE_CHECKING:
    from ..domain.model import Change
    from .run import Run
    from .runner import Runner

MOST_LINES = 50  # per second; the rest is counted
MANY_RUNS = 1000  # from here on only failures and a summary every few seconds
_SUMMARY_EVERY = 5.0  # seconds


def describe(change: Change) -> tuple[str, str] | None:
    """Return a word and the rest of the line for a change that people care about, else None."""
    run: Run = change.run  # type: ignore[assignment]
    label, target = one_line(run.label, 80), change.target
    if target is RUNNING:
        earlier = sum(past.ended <= change.at for past in run.history or ())
        return "start", f"{label} (attempt {earlier + 1})" if earlier else label
    if target is COMPLETED:
        return "done", f"{label} ({duration(run.run_seconds)})"
    if target is FAILED:
        reason = f", {change.reason}" if change.reason and change.reason != "error" else ""
        took = f" ({duration(run.run_seconds)}{reason})" if run.started is not None else ""
        return "failed", f"{label}{took}: {message(run)}"
    if target is CANCELLED:
        return "cancelled", f"{label} ({change.reason})"
    if target is SKIPPED:
        said = f": {message(run)}" if run.error is not None else ""
        return "skipped", f"{label} ({change.reason}){said}"
    if change.source is RUNNING:
        again = f" in {duration(change.due - change.at)}" if change.due is not None else ""
        return "retry", f"{label}{again}, after {error_text(change.error) or change.reason}"
    return None


def clock(at: float) -> str:
    """Local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def closing_line(runner: Runner) -> str | None:
    """``Runner: 10 runs in 3.2 s: 8 completed, 2 failed``, or None when there were no runs."""
    from .report_table import closing

    report = runner.report
    return closing(report) if len(report) else None


class PlainView:
    """Writes lines to a stream: every change, or when there are too many, the gist of them."""

    def __init__(self, runner: Runner, stream: IO[str]) -> None:
        self._runner = runner
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None)
        self._second = 0.0  # beginning of the second in which lines are counted
        self._written = 0  # lines in this second
        self._left_out: Counter[str] = Counter()  # words of the lines not written in it
        self._summary_at: float | None = None
        self._stale = False  # whether anything has changed since the last summary

    def show(self, changes: list[Change], now: float) -> float | None:
        """Write lines for these changes; see :class:`abreast.interfaces.display.View`."""
        lines: list[str] = []
        if now - self._second >= 1.0:
            lines += self._next_second(now)
        many = len(self._runner) > MANY_RUNS
        self._stale = self._stale or bool(changes)
        if many:
            changes = [change for change in changes if change.target is FAILED]
        for change in changes:
            if self._written >= MOST_LINES and change.target is not FAILED:
                self._left_out[_WORDS.get(change.target, "")] += 1
                continue
            described = describe(change)
            if described is None:
                continue
            word, rest = described
            if self._written >= 2 * MOST_LINES:
                self._left_out[word] += 1
                continue
            self._written += 1
            lines.append(f"{clock(change.at)} {word:<9} {rest}")
        if many:
            lines += self._summary(now)
        self._write(lines)
        return self._next_time(now, many)

    def finish(self) -> None:
        """Write what is left and how it all ended."""
        now = time.time()
        line = closing_line(self._runner)
        self._write(self._next_second(now) + ([f"{clock(now)} {line}"] if line else []))

    def _next_second(self, now: float) -> list[str]:
        left, self._left_out = self._left_out, Counter()
        self._second, self._written = now, 0
        parts = [f"{number:,} {word}" for word, number in left.items() if word]
        return [f"{clock(now)} …         and {', '.join(parts)}"] if parts else []

    def _summary(self, now: float) -> list[str]:
        if self._summary_at is None:
            self._summary_at = now + _SUMMARY_EVERY
        if now < self._summary_at or not self._stale:
            return []
        self._summary_at, self._stale = now + _SUMMARY_EVERY, False
        report = self._runner.report
        return [f"{clock(now)} {count(len(report), 'run')}: {tally(report.counts)}"]

    def _next_time(self, now: float, many: bool) -> float | None:
        times = []
        if any(self._left_out):
            times.append(self._second + 1.0)
        if many and self._stale and self._summary_at is not None:
            times.append(self._summary_at)
        return max(0.0, min(times) - now) if times else None

    def _write(self, lines: list[str]) -> None:
        if lines:
            text = "".join(f"{for_encoding(line, self._encoding)}\n" for line in lines)
            self._stream.write(text)
            self._stream.flush()


_WORDS = {
    RUNNING: "started", COMPLETED: "done", FAILED: "failed",
    CANCELLED: "cancelled", SKIPPED: "skipped",
}  # fmt: skip


class LoggerView:
    """One record per end: ERROR for failures, WARNING for what else went wrong, INFO otherwise."""

    def __init__(self, runner: Runner, logger: logging.Logger) -> None:
        self._runner = runner
        self._logger = logger

    def show(self, changes: list[Change], now: float) -> float | None:
        """Log these changes."""
        for change in changes:
            run: Run = change.run  # type: ignore[assignment]
            if change.target is COMPLETED:
                self._logger.info("%s completed (%s)", run.label, duration(run.run_seconds))
            elif change.target is FAILED:
                self._logger.error("%s %s: %s", run.label, ending(run), message(run))
            elif change.target in ENDED:
                said = message(run)
                self._logger.warning("%s %s%s", run.label, ending(run), said and f": {said}")
            elif change.source is RUNNING:
                self._logger.warning(
                    "%s is tried again: %s", run.label, error_text(change.error) or change.reason
                )
        return None

    def finish(self) -> None:
        """Log how it all ended."""
        line = closing_line(self._runner)
        if line:
            self._logger.info("%s", line)
