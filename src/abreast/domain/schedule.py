"""When runs are made: cron expressions, intervals, one-off times, and starts of the service.

Instants are seconds since 1970 in UTC, and are compared as such; clocks of time zones, which go
forward and back, only say where they are.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, Literal, Protocol

from ..errors import UsageError, WrongType
from .clock_changes import ClockChange, changes_of
from .cron_lint import warnings_of
from .cron_text import LONGEST, Expression, read, refuse
from .cron_times import CronTimes
from .cron_words import every, words_of
from .policy import seconds
from .zones import instants_of, zone_of

Kind = Literal["cron", "every", "at", "start"]

SHORTEST: Final = 0.1  # seconds between instants of an interval
MOST: Final = 1000  # instants of one preview
_FAR: Final = 253_000_000_000.0  # the year 9987; clocks cannot tell much more
_EVERY = re.compile(r"\s*@?every\b\s*(.*?)\s*", re.IGNORECASE | re.DOTALL)
_DATE = re.compile(r"\s*(?:at\s+)?(\d{4}-\d\d?-\d\d?)(?:(?:[Tt]|\s+)(\S+)\s*(.*?))?\s*",
                   re.IGNORECASE | re.DOTALL)  # fmt: skip
_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)?")
_WORDS = re.compile(r"(\d*\.?\d*)\s*(second|sec|minute|min|hour|hr|day|week)s?\b", re.IGNORECASE)


class Times(Protocol):
    """The instants of a schedule, whatever its kind."""

    def after(self, at: float) -> float | None:
        """The first instant after ``at``."""

    def before(self, at: float) -> float | None:
        """The last instant before ``at``."""


class Schedule:
    """When runs of a task are made. Made by :meth:`parse`, and never changed.

    Attributes
    ----------
    text : str
        What a person wrote.
    kind : str
        ``"cron"``, ``"every"`` (an interval), ``"at"`` (one-off) or ``"start"`` (of the service).
    zone : str
        Name of the time zone in which it is meant.
    expression : Expression or None
        The fields of a cron expression.
    """

    __slots__ = ("_times", "expression", "kind", "text", "zone")

    def __init__(
        self, text: str, kind: Kind, zone: str, times: Times, expression: Expression | None = None
    ) -> None:
        self.text = text
        self.kind: Kind = kind
        self.zone = zone
        self.expression = expression
        self._times = times

    @classmethod
    def parse(
        cls, text: str, *, name: str = "", zone: str = "UTC", anchor: float = 0.0
    ) -> Schedule:
        """Read a schedule.

        Parameters
        ----------
        text : str
            Five cron fields, ``@daily`` and the like; ``every 90s`` or ``@every 1h30m``; a time
            such as ``2026-12-24T18:00``, with or without an offset; or ``@reboot``.
        name : str
            Name of the schedule: ``H`` in an expression stands for a number made of it.
        zone : str
            Name of the time zone in which times are meant.
        anchor : float
            Instant from which an interval counts, backwards too.

        Raises
        ------
        WrongType, UsageError
            Naming the field, with a caret under the part that cannot be used.
        """
        if not isinstance(text, str):
            raise WrongType(
                f"a schedule is text such as '0 2 * * *' or 'every 90s', not {text!r} "
                f"({type(text).__name__})"
            )
        place = zone_of(zone)
        if len(text) > LONGEST:
            raise UsageError(
                f"a schedule has at most {LONGEST} characters, and this one {len(text)}: "
                f"{text[:40]!r}…"
            )
        if not text.strip():
            raise UsageError("a schedule cannot be empty; write for example '0 2 * * *'")
        if match := _EVERY.fullmatch(text):
            return cls(text, "every", zone, _Every(_period(text, match), anchor))
        if match := _DATE.fullmatch(text):
            said = _moment(text, match)
            return cls(text, "at", zone, _Once(said, place))
        if text.strip().lower() == "@reboot":
            return cls(text, "start", zone, _Start())
        expression = read(text, name)
        return cls(text, "cron", zone, CronTimes(expression, place), expression)

    @property
    def place(self) -> tzinfo:
        """The time zone itself."""
        return zone_of(self.zone)

    def after(self, at: float) -> float | None:
        """The first instant after ``at``; None when none is left (in cron: in fifty years)."""
        return self._times.after(at)

    def before(self, at: float) -> float | None:
        """The last instant before ``at``; None when there was none (in cron: in fifty years)."""
        return self._times.before(at)

    def between(self, start: float, end: float, limit: int = 1000) -> list[float]:
        """The instants after ``start`` up to and with ``end``, the first ``limit`` of them."""
        found: list[float] = []
        at = self.after(start)
        while at is not None and at <= end and len(found) < limit:
            found.append(at)
            at = self.after(at)
        return found

    def period(self, at: float) -> float:
        """Seconds from the last instant up to ``at`` to the next one.

        Before the first instant: between the first two. Infinite when there is no further one.
        """
        following = self.after(at)
        last = self.before(math.nextafter(at, math.inf))
        if last is None and following is not None:
            last, following = following, self.after(following)
        return math.inf if last is None or following is None else following - last

    def describe(self) -> str:
        """Say it in plain English, with the zone: ``every day at 02:00 (Europe/Berlin)``."""
        if self.expression is not None:
            return f"{words_of(self.expression)} ({self.zone})"
        if isinstance(self._times, _Every):
            return every(self._times.period)
        if isinstance(self._times, _Once):
            at = self.local(self._times.at)
            return f"once, on {at:%Y-%m-%d} at {_clock(at)} ({self.zone})"
        return "whenever the service starts"

    def local(self, at: float) -> datetime:
        """An instant on the clock of the schedule's zone."""
        return datetime.fromtimestamp(at, self.place)

    @property
    def said(self) -> datetime | None:
        """The time of the clock that a one-off schedule names, unless it gives an offset."""
        return self._times.said if isinstance(self._times, _Once) else None

    def walls(self, start: datetime) -> Iterator[datetime]:
        """Yield the times of a clock after ``start`` which a cron expression names; else none."""
        return self._times.walls(start) if isinstance(self._times, CronTimes) else iter(())

    def __repr__(self) -> str:
        return f"Schedule({self.text!r}, zone={self.zone!r})"


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}" if at.second or at.microsecond else f"{at:%H:%M}"


