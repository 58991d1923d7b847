"""Runs in a store from the command line: submitted, listed, shown, cancelled, repeated."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import PROGRAM
from tests.cli.durable import CONFIG, document, submitted, write_app

from abreast.interfaces.cli.submit import start_time

pytestmark = pytest.mark.needs("posix")


@pytest.fixture(autouse=True)
def app(tmp_path: Path) -> None:
    write_app(tmp_path)


# --- what was found ---


def test_what_was_found_is_said_in_one_line(abreast: Any, tmp_path: Path) -> None:
    done = abreast("submit", "add", "-a", "a=1")
    assert done.code == 0, done
    config = tmp_path / "abreast.toml"
    line = f"abreast: app jobs:app, store {tmp_path / 'jobs.db'} (both from {config})"
    assert done.err.splitlines()[0] == line
    assert document(abreast("runs", "--json"))["runs"]
    assert line in abreast("runs", "--json", "-v").err


def test_app_and_store_from_the_environment(abreast: Any, tmp_path: Path) -> None:
    (tmp_path / "abreast.toml").unlink()
    env = {"ABREAST_APP": "jobs.py:app", "ABREAST_STORE": "sqlite:///other.db"}
    done = abreast("submit", "add", "-a", "a=1", **env)
    assert done.code == 0, done
    assert "app jobs.py:app (ABREAST_APP), store " in done.err
    assert (tmp_path / "other.db").exists()
    assert "other.db (ABREAST_STORE)" in abreast("runs", **env).err


def test_a_store_is_enough_to_look(abreast: Any, tmp_path: Path) -> None:
    submitted(abreast, "add", "-a", "a=1")
    (tmp_path / "jobs.py").write_text("raise RuntimeError('not needed')")
    done = abreast("runs", "--store", "sqlite:///jobs.db")
    assert done.code == 0, done
    assert "add" in done.out
    assert abreast("cancel", "1", "--app", "jobs:app").code == 2
    assert "RuntimeError: not needed" in abreast("show", "1").err


def test_an_app_that_names_its_store(abreast: Any, tmp_path: Path) -> None:
    jobs = (tmp_path / "jobs.py").read_text().replace("App()", "App('sqlite:///own.db')")
    (tmp_path / "jobs.py").write_text(jobs + "\nprint('imported')\n")
    done = abreast("submit", "add", "-a", "a=1")
    assert "own.db (named by the app)" in done.err
    assert done.out == "1\n", "what modules print goes to standard error"
    assert (tmp_path / "own.db").exists()
    assert "own.db" in abreast("runs").err


# --- wrong calls ---


@pytest.fixture(scope="module")
def scheduled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that has one run."""
    folder = tmp_path_factory.mktemp("scheduled")
    write_app(folder)
    words = ["submit", "add", "-a", "a=1", "--delay", "1h"]
    subprocess.run([*PROGRAM, *words], cwd=folder, check=True, capture_output=True, timeout=60)
    return folder


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["submit", "ad"], 2, "no task 'ad'; did you mean 'add'?"),
        (["submit", "add"], 2, "needs a value for its parameter 'a': give it with -a a=VALUE"),
        (["submit", "add", "-a", "a=one"], 2, "-a a=one: task 'add' wants a whole number"),
        (["submit", "add", "-a", "a=1", "-a", "c=1"], 2, "no parameter of this name; it has a, b"),
        (["submit", "held", "-a", "whom=1"], 2, "did you mean 'who'?"),
        (["submit", "keep", "-a", "value=1", "-a", "times=[1,x]"], 2, "wants list[int] | None"),
        (["submit", "keep", "-a", "value=1", "-a", "loud=3"], 2, "wants yes or no"),
        (["submit", "add", "-a", "a"], 2, "write NAME=VALUE"),
        (["submit", "fail", "--at", "soon"], 2, "--at 'soon' is no time; write for example"),
        (["submit", "fail", "--at", "18:00", "--delay", "1"], 2, "either --delay or --at"),
        (["submit", "fail", "--delay", "-3"], 2, "is not a duration"),
        (["runs", "--state", "complete"], 2, "did you mean 'completed'?"),
        (["runs", "--state", "xyz"], 2, "states are blocked, scheduled"),
        (["runs", "--task", "ad"], 2, "there is no task 'ad'; did you mean 'add'?"),
        (["runs", "--before", "x"], 2, "--before 'x' is not the id of a run"),
        (["runs", "--flow", "99"], 3, "there is no run 99"),
        (["show", "99"], 3, "there is no run 99; did you mean 1, the newest?"),
        (["show", "9" * 30], 3, "there is no run 999"),
        (["show", "0"], 3, "there is no run 0; it may have been pruned"),
        (["show", "add"], 2, "did you mean 1, the newest of task 'add'?"),
        (["show", "-1"], 2, "No such option"),
        (["logs", "99"], 3, "there is no run 99"),
        (["why", "99"], 3, "there is no run 99"),
        (["cancel", "1", "99"], 3, "there is no run 99"),
        (["retry", "99"], 3, "there is no run 99"),
        (["retry", "1"], 2, "run 1 is scheduled; only what has ended is repeated"),
        (["wait", "99"], 3, "there is no run 99"),
        (["execute", "99"], 3, "there is no run 99"),
        (["worker", "--task", "ad"], 2, "did you mean 'add'?"),
        (["worker", "-j", "0"], 2, "0 is not in the range"),
        (["worker", "-j", "many"], 2, "neither a whole number nor 'auto'"),
        (["worker", "jobs:app", "--app", "jobs"], 2, "two apps are named"),
        (["worker", "jobs:ap"], 2, "did you mean 'jobs:app'?"),
        (["runs", "--app", "jbs:app"], 2, "there is no module 'jbs'"),
        (["runs", "--store", "jobs.db"], 2, "for this file write 'sqlite:///jobs.db'"),
        (["runs", "--store", "memory://"], 2, "lives in one process only"),
        (["runs", "--store", "sqlite:///none.db"], 3, "there is no store yet"),
        (["prune"], 2, "say what to delete"),
        (["restore", "none.bak"], 3, "there is no file 'none.bak'"),
        (["backup", "no/such/file"], 2, "the folder of 'no/such/file' does not exist"),
    ],
)
def test_wrong_calls(
    abreast: Any, scheduled: Path, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    shutil.copytree(scheduled, tmp_path, dirs_exist_ok=True)
    before = (tmp_path / "jobs.db").read_bytes()
    done = abreast(*words)
    assert done.code == code, done
    assert said in " ".join(done.err.split()), done
    assert done.out == "", done
    assert "Traceback" not in done.err
    assert (tmp_path / "jobs.db").read_bytes() == before
    assert not (tmp_path / "none.db").exists()


def test_nothing_is_named(abreast: Any, tmp_path: Path) -> None:
    (tmp_path / "abreast.toml").unlink()
    done = abreast("runs")
    assert done.code == 2
    assert "no store is named: give --store" in done.err
    done = abreast("submit", "add", "--store", "sqlite:///jobs.db")
    assert done.code == 2
    assert "no app is named: give --app" in done.err


# --- submit ---


VALUES = {
    "hello": "hello", "12": 12, "1.5": 1.5, '{"a": [1, null]}': {"a": [1, None]}, "true": True,
    '"12"': "12", "NaN": "NaN", "": "", "a=b": "a=b", "ü": "ü",
}  # fmt: skip


def test_values_without_a_type_are_json_or_text(abreast: Any, tmp_path: Path) -> None:
    names = [f"v{number}" for number in range(len(VALUES))]
    jobs = f"from abreast import App\napp = App()\n@app.task\ndef take({', '.join(names)}): ...\n"
    (tmp_path / "jobs.py").write_text(jobs)
    words = [word for name, text in zip(names, VALUES, strict=True)
             for word in ("-a", f"{name}={text}")]  # fmt: skip
    run = document(abreast("submit", "take", *words, "--json"))
    assert run["kwargs"] == dict(zip(names, VALUES.values(), strict=True))


def test_values_as_the_task_asks(abreast: Any) -> None:
    words = ["-a", "value=x", "-a", "times=[1, 2]", "-a", "loud=yes"]
    done = abreast("submit", "keep", *words, "--json")
    assert document(done)["kwargs"] == {"value": "x", "times": [1, 2], "loud": True}
    done = abreast("submit", "keep", "-a", "value=1", "-a", "times=null", "--json")
    assert document(done)["kwargs"] == {"value": 1, "times": None}


def test_submit_prints_the_id_and_says_what_is_missing(abreast: Any) -> None:
    done = abreast("submit", "add", "-a", "a=1", "--label", "sum", "--priority", "60")
    assert done.out == "1\n"
    assert "Run 1 of task 'add' is written down." in done.err
    assert "No worker is alive. It will wait for one: abreast worker" in done.err
    assert document(abreast("show", "1", "--json"))["label"] == "sum"


def test_delayed_and_dated_starts(abreast: Any) -> None:
    done = abreast("submit", "add", "-a", "a=1", "--delay", "1h30m")
    assert "to start at " in done.err
    done = abreast("submit", "add", "-a", "a=1", "--at", "2099-12-24T18:00:00+01:00", "--json")
    run = document(done)
    assert run["state"] == "scheduled"
    assert run["due"] == "2099-12-24T17:00:00.000000+00:00"


def test_a_known_run_is_joined(abreast: Any, tmp_path: Path) -> None:
    jobs = (tmp_path / "jobs.py").read_text()
    (tmp_path / "jobs.py").write_text(jobs + "\n@app.task(unique=True)\ndef once(n): ...\n")
    assert submitted(abreast, "once", "-a", "n=1") == "1"
    done = abreast("submit", "once", "-a", "n=1")
    assert done.out == "1\n"
    assert "is the same work and was known already" in done.err


def test_a_limit_that_refuses(abreast: Any, tmp_path: Path) -> None:
    more = "\n@app.task(limits=[Limit(1, '/door', waiting=0, then='fail')])\ndef door(): ...\n"
    (tmp_path / "jobs.py").write_text((tmp_path / "jobs.py").read_text() + more)
    submitted(abreast, "door")
    done = abreast("submit", "door")
    assert done.code == 4, done
    assert done.out == ""
    assert done.err.count("\n") == 2, done


# --- runs, show, why ---


def test_runs_lists_the_newest_first(abreast: Any) -> None:
    for number in range(3):
        submitted(abreast, "add", "-a", f"a={number}", "--label", f"sum {number}")
    submitted(abreast, "fail", "--delay", "1h")
    lines = abreast("runs").out.splitlines()
    assert lines[0].split() == ["RUN", "TASK", "STATE", "CREATED", "WAITED", "TOOK"]
    assert [line.split()[0] for line in lines[1:]] == ["4", "3", "2", "1"]
    assert "in 59 min" in lines[1] or "in 1 h 00 min" in lines[1]
    assert "add  sum 2" in lines[2]

    def ids(*words: str) -> list[int]:
        return [run["id"] for run in document(abreast("runs", "--json", *words))["runs"]]

    assert ids("--task", "add") == [3, 2, 1]
    assert ids("--state", "scheduled") == [4]
    assert ids("--state", "scheduled", "--state", "PENDING") == [4, 3, 2, 1]
    assert ids("--before", "3") == [2, 1]
    assert ids("--task", "keep") == []
    done = abreast("runs", "--limit", "2")
    assert "--before 3" in done.err
    assert document(abreast("runs", "--limit", "2", "--json"))["before"] == 3
    assert document(abreast("runs", "--json"))["before"] is None
    assert "There are no such runs." in abreast("runs", "--state", "failed").err


def test_show_and_why(abreast: Any) -> None:
    submitted(abreast, "add", "-a", "a=1")
    done = abreast("show", "1")
    assert "task      add(a=1)" in done.out
    assert "state     pending" in done.out
    assert "no worker is alive" in done.out
    run = document(abreast("show", "1", "--json"))
    assert (run["name"], run["state"], run["kwargs"]) == ("add", "pending", {"a": 1})
    assert "no worker is alive" in run["why"]
    assert "no worker is alive; start one with 'abreast worker'" in abreast("why", "1").out
    assert document(abreast("why", "1", "--json"))["state"] == "pending"


def test_flows(abreast: Any, tmp_path: Path) -> None:
    (tmp_path / "make.py").write_text(
        "from jobs import *\nwith app.flow('sums') as f:\n    f.add(add, f.add(add, 1))\n"
    )
    subprocess.run([sys.executable, "make.py"], cwd=tmp_path, check=True, timeout=60)
    assert document(abreast("runs", "--flow", "1", "--json"))["runs"][0]["flow"] == 1
    shown = abreast("show", "1").out
    assert "\nruns\n  2  add" in shown
    assert abreast("cancel", "1").code == 0
    states = {run["state"] for run in document(abreast("runs", "--json"))["runs"]}
    assert states == {"cancelled"}


# --- cancel, retry ---


def test_cancel_and_retry(abreast: Any) -> None:
    submitted(abreast, "add", "-a", "a=5")
    submitted(abreast, "add", "-a", "a=6")
    assert abreast("cancel", "1", "2", "1").out.splitlines() == [
        "run 1 'add' cancelled(user)",
        "run 2 'add' cancelled(user)",
    ]
    assert "had ended already: cancelled(user)" in abreast("cancel", "1").out
    done = abreast("retry", "1", "2")
    assert done.out == "3\n4\n"
    assert "Run 3 repeats run 1 'add' (cancelled(user))." in done.err
    again = document(abreast("show", "3", "--json"))
    assert (again["retry_of"], again["kwargs"], again["state"]) == (1, {"a": 5}, "pending")
    assert document(abreast("cancel", "3", "--json"))["runs"][0]["state"] == "cancelled"
    assert document(abreast("retry", "3", "--json"))["runs"][0]["retry_of"] == 3


def test_a_reader_that_leaves(abreast: Any, tmp_path: Path) -> None:
    submitted(abreast, "add", "-a", "a=1")
    line = f"{sys.executable} -m abreast runs --json | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[0] == "{"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (["--help"], ["rich", "msgspec", "sqlite3", "asyncio", "abreast.interfaces.app"]),
        (["worker", "--help"], ["rich", "msgspec", "sqlite3", "asyncio", "abreast.interfaces.app"]),
        (["worker", "--once", "--executor", "thread"], ["rich", "abreast.interfaces.cli.top"]),
        (["top", "--once"], ["rich", "asyncio"]),
    ],
)
def test_a_command_imports_only_what_it_needs(
    abreast: Any, tmp_path: Path, words: list[str], heavy: list[str]
) -> None:
    submitted(abreast, "add", "-a", "a=1")
    code = (
        "import sys\nfrom abreast.interfaces.cli import main\n"
        f"main.leave = lambda code: print('loaded', *[m for m in {heavy} if m in sys.modules])\n"
        f"sys.argv = ['abreast', *{words}]\n"
        "main.main()"
    )
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "loaded", done


def test_a_store_that_is_damaged(abreast: Any, tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_text("this is not a database, and never was one " * 100)
    done = abreast("runs")
    assert done.code == 2, done
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_config_that_is_wrong(abreast: Any, tmp_path: Path) -> None:
    (tmp_path / "abreast.toml").write_text(CONFIG.replace("[store]", "[stoer]"))
    done = abreast("runs")
    assert done.code == 2
    assert "did you mean [store]?" in done.err


# --- times ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-24T18:00", datetime(2026, 12, 24, 18)),
        ("2026-12-24 18:00:30", datetime(2026, 12, 24, 18, 0, 30)),
        ("2026-12-24T18:00Z", datetime(2026, 12, 24, 18, tzinfo=UTC)),
        ("12:30", datetime(2026, 11, 21, 12, 30)),
        ("12:00", datetime(2026, 11, 22, 12)),
        ("11:59", datetime(2026, 11, 22, 11, 59)),
    ],
)
def test_start_times(text: str, expected: datetime) -> None:
    assert start_time(text, datetime(2026, 11, 21, 12)) == expected
