"""A schedule in plain English."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .cron_text import Expression, Field

MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
DAY_NAMES = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_NTH = ("", "first", "second", "third", "fourth", "fifth")
_MANY = 8  # times of a day that are listed one by one
_UNITS = ((604800, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def clock(minutes: int) -> str:
    """Minutes since midnight as ``02:30``."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def span(seconds: float) -> str:
    """``90 seconds``, ``1 hour 30 minutes``: a duration in whole units."""
    if seconds != int(seconds):
        return f"{seconds:g} seconds" if seconds >= 1 else f"{seconds * 1000:g} milliseconds"
    left = int(seconds)
    if left % 60 and left < 120:
        return f"{left} second{'s' * (left != 1)}"
    parts = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'s' * (count > 1)}")
    return " ".join(parts)


def every(seconds: float) -> str:
    """``every minute``, ``every 90 seconds``."""
    words = span(seconds)
    return "every " + (words[2:] if words.startswith("1 ") and words.count(" ") == 1 else words)


def words_of(expression: Expression) -> str:
    """What a cron expression says, without its zone."""
    days, plain = _days(expression)
    times, within_a_day = _times(expression.minute, expression.hour)
    months = _months(expression.month)
    if within_a_day:
        return " ".join(filter(None, (days, months, times)))
    days = "" if plain else days
    return ", ".join(filter(None, (times, " ".join(filter(None, (days, months))))))


def _times(minute: Field, hour: Field) -> tuple[str, bool]:
    """When within a day; and whether it is a list of times, which goes behind the days."""
    minutes, hours = sorted(minute.values), sorted(hour.values)
    first, last = clock(60 * hours[0] + minutes[0]), clock(60 * hours[-1] + minutes[-1])
    if len(minutes) * len(hours) <= _MANY and not hour.every:
        return "at " + listed([clock(60 * h + m) for h in hours for m in minutes]), True
    if hours == list(range(hours[0], hours[-1] + 1)):
        start = minutes[0] if hour.every else 0  # else it is in `first`
        span = "" if hour.every else f" from {first} to {last}"
        return _minutes(minutes, start) + span, False
    step = _even(hours, 24)
    if step and len(minutes) == 1:
        return f"every {step} hours" + (f" from {first}" if first != "00:00" else ""), False
    if step and not hours[0]:
        return f"{_minutes(minutes, minutes[0])}, in every {_ordinal(step)} hour", False
    return f"{_minutes(minutes, minutes[0])}, in the hours {_ranges(hours, str)}", False


def _minutes(minutes: list[int], start: int) -> str:
    """``every 15 minutes``, ``every hour at minute 17``."""
    if len(minutes) == 60:
        return "every minute"
    if len(minutes) == 1:
        return "every hour" + (f" at minute {minutes[0]}" if start else "")
    step = _even(minutes, 60)
    if step:
        return f"every {step} minutes" + (f" from minute {start}" if start else "")
    return f"every hour at minutes {_ranges(minutes, str)}"


def _even(values: list[int], size: int) -> int:
    """The step of values that come evenly, also over the end of the hour or day; else 0."""
    if len(values) < 2 or size % len(values):
        return 0
    step = size // len(values)
    return step if values == list(range(values[0], size, step)) else 0


def _ranges(values: Collection[int], name: object) -> str:
    """``1 to 5 and 9``."""
    assert callable(name)
    parts: list[list[int]] = []
    for value in sorted(values):
        if parts and value == parts[-1][-1] + 1:
            parts[-1].append(value)
        else:
            parts.append([value])
    words: list[str] = []
    for part in parts:
        if len(part) > 2:
            words.append(f"{name(part[0])} to {name(part[-1])}")
        else:
            words.extend(map(name, part))
    return listed(words)


def _days(expression: Expression) -> tuple[str, bool]:
    """On which days; and whether that is every day."""
    day, weekday = expression.day, expression.weekday
    dates, weekdays = _dates(day), _weekdays(weekday)
    if day.every and weekday.every:
        return "every day", True
    if weekday.every and weekday.starred:
        return dates, False
    if day.every and day.starred:
        return weekdays, False
    both = day.starred or weekday.starred
    if both:
        return f"{dates}, if that is {weekdays.removeprefix('every ')}", False
    return f"{dates} and also {weekdays}", False


def _dates(day: Field) -> str:
    words = []
    if day.values:
        numbers = sorted(day.values)
        step = day.steps[0] if day.steps and day.starred else 0
        if step and numbers == list(range(1, 32, step)) and len(numbers) > 3:
            words.append(f"every {_ordinal(step)} day of the month from the 1st")
        else:
            words.append(f"on the {_ranges(numbers, _ordinal)} of the month")
    if "L" in day.special:
        words.append("on the last day of the month")
    if "LW" in day.special:
        words.append("on the last weekday (Monday to Friday) of the month")
    return listed(words)


def _weekdays(weekday: Field) -> str:
    words = []
    if weekday.values == {0, 6}:
        words.append("every Saturday and Sunday")
    elif weekday.values:
        # the week begins on Monday, so that Saturday and Sunday are neighbours
        numbers = [(value - 1) % 7 for value in weekday.values]
        words.append("every " + _ranges(numbers, lambda value: DAY_NAMES[(value + 1) % 7]))
    for special in sorted(weekday.special):
        number, sign, nth = special.partition("#")
        name = DAY_NAMES[int(number.rstrip("L")) % 7]
        words.append(f"on the {_NTH[int(nth)] if sign else 'last'} {name} of the month")
    return listed(words)


def _months(month: Field) -> str:
    if month.every:
        return ""
    return "in " + _ranges(month.values, lambda value: MONTH_NAMES[value - 1])


def _ordinal(number: int) -> str:
    ending = "th" if number // 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