class _Every:
    """Instants that are a fixed time apart."""

    __slots__ = ("anchor", "period")

    def __init__(self, period: float, anchor: float) -> None:
        if not abs(anchor) < _FAR:
            raise UsageError(f"an interval cannot count from {anchor!r}")
        self.period, self.anchor = period, anchor

    def _instant(self, at: float, step: int) -> float | None:
        """The nearest instant after ``at`` (step 1) or before it (step −1)."""
        if not abs(at) < _FAR:
            return None
        number = math.floor((at - self.anchor) / self.period)
        # The division rounds; what it is off by is at most one.
        near = (self.anchor + n * self.period for n in range(number - 2, number + 4))
        if step > 0:
            return min(instant for instant in near if instant > at)
        return max(instant for instant in near if instant < at)

    def after(self, at: float) -> float | None:
        return self._instant(at, 1)

    def before(self, at: float) -> float | None:
        return self._instant(at, -1)


class _Once:
    """One instant."""

    __slots__ = ("at", "said")

    def __init__(self, said: datetime, zone: tzinfo) -> None:
        self.said = said if said.tzinfo is None else None
        self.at = said.timestamp() if said.tzinfo else instants_of(said, zone, True)[0]

    def after(self, at: float) -> float | None:
        return self.at if self.at > at else None

    def before(self, at: float) -> float | None:
        return self.at if self.at < at else None


class _Start:
    """No instant that could be known before: a start of the service."""

    __slots__ = ()

    def after(self, at: float) -> float | None:
        return None

    def before(self, at: float) -> float | None:
        return None


