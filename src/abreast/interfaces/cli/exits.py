"""How the program ends: exit codes, and the errors that stop it before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Final, ParamSpec

import click

from ...domain.states import COMPLETED, FAILED, Reason, State

if TYPE_CHECKING:
    from ..report import Report

OK: Final = 0
FAILED_RUNS: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
BUSY: Final = 4  # a limit or a known run refused it
TIMED_OUT: Final = 5
INTERRUPTED: Final = 130
_SIGNAL: Final = 128  # plus its number, when a signal other than Ctrl-C ended the program
_CONSEQUENCES: Final = frozenset({Reason.DEPENDENCY, Reason.FAIL_FAST})


class Refused(click.ClickException):
    """The call cannot be carried out. Said in one or a few lines; nothing was started."""

    exit_code = USAGE


class NotFound(click.ClickException):
    """What was asked for does not exist: a run, a store, a file."""

    exit_code = NOT_FOUND


P = ParamSpec("P")


def quietly(command: Callable[P, int]) -> Callable[P, int]:
    """Let Ctrl-C end a command that only looks, without a word."""

    @wraps(command)
    def carry_out(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            return INTERRUPTED

    return carry_out


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
    return code_of((run.state, run.reason) for run in report.runs)


def code_of(endings: Iterable[tuple[State, Reason | None]]) -> int:
    """Return what the program should exit with after runs that ended so."""
    incomplete = [ending for ending in endings if ending[0] is not COMPLETED]
    if not incomplete:
        return OK
    causes = [ending for ending in incomplete if ending[1] not in _CONSEQUENCES]
    if causes and all(ending == (FAILED, Reason.TIMEOUT) for ending in causes):
        return TIMED_OUT
    return FAILED_RUNS
