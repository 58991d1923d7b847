"""Stored runs as Chrome trace events, through what makes them for reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...domain.model import Run as Record
from ..report_trace import trace
from ..run_view import RunView

if TYPE_CHECKING:
    from ..stored_run import StoredRun


class _Traced(RunView):
    """A record with the attributes a report asks of its runs."""

    __slots__ = ("_is",)

    after: Sequence[Any] = ()

    def __init__(self, record: Record) -> None:
        self._is = record

    @property
    def _record(self) -> Record:
        return self._is

    def __getattr__(self, name: str) -> Any:
        return getattr(self._is, name)


class _Report:
    """What the maker of traces asks of a report."""

    def __init__(self, runs: Sequence[_Traced], started: float) -> None:
        self.name = "abreast"
        self.runs = runs
        self.started = started


def trace_of(runs: Sequence[StoredRun], since: float) -> bytes:
    """The events as JSON; what began before ``since`` begins there."""
    report: Any = _Report([_Traced(run.known) for run in runs], since)
    return trace(report).encode()
