"""Stored runs as Chrome trace events, through what makes them for reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .report_trace import trace
from .run_view import Recorded

if TYPE_CHECKING:
    from .stored_run import StoredRun


class _Report:
    """What the maker of traces asks of a report."""

    def __init__(self, runs: Sequence[Recorded], started: float) -> None:
        self.name = "abreast"
        self.runs = runs
        self.started = started


def trace_of(runs: Sequence[StoredRun], since: float) -> bytes:
    """The events as JSON; what began before ``since`` begins there."""
    report: Any = _Report([Recorded(run.known) for run in runs], since)
    return trace(report).encode()
