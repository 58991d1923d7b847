"""What the commands about schedules share: times in a zone, and what a call may mean."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from ...domain.policy import seconds
from ...domain.schedule import Schedule
from ...domain.zones import instants_of, zone_of
from ...errors import UnknownSchedule, UsageError
from ..report_text import duration
from .exits import NotFound, Refused
from .found import opened
from .options import Where

if TYPE_CHECKING:
    from ..app import App
    from ..app_schedules import ScheduleView


_DAYS_S = 3 * 86400.0  # from here on a time that is to come is told in days


def stamp(at: float | None, place: tzinfo) -> str:
    """A time on the clock of a zone, with the short name of the zone; ``–`` for None."""
    if at is None:
        return "–"
    local = datetime.fromtimestamp(at, place)
    seconds = f"{local:%H:%M:%S}" if local.second or local.microsecond else f"{local:%H:%M}"
    return f"{local:%Y-%m-%d} {seconds} {local.tzname() or ''}".rstrip()


def away(seconds: float) -> str:
    """How long it is until then: ``14 h 44 min``, ``33 days``; ``due`` when that is over."""
    if seconds <= 0:
        return "due"
    if seconds >= _DAYS_S:
        return f"{seconds // 86400:,.0f} days"
    return duration(seconds)


def moment(text: str, option: str, place: tzinfo, now: float, base: float | None = None) -> float:
    """Read a point in time.

    Parameters
    ----------
    place : tzinfo
        Where it is meant if it has no offset.
    base : float, optional
        What ``+2h`` and ``-2h`` count from; now by default.
    """
    said = text.strip()
    if said == "now":
        return now
    try:
        if match := re.fullmatch(r"([+-])\s*(\d.*)", said):
            length = seconds(match[2], option)
            return (now if base is None else base) + (length if match[1] == "+" else -length)
        if not re.match(r"\d{4}-\d\d-\d\d", said):
            raise ValueError(said)
        found = datetime.fromisoformat(said)
    except ValueError:  # a UsageError is one
        raise Refused(
            f"{option} {text!r} is no time; write for example 2026-12-24, 2026-12-24T18:00, "
            "2026-12-24T18:00+01:00, -2d, +12h or now"
        ) from None
    if found.tzinfo is not None:
        return found.timestamp()
    return instants_of(found, place, True)[0]


def default_zone() -> str:
    """The zone of expressions that name none: as configured, or the machine's, or UTC."""
    from ..settings import load

    return load().scheduler.timezone


def is_expression(text: str) -> bool:
    """Whether a text is an expression rather than the name of a schedule."""
    return (
        text.strip().startswith("@")
        or len(text.split()) > 1
        or bool(re.match(r"\d{4}-\d\d", text.strip()))
    )


def schedule_of(view: ScheduleView) -> Schedule:
    """The schedule of a view; its next instant tells the phase of an interval."""
    anchor = view.next if view.next is not None else 0.0
    return Schedule.parse(view.spec, name=view.name, zone=view.timezone, anchor=anchor)


def meant(
    where: Where, text: str, zone: str | None, hash_name: str, start: float
) -> tuple[Schedule, ScheduleView | None]:
    """The schedule that a call means: one in the store, or an expression.

    Raises
    ------
    UsageError, NotFound
        When it is neither; naming the field of an expression that is wrong.
    """
    if not is_expression(text):
        try:
            return _stored(where, text, zone, where.says)
        except NotFound as error:
            hint = ". An expression is written in quotes, as '0 2 * * *'"
            raise NotFound(f"{error.message.removesuffix('?')}{hint}") from None
    try:
        place = zone if zone is not None else default_zone()
        return Schedule.parse(text, name=hash_name, zone=place, anchor=start), None
    except UsageError as error:
        try:  # a name may have spaces, too
            return _stored(where, text, zone, False)
        except (UsageError, NotFound, Refused):
            raise error from None


def _stored(where: Where, name: str, zone: str | None, says: bool) -> tuple[Schedule, ScheduleView]:
    with opened(where, says=says) as app:
        view = view_of(app, name)
    if zone is not None:
        raise Refused(
            f"--zone goes with an expression; schedule {name!r} has its zone, {view.timezone}"
        )
    return schedule_of(view), view


def view_of(app: App, name: str) -> ScheduleView:
    """The schedule of a name; raises ``NotFound`` with the one that may have been meant."""
    try:
        return app.schedules.get(name)
    except UnknownSchedule as error:
        names = [view.name for view in app.schedules.list()]
        if not names:
            hint = "; the store has none yet, they come there when abreast serve starts"
        elif "did you mean" in str(error):
            hint = ""
        else:
            hint = f"; there are {', '.join(names[:20])}" + (" …" if len(names) > 20 else "")
        raise NotFound(f"{error}{hint}") from None


def place_of(name: str) -> tzinfo:
    """The zone of a name; UTC when this machine does not know it."""
    try:
        return zone_of(name)
    except UsageError:
        return UTC


def now() -> float:
    """Seconds since 1970 in UTC."""
    return time.time()