def _period(text: str, match: re.Match[str]) -> float:
    """The seconds of ``every …``."""
    said = match[1]
    short = {"minute": "m", "min": "m", "hour": "h", "hr": "h"}

    def unit(part: re.Match[str]) -> str:
        word = part[2].lower()
        return f"{part[1] or 1}{short.get(word, word[0])}"

    try:
        if re.fullmatch(r"[\d.]*", said):
            raise UsageError("no unit")
        period = seconds(_WORDS.sub(unit, said).lower())
    except UsageError:
        refuse(text, "an interval is written like 'every 90s', 'every 1h30m' or '@every 5m'; "
               "times of a day are written like '0 2 * * *', for 02:00", match.start(1),
               len(said))  # fmt: skip
    if period < SHORTEST:
        refuse(text, f"an interval is {SHORTEST:g} seconds at least", match.start(1), len(said))
    if period > _FAR:
        refuse(text, "an interval of that length never ends", match.start(1), len(said))
    return period


def _moment(text: str, match: re.Match[str]) -> datetime:
    """A date with a time, as it was written: with a zone or without one."""
    date, time, more = match[1], match[2], match[3]
    if time is None:
        refuse(text, f"a one-off time needs a time of day too: {date}T18:00", match.start(1),
               len(date))  # fmt: skip
    if more and not re.fullmatch(r"[+-]\d\d:?\d\d|[Zz]", more):
        refuse(text, "after the time comes an offset such as +01:00, or nothing; the zone is "
               "given beside it, as timezone=", match.start(3), len(more))  # fmt: skip
    if not _TIME.fullmatch(time):
        refuse(text, "the time is written like 18:00 or 18:00:30, then perhaps an offset such as "
               "+01:00", match.start(2), len(time))  # fmt: skip
    try:
        return datetime.fromisoformat(f"{date}T{time}{more or ''}")
    except ValueError as error:
        refuse(text, f"this is no date and time: {error}", match.start(1),
               len(text.rstrip()) - match.start(1))  # fmt: skip


def jitter_of(name: str, at: float, most: float) -> float:
    """Seconds by which an instant of a schedule is put off: from 0 to less than ``most``.

    Always the same for the same name and instant, so that all processes agree on it.
    """
    if most <= 0:
        return 0.0
    digest = hashlib.sha256(f"{name}\0{at:.6f}".encode()).digest()
    return (int.from_bytes(digest[:8]) >> 12) / 2**52 * most


@dataclass(frozen=True, slots=True)
class Preview:
    """What a schedule will do: its next instants, warnings, and the next two clock changes."""

    schedule: Schedule
    instants: list[float]
    warnings: list[str]
    clock_changes: list[ClockChange]


def preview(text: str, *, name: str, zone: str, start: float, count: int = 10) -> Preview:
    """Read a schedule and say what it does after ``start``.

    Parameters
    ----------
    count : int
        How many instants, 1000 at most.

    Raises
    ------
    WrongType, UsageError
        As :meth:`Schedule.parse` does.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise WrongType(f"count must be an int, not {count!r}")
    if not 0 <= count <= MOST:
        raise UsageError(f"count must be from 0 to {MOST}, not {count}")
    schedule = Schedule.parse(text, name=name, zone=zone, anchor=start)
    found = clock_changes(schedule, start)
    return Preview(
        schedule,
        schedule.between(start, math.inf, count),
        warnings_of(schedule, start, found),
        found,
    )


def lint(text: str, *, zone: str, now: float, name: str = "") -> list[str]:
    """Return what is surprising about a schedule, in sentences; often nothing.

    Raises
    ------
    WrongType, UsageError
        When it cannot be read at all.
    """
    return preview(text, name=name, zone=zone, start=now, count=0).warnings


def clock_changes(schedule: Schedule, start: float, count: int = 2) -> list[ClockChange]:
    """Return what a schedule does at the next ``count`` changes of its zone's clocks.

    None are found in zones that have no further changes within three years.
    """
    return changes_of(schedule, start, count)


__all__ = [
    "ClockChange",
    "Preview",
    "Schedule",
    "clock_changes",
    "jitter_of",
    "lint",
    "preview",
    "warnings_of",
]
