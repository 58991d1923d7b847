"""The parent, in every form it comes: script, REPL, ``-c``; and what happens when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abreast.testing.executor_suite import Pipe

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.needs("linux")

USE = """
import os, sys, threading
from abreast.domain.model import Attempt, Run, Task
from abreast.executors.process import ProcessExecutor
from abreast.testing.executor_suite import RecordingHost

class Point:
    def __init__(self, x): self.x = x

base = 40

def move(point):
    return Point(point.x + base)

def start(fn, *args):
    attempt = Attempt(Run(1, Task("t", fn), args, {}, 0.0), 1, args, {}, host)
    executor.start(attempt)
    return attempt

executor, host = ProcessExecutor(2), RecordingHost()
executor.bind(host)
"""
MOVE = """
start(move, Point(2))
attempt = host.next_report()
print(attempt.outcome, type(attempt.value) is Point and attempt.value.x, attempt.error)
"""
CLOSE = "executor.close(1.0)\n"
FAMILY = """
from tests.executors import process_tasks
start(process_tasks.fork_family_and_wait, sys.argv[1])
"""
WAIT = "threading.Event().wait()\n"


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}


def python(*args: str, text: str = "") -> str:
    done = subprocess.run(
        [sys.executable, *args],
        input=text,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("print('started')\n" + USE + MOVE + CLOSE)
    assert python(str(script)).splitlines() == ["started", "ok 42 None"]


def test_a_script_may_forget_to_close(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(USE + MOVE)
    assert "ok 42 None" in python("-W", "error", str(script))


def test_dash_c() -> None:
    assert python("-c", USE + MOVE + CLOSE) == "ok 42 None\n"


def test_repl() -> None:
    lines = USE.replace("\n\n", "\n\n\n") + MOVE + CLOSE
    assert "ok 42 None" in python("-i", "-q", text=lines + "\n")


def test_standard_streams_may_be_closed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = "import os\nfor fd in 0, 1, 2: os.close(fd)\n" + USE
    code += MOVE.replace("print(", f"print(file=open({str(out)!r}, 'w'), *(").strip() + ")\n"
    python("-c", code + CLOSE)
    assert out.read_text() == "ok 42 None\n"


@pytest.mark.parametrize("how", ["kill", "terminate", "interrupt", "exit"])
def test_nothing_outlives_the_parent(tmp_path: Path, watch: Any, how: str) -> None:
    pipe = Pipe(tmp_path, "pids")
    code = USE + FAMILY + (WAIT if how != "exit" else "sys.stdin.read()\n")
    parent = subprocess.Popen(
        [sys.executable, "-c", code, pipe.path],
        env=environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        members = [watch(int(pipe.line())) for _ in range(5)]
        nursery = watch(int(Path(f"/proc/{members[0].pid}/stat").read_text().split()[3]))
        if how == "kill":
            parent.kill()
        elif how == "terminate":
            parent.terminate()
        elif how == "interrupt":
            parent.send_signal(signal.SIGINT)
        assert parent.stdin is not None
        parent.stdin.close()
        for member in (*members, nursery):
            member.wait_until_gone()
    finally:
        parent.kill()
        parent.wait()


def test_programs_of_the_parent_inherit_nothing(tmp_path: Path) -> None:
    code = USE + MOVE + "import subprocess\n"
    code += "subprocess.run(['ls', '-l', '/proc/self/fd'], close_fds=False)\n" + CLOSE
    assert "socket" not in python("-c", code)


def test_importing_the_executor_is_cheap() -> None:
    heavy = ["asyncio", "cloudpickle", "ctypes", "multiprocessing", "psutil"]
    code = "import sys, abreast.executors.process, abreast.executors.command\n"
    assert python("-c", code + f"print(*[m for m in {heavy} if m in sys.modules])") == "\n"
