"""Time zones by name, and how times of a clock and instants correspond in them.

A time of a clock (here: *wall*) is a ``datetime`` without a zone. An instant is a number of seconds
since 1970 in UTC. Where clocks go forward some walls have no instant; where they go back some
have two.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from ..errors import UsageError, WrongType

EPOCH = datetime(1970, 1, 1)
DAY = 86400
# Files beside the zones that are none, or not the same ones on every machine.
_NO_PLACE = re.compile(r"localtime$|posixrules$|Factory$|posix/|right/")
NOWHERE = (OverflowError, ValueError, OSError)  # what a time outside of datetime raises


def zone_of(name: str) -> tzinfo:
    """Return the zone with an IANA name, such as ``Europe/Berlin``.

    Raises
    ------
    WrongType, UsageError
        When it is not text, or no zone is called so; with the one that may have been meant.
    """
    if not isinstance(name, str):
        raise WrongType(f"timezone must be text such as 'Europe/Berlin', not {name!r}")
    return _zone_of(name)


@lru_cache(maxsize=256)
def _zone_of(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # needs no time-zone data
    from zoneinfo import ZoneInfo, available_timezones

    try:
        if not _NO_PLACE.match(name):
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no relative path; a folder of zones
        pass
    known = {zone for zone in available_timezones() if not _NO_PLACE.match(zone)}
    if not known:
        raise UsageError(
            f"timezone {name!r}: this machine has no time-zone data; install the system's tzdata "
            "package, or the one for Python: pip install tzdata"
        )
    hint = _meant(name, known)
    said = f"did you mean {hint!r}?" if hint else "names are like 'Europe/Berlin' or 'UTC'"
    raise UsageError(f"timezone {name!r} is not known; {said}")


def _meant(name: str, known: set[str]) -> str | None:
    """The zone whose name is nearest to one that there is not."""
    wanted = name.strip().replace(" ", "_").lower()
    lower = {zone.lower(): zone for zone in sorted(known)}
    if wanted in lower:
        return lower[wanted]
    cities = {zone.rpartition("/")[2]: full for zone, full in lower.items() if "/" in zone}
    city = wanted.rpartition("/")[2]
    if city in cities:
        return cities[city]
    near = difflib.get_close_matches(wanted, lower, n=1, cutoff=0.75)
    if near:
        return lower[near[0]]
    near = difflib.get_close_matches(city, cities, n=1, cutoff=0.75)
    return cities[near[0]] if near else None


def offsets(wall: datetime, zone: tzinfo) -> tuple[float, float]:
    """Seconds east of UTC at a wall: as before a clock change, and as after it.

    They differ only where clocks change: the first is less than the second when the wall does
    not exist, and greater when it comes twice.
    """
    aware = wall.replace(tzinfo=zone, fold=0)
    before, after = aware.utcoffset(), aware.replace(fold=1).utcoffset()
    assert before is not None
    assert after is not None
    return before.total_seconds(), after.total_seconds()


def instants_of(wall: datetime, zone: tzinfo, fixed: bool) -> tuple[float, ...]:
    """The instants at which something due at a wall is to happen.

    Parameters
    ----------
    fixed : bool
        Whether it is due once: a wall that does not exist is then made up for at the clock
        change, and one that comes twice counts the first time. Otherwise it is due as often as
        the wall comes: never, once, or twice.
    """
    before, after = offsets(wall, zone)
    seconds = (wall.replace(fold=0) - EPOCH).total_seconds()
    if before == after:
        return (seconds - before,)
    if before > after:
        return (seconds - before,) if fixed else (seconds - before, seconds - after)
    return (change_between(zone, seconds - after, seconds - before),) if fixed else ()


def wall_at(at: float, zone: tzinfo) -> datetime:
    """The wall at an instant, with ``fold`` 1 when it comes the second time."""
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None)


def offset_at(at: float, zone: tzinfo) -> float:
    """Seconds east of UTC at an instant."""
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    assert offset is not None
    return offset.total_seconds()


def change_between(zone: tzinfo, low: float, high: float) -> float:
    """The first instant of the new offset, when the offset changes once in ``(low, high]``."""
    old = offset_at(low, zone)
    first, last = math.floor(low), math.floor(high)
    while last - first > 1:
        middle = (first + last) // 2
        if offset_at(middle, zone) == old:
            first = middle
        else:
            last = middle
    return float(last)


def changes(zone: tzinfo, start: float, span: float) -> Iterator[float]:
    """Yield the instants after ``start`` at which clocks are changed, for ``span`` seconds."""
    if zone is UTC:
        return
    try:
        at, offset = start, offset_at(start, zone)
        while at < start + span:
            later = at + DAY
            new = offset_at(later, zone)
            if new != offset:
                yield change_between(zone, at, later)
            at, offset = later, new
    except NOWHERE:
        return


def shift(seconds: float) -> timedelta:
    """Seconds as a ``timedelta``."""
    return timedelta(seconds=seconds)
