"""What a schedule does where the clocks of its zone go forward or back, told beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from .cron_words import listed
from .zones import DAY, EPOCH, changes, instants_of, offset_at, shift

if TYPE_CHECKING:
    from .schedule import Schedule

_LOOKED_AT: Final = 3 * 366 * DAY  # seconds; zones that change their clocks do so every year
_LISTED: Final = 6  # times that are named one by one


@dataclass(frozen=True, slots=True)
class ClockChange:
    """One change of the clocks of a zone, and what it means for a schedule.

    Attributes
    ----------
    at : float
        The instant of the change.
    before_utcoffset, after_utcoffset : float
        Seconds east of UTC before and after it.
    usual : list of float
        Instants which the schedule would have if the clocks went on, at the times of the clock
        that do not exist because of the change, or that come twice.
    actual : list of float
        Those that it has instead.
    lost : bool
        Whether it does not run at all on that day, although it was due.
    what : str
        The same in a sentence.
    """

    at: float
    before_utcoffset: float
    after_utcoffset: float
    usual: list[float]
    actual: list[float]
    lost: bool
    what: str

    @property
    def forward(self) -> bool:
        """Whether clocks go forward, so that times are left out; else some come twice."""
        return self.after_utcoffset > self.before_utcoffset


def changes_of(schedule: Schedule, start: float, count: int) -> list[ClockChange]:
    """Return what the next ``count`` changes after ``start`` mean for a schedule."""
    found: list[ClockChange] = []
    if count > 0 and schedule.kind in ("cron", "every"):
        for at in changes(schedule.place, start, _LOOKED_AT):
            found.append(_change(schedule, at))
            if len(found) == count:
                break
    return found


def _change(schedule: Schedule, at: float) -> ClockChange:
    place, expression = schedule.place, schedule.expression
    before, after = offset_at(at - 1, place), offset_at(at, place)
    old, new = EPOCH + shift(at + before), EPOCH + shift(at + after)
    walls = _walls(schedule, min(old, new), max(old, new))
    fixed = expression is not None and expression.fixed
    usual = [(wall - EPOCH).total_seconds() - before for wall in walls]
    actual = sorted({found for wall in walls for found in instants_of(wall, place, fixed)})
    lost = after > before and bool(walls) and not actual and _none_that_day(schedule, old)
    way = "forward" if after > before else "back"
    if expression is None:
        means = "the interval goes on as if nothing had happened"
    elif not walls:
        means = "nothing changes for this schedule"
    elif not fixed and expression.hour.every:
        means = _going_on(schedule, at)
    elif after > before:
        means = _left_out(walls, new, fixed, lost)
    else:
        means = _twice(walls, fixed)
    what = f"On {old:%Y-%m-%d} clocks go {way} from {old:%H:%M} to {new:%H:%M}: {means}."
    return ClockChange(at, before, after, usual, actual, lost, what)


def _walls(schedule: Schedule, low: datetime, high: datetime) -> list[datetime]:
    """The times of a clock from ``low`` to before ``high`` that a cron expression names."""
    found = []
    for wall in schedule.walls(low - timedelta(seconds=1)):
        if wall >= high:
            break
        found.append(wall)
    return found


def _none_that_day(schedule: Schedule, wall: datetime) -> bool:
    """Whether a schedule has no instant on the day of a wall."""
    midnight = datetime(wall.year, wall.month, wall.day)
    found = _walls(schedule, midnight, midnight + timedelta(days=1))
    return not any(instants_of(wall, schedule.place, False) for wall in found)


def _named(walls: list[datetime]) -> str:
    if len(walls) <= _LISTED:
        return listed([f"{wall:%H:%M}" for wall in walls])
    return f"{len(walls)} times from {walls[0]:%H:%M} to {walls[-1]:%H:%M}"


def _going_on(schedule: Schedule, at: float) -> str:
    last, following = schedule.before(at), schedule.after(at - 1)
    if last is None or following is None:
        return "it goes by the time that really passes"
    said = [f"{schedule.local(instant):%H:%M}" for instant in (last, following)]
    return f"it goes by the time that really passes, and {said[0]} is followed by {said[1]}"


def _left_out(walls: list[datetime], new: datetime, fixed: bool, lost: bool) -> str:
    does = "do" if len(walls) > 1 else "does"
    are = "are" if len(walls) > 1 else "is"
    if fixed:
        once = "once, " if len(walls) > 1 else ""
        return f"{_named(walls)} {does} not exist, so it runs {once}at {new:%H:%M} instead"
    day = ", and it does not run on that day" if lost else ""
    return f"{_named(walls)} {does} not exist and {are} left out{day}"


def _twice(walls: list[datetime], fixed: bool) -> str:
    comes = "come" if len(walls) > 1 else "comes"
    if fixed:
        return f"{_named(walls)} {comes} twice, and it runs only the first time"
    return f"{_named(walls)} {comes} twice, and it runs both times"
