"""What runs print, grouped and as a stream, to terminals, pipes and readers that leave."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from typing import Any

import pytest
from tests.cli.conftest import PROGRAM, environment, started

pytestmark = pytest.mark.needs("posix")

# Two tasks that take turns, line by line, however fast either of them is.
TURNS = """
import os, sys
from pathlib import Path

def take_turns(me, other):
    for name in (me, other):
        try: os.mkfifo(name)
        except FileExistsError: pass
    with open(me, "r+b", 0) as mine, open(other, "r+b", 0) as theirs:
        if me == "a":
            mine.write(b".")
        for number in range(3):
            mine.read(1)
            print(f"{me}{number}", file=sys.stderr if number == 1 else sys.stdout)
            sys.stdout.flush()
            theirs.write(b".")
        if me == "a":
            mine.read(1)
"""
WAYS = {
    "threads": "@task\ndef a(): take_turns('a', 'b')\n@task\ndef b(): take_turns('b', 'a')",
    "processes": "@task(executor='process')\ndef a(): take_turns('a', 'b')\n"
    "@task(executor='process')\ndef b(): take_turns('b', 'a')",
}


def prepared(way: str) -> str:
    return TURNS + WAYS[way]


@pytest.mark.parametrize("way", WAYS)
def test_grouped_keeps_the_output_of_a_task_together(abreast: Any, tasks: Any, way: str) -> None:
    tasks(prepared(way))
    done = abreast("run", "tasks.py", "-j", "2")
    assert done.code == 0, done
    assert re.search(r"── a \(.*\n(a0|a1|a2)\n(a0|a1|a2)\n(a0|a1|a2)\n", done.out), done
    assert re.search(r"── b \(.*\nb\d\nb\d\nb\d\n", done.out), done


def test_stream_prints_lines_as_they_come(abreast: Any, tasks: Any) -> None:
    tasks(prepared("threads"))
    done = abreast("run", "tasks.py", "-j", "2", "--output", "stream")
    assert done.code == 0, done
    lines = [line for line in done.out.splitlines() if "│" in line]
    assert lines == ["a │ a0", "b │ b0", "a │ a1", "b │ b1", "a │ a2", "b │ b2"]


def test_stream_of_processes(abreast: Any, tasks: Any) -> None:
    tasks(prepared("processes"))
    done = abreast("run", "tasks.py", "-j", "2", "--output", "stream")
    assert done.code == 0, done
    lines = sorted(line for line in done.out.splitlines() if "│" in line)
    assert lines == ["a │ a0", "a │ a1", "a │ a2", "b │ b0", "b │ b1", "b │ b2"]


def test_stream_shows_a_line_before_its_task_has_ended(tasks: Any, tmp_path: Any) -> None:
    """The task goes on only after its line has been read here."""
    os.mkfifo(tmp_path / "seen")
    tasks("""
        @task(executor="process")
        def waits():
            print("are you there?", flush=True)
            with open("seen") as seen: seen.read()
            print("good", end="")
    """)
    with started(
        "run",
        "tasks.py",
        "--output=stream",
        "--progress=none",
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "waits │ are you there?\n"
        (tmp_path / "seen").write_text("yes")
        assert program.stdout.readline() == "waits │ good\n"
        program.stdout.read()
        assert program.wait(timeout=30) == 0


def test_prefixes_have_one_width(abreast: Any, tasks: Any) -> None:
    tasks("""
        @task
        def a(): print("x")
        @task
        def longer(): print("y")
        @task
        def bad(): raise ValueError("z")
    """)
    done = abreast("run", "tasks.py", "--output", "stream")
    assert "a      │ x\n" in done.out
    assert "longer │ y\n" in done.out
    assert "bad    │ ValueError: z\n" in done.out


def test_failures_come_last(abreast: Any, tasks: Any) -> None:
    tasks("""
        @task
        def bad():
            print("bad says this")
            raise ValueError("no good")
        @task
        def good(): print("good says this")
    """)
    done = abreast("run", "tasks.py", "-j", "1")
    assert done.code == 1, done
    good, bad = done.out.index("good says this"), done.out.index("bad says this")
    assert good < bad < done.out.index("ValueError: no good") < done.out.index("Tries")


def test_what_was_printed_before_a_timeout_is_shown(abreast: Any, tasks: Any) -> None:
    tasks("""
        import signal
        @task(executor="process", timeout=0.5)
        def slow():
            print("so far", flush=True)
            signal.pause()
    """)
    done = abreast("run", "tasks.py")
    assert re.search(r"── slow: failed\(timeout\) after .*\nso far\n", done.out), done


def test_attempts_of_one_run_are_shown_together(abreast: Any, tasks: Any) -> None:
    tasks("""
        from abreast import current_run
        def body():
            print("attempt", current_run().attempt)
            if current_run().attempt == 1: raise ValueError
        @task(retry=1)
        def thread(): body()
        @task(retry=1, executor="process")
        def process(): body()
    """)
    done = abreast("run", "tasks.py")
    assert done.code == 0, done
    assert done.out.count("attempt 1\nattempt 2\n") == 2


def test_all_ways_to_print(abreast: Any, tasks: Any) -> None:
    tasks(r"""
        import sys
        @task
        def prints():
            print("text")
            sys.stdout.write("no newline; ")
            sys.stdout.writelines(["two", " parts\n"])
            sys.stdout.buffer.write(b"bytes\n")
            sys.stdout.flush()
            print("to stderr", file=sys.stderr)
            sys.stdout.close()
            print("after close")
            print("name \udcff\ud800 of a file")
            assert not sys.stdout.isatty() and sys.stdout.writable()
    """)
    done = abreast("run", "tasks.py")
    assert done.code == 0, done
    expected = "text\nno newline; two parts\nbytes\nto stderr\nafter close\nname "
    assert expected in done.out


def test_much_output(abreast: Any, tasks: Any) -> None:
    tasks("""
        def body():
            for _ in range(300): print("x" * 9999)
        @task
        def thread(): body()
        @task(executor="process")
        def process(): body()
    """)
    for output in ("grouped", "stream"):
        done = abreast("run", "tasks.py", "--output", output)
        assert done.code == 0
        assert done.out.count("x" * 9999 + "\n") == 600


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"},
    ],
)
@pytest.mark.parametrize("output", ["grouped", "stream"])
def test_any_locale(abreast: Any, tasks: Any, env: dict[str, str], output: str) -> None:
    tasks("""
        @task
        def grüße(): print("Grüße, \N{SNOWMAN}")
        @task(executor="process")
        def apart(): print("plain")
        @task
        def bad(): raise ValueError("\N{SNOWMAN}")
    """)
    done = abreast("run", "tasks.py", "--output", output, **env)
    assert done.code == 1, done
    assert "plain" in done.out
    assert "UnicodeEncodeError" not in done.out + done.err


def test_dumb_terminal(terminal: Any, tasks: Any) -> None:
    tasks("@task\ndef hello(): print('hello')")
    screen = terminal("run", "tasks.py", TERM="dumb")
    assert screen.end() == 0
    assert "hello\n" in screen.text
    assert "\x1b" not in screen.text


def test_live_terminal(terminal: Any, tasks: Any, tmp_path: Any) -> None:
    """Output appears above the live display while something else still runs."""
    os.mkfifo(tmp_path / "seen")
    tasks("""
        @task
        def early(): open("seen").read(); print("early bird")
        @task
        def late(): open("seen2").read()
    """)
    os.mkfifo(tmp_path / "seen2")
    screen = terminal("run", "tasks.py", "-j", "2")
    screen.wait_for("running")
    (tmp_path / "seen").write_text("yes")
    screen.wait_for("early bird")
    (tmp_path / "seen2").write_text("yes")
    assert screen.end() == 0
    assert screen.text.count("2 completed") >= 1
    assert screen.text.rstrip().endswith("2 completed")


def test_no_colour(terminal: Any, tasks: Any) -> None:
    tasks("@task\ndef hello(): print('hello')")
    words = ("run", "tasks.py", "--output=stream", "--progress=none")
    coloured = terminal(*words)
    assert coloured.end() == 0
    assert re.search(r"\x1b\[\d+mhello │ \x1b\[0mhello\n", coloured.text)
    plain = terminal(*words, NO_COLOR="1")
    assert plain.end() == 0
    assert "\x1b" not in plain.text


def test_groups_of_github_actions(abreast: Any, tasks: Any) -> None:
    tasks("""
        @task
        def good(): print("fine")
        @task
        def bad(): raise ValueError
    """)
    done = abreast("run", "tasks.py", GITHUB_ACTIONS="true")
    assert re.search(r"::group::good \(.*\)\nfine\n::endgroup::\n", done.out), done
    assert done.out.count("::group::") == 1, "failures stay open"


def test_a_reader_that_leaves(tasks: Any, tmp_path: Any) -> None:
    """``abreast run … | head -1``: silent, and the tasks do their work."""
    tasks("""
        @task
        def first(): print("x" * 100_000)
        @task(after=[first])
        def second():
            print("y" * 100_000)
            open("done", "w")
    """)
    done = subprocess.run(
        ["sh", "-c", f"{' '.join(PROGRAM)} run tasks.py --progress=none | head -c 10"],
        cwd=tmp_path, env=environment(), capture_output=True, timeout=60,
    )  # fmt: skip
    assert len(done.stdout) == 10
    assert done.stderr == b""
    assert (tmp_path / "done").exists()


def test_a_reader_of_json_that_leaves(tasks: Any, tmp_path: Any) -> None:
    tasks("@task\ndef first(): return ['x' * 1000] * 99")
    command = f"{' '.join(PROGRAM)} run tasks.py --json --progress=none | head -c 1"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (b"{", b"")


@pytest.mark.needs("linux")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_full_disk_is_a_failure(tasks: Any, tmp_path: Any, more: list[str]) -> None:
    tasks("@task\ndef hello(): print('hello')")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*PROGRAM, "run", "tasks.py", "--progress=none", *more], cwd=tmp_path,
            env=environment(), stdout=full, stderr=subprocess.PIPE, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert b"cannot write the output: No space left on device" in done.stderr


def test_exec_ends_when_its_reader_leaves(tmp_path: Any) -> None:
    """``yes | abreast exec … | head -3`` would go on for ever otherwise."""
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless:
        with started(
            "exec",
            "--progress=none",
            "--",
            "echo",
            stdin=endless.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        ) as program:
            assert program.stdout is not None
            assert program.stderr is not None
            assert program.stdout.readline() == b"y\n"
            program.stdout.close()
            assert program.wait(timeout=60) == 128 + signal.SIGPIPE
            assert program.stderr.read() == b""
        endless.kill()


def test_json_of_exec_has_the_output(abreast: Any) -> None:
    script = "echo out {}; echo err >&2; exit {}"
    done = abreast("exec", "--json", "--shell", "--", script, ":::", "0", "3")
    assert done.code == 1, done
    results = [run["result"] for run in json.loads(done.out)["runs"]]
    assert results == [
        {"returncode": 0, "stdout": "out 0\n", "stderr": "err\n"},
        {"returncode": 3, "stdout": "out 3\n", "stderr": "err\n"},
    ]
