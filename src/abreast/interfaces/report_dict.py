"""The report as values that JSON can hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..domain.states import COMPLETED
from .report_text import jsonable, said, traceback_text

if TYPE_CHECKING:
    from .report import Report
    from .run import Run


def to_dict(report: Report) -> dict[str, Any]:
    """Return a whole report; see :meth:`Report.to_dict`."""
    return {
        "schema": 1,
        "name": report.name,
        "ok": report.ok,
        "interrupted": report.interrupted,
        "concurrency": report.concurrency,
        "started": iso(report.started),
        "ended": iso(report.ended),
        "seconds": report.seconds,
        "counts": {str(state): number for state, number in report.counts.items()},
        "abandoned": len(report.abandoned),
        "critical_path": [run.label for run in report.critical_path],
        "runs": [run_to_dict(run) for run in report.runs],
    }


def iso(at: float | None) -> str | None:
    """Return a time as ISO 8601 in UTC with microseconds."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def run_to_dict(run: Run) -> dict[str, Any]:
    """Return one run as values that JSON can hold."""
    progress = run.progress
    return {
        "id": run.id,
        "label": run.label,
        "name": run.name,
        "state": str(run.state),
        "reason": None if run.reason is None else str(run.reason),
        "executor": run.executor,
        "after": [parent.label for parent in run.after],
        "created": iso(run.created),
        "started": iso(run.started),
        "ended": iso(run.ended),
        "wait_seconds": run.wait_seconds,
        "run_seconds": run.run_seconds,
        "attempts": run.attempts,
        "history": [
            {
                "started": iso(past.started),
                "ended": iso(past.ended),
                "reason": None if past.reason is None else str(past.reason),
                "error": _error(past.error),
            }
            for past in run.history or ()
        ],
        "progress": progress
        and {"done": progress.done, "total": progress.total, "message": progress.message},
        "result": jsonable(run.value),
        "error": None
        if run.error is None
        else {**(_error(run.error) or {}), "traceback": traceback_text(run) or None},
        "abandoned": run.state is not COMPLETED and run.abandoned,
    }


def _error(error: BaseException | None) -> dict[str, str] | None:
    if error is None:
        return None
    return {"type": type(error).__name__, "message": str(jsonable(said(error)))}
