"""Workers from the command line, and commands that wait for what they do."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import PROGRAM, environment, started
from tests.cli.durable import document, submitted, working, write_app

pytestmark = pytest.mark.needs("posix")


@pytest.fixture(autouse=True)
def app(tmp_path: Path) -> None:
    write_app(tmp_path)


@pytest.fixture
def let_go(tmp_path: Path, news: Any) -> Callable[[], None]:
    """Let tasks ``held`` end; the fixture ``news`` tells when one has begun."""
    path = tmp_path / "go"
    os.mkfifo(path)

    def go() -> None:
        with open(path, "w") as word:
            word.write("go")

    return go


# --- worker ---


def test_once_runs_everything_and_says_nothing(abreast: Any) -> None:
    for number in range(12):
        submitted(abreast, "add", "-a", f"a={number}")
    submitted(abreast, "add", "-a", "a=1", "--delay", "1h")
    done = abreast("worker", "--once")
    assert (done.code, done.out, done.err) == (0, "", "")
    found = document(abreast("runs", "--json"))["runs"]
    assert [run["state"] for run in found] == ["scheduled", *["completed"] * 12]


def test_once_with_nothing_to_do_and_no_store(abreast: Any) -> None:
    done = abreast("worker", "--once")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_a_worker_says_what_it_does_and_drains(abreast: Any, tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    words = ["worker", "jobs:app", "--max-concurrent", "3", "--task", "add", "--drain", "10s"]
    with started(*words, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True) as worker:
        assert worker.stderr is not None
        assert "app jobs:app (--app), store " in worker.stderr.readline()
        said = worker.stderr.readline()
        assert f"worker {worker.pid} executes add; at once: 3;" in said
        submitted(abreast, "fail")
        assert abreast("submit", "add", "-a", "a=1", "--wait").code == 0
        assert document(abreast("show", "1", "--json"))["state"] == "pending"
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0
        assert worker.stdout is not None
        assert worker.stdout.read() == ""
        assert worker.stderr.read() == ""


def test_ctrl_c_drains(abreast: Any, tmp_path: Path, news: Any, let_go: Any) -> None:
    with working(tmp_path) as worker:
        submitted(abreast, "held", "-a", "who=a")
        assert news() == "a\n"
        worker.send_signal(signal.SIGINT)
        let_go()
        assert worker.wait(timeout=30) == 0
    assert document(abreast("show", "1", "--json"))["state"] == "completed"


# --- execute ---


@pytest.mark.parametrize(("task", "code"), [(["add", "-a", "a=1"], 0), (["fail"], 1)])
def test_execute_runs_one_run(abreast: Any, task: list[str], code: int) -> None:
    first, other = submitted(abreast, *task), submitted(abreast, *task)
    done = abreast("execute", first)
    assert done.code == code, done
    assert f"run {first} '{task[0]}' " in done.err
    states = {run["id"]: run["state"] for run in document(abreast("runs", "--json"))["runs"]}
    assert states == {int(first): "failed" if code else "completed", int(other): "pending"}
    again = abreast("execute", first)
    assert again.code == 2
    assert f"to run it again: abreast retry {first}" in again.err


# --- waiting ---


def test_submit_and_wait(abreast: Any, tmp_path: Path) -> None:
    with working(tmp_path):
        done = abreast("submit", "add", "-a", "a=1", "--wait")
        assert (done.code, done.out) == (0, "1\n"), done
        assert "run 1 'add' completed after" in done.err
        done = abreast("submit", "fail", "-a", "text=sorry", "--wait")
        assert (done.code, done.out) == (1, "2\n"), done
        assert "run 2 'fail' failed(error) after" in done.err
        assert "ValueError: sorry" in done.err
        run = document(abreast("submit", "add", "-a", "a=40", "--wait", "--json"))
        assert (run["state"], run["result"]) == ("completed", 42)
        assert abreast("submit", "slow", "--wait").code == 5


def test_wait_for_several(abreast: Any, tmp_path: Path) -> None:
    one, two, three = (submitted(abreast, *words) for words in
                       (["add", "-a", "a=1"], ["fail"], ["slow"]))  # fmt: skip
    assert abreast("worker", "--once").code == 0
    done = abreast("wait", one, two, one)
    assert done.code == 1
    assert [line.split()[1] for line in done.out.splitlines()] == [one, two]
    assert abreast("wait", one).code == 0
    assert abreast("wait", one, three).code == 5
    assert abreast("wait", two, three).code == 1
    found = document(abreast("wait", one, three, "--json"))["runs"]
    assert [run["result"] for run in found] == [3, None]
    assert found[1]["reason"] == "timeout"


def test_wait_no_longer_than_that(abreast: Any) -> None:
    submitted(abreast, "add", "-a", "a=1")
    done = abreast("wait", "1", "--timeout", "10ms")
    assert done.code == 5
    assert "Not ended in time, and going on: 1" in done.err
    assert "pending" in abreast("runs").out


# --- what was printed ---


def test_logs_of_an_ended_run(abreast: Any) -> None:
    submitted(abreast, "add", "-a", "a=1")
    done = abreast("logs", "1")
    assert (done.code, done.out) == (0, "")
    assert "Run 1 has printed nothing; it is pending." in done.err
    assert abreast("worker", "--once").code == 0
    done = abreast("logs", "1")
    assert re.fullmatch(r"\S+Z adding 1 and 2\n", done.out), done
    found = document(abreast("logs", "1", "--json"))
    assert found["text"] == done.out
    assert Path(found["path"]).name.startswith("task_")
    assert abreast("logs", "1", "-f").out == done.out


def test_the_tail_of_a_log(abreast: Any, tmp_path: Path) -> None:
    task = "\n@app.task\ndef many(n: int):\n    for i in range(n): print('line', i)\n"
    (tmp_path / "jobs.py").write_text((tmp_path / "jobs.py").read_text() + task)
    submitted(abreast, "many", "-a", "n=5000")
    assert abreast("worker", "--once").code == 0
    whole = abreast("logs", "1").out.splitlines()
    assert len(whole) == 5000
    for number in (0, 1, 2, 4000, 4999, 5000, 9000):
        tail = abreast("logs", "1", "--tail", str(number)).out.splitlines()
        assert tail == whole[5000 - min(number, 5000) :], number


def test_follow_a_log_while_it_grows(abreast: Any, tmp_path: Path, news: Any, let_go: Any) -> None:
    submitted(abreast, "held", "-a", "who=a")
    pipe = subprocess.PIPE
    with (
        started("logs", "1", "-f", cwd=tmp_path, stdout=pipe, stderr=pipe, text=True) as follower,
        working(tmp_path),
    ):
        assert follower.stdout is not None
        assert follower.stderr is not None
        assert news() == "a\n"
        assert "running a" in follower.stdout.readline()
        assert "running a" in abreast("logs", "1").out
        assert abreast("logs", "1", "--tail", "0").out == ""
        let_go()
        assert "over a" in follower.stdout.readline()
        assert follower.stdout.read() == ""
        assert "run 1 'held' completed after" in follower.stderr.read()
        assert follower.wait(timeout=30) == 0


# --- Ctrl-C ---


@pytest.mark.needs("pty")
@pytest.mark.parametrize("words", [["wait", "1"], ["logs", "1", "-f"]])
def test_ctrl_c_leaves_quietly(abreast: Any, terminal: Any, words: list[str]) -> None:
    submitted(abreast, "add", "-a", "a=1")
    screen = terminal(*words)
    screen.wait_for("abreast: app jobs:app")
    screen.type(b"\x03")
    assert screen.end() == 130
    assert screen.text.replace("^C", "").strip().count("\n") == 0, screen.text
    assert "pending" in abreast("runs").out


@pytest.mark.needs("pty")
def test_ctrl_c_while_submit_waits(abreast: Any, terminal: Any) -> None:
    screen = terminal("submit", "add", "-a", "a=1", "--wait")
    screen.wait_for("It waits for one")
    screen.type(b"\x03")
    assert screen.end() == 130
    assert "Run 1 goes on. To end it: abreast cancel 1" in screen.text
    assert "Traceback" not in screen.text
    assert "pending" in abreast("runs").out


# --- top ---


def test_top_once(abreast: Any, tmp_path: Path, news: Any, let_go: Any) -> None:
    submitted(abreast, "held", "-a", "who=a")
    submitted(abreast, "held", "-a", "who=a")
    done = abreast("top")
    assert done.code == 0
    assert "No worker is alive" in done.out
    with working(tmp_path, "-j", "4"):
        assert news() == "a\n"
        assert "held by 'held' (run 1)" in abreast("why", "2").out
        done = abreast("top")
        found = document(abreast("top", "--json"))
        let_go()
        assert news() == "a\n"
        let_go()
        assert abreast("wait", "1", "2").code == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert ["held", "1", "1", "0", "0"] in rows, done
    assert any(row[:1] == ["held/a"] and row[-1] == "1" for row in rows), done
    assert any("1/4" in row for row in rows), done
    assert any(row[:2] == ["1", "held"] and row[-2:] == ["half", "way"] for row in rows), done
    assert found["counts"]["running"] == 1
    assert [row["concurrency"] for row in found["workers"]] == [4]
    assert found["limits"][0]["holders"] == [1]
    assert found["tasks"][0]["name"] == "held"
    assert found["running"][0]["progress"] == {"done": 1, "total": 2, "message": "half way"}


@pytest.mark.needs("pty")
@pytest.mark.parametrize(("key", "code"), [(b"q", 0), (b"\x03", 130)])
def test_top_live(
    abreast: Any, tmp_path: Path, terminal: Any, news: Any, let_go: Any, key: bytes, code: int
) -> None:
    submitted(abreast, "held", "-a", "who=a")
    with working(tmp_path):
        assert news() == "a\n"
        screen = terminal("top")
        screen.wait_for("half way")
        for text in ("jobs.db", "-120 s", "held/a", "▶", "1 running", "q leaves"):
            assert text in screen.text
        let_go()
        screen.wait_for("1 completed")
        screen.type(key)
        assert screen.end() == code
    assert screen.text.rstrip().endswith("\x1b[?1049l"), "the screen is as it was"
    assert "Traceback" not in screen.text


@pytest.mark.needs("pty")
def test_top_on_a_terminal_that_cannot_move_its_cursor(abreast: Any, terminal: Any) -> None:
    submitted(abreast, "add", "-a", "a=1")
    screen = terminal("top", TERM="dumb")
    assert screen.end() == 0
    assert "No worker is alive" in screen.text
    assert "\x1b" not in screen.text


@pytest.mark.needs("pty")
def test_colours_and_no_colours(abreast: Any, terminal: Any) -> None:
    submitted(abreast, "add", "-a", "a=1")
    abreast("cancel", "1")
    screen = terminal("runs")
    assert screen.end() == 0
    assert "\x1b[35mcancelled(user)" in screen.text
    screen = terminal("runs", NO_COLOR="1")
    assert screen.end() == 0
    assert "\x1b" not in screen.text


def test_top_where_signs_cannot_be_shown(abreast: Any, tmp_path: Path) -> None:
    submitted(abreast, "add", "-a", "a=1", "--label", "Ünïcode")
    env = environment(PYTHONIOENCODING="ascii")
    for words in (["top"], ["runs"], ["show", "1"]):
        done = subprocess.run([*PROGRAM, *words], cwd=tmp_path, env=env, capture_output=True)
        assert done.returncode == 0, done
        done.stdout.decode("ascii")


# --- care ---


def test_backup_and_restore(abreast: Any, tmp_path: Path) -> None:
    submitted(abreast, "add", "-a", "a=1")
    done = abreast("backup", "store.bak")
    assert done.code == 0, done
    assert f"Wrote {tmp_path / 'store.bak'}, " in done.out
    submitted(abreast, "add", "-a", "a=2")
    done = abreast("restore", "store.bak")
    assert done.code == 2
    assert "has runs (the newest is 2), which the backup would replace; with --force" in done.err
    done = abreast("restore", "store.bak", "--force")
    assert done.code == 0, done
    assert f"is now the backup {tmp_path / 'store.bak'}" in done.out
    assert [run["id"] for run in document(abreast("runs", "--json"))["runs"]] == [1]
    assert document(abreast("backup", "two.bak", "--json"))["bytes"] > 0


def test_prune_and_check(abreast: Any) -> None:
    for number in range(5):
        submitted(abreast, "add", "-a", f"a={number}")
    assert abreast("worker", "--once").code == 0
    done = abreast("check")
    assert (done.code, done.out) == (0, "The store is sound.\n"), done
    assert document(abreast("check", "--json")) == {"schema": 1, "sound": True, "problems": []}
    done = abreast("prune", "--keep", "2", "--dry-run")
    assert done.code == 0, done
    assert done.out.startswith("Would delete: 3 runs"), done
    assert len(document(abreast("runs", "--json"))["runs"]) == 5
    assert document(abreast("prune", "--keep", "2", "--json"))["runs"] == 3
    assert [run["id"] for run in document(abreast("runs", "--json"))["runs"]] == [5, 4]


def test_check_says_what_is_wrong(abreast: Any, tmp_path: Path) -> None:
    submitted(abreast, "held", "-a", "who=a")
    edit = "import sqlite3; c = sqlite3.connect('jobs.db'); c.execute('UPDATE keys SET held=1'); "
    subprocess.run([sys.executable, "-c", edit + "c.commit()"], cwd=tmp_path, check=True)
    done = abreast("check")
    assert done.code == 1, done
    assert "held/a" in done.out
