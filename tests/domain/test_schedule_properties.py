"""What holds for every schedule in every zone, against a count of minutes one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abreast.domain.schedule import Schedule
from abreast.domain.zones import changes

ZONES = [
    "Europe/Berlin", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "Africa/Casablanca",
    "Asia/Tehran", "America/Sao_Paulo", "Pacific/Apia", "Asia/Pyongyang", "America/Caracas",
    "Asia/Kathmandu", "Pacific/Kwajalein", "Antarctica/Troll", "Asia/Gaza", "Europe/Dublin",
    "America/St_Johns", "UTC",
]  # fmt: skip
EARLY, LATE = 315_532_800, 4_102_444_800  # 1980 and 2100
MINUTE = 60


class Cron(NamedTuple):
    """An expression of which it is known without reading it what it means."""

    text: str
    minutes: set[int]
    hours: set[int]
    fixed: bool


@st.composite
def crons(draw: st.DrawFn) -> Cron:
    def field(size: int) -> tuple[str, set[int]]:
        if draw(st.booleans()):
            step = draw(st.integers(1, size - 1))
            text = "*" if step == 1 and draw(st.booleans()) else f"*/{step}"
            return text, set(range(0, size, step))
        values = draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=5))
        return ",".join(map(str, values)), values

    minute, minutes = field(60)
    hour, hours = field(24)
    fixed = not (minute.startswith("*") or hour.startswith("*"))
    return Cron(f"{minute} {hour} * * *", minutes, hours, fixed)


@st.composite
def moments(draw: st.DrawFn, zone: str) -> float:
    """A moment, mostly within two days of a clock change of the zone."""
    anywhere = float(draw(st.integers(EARLY, LATE)))
    change = next(changes(ZoneInfo(zone), anywhere, 370 * 86400), None)
    if change is None or draw(st.integers(0, 9)) == 0:
        return anywhere
    return change + draw(st.integers(-2 * 86400, 86400))


def expected(cron: Cron, zone: str, start: float, end: float) -> list[float]:
    """The instants in ``(start, end]``, by looking at every minute with a few days around."""
    place = ZoneInfo(zone)
    first = int(start - 3 * 86400) // MINUTE * MINUTE
    minutes = range(first, int(end + 3 * 86400), MINUTE)
    found: set[float] = set()
    came: set[datetime] = set()
    before: datetime | None = None
    for minute in minutes:
        wall = datetime.fromtimestamp(minute, place).replace(tzinfo=None, fold=0)
        if cron.fixed:
            skipped = wall - timedelta(minutes=1) if before is not None else wall
            while before is not None and skipped > before:
                if matches(cron, skipped):
                    found.add(float(minute))  # right after the change
                came.add(skipped)
                skipped -= timedelta(minutes=1)
        if matches(cron, wall) and not (cron.fixed and wall in came):
            found.add(float(minute))
        came.add(wall)
        before = wall if before is None else max(before, wall)
    return sorted(at for at in found if start < at <= end)


def matches(cron: Cron, wall: datetime) -> bool:
    return wall.minute in cron.minutes and wall.hour in cron.hours


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_as_counted_minute_by_minute(data: st.DataObject) -> None:
    zone = data.draw(st.sampled_from(ZONES))
    cron = data.draw(crons())
    start = data.draw(moments(zone))
    end = start + 86400
    schedule = Schedule.parse(cron.text, zone=zone)
    wanted = expected(cron, zone, start, end)
    assert schedule.between(start, end, 2000) == wanted
    back = []
    before = schedule.before(end + 1)
    while before is not None and before > start:
        back.append(before)
        before = schedule.before(before)
    assert back[::-1] == wanted


@st.composite
def texts(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["cron", "days", "every", "at", "macro"]))
    if kind == "every":
        return f"every {draw(st.integers(1, 10**6))}s"
    if kind == "at":
        return f"{draw(st.datetimes(datetime(1980, 1, 1), datetime(2099, 1, 1))):%Y-%m-%dT%H:%M}"
    if kind == "macro":
        return draw(st.sampled_from(["@daily", "@hourly", "@weekly", "@monthly", "H H * * *"]))
    cron = draw(crons()).text
    if kind == "cron":
        return cron
    days = st.sampled_from(["1", "*/2", "L", "LW", "31", "10-20", "*"])
    weekdays = st.sampled_from(["*", "1-5", "5L", "MON#2", "0", "7", "*/3"])
    months = st.sampled_from(["*", "1,3,10", "*/2"])
    return " ".join([*cron.split()[:2], draw(days), draw(months), draw(weekdays)])


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_after_and_before_are_each_other_backwards(data: st.DataObject) -> None:
    zone = data.draw(st.sampled_from(ZONES))
    now = data.draw(moments(zone)) + data.draw(st.sampled_from([0.0, 0.5, 1.0, 59.0, 0.001]))
    anchor = data.draw(st.floats(0, 2e9))
    schedule = Schedule.parse(data.draw(texts()), name="nightly", zone=zone, anchor=anchor)
    after = schedule.after(now)
    before = schedule.before(now)
    assert after is None or after > now
    assert before is None or before < now
    if after is not None:
        last = schedule.before(after)
        assert last is None or last <= now
        assert last in ((before,) if before is not None and schedule.after(before) != now
                        else (before, now))  # fmt: skip
    if before is not None:
        following = schedule.after(before)
        assert following is None or following >= now


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_between_is_after_repeated(data: st.DataObject) -> None:
    zone = data.draw(st.sampled_from(ZONES))
    start = data.draw(moments(zone))
    end = start + data.draw(st.integers(0, 3 * 86400))
    schedule = Schedule.parse(data.draw(texts()), name="nightly", zone=zone, anchor=17.25)
    found = schedule.between(start, end)
    at: float | None = start
    for instant in found:
        assert at is not None
        at = schedule.after(at)
        assert at == instant
    assert found == sorted(set(found))
    following = schedule.after(found[-1] if found else start)
    assert len(found) == 1000 or following is None or following > end


@given(st.text(alphabet="0123456789*/,-#LWH() ?@MONJANFRISUNevery:Tsm", max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    from abreast.domain.schedule import preview
    from abreast.errors import UsageError

    try:
        found = preview(text, name="x", zone="Europe/Berlin", start=1.8e9, count=2)
    except UsageError:
        return
    assert found.schedule.describe()
    assert all(at > 1.8e9 for at in found.instants)


@given(st.integers(EARLY, LATE))
@settings(max_examples=50, deadline=None)
def test_far_from_clock_changes_it_is_what_cronsim_says(now: int) -> None:
    from cronsim import CronSim

    assume(datetime.fromtimestamp(now, UTC).month in (1, 2, 6, 7, 8, 12))
    for text in ("*/7 3-9 * * 1-5", "5 4 1,L * *", "0 12 * 2,7 5L", "30 2 13 * FRI"):
        zone = ZoneInfo("Europe/Berlin")
        oracle = CronSim(text, datetime.fromtimestamp(now, zone))
        found = Schedule.parse(text, zone="Europe/Berlin").after(now)
        assert found == next(oracle).timestamp()
