"""The text of a schedule: what can be written, how it is refused, how it is said in English."""

from __future__ import annotations

import pytest

from abreast.domain.cron_text import read
from abreast.domain.schedule import Schedule
from abreast.errors import UsageError, WrongType


def refused(text: str, zone: str = "UTC") -> tuple[str, str]:
    """The first line of the error, and what the caret points at."""
    with pytest.raises(UsageError) as caught:
        Schedule.parse(text, zone=zone)
    head, shown, marks = str(caught.value).split("\n")
    assert shown == "  " + text
    start = marks.index("^")
    return head, shown[start : len(marks)]


# --- what is read ---


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *"), ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"), ("@daily", "0 0 * * *"), ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"), ("@Daily", "0 0 * * *"), (" 0  2 * * * ", "0 2 * * *"),
        ("0 2 * jan,Mar MON-fri", "0 2 * 1,3 1,2,3,4,5"), ("0 0 2 * * *", "0 2 * * *"),
        ("00 0 2 * * *", "0 2 * * *"), ("5/15 * * * *", "5,20,35,50 * * * *"),
        ("5-5/15 * * * *", "5 * * * *"), ("10-40/15 * * * *", "10,25,40 * * * *"),
        ("*/15 * * * *", "*/15 * * * *"), ("0 0 L,15 * *", "0 0 L,15 * *"),
        ("0 0 LW * *", "0 0 LW * *"), ("0 0 * * FRIL", "0 0 * * 5L"),
        ("0 0 * * mon#2,5l", "0 0 * * 1#2,5L"), ("0 0 * * SAT-7", "0 0 * * 6,7"),
    ],
)  # fmt: skip
def test_what_can_be_written(text: str, same: str) -> None:
    assert read(text).text == same
    start = 1_780_000_000.0
    both = [Schedule.parse(each, zone="Europe/Berlin") for each in (text, same)]
    assert both[0].kind == "cron"
    assert both[0].between(start, start + 1e9, 20) == both[1].between(start, start + 1e9, 20)


def test_hash_stands_for_a_number_of_the_name() -> None:
    texts = ["H * * * *", "H H * * *", "H H(0-5) H * *", "H H * H H", "H/15 * * * *",
             "H(10-29)/10 H/6 * * *", "1,H H * * *"]  # fmt: skip
    for text in texts:
        assert read(text, "nightly").text == read(text, "nightly").text
        assert len({read(text, f"task {n}").text for n in range(50)}) > 5
    for n in range(200):
        found = read("H H(3-5) H H H", f"task {n}")
        assert {len(field.values) for field in found.fields} == {1}
        assert found.hour.values <= {3, 4, 5}
        assert found.day.values <= set(range(1, 29)), "a day that every month has"
        quarters = sorted(read("H/15 * * * *", f"task {n}").minute.values)
        assert quarters == [quarters[0] + 15 * k for k in range(4)]
        assert quarters[0] < 15
        assert read("H(10-29)/10 * * * *", f"task {n}").minute.values <= set(range(10, 30))
        assert len(read("H/90 * * * *", f"task {n}").minute.values) == 1
    assert read("H H * * *", "nightly").text == "43 4 * * *", "what it is must never change"


# --- what is refused ---


