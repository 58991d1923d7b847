"""One call of the program: runs that are carried out, shown, interrupted and reported."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ...domain.states import ENDED, FAILED
from ..display import open_display
from ..output import routed
from .exits import FAILED_RUNS, Refused, exit_code
from .feeder import Feeder
from .printing import Grouped, Printer, Streamed
from .screen import Screen
from .signals import Signals

if TYPE_CHECKING:
    from ..report import Report
    from ..runner import Runner

_DONE, _STOP_FEEDING, _UNREAD = "done", "stop feeding", "unread"


@dataclass(frozen=True, slots=True)
class Options:
    """What may be asked for, whatever it is that runs."""

    concurrency: int | None = None
    timeout: float | None = None
    fail_fast: bool = False
    html: str | None = None
    trace: str | None = None
    as_json: bool = False
    dry_run: bool = False
    output: str = "grouped"
    progress: str = "auto"

    def check(self) -> None:
        """Refuse files that could not be written in the end."""
        for option, path in (("--html", self.html), ("--trace", self.trace)):
            if path is not None and not Path(path).absolute().parent.is_dir():
                raise Refused(f"{option}: the folder of {path!r} does not exist")

    def runner(self, name: str, **options: Any) -> Runner:
        """Make the runner; it shows nothing by itself."""
        from ..runner import Runner

        return Runner(
            self.concurrency,
            timeout=self.timeout,
            fail_fast=self.fail_fast,
            name=name,
            progress=False,
            **options,
        )


class Session:
    """Carries out the runs of one runner under the eyes of a person or a program.

    Parameters
    ----------
    runner : Runner
        With ``progress=False``; the session shows what is to be shown.
    options : Options
        What was asked for.
    screen : Screen
        Where it goes.
    heads : bool
        Whether grouped output gets a line with the label above; see :class:`Grouped`.
    feeder : Feeder, optional
        Adds runs while others run.
    needs_reader : bool
        Whether to end everything when nobody reads standard output any more.
    """

    def __init__(
        self,
        runner: Runner,
        options: Options,
        screen: Screen,
        *,
        heads: bool = True,
        feeder: Feeder | None = None,
        needs_reader: bool = False,
    ) -> None:
        self.runner = runner
        self.options = options
        self.screen = screen
        self._heads = heads
        self._feeder = feeder
        self._events: SimpleQueue[int | str] = SimpleQueue()
        self.signal: int | None = None  # what ended it early
        if needs_reader:
            screen.when_unread = lambda: self._events.put(_UNREAD)

    def show_table(self, report: Report) -> None:
        """Print the report's table, unless standard output is for a document."""
        if self.options.as_json or not len(report):
            return
        text = report.table(encoding=self.screen.encoding)
        both = self.screen.is_terminal() and self.screen.is_terminal(error=True)
        if both and self.options.progress != "none":
            text = text.rpartition("\n\n")[0]  # the display says the same in its last line
        self.screen.line(f"\n{text}" if both else text)

    def on_changes(self, changes: Any) -> None:
        """Called by the engine."""
        for change in changes:
            if change.target not in ENDED:
                continue
            if self._feeder is not None:
                self._feeder.ended()
                if change.target is FAILED and self.options.fail_fast:
                    self._events.put(_STOP_FEEDING)

    def carry_out(self, after: Callable[[Report], None] = lambda report: None) -> Report:
        """Run everything to its end and return the report.

        ``after`` is called when all output has been printed and before the display's last line.
        """
        with TemporaryDirectory(prefix="abreast-", ignore_cleanup_errors=True) as folder:
            printer = self._printer(folder)
            runner, options = self.runner, self.options
            runner._engine.claimer.log_path = printer.capture.path
            runner.listen(printer)
            runner.listen(self)
            mode = False if options.progress == "none" else options.progress
            display = open_display(runner, mode, None, self.screen.errors)
            self.screen.display = display
            try:
                with routed(printer.capture), Signals(self._events.put):
                    try:
                        self._supervise()
                    finally:
                        runner.close()
                        _end_what_threads_started(runner)
                printer.close()
                after(runner.report)
            finally:
                self.screen.display = None
                if display is not None:
                    display.close()
        if self._feeder is not None and self._feeder.error is not None:
            raise self._feeder.error
        return runner.report

    def _printer(self, folder: str) -> Printer:
        if self.options.output == "stream":
            labels = [run.label for run in self.runner.runs]
            return Streamed(self.screen, folder, self._heads, labels)
        return Grouped(self.screen, folder, self._heads, keep=self.options.as_json)

    def _supervise(self) -> None:
        """Wait for the end and for signals, on the main thread. Nothing is raised by a signal."""
        self.runner.start()
        if self._feeder is not None:
            self._feeder.start()
        threading.Thread(target=self._wait, name="cli-wait", daemon=True).start()
        while (event := self._events.get()) != _DONE:
            if self._feeder is not None:
                self._feeder.stop()  # whatever the event is, nothing more shall be started
            if event == _UNREAD and self.signal is None:
                self.screen.mute()
                self._cancel(signal.SIGPIPE)
            elif isinstance(event, int):
                if self.signal is not None:
                    self.screen.say("Stopping now.")
                    self.runner.close(grace=0)
                    return
                self._cancel(event)
                if event == signal.SIGINT:
                    self.screen.say("Cancelling; Ctrl-C again stops at once.")

    def _cancel(self, number: int) -> None:
        self.signal = number
        self.runner.interrupted = True
        self.runner.cancel()

    def _wait(self) -> None:
        if self._feeder is not None:
            self._feeder.over.wait()
        self.runner.wait()
        self._events.put(_DONE)

    # -- afterwards -------------------------------------------------------------------------

    def finish(self, report: Report, document: Callable[[], Any] | None = None) -> int:
        """Write what was asked for and return the exit code."""
        code = exit_code(report, self.signal)
        for option, path, write in (
            ("--html", self.options.html, report.to_html),
            ("--trace", self.options.trace, report.to_trace),
        ):
            if path is None:
                continue
            try:
                write(path)
            except OSError as error:
                self.screen.say(f"{option}: cannot write {path!r}: {error.strerror}")
                code = code or FAILED_RUNS
        if self.options.as_json:
            made = report.to_dict() if document is None else document()
            self.screen.document(json.dumps(made, indent=2, ensure_ascii=True))
        if self.screen.problem is not None:
            self.screen.say(f"cannot write the output: {self.screen.problem}")
            code = code or FAILED_RUNS
        return code


def _end_what_threads_started(runner: Runner) -> None:
    """Threads cannot be ended, but the programs that abandoned ones started can."""
    if not runner.report.abandoned:
        return
    import psutil

    left = psutil.Process(os.getpid()).children(recursive=True)
    for process in left:
        try:
            process.terminate()
        except psutil.Error:
            continue
    for process in psutil.wait_procs(left, timeout=2.0)[1]:
        try:
            process.kill()
        except psutil.Error:
            continue
