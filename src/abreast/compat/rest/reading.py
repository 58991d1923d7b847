"""Runs in the words of these clients: states, times, percentages, errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from abreast import AbreastError, State
from abreast.errors import UnknownRun

PENDING, RUNNING, COMPLETED = "pending", "running", "completed"
FAILED, CANCELLED, SUCCESS = "failed", "cancelled", "success"

_JOB_STATES = {
    State.BLOCKED: PENDING,
    State.SCHEDULED: PENDING,
    State.PENDING: PENDING,
    State.RUNNING: RUNNING,
    State.COMPLETED: COMPLETED,
    State.FAILED: FAILED,
    State.CANCELLED: CANCELLED,
    State.SKIPPED: CANCELLED,
}
UNENDED = (PENDING, RUNNING)


def job_status(run: Any) -> str:
    """pending, running, completed, failed or cancelled."""
    return _JOB_STATES[run.state]


def task_status(status: str) -> str:
    """The same for a run of a task, where completed is called success."""
    return SUCCESS if status == COMPLETED else status


def utc(seconds: float | None) -> str | None:
    """A time as these clients read it: ISO 8601 in UTC, without a zone."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def utc_with_zone(seconds: float | None) -> str | None:
    """A time to come: ISO 8601 in UTC, with its zone."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def is_flow(run: Any) -> bool:
    """Whether a run stands for several others: a batch or another flow."""
    return bool(run.executor == "flow")


def is_batch(run: Any) -> bool:
    """Whether a run is a batch."""
    return is_flow(run) and "over" in run.kwargs


def percent(run: Any, status: str) -> tuple[int, str]:
    """How far a run is, from 0 to 100, and what it says it is doing.

    100 is only what has ended.
    """
    found = run.progress
    share = None if found is None else found.fraction
    value = 0 if share is None else math.floor(share * 100 + 1e-9)
    message = "" if found is None else found.message
    if status == COMPLETED:
        return 100, "Batch completed" if is_batch(run) else message or "Completed"
    if status in UNENDED:
        value = min(value, 99)
    return value, message or _MESSAGES[status]


_MESSAGES = {
    PENDING: "Waiting to start",
    RUNNING: "Running",
    FAILED: "Failed",
    CANCELLED: "Cancelled",
}


def error_text(run: Any) -> str | None:
    """Why an ended run has no result, or None when it has one."""
    if run.ok:
        return None
    error = run.error
    if error is not None:
        return error_line(error)
    return f"{run.state}: {run.reason}" if run.reason else str(run.state)


def error_line(error: BaseException) -> str:
    """An error in one line: its type, and what it says."""
    said = str(error).strip()
    if isinstance(error, AbreastError) and not hasattr(error, "type_name"):
        return said or type(error).__name__
    name = getattr(error, "type_name", type(error).__name__)
    return f"{name}: {said}" if said and not said.startswith(f"{name}:") else said or name


def plain(value: Any) -> Any:
    """A value as JSON can say it. What JSON has no word for becomes its ``repr``."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "known") and hasattr(value, "children"):
        return {"run": value.id}  # the result of another run
    return repr(value)


def still_there(runs: Iterable[Any], view: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
    """Views of runs; those that somebody removes at this moment are left out."""
    found = []
    for run in runs:
        try:
            found.append(view(run))
        except UnknownRun:
            pass
    return found


def run_of_task(run: Any) -> dict[str, Any]:
    """A run as the history of a task lists it."""
    status = job_status(run)
    ended = status not in UNENDED
    return {
        "id": run.id,
        "status": task_status(status),
        "started_at": utc(run.started),
        "completed_at": utc(run.ended) if ended else None,
        "duration_seconds": run.run_seconds if ended else None,
        "error_message": error_text(run) if ended else None,
        "logs_file_path": run.log_path,
        "created_at": utc(run.created),
    }