@pytest.mark.parametrize(
    ("text", "said", "part"),
    [
        ("0 25 * * *", "hour 25 is not between 0 and 23", "25"),
        ("60 * * * *", "minute 60 is not between 0 and 59", "60"),
        ("0,15,75 * * * *", "minute 75 is not between 0 and 59", "75"),
        ("0 0 0 * *", "day of month 0 is not between 1 and 31", "0"),
        ("0 0 1 13 *", "month 13 is not between 1 and 12", "13"),
        ("0 0 * * 8", "day of week 8 is not between 0 and 7", "8"),
        ("0 9-25 * * *", "hour 25 is not between", "25"),
        ("0 2 * * FRI-SUN", "SUN is 0 and cannot end a range; write FRI-7", "FRI-SUN"),
        ("0 22-2 * * *", "the range ends before it begins; write 22-23,0-2", "22-2"),
        ("0 0 * * 6-0", "write 6,0", "6-0"),
        ("0 2 ? * *", "day of month cannot be '?'; write * for every one", "?"),
        ("0 2 15W * *", "LW is the last weekday of the month", "15W"),
        ("0 2 L-3 * *", "only L (the last day)", "L-3"),
        ("0 2 * * L", "5L is the last Friday", "L"),
        ("0 2 * * MON#6", "after # comes a number from 1 to 5", "#6"),
        ("0 2 * * MON#", "after # comes a number from 1 to 5", "#"),
        ("0 2#1 * * *", "it belongs to the day of week", "2#1"),
        ("*/0 * * * *", "after / comes a number of 1 or more", "/0"),
        ("*/x * * * *", "after / comes a number of 1 or more", "/X"),
        ("1,,2 * * * *", "minute has an empty place in its list", None),
        ("1- * * * *", "something is missing", None),
        ("x * * * *", "minute 'X' is not a number from 0 to 59", "x"),
        ("0 0 * JANUARY *", "did you mean JAN?", "JANUARY"),
        ("0 0 * * MOO", "did you mean MON?", "MOO"),
        ("0 0 30 2 *", "day of month 30 never comes in month 2", "30"),
        ("0 0 31 4,6,9 *", "day of month 31 never comes in month 4,6,9", "31"),
        ("٣ * * * *", "is not a number", "٣"),
        ("0 H(5-3) * * *", "the range ends before it begins", "H(5-3)"),
        ("0 2 * *", ("cron needs five fields (minute, hour, day of month, month, day of week), "
         "and here are 4"), None),
        ("daily", "did you mean @daily?", "daily"),
        ("@dayly", "did you mean @daily?", "@dayly"),
        ("@noon", "there are @yearly", "@noon"),
        ("@daily 3", "nothing can follow @daily", "3"),
        ("*/10 * * * * *", ("six fields begin with seconds, and schedules have none: leave the "
         "first out ('* * * * *'), or write an interval such as 'every 10s'"), "*/10"),
        ("30 0 2 * * MON", "six fields begin with seconds", "30"),
        ("0 0 2 * * ? 2027", "a schedule has five fields, and here are 7", "? 2027"),
        ("0 2 * * * /usr/bin/backup -q", "the command does not belong in it",
         "/usr/bin/backup -q"),
        ("CRON_TZ=Europe/Berlin 0 2 * * *", "as timezone='Europe/Berlin'",
         "CRON_TZ=Europe/Berlin"),
        ("every", "an interval is written like 'every 90s'", None),
        ("every 5", "an interval is written like 'every 90s'", "5"),
        ("every -5s", "an interval is written like", "-5s"),
        ("every day at 02:00", "times of a day are written like '0 2 * * *'", "day at 02:00"),
        ("every 0s", "an interval is 0.1 seconds at least", "0s"),
        ("every 9999999999999w", "never ends", "9999999999999w"),
        ("2026-12-24", "needs a time of day too: 2026-12-24T18:00", "2026-12-24"),
        ("2026-12-24T6pm", "the time is written like 18:00", "6pm"),
        ("2026-02-30T18:00", "this is no date and time: day is out of range",
         "2026-02-30T18:00"),
        ("2026-12-24T18:00 Europe/Berlin", "the zone is given beside it", "Europe/Berlin"),
    ],
)  # fmt: skip
def test_what_is_refused_is_pointed_at(text: str, said: str, part: str | None) -> None:
    head, pointed = refused(text)
    assert head.startswith(f"schedule {text!r}: ")
    assert said in head
    if part is not None:
        assert pointed.upper() == part.upper()


def test_no_text_and_too_much_of_it() -> None:
    with pytest.raises(WrongType, match="a schedule is text"):
        Schedule.parse(5)  # type: ignore[arg-type]
    for text in ("", "  \n"):
        with pytest.raises(UsageError, match="cannot be empty"):
            Schedule.parse(text)
    with pytest.raises(UsageError, match="at most 256 characters"):
        Schedule.parse("0 2 * * " + ",".join("1" for _ in range(200)))


def test_what_cannot_be_shown_does_not_move_the_caret() -> None:
    with pytest.raises(UsageError) as caught:
        Schedule.parse("0\t\x1b 2 * *\n")
    assert "\x1b" not in str(caught.value)
    assert str(caught.value).count("\n") == 2


