"""What has become of the runs of one runner: to ask, to print, to keep and to look at."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..domain.states import CANCELLED, COMPLETED, ENDED, FAILED, SKIPPED, Reason, State
from ..errors import Cancelled, RunError, Skipped
from .report_text import count, ending, error_text, tally

if TYPE_CHECKING:
    from .run import Run

Path_ = str | PathLike[str]
_MOST_IN_NOTEBOOK = 5000  # runs drawn inside a notebook, which keeps the page with its file


class Report(Mapping[str, "Run"]):
    """A mapping from label to run, in the order in which the runs were added.

    It shows the present: before all runs have ended it is not complete.

    Parameters
    ----------
    runs : sequence of Run
        The runs reported on.
    name : str
        Name of the runner.
    concurrency : int or None
        How many runs could execute at once; None when each executor had its own number.
    started : float or None
        When the runner was started, in seconds since 1970 UTC.
    interrupted : bool
        Whether Ctrl-C or an exception in the ``with`` block ended it.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        *,
        name: str = "Runner",
        concurrency: int | None = None,
        started: float | None = None,
        interrupted: bool = False,
    ) -> None:
        self.name = name
        self.concurrency = concurrency
        self.started = started
        self.interrupted = interrupted
        self.runs: tuple[Run, ...] = tuple(runs)

    @cached_property
    def _by_label(self) -> dict[str, Run]:
        return {run.label: run for run in self.runs}

    def __getitem__(self, label: str) -> Run:
        """Return the run with this label."""
        return self._by_label[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_label)

    def __len__(self) -> int:
        return len(self.runs)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<Report {self.name!r}: {tally(self.counts) or 'no runs'}>"

    # -- questions --------------------------------------------------------------------------

    @property
    def ok(self) -> bool:
        """Whether every run has completed."""
        return all(run.state is COMPLETED for run in self.runs)

    @property
    def done(self) -> bool:
        """Whether every run has ended, in whatever way."""
        return all(run.state in ENDED for run in self.runs)

    @property
    def failed(self) -> list[Run]:
        """The runs that failed, first one first."""
        return sorted(
            (run for run in self.runs if run.state is FAILED), key=lambda run: run.ended or 0.0
        )

    @property
    def abandoned(self) -> list[Run]:
        """The runs whose thread was given up and still goes on."""
        return [run for run in self.runs if run.state is not COMPLETED and run.abandoned]

    @property
    def counts(self) -> dict[State, int]:
        """How many runs are in each state; states without runs are left out."""
        found: dict[State, int] = {}
        for run in self.runs:
            found[run.state] = found.get(run.state, 0) + 1
        return {state: found[state] for state in State if state in found}

    @property
    def ended(self) -> float | None:
        """When the last run ended (seconds since 1970 UTC), or None while some have not."""
        if not self.runs or not self.done:
            return None
        return max(run.ended or 0.0 for run in self.runs)

    @property
    def seconds(self) -> float:
        """Seconds from the start to the end of the last run; to now while some have not ended."""
        if self.started is None or not self.runs:
            return 0.0
        return max(0.0, (self.ended or time.time()) - self.started)

    @property
    def critical_path(self) -> list[Run]:
        """The runs that decided when everything was over.

        Found by going back from the run that ended last, each time to the run it came after
        that ended last; returned first one first.
        """
        from .lanes import critical_path

        return critical_path(self.runs)

    def raise_for_failure(self) -> None:
        """Do nothing when all runs have completed, else raise what went wrong.

        Raises
        ------
        ExceptionGroup
            The exceptions of all runs that did not complete, failed ones first, each with a note
            that names the run. Runs that were skipped because of another one are not repeated.
        """
        if self.ok:
            return
        order = {FAILED: 0, CANCELLED: 1, SKIPPED: 2}
        wrong = sorted(
            (
                run
                for run in self.runs
                if run.state is not COMPLETED and run.reason is not Reason.DEPENDENCY
            ),
            key=lambda run: (order.get(run.state, 3), run.ended or 0.0),
        )
        incomplete = sum(run.state is not COMPLETED for run in self.runs)
        raise ExceptionGroup(
            f"{self.name}: {incomplete:,} of {count(len(self.runs), 'run')} did not complete",
            [_exception(run) for run in wrong],
        )

    # -- forms ------------------------------------------------------------------------------

    def table(self, *, encoding: str | None = None) -> str:
        """Return a table as plain text: one row per run, those that did not complete last.

        With more than 200 runs one row per task, and below it the runs that did not complete.

        Parameters
        ----------
        encoding : str, optional
            Encoding of where it will be written, that of standard output by default; what it
            cannot hold is written in ASCII.
        """
        from .report_table import table

        return table(self, encoding)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values that JSON can hold.

        Times are ISO 8601 in UTC with microseconds, durations are seconds. Results that JSON
        cannot hold, and long ones, are given as their shortened ``repr``.
        """
        from .report_dict import to_dict

        return to_dict(self)

    def to_html(self, path: Path_ | None = None) -> str:
        """Return a page with a timeline of all runs; it is one file and needs no network.

        Parameters
        ----------
        path : path, optional
            File to write it to as well.
        """
        from .report_html import page

        return _kept(page(self), path)

    def to_trace(self, path: Path_ | None = None) -> str:
        """Return Chrome trace events as JSON, which opens in https://ui.perfetto.dev.

        Parameters
        ----------
        path : path, optional
            File to write it to as well.
        """
        from .report_trace import trace

        return _kept(trace(self), path)

    def _repr_html_(self) -> str:
        """What a notebook shows: the page in a frame; the table when there are very many runs."""
        from html import escape

        if len(self.runs) > _MOST_IN_NOTEBOOK:
            return f"<pre>{escape(self.table(encoding='utf-8'))}</pre>"
        return (
            f'<iframe sandbox="allow-scripts" title="{escape(self.name)}: timeline" '
            'style="width:100%;height:640px;border:0" '
            f'srcdoc="{escape(self.to_html())}"></iframe>'
        )


def _kept(text: str, path: Path_ | None) -> str:
    if path is not None:
        from pathlib import Path

        Path(path).write_text(text, encoding="utf-8", errors="backslashreplace")
    return text


def _exception(run: Run) -> Exception:
    """The exception of a run that did not complete, with a note that names the run."""
    error = run.error
    if error is None:
        kind = {CANCELLED: Cancelled, SKIPPED: Skipped}.get(run.state, RunError)
        verb = "ended" if run.state in ENDED else "is still"
        made: Exception = kind(f"{run.label!r} {verb} {ending(run)}")
    elif isinstance(error, Exception):
        made = error
    else:  # KeyboardInterrupt, SystemExit: not to be mistaken for those of this program
        made = RunError(error_text(error))
        made.__cause__ = error
    note = f"run: {run.label}"
    if note not in getattr(made, "__notes__", ()):
        made.add_note(note)
    return made
