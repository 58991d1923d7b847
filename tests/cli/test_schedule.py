"""``abreast schedule``: what is to come, what has been, and what a person changes about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.durable import document

from abreast import App
from abreast.interfaces.app_schedules import ScheduleView
from abreast.interfaces.cli.schedule_simulate import planned

pytestmark = pytest.mark.needs("posix")

JOBS = """
from abreast import App

app = App("sqlite:///jobs.db")

@app.task(executor="thread")
def sync(n: int = 1):
    return n

@app.task(executor="thread")
def report():
    return 1
"""


def add_schedules(app: App) -> None:
    @app.task
    def sync(n: int = 1) -> int:
        return n

    @app.task
    def report() -> int:
        return 1

    add = app.schedules.add
    add("nightly", "sync", "30 2 * * *", timezone="Europe/Berlin", jitter="30s")
    add("hourly", "report", "0 * * * *", timezone="America/New_York")
    add("often", "sync", "every 90s", overlap="allow(2)")
    add("gap day", "sync", "*/15 2 * * *", timezone="Europe/Berlin", overlap="queue_one")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(JOBS, encoding="utf-8")
    with App(f"sqlite:///{tmp_path}/jobs.db") as app:
        add_schedules(app)
    return tmp_path


@pytest.fixture
def schedule(abreast: Any) -> Any:
    def run(*words: str) -> Any:
        return abreast("schedule", *words, ABREAST_APP="jobs:app")

    return run


# --- what is to come ---


def test_list(schedule: Any) -> None:
    done = schedule("list")
    assert done.code == 0, done
    rows = done.out.splitlines()
    assert rows[0].split() == ["NAME", "TASK", "SCHEDULE", "ZONE", "NEXT", "IN", "LAST"]
    assert [row.split("  ")[0].strip() for row in rows[1:]] == [
        "gap day", "hourly", "nightly", "often",
    ]  # fmt: skip
    assert "30 2 * * *" in rows[3]
    assert "Europe/Berlin" in rows[3]
    assert " 02:30 CE" in rows[3], "the time is that of the schedule's zone"
    found = document(schedule("list", "--task", "report", "--json"))["schedules"]
    assert [one["name"] for one in found] == ["hourly"]
    assert found[0]["described"] == "every hour (America/New_York)"
    assert found[0]["overlap"] == "skip"
    assert "no schedules" in schedule("list", "--task", "else").err


def test_next_of_a_schedule(schedule: Any) -> None:
    done = schedule("next", "nightly", "-n", "2", "--from", "2026-03-28T12:00")
    assert done.code == 0, done
    spring = "On 2026-03-29 clocks go forward from 02:00 to 03:00: 02:30 does not exist, "
    autumn = "On 2026-10-25 clocks go back from 03:00 to 02:00: 02:30 comes twice, "
    assert done.out.splitlines() == [
        "nightly '30 2 * * *': every day at 02:30 (Europe/Berlin)",
        "  Sun 2026-03-29 03:00 CEST  past",
        "  Mon 2026-03-30 02:30 CEST  past",
        f"  {spring}so it runs at 03:00 instead.",
        f"  {autumn}and it runs only the first time.",
    ]
    assert schedule("next", "gap day", "-n", "1").code == 0, "a name may have spaces"
    found = document(schedule("next", "often", "-n", "3", "--json"))
    listed = document(schedule("list", "--json"))["schedules"]
    following = next(one["next"] for one in listed if one["name"] == "often")
    assert found["instants"][0]["at"] == following, "an interval keeps its phase"


def test_next_of_an_expression_needs_no_store(abreast: Any) -> None:
    start = ["--from", "2026-03-28T12:00", "--zone", "Europe/Berlin"]
    done = abreast("schedule", "next", "30 2 * * *", "-n", "1", *start)
    assert done.code == 0, done
    assert done.err == ""
    assert "Sun 2026-03-29 03:00 CEST" in done.out
    found = document(abreast("schedule", "next", "30 2 * * *", "-n", "1", "--json", *start))
    assert found["instants"] == [
        {"at": "2026-03-29T01:00:00.000000+00:00", "local": "2026-03-29T03:00:00+02:00"}
    ]
    assert len(found["clock_changes"]) == 2
    assert "in 1 min" in abreast("schedule", "next", "every", "90s", "-n", "1").out
    assert "whenever the service starts" in abreast("schedule", "next", "@reboot").out
    assert "no further instant" in abreast("schedule", "next", "2020-01-01T00:00").out
    hashed = [
        abreast("schedule", "next", "H 2 * * *", "--hash-name", name, "--json").out
        for name in ("a", "b", "a")
    ]
    assert hashed[0].split('"instants"')[0] == hashed[2].split('"instants"')[0]
    assert json.loads(hashed[0])["description"] != json.loads(hashed[1])["description"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["next", "nigtly"], 3, "did you mean 'nightly'. An expression is written in quotes"),
        (["next", "0 25 * * *"], 2, "hour 25 is not between 0 and 23\n  0 25 * * *\n    ^^"),
        (["next", "0", "2", "jobs.py", "x", "*"], 2, "An expression is written in quotes"),
        (["next", "0 2 * * *", "--zone", "Berlin"], 2, "did you mean 'Europe/Berlin'?"),
        (["next", "nightly", "--zone", "UTC"], 2, "schedule 'nightly' has its zone"),
        (["next", "nightly", "--from", "noon"], 2, "--from 'noon' is no time; write for example"),
        (["lint", "0 2 * *"], 2, "cron needs five fields"),
        (["pause", "nightly", "nigtly"], 3, "did you mean 'nightly'?"),
        (["resume", "xyz"], 3, "there are gap day, hourly, nightly, often"),
        (["ledger", "nigtly"], 3, "did you mean 'nightly'?"),
        (["backfill", "nightly", "--since", "now", "--until", "-1d"], 2, "is later than --until"),
        (["backfill", "nightly", "--since", "-1d", "--until", "+1d"], 2, "in the future"),
        (["simulate", "--from", "+2h", "--to", "-3h"], 2, "is not before --to"),
    ],
)  # fmt: skip
def test_wrong_calls(schedule: Any, words: list[str], code: int, said: str) -> None:
    done = schedule(*words)
    assert done.code == code, done
    assert said in done.err
    assert done.out == ""


def test_lint(schedule: Any) -> None:
    done = schedule("lint")
    assert done.code == 0, done
    lines = done.out.splitlines()
    assert lines[0].startswith("gap day '*/15 2 * * *': every day at 02:00")
    assert "it does not run on that day" in lines[1]
    assert schedule("lint", "--strict").code == 1
    plain = schedule("lint", "nightly", "30 3 * * *", "--strict")
    assert plain.code == 0, plain
    assert "nothing to say against any of these 2" in plain.err
    found = document(schedule("lint", "*/61 * * * *", "--json"))["schedules"]
    assert "a step of 61" in found[0]["warnings"][0]


# --- what a period will bring ---


def test_simulate(schedule: Any) -> None:
    words = ["simulate", "--from", "2027-03-27T23:00+00:00", "--to", "+6h"]
    found = document(schedule(*words, "--json"))
    per_task = {one["task"]: one for one in found["tasks"]}
    assert per_task["report"]["instants"] == 6
    assert per_task["sync"]["instants"] == 240 + 1, "02:30 at 03:00; */15 2 not at all"
    nightly = [one for one in found["instants"] if one["schedule"] == "nightly"]
    assert nightly[0]["at"] == "2027-03-28T01:00:00.000000+00:00"
    assert nightly[0]["due"] >= nightly[0]["at"]
    assert [one["due"] for one in found["instants"]] == sorted(
        one["due"] for one in found["instants"]
    )
    assert found["pile_ups"][0]["count"] >= 2
    assert found["complete"]
    done = schedule(*words, "--limit", "3")
    assert "247 instants, from 2027-03-27 23:00" in done.out
    assert "… and 244 more" in done.out
    assert "Most start in these minutes:" in done.out
    assert "No run has completed yet, so taken as 1 s: report, sync" in done.out
    schedule("pause", "often")
    found = document(schedule(*words, "--json"))
    assert found["paused"] == ["often"]
    assert sum(one["instants"] for one in found["tasks"]) == 7


def view(name: str, task: str, spec: str, overlap: str = "skip") -> ScheduleView:
    return ScheduleView(
        1, name, task, spec, "cron", "UTC", overlap, "latest", None, 0.0, [], {}, "api", None,
        None, None, None, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("overlap", "refused", "most", "busy"),
    [
        ("skip", 40, 1, 20 * 150),
        ("allow(2)", 20, 2, 40 * 150),
        ("queue_all", 0, 1, 60 * 150),
        ("queue_one", 35, 1, 25 * 150),
        ("cancel_running", 0, 1, 59 * 60 + 150),
    ],
)
def test_what_overlaps(overlap: str, refused: int, most: int, busy: float) -> None:
    """An instant every minute, of a task that takes two and a half."""
    plan = planned([view("a", "sync", "* * * * *", overlap)], -1, 3600, {"sync": 150.0})
    assert len(plan.starts) == 60
    assert plan.refused["sync"] == refused
    assert plan.most == most
    assert plan.busy["sync"] == busy


def test_how_many_at_once() -> None:
    views = [view("a", "sync", "0 * * * *"), view("b", "report", "0 0 * * *"),
             view("c", "clean", "1 0 * * *")]  # fmt: skip
    plan = planned(views, -1, 7200, {"sync": 90.0, "report": 30.0, "clean": None})
    assert (plan.most, plan.most_at) == (2, 0.0)
    assert dict(plan.most_tasks) == {"sync": 1, "report": 1}
    assert plan.piles[0][0] == 0.0
    plan = planned(views, -1, 7200, {"sync": 90.0, "report": 61.0})
    assert (plan.most, plan.most_at) == (3, 60.0)


# --- what is changed ---


def test_pause_and_resume(schedule: Any) -> None:
    done = schedule("pause", "nightly", "hourly")
    assert done.code == 0, done
    assert done.out.count("is paused") == 2
    assert "abreast schedule resume nightly" in done.err
    since = document(schedule("list", "--json"))["schedules"][2]["paused"]
    assert since is not None
    assert "nightly was paused already, since " in schedule("pause", "nightly").out
    assert document(schedule("list", "--json"))["schedules"][2]["paused"] == since
    assert schedule("list").out.count(" paused") == 2
    assert "it starts nothing until resumed" in schedule("next", "nightly").out
    done = schedule("resume", "nightly", "often")
    assert "nightly goes on; next: " in done.out
    assert "often was not paused" in done.out
    assert document(schedule("list", "--json"))["schedules"][2]["paused"] is None
    found = document(schedule("pause", "nightly", "--json"))["schedules"]
    assert found[0]["paused"] is not None


def test_backfill_and_ledger(schedule: Any) -> None:
    period = ["--since", "2026-03-28", "--until", "2026-03-31T02:30"]
    done = schedule("backfill", "nightly", *period, "--dry-run")
    assert done.code == 0, done
    assert "4 would run. Nothing was made." in done.err
    assert "2026-03-29 03:00 CEST" in done.out
    assert "no such instants" in schedule("ledger", "nightly").err
    found = document(schedule("backfill", "nightly", *period, "--overlap", "queue_all", "--json"))
    assert [one["outcome"] for one in found["instants"]] == ["ran"] * 4
    assert [one["at"][:16] for one in found["instants"]] == [
        "2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30", "2026-03-31T00:30",
    ]  # fmt: skip
    first = schedule("ledger", "nightly", "--limit", "3")
    assert first.code == 0, first
    assert first.out.splitlines()[1].startswith("2026-03-31 02:30 CEST  Europe/Berlin  nightly")
    before = first.err.rpartition("--before ")[2].strip()
    rest = document(schedule("ledger", "nightly", "--before", before, "--json"))
    assert [one["at"][:10] for one in rest["instants"]] == ["2026-03-28"]
    assert rest["before"] is None
    assert rest["instants"][0]["run"] == found["instants"][0]["run"]
    assert "no such instants" in schedule("ledger", "--outcome", "missed").err
    some = document(schedule("ledger", "--since", "2026-03-30T00:00+02:00", "--json"))
    assert len(some["instants"]) == 2
    assert (
        "has no instants from"
        in schedule(
            "backfill", "nightly", "--since", "2026-03-28T03:00", "--until", "2026-03-28T04:00"
        ).err
    )


def test_backfill_of_a_task_that_a_service_serves(abreast: Any, folder: Path) -> None:
    (folder / "jobs.py").unlink()
    (folder / "abreast.toml").write_text('[tasks.sync]\ncommand = "true"\n', encoding="utf-8")
    words = ["--since", "2026-03-28", "--until", "2026-03-31", "--store", "sqlite:///jobs.db"]
    done = abreast("schedule", "backfill", "nightly", *words)
    assert done.code == 0, done
    assert "1 ran, 2 skipped." in done.err
    assert "--overlap queue_all" in done.err
    assert "No worker is alive" in done.err
    done = abreast("schedule", "backfill", "hourly", *words)
    assert done.code == 2, done
    assert "report" in done.err