@pytest.mark.parametrize(
    ("zone", "meant"),
    [
        ("Berlin", "'Europe/Berlin'"), ("europe/berlin", "'Europe/Berlin'"),
        ("New York", "'America/New_York'"), ("Europe/Berln", "'Europe/Berlin'"),
        ("utc", "'UTC'"), ("Europe", "names are like"), ("../../etc/passwd", "names are like"),
        ("/etc/localtime", "names are like"), ("localtime", "names are like"),
        ("right/Europe/Berlin", "'Europe/Berlin'"), ("", "names are like"),
        ("a\0b", "names are like"),
    ],
)  # fmt: skip
def test_unknown_zones(zone: str, meant: str) -> None:
    with pytest.raises(UsageError, match="is not known") as caught:
        Schedule.parse("0 2 * * *", zone=zone)
    assert meant in str(caught.value)
    with pytest.raises(WrongType, match="timezone must be text"):
        Schedule.parse("0 2 * * *", zone=["UTC"])  # type: ignore[arg-type]


# --- in English ---


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 2 * * *", "every day at 02:00 (Europe/Berlin)"),
        ("0,30 2,14 * * *", "every day at 02:00, 02:30, 14:00 and 14:30 (Europe/Berlin)"),
        ("* * * * *", "every minute (Europe/Berlin)"),
        ("*/15 * * * *", "every 15 minutes (Europe/Berlin)"),
        ("7/15 * * * *", "every 15 minutes from minute 7 (Europe/Berlin)"),
        ("@hourly", "every hour (Europe/Berlin)"),
        ("17 * * * *", "every hour at minute 17 (Europe/Berlin)"),
        ("*/45 * * * *", "every hour at minutes 0 and 45 (Europe/Berlin)"),
        ("0-10,30 * * * *", "every hour at minutes 0 to 10 and 30 (Europe/Berlin)"),
        ("0 */2 * * *", "every 2 hours (Europe/Berlin)"),
        ("10 1/2 * * *", "every 2 hours from 01:10 (Europe/Berlin)"),
        ("*/10 */2 * * *", "every 10 minutes, in every 2nd hour (Europe/Berlin)"),
        ("*/10 1,2,3,7 * * *", "every 10 minutes, in the hours 1 to 3 and 7 (Europe/Berlin)"),
        ("0 9-17 * * MON-FRI",
         "every hour from 09:00 to 17:00, every Monday to Friday (Europe/Berlin)"),
        ("* 2 * * *", "every minute from 02:00 to 02:59 (Europe/Berlin)"),
        ("0 8 * * 0,6", "every Saturday and Sunday at 08:00 (Europe/Berlin)"),
        ("0 8 * * 5,6,0", "every Friday to Sunday at 08:00 (Europe/Berlin)"),
        ("0 8 1,15 * *", "on the 1st and 15th of the month at 08:00 (Europe/Berlin)"),
        ("0 8 13 * FRI",
         "on the 13th of the month and also every Friday at 08:00 (Europe/Berlin)"),
        ("0 8 */2 * MON", ("every 2nd day of the month from the 1st, if that is Monday at 08:00 "
         "(Europe/Berlin)")),
        ("0 8 L * *", "on the last day of the month at 08:00 (Europe/Berlin)"),
        ("0 8 LW 1,7 *", ("on the last weekday (Monday to Friday) of the month in January and July "
         "at 08:00 (Europe/Berlin)")),
        ("0 8 * * MON#2", "on the second Monday of the month at 08:00 (Europe/Berlin)"),
        ("0 8 * * 5L", "on the last Friday of the month at 08:00 (Europe/Berlin)"),
        ("every 90s", "every 90 seconds"), ("every 1h30m", "every 1 hour 30 minutes"),
        ("every 1s", "every second"), ("every 2w", "every 2 weeks"),
        ("every 250ms", "every 250 milliseconds"), ("every 1.5s", "every 1.5 seconds"),
        ("2026-12-24T18:00", "once, on 2026-12-24 at 18:00 (Europe/Berlin)"),
        ("2026-12-24T18:00:05Z", "once, on 2026-12-24 at 19:00:05 (Europe/Berlin)"),
        ("@reboot", "whenever the service starts"),
    ],
)  # fmt: skip
def test_in_plain_english(text: str, said: str) -> None:
    assert Schedule.parse(text, zone="Europe/Berlin").describe() == said
