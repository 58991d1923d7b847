"""Schedules and their instants as values that JSON can hold."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..domain.schedule import Schedule
from ..errors import AbreastError
from .report_dict import iso

if TYPE_CHECKING:
    from .app_schedules import Instant, ScheduleView


def schedule_row(view: ScheduleView) -> dict[str, Any]:
    """A schedule as it is now."""
    return {
        "name": view.name,
        "task": view.task,
        "spec": view.spec,
        "kind": view.kind,
        "described": described(view.spec, view.name, view.timezone),
        "timezone": view.timezone,
        "overlap": view.overlap,
        "catch_up": view.catch_up,
        "window": view.window,
        "jitter": view.jitter,
        "args": list(view.args),
        "kwargs": dict(view.kwargs),
        "source": view.source,
        "paused": iso(view.paused),
        "next": iso(view.next),
        "due": iso(view.due),
        "last": None if view.last is None else instant_row(view.last),
        "last_success": iso(view.last_success),
    }


def instant_row(instant: Instant) -> dict[str, Any]:
    """A row of the ledger."""
    return {
        "id": instant.id,
        "schedule": instant.schedule,
        "task": instant.task,
        "at": iso(instant.at),
        "until": iso(instant.until),
        "count": instant.count,
        "outcome": str(instant.outcome),
        "reason": instant.reason,
        "run": instant.run,
        "decided": iso(instant.decided),
    }


@lru_cache(maxsize=10_000)
def described(spec: str, name: str, zone: str) -> str:
    """``every day at 02:00 (Europe/Berlin)``; what was written, when it cannot be said."""
    try:
        return Schedule.parse(spec, name=name, zone=zone).describe()
    except AbreastError:
        return spec
