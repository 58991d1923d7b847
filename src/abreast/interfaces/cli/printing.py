"""How the output of many runs reaches one screen: grouped by run, or as a stream of lines."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from ...domain.command import CommandResult
from ...domain.states import COMPLETED, ENDED, FAILED
from ...errors import CommandFailed
from ..output import Capture, Spools, to_bytes
from ..output_lines import Lines
from ..report_text import duration, ending, message, one_line, traceback_text, width

if TYPE_CHECKING:
    from ...domain.model import Change
    from ..run import Run
    from .screen import Screen

_COLOURS = (36, 33, 32, 35, 34, 96)
_WIDEST = 30  # columns of a prefix
_RULE = 72


class Printer(Protocol):
    """Listens to a runner and prints what its runs have printed."""

    capture: Capture

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Note which runs have ended."""
        ...

    def close(self) -> None:
        """Print what is left."""
        ...


class Grouped:
    """Prints the output of a run whole when it has ended; of those that failed, at the very end.

    Parameters
    ----------
    screen : Screen
        Where to print.
    folder : str
        An existing folder for what has been printed and not yet shown.
    heads : bool
        Put a line with the label above the output of each run. Without, standard output gets
        what commands wrote there and nothing else, and failures get a head on standard error.
    keep : bool
        Leave results in the runs, for a report; else they are dropped when they are printed.
    """

    def __init__(self, screen: Screen, folder: str, heads: bool, keep: bool) -> None:
        self._screen = screen
        self._spools = Spools(folder)
        self.capture: Capture = self._spools
        self._keep = keep
        self._show: Callable[[Run], None] = self._with_head if heads else self._bare
        self._folds = bool(os.environ.get("GITHUB_ACTIONS"))
        self._rule = "─" if screen.speaks("─✕") else "-"
        self._failed: list[Run] = []
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=self._attend, name="cli-printer", daemon=True)
        self._thread.start()

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Called by the engine."""
        for change in changes:
            if change.target in ENDED and change.run.attempt:
                self._ended.put(change.run)

    def close(self) -> None:
        """Print what is left, failures last."""
        self._ended.put(None)
        self._thread.join()
        for run in self._failed:
            self._show(run)
        self._failed.clear()

    def _attend(self) -> None:
        while (run := self._ended.get()) is not None:
            if run.state is COMPLETED:
                self._show(run)
            else:
                self._failed.append(run)

    # -- forms ------------------------------------------------------------------------------

    def _with_head(self, run: Run) -> None:
        head, put = self._head(run), self._screen.put
        begun = False
        last = b"\n"
        for piece in self._spools.take(run):
            if not begun:
                put(head)
            begun, last = True, piece
            put(piece)
        if not last.endswith(b"\n"):
            put(b"\n")
        trace = traceback_text(run) if run.state is FAILED else ""
        if trace:
            put((b"" if begun else head) + to_bytes(trace.rstrip() + "\n", self._screen.encoding))
            begun = True
        if begun and self._folds and run.state is COMPLETED:
            put(b"::endgroup::\n")

    def _head(self, run: Run) -> bytes:
        label, took = one_line(run.label, 60), duration(run.run_seconds)
        if self._folds and run.state is COMPLETED:
            return to_bytes(f"::group::{label} ({took})\n", self._screen.encoding)
        what = f"{label} ({took})"
        if run.state is not COMPLETED:
            what = f"{label}: {ending(run)} after {took}"
        rest = self._rule * max(2, _RULE - 4 - width(what))
        return to_bytes(f"{self._rule * 2} {what} {rest}\n", self._screen.encoding)

    def _bare(self, run: Run) -> None:
        put = self._screen.put
        result = result_of(run)
        if run.state is not COMPLETED:
            self._screen.say(failure_line(run, self._screen))
        if result is None:  # it was ended; what it wrote so far is no result
            for piece in self._spools.take(run):
                put(piece, error=True)
            return
        self._spools.discard(run)
        put(_bytes(result.stdout))
        put(_bytes(result.stderr), error=True)
        if not self._keep:
            run.value = None
            if isinstance(run.error, CommandFailed):
                run.error.result = None


class Streamed:
    """Prints every line as soon as it is finished, behind the label of its run.

    Parameters
    ----------
    screen : Screen
        Where to print.
    folder : str
        An existing folder for FIFOs.
    heads : bool
        A failure is told by its traceback among the lines. Without, by a line on standard error.
    labels : list of str
        Labels known beforehand, so that the lines stand in one column from the first on.
    """

    def __init__(
        self, screen: Screen, folder: str, heads: bool, labels: Sequence[str] = ()
    ) -> None:
        self._screen = screen
        self._heads = heads
        self._lines = Lines(folder, self._print, self._last_words)
        self.capture: Capture = self._lines
        self._bar = "│" if screen.speaks("│") else "|"
        self._coloured = screen.colours()
        self._prefixes: dict[int, bytes] = {}
        self._width = max((min(_WIDEST, width(one_line(label))) for label in labels), default=0)

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Called by the engine."""
        for change in changes:
            if change.target in ENDED and change.run.attempt:
                self._lines.ended(change.run)

    def close(self) -> None:
        """Print the rests of lines."""
        self._lines.close()

    def _print(self, run: Any, line: bytes) -> None:
        if run.state in ENDED:
            prefix = self._prefixes.pop(run.id, None) or self._prefix(run)
        else:
            prefix = self._prefixes.get(run.id) or self._prefix(run)
            self._prefixes[run.id] = prefix
        self._screen.put(prefix + line.removesuffix(b"\r") + b"\n")

    def _last_words(self, run: Any) -> None:
        if run.state is COMPLETED:
            return
        trace = traceback_text(run) if self._heads and run.state is FAILED else ""
        for line in trace.splitlines():
            self._print(run, to_bytes(line, self._screen.encoding))
        if not self._heads:
            self._screen.say(failure_line(run, self._screen))

    def _prefix(self, run: Run) -> bytes:
        label = one_line(run.label, _WIDEST)
        self._width = max(self._width, width(label))
        text = label + " " * (self._width - width(label)) + f" {self._bar} "
        if self._coloured:
            text = f"\x1b[{_COLOURS[run.id % len(_COLOURS)]}m{text}\x1b[0m"
        return to_bytes(text, self._screen.encoding)


def failure_line(run: Run, screen: Screen) -> str:
    """``✕ a.csv: failed(error), exit code 2``."""
    result = result_of(run)
    why = message(run) if result is None else how_it_exited(result)
    sign = "✕" if screen.speaks("✕") else "x"
    return f"{sign} {one_line(run.label, 60)}: {ending(run)}{why and f', {why}'}"


def result_of(run: Run) -> CommandResult | None:
    """What a command left behind, also when it failed; None when it was ended or is no command."""
    found = getattr(run.error, "result", None) if run.state is FAILED else run.value
    return found if isinstance(found, CommandResult) else None


def how_it_exited(result: CommandResult) -> str:
    """``exit code 3`` or ``ended by signal 9``."""
    code = result.returncode
    return f"exit code {code}" if code >= 0 else f"ended by signal {-code}"


def _bytes(output: str | bytes | None) -> bytes:
    if isinstance(output, str):
        return output.encode("utf-8", "surrogateescape")
    return output or b""
