"""``abreast schedule list``, ``next``, ``lint``, ``pause`` and ``resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...domain.schedule import Schedule, clock_changes, warnings_of
from ...errors import UsageError
from ..report_dict import iso
from ..report_text import one_line
from ..schedule_json import schedule_row
from .described import SCHEMA
from .exits import FAILED_RUNS, OK
from .found import opened
from .options import Where
from .out import document, line, note, table
from .schedule_words import (
    away,
    meant,
    moment,
    now,
    place_of,
    schedule_of,
    stamp,
    view_of,
)

if TYPE_CHECKING:
    from ...domain.schedule import ClockChange
    from ..app_schedules import ScheduleView

_HEADS = ["NAME", "TASK", "SCHEDULE", "ZONE", "NEXT", "IN", "LAST", ""]
_NONE = "There are no schedules. Tasks declare theirs, and abreast serve writes them down."


def list_(where: Where, task: str | None, as_json: bool) -> int:
    """Carry out ``abreast schedule list``; returns the exit code."""
    with opened(where) as app:
        views = app.schedules.list(task)
    if as_json:
        document({"schema": SCHEMA, "schedules": [schedule_row(view) for view in views]})
    elif not views:
        note(_NONE if task is None else f"Task {task!r} has no schedules.")
    else:
        at = now()
        for text in table(_HEADS, [_row(view, at) for view in views], {"IN"}):
            line(text)
    return OK


def _row(view: ScheduleView, at: float) -> list[str]:
    last = view.last
    became = "–" if last is None else f"{last.outcome} {stamp(last.at, place_of(view.timezone))}"
    remark = "paused" if view.paused is not None else ""
    return [
        one_line(view.name, 60), one_line(view.task, 60), one_line(view.spec, 40), view.timezone,
        stamp(view.next, place_of(view.timezone)),
        "–" if view.next is None else away(view.next - at), became, remark,
    ]  # fmt: skip


def next_(
    where: Where,
    words: tuple[str, ...],
    count: int,
    start: str,
    zone: str | None,
    hash_name: str,
    as_json: bool,
) -> int:
    """Carry out ``abreast schedule next``; returns the exit code."""
    at = now()
    try:
        schedule, view = meant(where, " ".join(words), zone, hash_name, at)
    except UsageError as error:
        if len(words) == 1:
            raise
        raise UsageError(
            f"{error}\nAn expression is written in quotes: the shell puts the names of files in "
            "the place of *"
        ) from None
    since = moment(start, "--from", schedule.place, at)
    instants = schedule.between(since, float("inf"), count)
    changes = clock_changes(schedule, since)
    if as_json:
        document({
            "schema": SCHEMA, **_head(schedule, view),
            "instants": [{"at": iso(instant), "local": schedule.local(instant).isoformat()}
                         for instant in instants],
            "clock_changes": [_change_json(change) for change in changes],
        })  # fmt: skip
        return OK
    line(_title(schedule, view))
    if view is not None and view.paused is not None:
        line(f"paused since {stamp(view.paused, schedule.place)}: it starts nothing until resumed")
    if not instants:
        line("  no further instant" if schedule.kind != "start" else "  no instant is known before")
    for instant in instants:
        after = f"in {away(instant - at)}" if instant > at else "past"
        line(f"  {schedule.local(instant):%a} {stamp(instant, schedule.place)}  {after}")
    for change in changes:
        line(f"  {change.what}")
    return OK


def _title(schedule: Schedule, view: ScheduleView | None) -> str:
    name = "" if view is None else f"{view.name} "
    zone = "" if schedule.kind in ("cron", "at") else f" ({schedule.zone})"
    return f"{name}'{schedule.text.strip()}': {schedule.describe()}{zone}"


def _head(schedule: Schedule, view: ScheduleView | None) -> dict[str, Any]:
    return {
        "name": None if view is None else view.name,
        "spec": schedule.text,
        "kind": schedule.kind,
        "timezone": schedule.zone,
        "description": schedule.describe(),
    }


def _change_json(change: ClockChange) -> dict[str, Any]:
    return {
        "at": iso(change.at),
        "before_utcoffset": change.before_utcoffset,
        "after_utcoffset": change.after_utcoffset,
        "usual": [iso(at) for at in change.usual],
        "actual": [iso(at) for at in change.actual],
        "what": change.what,
    }


def lint_(
    where: Where,
    texts: tuple[str, ...],
    strict: bool,
    zone: str | None,
    hash_name: str,
    as_json: bool,
) -> int:
    """Carry out ``abreast schedule lint``; returns the exit code."""
    at = now()
    found: list[tuple[Schedule, ScheduleView | None]]
    if texts:
        found = [meant(where, text, zone, hash_name, at) for text in texts]
    else:
        with opened(where) as app:
            found = [(schedule_of(view), view) for view in app.schedules.list()]
    told = []
    for schedule, view in found:
        changes = clock_changes(schedule, at)
        told.append((schedule, view, warnings_of(schedule, at, changes), changes))
    if as_json:
        document({"schema": SCHEMA, "schedules": [
            {**_head(schedule, view), "warnings": warnings,
             "clock_changes": [_change_json(change) for change in changes]}
            for schedule, view, warnings, changes in told
        ]})  # fmt: skip
    else:
        for schedule, view, warnings, _ in told:
            line(_title(schedule, view))
            for warning in warnings:
                line(f"  {warning}")
        count = sum(len(warnings) for _, _, warnings, _ in told)
        if not told:
            note(_NONE)
        elif not count:
            note("There is nothing to say against it." if len(told) == 1 else
                 f"There is nothing to say against any of these {len(told)}.")  # fmt: skip
    return FAILED_RUNS if strict and any(warnings for _, _, warnings, _ in told) else OK


def pause(where: Where, names: tuple[str, ...], as_json: bool) -> int:
    """Carry out ``abreast schedule pause``; returns the exit code."""
    with opened(where) as app:
        before = {name: view_of(app, name) for name in names}
        for name, view in before.items():
            if view.paused is None:
                app.schedules.pause(name)
        after = [app.schedules.get(name) for name in before]
    if as_json:
        document({"schema": SCHEMA, "schedules": [schedule_row(view) for view in after]})
        return OK
    for view in after:
        since = before[view.name].paused
        if since is not None:
            line(f"{view.name} was paused already, since {stamp(since, place_of(view.timezone))}")
        else:
            line(f"{view.name} is paused; its instants go by, and the ledger says so")
            note(f"To go on: abreast schedule resume {view.name}")
    return OK


def resume(where: Where, names: tuple[str, ...], as_json: bool) -> int:
    """Carry out ``abreast schedule resume``; returns the exit code."""
    with opened(where) as app:
        before = {name: view_of(app, name) for name in names}
        for name in before:
            app.schedules.resume(name)
        after = [app.schedules.get(name) for name in before]
    if as_json:
        document({"schema": SCHEMA, "schedules": [schedule_row(view) for view in after]})
        return OK
    for view in after:
        following = stamp(view.next, place_of(view.timezone))
        if before[view.name].paused is None:
            line(f"{view.name} was not paused; next: {following} ({view.timezone})")
        else:
            line(f"{view.name} goes on; next: {following} ({view.timezone})")
    return OK
