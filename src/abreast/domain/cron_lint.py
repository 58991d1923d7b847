"""What is surprising about a schedule, although it can be carried out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from .cron_text import DAY, HOUR, LAST_DAYS, MINUTE, MONTH, WEEKDAY, Expression, Field
from .cron_words import MONTH_NAMES, listed
from .zones import offsets

if TYPE_CHECKING:
    from .clock_changes import ClockChange
    from .schedule import Schedule

_UNITS = {MINUTE: "minutes", HOUR: "hours", DAY: "days", MONTH: "months", WEEKDAY: "days"}
_WHOLE = {MINUTE: "hour", HOUR: "day", DAY: "month", MONTH: "year", WEEKDAY: "week"}


def warnings_of(schedule: Schedule, now: float, changes: list[ClockChange]) -> list[str]:
    """Return warnings about a schedule, given its next clock changes."""
    found: list[str] = []
    if schedule.expression is not None:
        found += schedule.expression.notes
        found += _fields(schedule.expression)
        found += _changes(schedule, changes)
    elif schedule.kind == "every":
        found += _interval(schedule, now)
    elif schedule.kind == "at":
        found += _one_off(schedule, now)
    if schedule.kind == "cron" and schedule.after(now) is None:
        found.append("it never runs: no day of the next fifty years matches")
    return found


def _fields(expression: Expression) -> Iterator[str]:
    for field in expression.fields:
        yield from _steps(field)
    minute, hour, day, month, weekday = expression.fields
    if minute.written == "*" and not hour.every:
        first = f"0 {hour.written}"
        yield (
            f"minute * is every minute: {60 * len(hour.values)} runs a day; for one at the full "
            f"hour write '{first} …'"
        )
    if not (day.starred or weekday.starred):
        yield (
            "day of month and day of week are both given, and it runs on days that match "
            "either of them, not only on those that match both"
        )
    yield from _missing_days(day, month)
    daily = day.every and weekday.every and month.every
    if minute.written == "0" and daily and (hour.every or hour.written == "0"):
        when = "on the hour" if hour.every else "at midnight"
        first = "H" if hour.every else "H H(0-5)"
        yield (
            f"many schedules start {when}; with H, as in '{first} …', the name of the schedule "
            "says when, which spreads them"
        )


def _missing_days(day: Field, month: Field) -> Iterator[str]:
    if day.special or day.starred or not day.values or min(day.values) < 29:
        return
    first = min(day.values)
    lacking = [MONTH_NAMES[m - 1] for m in sorted(month.values) if LAST_DAYS[m - 1] < first]
    if first == 29 and 2 in month.values:
        lacking = ["February in most years"]
    if lacking:
        yield f"day {first} does not come in {listed(lacking)}; L is the last day of every month"


def _steps(field: Field) -> Iterator[str]:
    kind = field.kind
    size = kind.high - kind.low + (kind is not WEEKDAY)
    for step in field.steps:
        if step >= size:
            yield (
                f"{kind.name} {field.written}: a step of {step} is no less than the {size} "
                f"{_UNITS[kind]} of the {_WHOLE[kind]}, so only the first is left"
            )
        elif kind in (MINUTE, HOUR) and size % step and field.written == f"*/{step}":
            last = max(field.values)
            yield (
                f"{kind.name} {field.written}: {step} does not divide {size}, so from {last} to "
                f"the next 0 it is only {size - last} {_UNITS[kind]}"
            )


def _changes(schedule: Schedule, changes: list[ClockChange]) -> Iterator[str]:
    expression = schedule.expression
    assert expression is not None
    for change in changes:
        if change.lost:
            minutes = ",".join(map(str, sorted(expression.minute.values)))
            hours = ",".join(map(str, sorted(expression.hour.values)))
            more = "" if len(minutes) + len(hours) > 40 else f"; '{minutes} {hours} …' would run"
            more += " once, right after the change" if more else ""
            yield change.what[0].lower() + change.what[1:].rstrip(".") + more
        elif change.forward and expression.fixed:
            together = len(change.usual)
            local = schedule.local(change.at).replace(tzinfo=None)
            together += next(schedule.walls(local - timedelta(seconds=1)), None) == local
            if change.usual and together > 1:
                yield (
                    f"on {local:%Y-%m-%d} {together} of its times fall on one instant, "
                    f"{local:%H:%M}, and it runs once for all of them"
                )


def _interval(schedule: Schedule, now: float) -> Iterator[str]:
    period = schedule.period(now)
    if period < 1:
        yield f"{round(1 / period)} instants a second, each a row in the ledger"
    if period >= 86400 and period % 86400 == 0:
        yield (
            "an interval counts elapsed time, so its time of day moves when clocks change; for a "
            "time of day write for example '0 2 * * *'"
        )


def _one_off(schedule: Schedule, now: float) -> Iterator[str]:
    at = schedule.after(-1e11)
    if at is None:
        return
    local = schedule.local(at)
    if at <= now:
        past = f"{local:%Y-%m-%d %H:%M} ({schedule.zone})"
        yield f"{past} is past, so it never runs"
    wall = schedule.said
    if wall is None:
        return
    before, after = offsets(wall, schedule.place)
    if before < after:
        yield f"{wall:%H:%M} does not exist on that day; it runs at {local:%H:%M}"
    elif before > after:
        yield f"{wall:%H:%M} comes twice on that day; it runs the first time"
