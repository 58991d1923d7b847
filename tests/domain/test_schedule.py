"""Schedules: every instant at clock changes, intervals, one-off times, jitter."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest
from tests.domain.cron_cases import FIRST, WINDOWS, First, Window

from abreast.domain.schedule import Schedule, clock_changes, jitter_of, lint, preview
from abreast.errors import UsageError, WrongType


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def all_of(text: str) -> list[float]:
    return [at(part) for part in text.split("; ")] if text else []


def berlin(text: str, name: str = "") -> Schedule:
    return Schedule.parse(text, name=name, zone="Europe/Berlin")


# --- cron, where clocks change ---


@pytest.mark.parametrize("case", WINDOWS, ids=[f"{c.number}-{c.text}" for c in WINDOWS])
def test_two_days_with_a_clock_change(case: Window) -> None:
    schedule = Schedule.parse(case.text, zone=case.zone)
    found = schedule.between(at(case.start), at(case.end))
    assert len(found) == case.count
    steps = case.full.split()
    if len(steps) == 3:
        step, first, last = timedelta(minutes=int(steps[0])).total_seconds(), *steps[1:]
        assert found == [at(first) + n * step for n in range(case.count)]
        assert found[-1] == at(last)
    else:
        assert found == all_of(case.full)
    around = all_of(case.around)
    if around:
        assert found[(place := found.index(around[0])) : place + len(around)] == around
    assert going_back(schedule, at(case.start), at(case.end)) == found


def going_back(schedule: Schedule, start: float, end: float) -> list[float]:
    found = []
    before = schedule.before(end + 1)
    while before is not None and before > start:
        found.append(before)
        before = schedule.before(before)
    return found[::-1]


@pytest.mark.parametrize("case", FIRST, ids=[f"{c.number}-{c.text}" for c in FIRST])
def test_first_instants_at_a_clock_change(case: First) -> None:
    schedule = Schedule.parse(case.text, zone=case.zone)
    now: float | None = at(case.start)
    found = []
    for _ in all_of(case.expected):
        assert now is not None
        now = schedule.before(now) if case.back else schedule.after(now)
        found.append(now)
    assert found == all_of(case.expected)


def test_all_cases_are_there() -> None:
    assert [case.number for case in (*WINDOWS, *FIRST)] == list(range(1, 39))


def test_a_whole_day_that_was_left_out_is_made_up_for() -> None:
    apia = Schedule.parse("30 2 * * *", zone="Pacific/Apia")  # there was no 30 December 2011
    found = apia.between(at("2011-12-29 00:00-10"), at("2012-01-01 23:00+14"))
    assert found == all_of(
        "2011-12-29 02:30-10; 2011-12-31 00:00+14; 2011-12-31 02:30+14; 2012-01-01 02:30+14"
    )


def test_a_midnight_that_does_not_exist_is_no_time_of_a_starred_minute() -> None:
    cairo = Schedule.parse("*/15 0 24 4 *", zone="Africa/Cairo")
    assert cairo.after(at("2026-04-01 00:00+02")) == at("2027-04-24 00:00+02")


def test_fractions_of_a_second() -> None:
    schedule = berlin("0 2 * * *")
    due = at("2026-06-01 02:00+02")
    assert schedule.after(due - 0.25) == due
    assert schedule.after(due) == schedule.after(due + 0.25) == due + 86400
    assert schedule.before(due + 0.25) == due
    assert schedule.before(due) == schedule.before(due - 0.25) == due - 86400


def test_never_and_not_within_what_can_be_told() -> None:
    never = Schedule.parse("0 0 30 2 0-7", zone="UTC")
    assert never.after(0) is not None, "either of the two days matches"
    leap = berlin("0 0 29 2 *")
    assert leap.local(leap.after(at("2097-01-01 00:00+01")) or 0).year == 2104
    for text in ("* * * * *", "every 90s", "2026-12-24T18:00", "@reboot"):
        schedule = berlin(text)
        for far in (math.inf, math.nan, 1e30):
            assert schedule.after(far) is None
        for far in (-math.inf, math.nan, -1e30):
            assert schedule.before(far) is None


def test_between_is_bounded() -> None:
    schedule = berlin("* * * * *")
    assert len(schedule.between(0, math.inf)) == 1000
    assert schedule.between(0, math.inf, limit=2) == [60, 120]
    assert schedule.between(0, 120) == [60, 120]
    assert schedule.between(120, 0) == []


def test_period() -> None:
    noon = at("2026-03-28 12:00+01")
    assert berlin("*/15 * * * *").period(noon) == 900
    assert berlin("*/15 * * * *").period(noon + 1) == 900
    assert berlin("30 2 * * *").period(noon) == 86400 - 1800, "over the clock change"
    assert berlin("every 90s").period(noon) == 90
    once = berlin("2026-12-24T18:00")
    assert once.period(noon) == once.period(at("2027-01-01 00:00+01")) == math.inf
    assert berlin("@reboot").period(noon) == math.inf


# --- intervals, one-off times, starts ---


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("every 90s", 90), ("@every 1h30m", 5400), ("EVERY 5m", 300), ("every 5 minutes", 300),
        ("every minute", 60), ("every 1 hour 30 minutes", 5400), ("every 2 days", 172800),
        ("every 250ms", 0.25), (" every  1.5h ", 5400), ("every 1h30m10s", 5410),
        ("@every 0.5s", 0.5),
    ],
)  # fmt: skip
def test_intervals(text: str, period: float) -> None:
    schedule = Schedule.parse(text, anchor=1000.0)
    assert schedule.kind == "every"
    assert schedule.between(1000, 1000 + 3 * period) == [1000 + n * period for n in (1, 2, 3)]
    assert schedule.before(1000) == 1000 - period
    assert schedule.after(1000 - period / 2) == 1000


def test_an_interval_keeps_its_phase() -> None:
    early = Schedule.parse("every 0.7s", anchor=1_800_000_000.123)
    instants = early.between(1_800_100_000.0, 1_800_100_100.0)
    for instant in instants:
        assert early.after(math.nextafter(instant, 0)) == instant
        assert early.before(math.nextafter(instant, math.inf)) == instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-24T18:00", "2026-12-24 18:00+01"),
        ("2026-12-24 18:00:30", "2026-12-24 18:00:30+01"),
        ("at 2026-12-24t18:00", "2026-12-24 18:00+01"),
        ("2026-12-24T18:00Z", "2026-12-24 19:00+01"),
        ("2026-12-24 18:00 -05:00", "2026-12-24 18:00-05:00"),
        ("2026-03-29T02:30", "2026-03-29 03:00+02"),
        ("2026-10-25T02:30", "2026-10-25 02:30+02"),
        ("2026-10-25T02:30+01:00", "2026-10-25 02:30+01"),
    ],
)
def test_one_off_times(text: str, expected: str) -> None:
    schedule = berlin(text)
    due = at(expected)
    assert schedule.kind == "at"
    assert schedule.after(0) == schedule.before(due + 1) == due
    assert schedule.after(due) is schedule.before(due) is None
    assert schedule.between(0, due) == [due]


def test_a_start_has_no_instants() -> None:
    schedule = berlin("@Reboot")
    assert schedule.kind == "start"
    assert schedule.after(0) is schedule.before(0) is None


# --- jitter ---


def test_jitter_is_the_same_everywhere_and_less_than_asked_for() -> None:
    found = [jitter_of("nightly", 86400.0 * n, 30) for n in range(200)]
    assert found == [jitter_of("nightly", 86400 * n, 30) for n in range(200)]
    assert all(0 <= value < 30 for value in found)
    assert max(found) > 25 > 5 > min(found)
    assert found != [jitter_of("weekly", 86400.0 * n, 30) for n in range(200)]
    assert jitter_of("nightly", 0.0, 0) == 0
    assert jitter_of("nightly", 1_800_000_000.0, 30) == pytest.approx(21.3276221727278)


# --- what is told beforehand ---


def warnings(text: str, now: str = "2026-03-01 00:00+01") -> str:
    return "\n".join(lint(text, zone="Europe/Berlin", now=at(now)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("*/15 2 * * *", "does not run on that day; '0,15,30,45 2 …' would run once"),
        ("* 2 * * *", "minute * is every minute: 60 runs a day; for one at the full hour"),
        ("0,15,30,45 2 * * *", "on 2026-03-29 4 of its times fall on one instant, 03:00"),
        ("0 2,3 * * *", "on 2026-03-29 2 of its times fall on one instant, 03:00"),
        ("*/61 * * * *", "a step of 61 is no less than the 60 minutes of the hour"),
        ("0 */24 * * *", "hour */24: a step of 24"),
        ("0 3 */40 * *", "day of month */40"),
        ("0 3 * */12 *", "month */12"),
        ("0 3 * * */7", "day of week */7"),
        ("*/45 * * * *", "from 45 to the next 0 it is only 15 minutes"),
        ("0 0 13 * FRI", "match either of them"),
        ("0 3 31 * *", "day 31 does not come in February, April, June, September and November"),
        ("0 3 29 2 *", "February in most years"),
        ("0 0 3 * * *", "second 0, is left out"),
        ("@daily", "many schedules start at midnight; with H"),
        ("@hourly", "many schedules start on the hour"),
        ("2026-01-01T12:00", "2026-01-01 12:00 (Europe/Berlin) is past, so it never runs"),
        ("2026-03-29T02:30", "02:30 does not exist on that day; it runs at 03:00"),
        ("2026-10-25T02:30", "02:30 comes twice on that day"),
        ("every 200ms", "5 instants a second"),
        ("every 2 days", "its time of day moves when clocks change"),
    ],
)
def test_what_is_surprising_is_said(text: str, said: str) -> None:
    assert said in warnings(text)


@pytest.mark.parametrize(
    "text",
    ["30 2 * * *", "*/15 * * * *", "0 9-17 * * MON-FRI", "every 90s", "2026-12-24T18:00",
     "@reboot", "H H * * *", "0 3 31 1,3,5 *", "0 3 L * *", "*/5 9-17 * * *"],
)  # fmt: skip
def test_what_is_plain_needs_no_word(text: str) -> None:
    assert warnings(text) == ""


def test_a_schedule_that_never_runs_says_so() -> None:
    rare = berlin("0 0 */28 2 MON#5")  # a 29 February that is the fifth Monday
    assert rare.after(at("2026-01-01 00:00+01")) == at("2044-02-29 00:00+01")
    assert "it never runs" in warnings("0 0 */29 2 MON#5")


def test_next_clock_changes() -> None:
    spring, autumn = clock_changes(berlin("30 2 * * *"), at("2026-03-01 00:00+01"))
    assert (spring.at, autumn.at) == (at("2026-03-29 03:00+02"), at("2026-10-25 02:00+01"))
    assert (spring.before_utcoffset, spring.after_utcoffset) == (3600, 7200)
    assert (spring.usual, spring.actual) == ([spring.at + 1800], [spring.at])
    assert spring.forward
    assert not autumn.forward
    assert spring.what == (
        "On 2026-03-29 clocks go forward from 02:00 to 03:00: 02:30 does not exist, so it runs "
        "at 03:00 instead."
    )
    assert autumn.usual == autumn.actual == [at("2026-10-25 02:30+02")]
    assert autumn.what.endswith("02:30 comes twice, and it runs only the first time.")


@pytest.mark.parametrize(
    ("text", "spring", "autumn"),
    [
        ("0 9 * * *", "nothing changes for this schedule", "nothing changes for this schedule"),
        ("*/15 * * * *", "01:45 is followed by 03:00", "02:45 is followed by 02:00"),
        ("0 */2 * * *", "02:00 does not exist and is left out.", "and it runs both times"),
        ("*/5 2 * * *", ("12 times from 02:00 to 02:55 do not exist and are left out, and it does "
         "not run on that day"), "12 times from 02:00 to 02:55 come twice, and it runs both times"),
        ("0,30 2 * * *", "02:00 and 02:30 do not exist, so it runs once, at 03:00 instead",
         "02:00 and 02:30 come twice, and it runs only the first time"),
        ("every 1h", "goes on as if nothing had happened", "goes on as if nothing had happened"),
    ],
)  # fmt: skip
def test_what_clock_changes_mean(text: str, spring: str, autumn: str) -> None:
    found = clock_changes(berlin(text), at("2026-03-01 00:00+01"))
    assert spring in found[0].what
    assert autumn in found[1].what


def test_clocks_that_do_not_change() -> None:
    for zone in ("UTC", "Asia/Tokyo"):
        assert clock_changes(Schedule.parse("30 2 * * *", zone=zone), 1.8e9) == []
    assert clock_changes(berlin("2026-12-24T18:00"), 1.8e9) == []
    assert clock_changes(berlin("30 2 * * *"), 1.8e9, count=0) == []
    assert clock_changes(berlin("30 2 * * *"), 1e12) == []


def test_a_change_at_midnight_and_one_of_half_an_hour() -> None:
    cairo = Schedule.parse("0 0 * * *", zone="Africa/Cairo")
    spring, autumn = clock_changes(cairo, at("2026-04-01 00:00+02"))
    assert "from 00:00 to 01:00: 00:00 does not exist, so it runs at 01:00" in spring.what
    assert "from 00:00 to 23:00: nothing changes" in autumn.what
    howe = Schedule.parse("15 2 * * *", zone="Australia/Lord_Howe")
    assert "from 02:00 to 02:30: 02:15 does not exist" in clock_changes(howe, 1.79e9)[0].what


def test_preview() -> None:
    start = at("2026-03-28 12:00+01")
    found = preview("H 2 * * *", name="nightly", zone="Europe/Berlin", start=start, count=3)
    assert found.schedule.after(start) == found.instants[0]
    assert len(found.instants) == 3
    assert len(found.clock_changes) == 2
    assert found.warnings == []
    every = preview("every 90s", name="", zone="UTC", start=start, count=2)
    assert every.instants == [start + 90, start + 180]
    for count in (-1, 1001):
        with pytest.raises(UsageError, match="from 0 to 1000"):
            preview("* * * * *", name="", zone="UTC", start=start, count=count)
    with pytest.raises(WrongType, match="count must be an int"):
        preview("* * * * *", name="", zone="UTC", start=start, count="2")  # type: ignore[arg-type]
