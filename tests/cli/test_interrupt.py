"""Ctrl-C and other signals: everything ends, nothing is left running, the report comes."""

from __future__ import annotations

import signal
import subprocess
from typing import Any

import psutil
import pytest
from tests.cli.conftest import started

pytestmark = pytest.mark.needs("posix", "pty")

WAITING = """
import os, signal, subprocess, time

def tell(*pids):
    with open("news", "w") as file:
        file.write(" ".join(map(str, pids)) + "\\n")

@task(executor="process")
def works():
    helper = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    print("working")
    tell(os.getpid(), helper.pid)
    signal.pause()

@task(executor="process")
def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell(os.getpid())
    while True:
        signal.pause()

@task
def in_a_thread():
    helper = subprocess.Popen(["sleep", "1000"])
    tell(helper.pid)
    helper.wait()

@task(after=["works"])
def later(): ...
"""
ANNOUNCE = "sleep 1000 & echo $$ $! > news; wait"


def processes(line: str) -> list[psutil.Process]:
    return [psutil.Process(int(pid)) for pid in line.split()]


def assert_gone(found: list[psutil.Process]) -> None:
    assert found
    alive = psutil.wait_procs(found, timeout=20)[1]
    alive = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert not alive


def test_ctrl_c_cancels_reports_and_leaves_nothing(terminal: Any, tasks: Any, news: Any) -> None:
    tasks(WAITING)
    screen = terminal("run", "tasks.py", "works", "later", "in_a_thread")
    found = processes(news()) + processes(news())
    screen.type(b"\x03")
    assert screen.end() == 130
    assert_gone(found)
    assert "Cancelling" in screen.text
    assert "cancelled(user)" in screen.text
    assert "interrupted" in screen.text
    assert "working" in screen.text, "what it had printed so far"
    assert "Traceback" not in screen.text


def test_ctrl_c_ends_commands(terminal: Any, news: Any) -> None:
    screen = terminal("exec", "-j", "1", "--shell", "--", f": {{}}; {ANNOUNCE}", ":::", "a", "b")
    found = processes(news())
    screen.type(b"\x03")
    assert screen.end() == 130
    assert_gone(found)
    assert "Traceback" not in screen.text


def test_ctrl_c_while_arguments_are_awaited(news: Any, tmp_path: Any) -> None:
    """The program waits for the next line of a standard input that does not come."""
    with started(
        "exec",
        "--shell",
        "--",
        f": {{}}; {ANNOUNCE}",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as program:
        assert program.stdin is not None
        program.stdin.write(b"one\n")
        program.stdin.flush()
        found = processes(news())
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=30) == 130
        assert_gone(found)


def test_ctrl_c_twice_stops_at_once(terminal: Any, tasks: Any, news: Any) -> None:
    tasks(WAITING)
    screen = terminal("run", "tasks.py", "stubborn")
    found = processes(news())
    screen.type(b"\x03")
    screen.wait_for("again stops at once")
    screen.type(b"\x03")
    assert screen.end() == 130
    assert_gone(found)
    assert "Stopping now" in screen.text
    assert "Traceback" not in screen.text


def test_a_stubborn_task_is_ended_by_force(terminal: Any, tasks: Any, news: Any) -> None:
    tasks(WAITING)
    screen = terminal("run", "tasks.py", "stubborn")
    found = processes(news())
    screen.type(b"\x03")
    assert screen.end() == 130
    assert_gone(found)


def test_ctrl_c_while_the_file_is_imported(terminal: Any, tasks: Any, news: Any) -> None:
    tasks("""
        import time
        with open("news", "w") as file: file.write("here\\n")
        while True: time.sleep(0.05)  # the task sleeps
    """)
    screen = terminal("run", "tasks.py")
    assert news() == "here\n"
    screen.type(b"\x03")
    assert screen.end() == 130
    assert "Traceback" not in screen.text


def test_sigterm_cancels_too(tasks: Any, news: Any, tmp_path: Any) -> None:
    tasks(WAITING)
    with started(
        "run",
        "tasks.py",
        "works",
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        found = processes(news())
        program.send_signal(signal.SIGTERM)
        out, _ = program.communicate(timeout=30)
        assert program.returncode == 128 + signal.SIGTERM
        assert b"cancelled(user)" in out
        assert_gone(found)


def test_killed_by_force_leaves_nothing(news: Any, tmp_path: Any) -> None:
    with started(
        "exec",
        "--shell",
        "--",
        f": {{}}; {ANNOUNCE}",
        ":::",
        "a",
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        found = processes(news())
        program.kill()
        program.wait(timeout=30)
        assert_gone(found)
