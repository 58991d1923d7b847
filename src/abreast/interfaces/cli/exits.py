"""How the program ends: exit codes, and the errors that stop it before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from ...domain.states import COMPLETED, FAILED, Reason

if TYPE_CHECKING:
    from ..report import Report

OK: Final = 0
FAILED_RUNS: Final = 1
USAGE: Final = 2
TIMED_OUT: Final = 5
INTERRUPTED: Final = 130
_SIGNAL: Final = 128  # plus its number, when a signal other than Ctrl-C ended the program
_CONSEQUENCES: Final = frozenset({Reason.DEPENDENCY, Reason.FAIL_FAST})


class Refused(click.ClickException):
    """The call cannot be carried out. Said in one or a few lines; nothing was started."""

    exit_code = USAGE


def exit_code(report: Report, signal_number: int | None = None) -> int:
    """Return what the program should exit with.

    Parameters
    ----------
    report : Report
        What has become of the runs.
    signal_number : int, optional
        The signal that ended them early.
    """
    if signal_number is not None:
        return _SIGNAL + signal_number
    incomplete = [run for run in report.runs if run.state is not COMPLETED]
    if not incomplete:
        return OK
    causes = [run for run in incomplete if run.reason not in _CONSEQUENCES]
    if causes and all(run.state is FAILED and run.reason is Reason.TIMEOUT for run in causes):
        return TIMED_OUT
    return FAILED_RUNS
