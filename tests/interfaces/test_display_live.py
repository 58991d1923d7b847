"""The live display, on a real pseudo-terminal, and its figures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import Any

import pytest

from abreast import State
from abreast.domain.model import Task
from abreast.interfaces.display_eta import Pace
from abreast.interfaces.run import Run

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"

PROGRAM = """
import time, sys
from abreast import Runner, progress
def work(n):
    for i in range(8):
        progress(i, 8, "step %d" % i)
        time.sleep(0.1)  # the task sleeps
    sys.stdout.write("hello from %d\\n" % n)
def bad():
    time.sleep(0.5)  # the task sleeps
    raise ValueError("no luck")
runner = Runner(3, name="night")
runner.map(work, range(3))
runner.add(bad)
runner.map(int, range(40), label="quick")
report = runner.run()
"""


def on_terminal(code: str, rows: int = 24, columns: int = 100, **environment: str) -> str:
    """Run a program whose standard streams are a pseudo-terminal; return what arrived there."""
    import fcntl
    import pty
    import struct
    import termios

    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
    env |= {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | environment
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    os.close(theirs)
    arrived = b""
    while True:
        try:
            part = os.read(mine, 65536)
        except OSError:  # the other end was closed
            break
        if not part:
            break
        arrived += part
    os.close(mine)
    text = arrived.decode("utf-8", "replace")
    assert process.wait(60) == 0, text
    return text


@pytest.mark.needs("pty")
def test_it_shows_what_runs_and_leaves_one_line() -> None:
    text = on_terminal(PROGRAM)
    plain = ESCAPES.sub("", text)
    assert HIDE in text
    assert text.index(HIDE) < text.rindex(SHOW)  # the cursor comes back
    assert re.search(r"▶ work\[0\] +\d+\.\d s +[━╸╺]+ +step \d", plain)
    assert re.search(r"3 running  4\d waiting", plain)
    assert re.search(r"about \d+\.\d s left|– left", plain)
    assert "-" not in "".join(re.findall(r"about (\S+) s left", plain))  # never negative
    assert plain.count("✕ bad") == 1
    assert re.search(r"night: 44 runs in .*: 43 completed, 1 failed\r\n$", plain)
    for number in range(3):  # printed whole, on lines of their own
        assert f"hello from {number}\r\n" in plain


@pytest.mark.needs("pty")
def test_no_more_rows_than_fit() -> None:
    code = """
import time
from abreast import Runner
runner = Runner(30)
runner.map(time.sleep, [0.8] * 30)
runner.run()
"""
    plain = ESCAPES.sub("", on_terminal(code, rows=10))
    assert "… and 25 more" in plain
    frames = plain.split("0 of 30")
    assert frames[0].count("▶ sleep") == 5


@pytest.mark.needs("pty")
def test_no_color_keeps_the_bars() -> None:
    text = on_terminal(PROGRAM, NO_COLOR="1")
    assert HIDE in text
    assert "━" in text
    styles = re.findall(r"\x1b\[([0-9;]*)m", text)
    assert not [style for style in styles if re.search(r"[34][0-8]", style)]


@pytest.mark.needs("pty")
def test_a_dumb_terminal_gets_lines() -> None:
    text = on_terminal(PROGRAM, TERM="dumb")
    assert "\x1b" not in text
    assert re.search(r"\d\d:\d\d:\d\d start     work\[0\]", text)


@pytest.mark.needs("pty")
def test_a_terminal_without_unicode() -> None:
    text = on_terminal(PROGRAM, PYTHONIOENCODING="ascii:strict", LC_ALL="C")
    plain = ESCAPES.sub("", text)
    assert plain.isascii()
    assert "Traceback" not in plain
    assert "> work[0]" in plain


@pytest.mark.needs("pty")
def test_short_scripts_do_not_pay_for_it() -> None:
    code = """
import sys
from abreast import Runner
runner = Runner(2, name="short")
runner.map(int, range(10))
runner.run()
print("rich" in sys.modules)
"""
    text = on_terminal(code)
    assert HIDE not in text
    assert "short: 10 runs in" in text
    assert text.endswith("False\r\n")


@pytest.mark.needs("pty")
def test_what_goes_to_a_file_still_goes_there(tmp_path: Any) -> None:
    """Standard output may be redirected while standard error is a terminal."""
    out = tmp_path / "out.txt"
    code = f"""
import sys, time
sys.stdout = open({str(out)!r}, "w")
from abreast import Runner
def work():
    time.sleep(0.6)  # the task sleeps
    print("for the file")
runner = Runner(1)
runner.add(work)
runner.run()
sys.stdout.close()
sys.stdout = sys.__stdout__
"""
    text = on_terminal(code)
    assert HIDE in text
    assert "for the file" not in text
    assert out.read_text() == "for the file\n"


@pytest.mark.needs("pty")
def test_a_forked_child_does_not_draw() -> None:
    code = """
import os, time
from abreast import Runner
def work():
    time.sleep(0.5)  # the task sleeps
    pid = os.fork()
    if pid == 0:
        print("from the child", flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
runner = Runner(1)
runner.add(work)
runner.run()
"""
    assert "from the child" in on_terminal(code)


# --- how long it may still take ---


def made(name: str, took: float | None = None, started: float | None = None) -> Run:
    run = Run(1, Task(name, print), (), {}, 0.0)
    run.started = started
    if took is not None:
        run.started, run.ended, run.state = 0.0, took, State.COMPLETED
    return run


def test_time_left_is_unknown_before_anything_has_ended() -> None:
    pace = Pace()
    pace.added([made("a"), made("a")])
    assert pace.left([], 2, 0.0) is None


def test_time_left_follows_the_measured_durations() -> None:
    pace = Pace()
    ended, running = made("a", took=4.0), made("a", started=10.0)
    pace.added([ended, running, made("a"), made("a"), made("a")])
    pace.ended(ended)
    assert pace.left([running], 2, 11.0) == pytest.approx((3.0 + 3 * 4.0) / 2)
    assert pace.left([running], 100, 11.0) == pytest.approx(4.0)


def test_time_left_is_never_negative() -> None:
    pace = Pace()
    ended, running = made("a", took=1.0), made("a", started=10.0)
    pace.added([ended, running])
    pace.ended(ended)
    assert pace.left([running], 1, time.time()) is None


def test_unmeasured_tasks_count_as_declared_or_as_the_others() -> None:
    pace = Pace()
    told = made("told")
    told.task.expected = 8.0
    ended = made("a", took=2.0)
    pace.added([ended, told, made("new")])
    pace.ended(ended)
    assert pace.left([], 1, 0.0) == pytest.approx(8.0 + 2.0)
