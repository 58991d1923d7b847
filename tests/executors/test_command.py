"""Commands: what they get, what they leave, how they end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abreast.domain.command import Command, CommandResult
from abreast.domain.model import Outcome
from abreast.errors import CommandFailed, UsageError, WrongType
from abreast.testing.executor_suite import Pipe

pytestmark = pytest.mark.needs("linux")


def sh(line: str, **how: Any) -> Command:
    return Command(shell=line, **how)


def test_result_has_all_there_is_to_know(commands: Any, tmp_path: Path) -> None:
    attempt = commands.run(Command("sh", "-c", "pwd; echo oops >&2", cwd=tmp_path))
    assert attempt.value == CommandResult(
        ("sh", "-c", "pwd; echo oops >&2"), 0, f"{tmp_path}\n", "oops\n", str(tmp_path)
    )
    assert commands.run(sh("true")).value == CommandResult("true", 0, "", "", None)


def test_arguments_of_the_run_are_appended(commands: Any) -> None:
    attempt = commands.run(Command("printf", "%s;%s;%s"), 1, "two words", Path("three"))
    assert attempt.value.stdout == "1;two words;three"
    assert attempt.value.command[2:] == ("1", "two words", "three")
    assert commands.run(sh("echo $2 $1"), "a", "b").value.stdout == "b a\n"


def test_environment_is_that_of_now_and_added_to(commands: Any, monkeypatch: Any) -> None:
    commands.run(sh("true"))
    monkeypatch.setenv("ABREAST_TEST_NOW", "now")
    command = sh("echo $ABREAST_TEST_NOW $MORE", env={"MORE": "more"})
    assert commands.run(command).value.stdout == "now more\n"


def test_folder_is_that_of_now(commands: Any, monkeypatch: Any, tmp_path: Path) -> None:
    commands.run(sh("true"))
    monkeypatch.chdir(tmp_path)
    assert commands.run(sh("pwd")).value.stdout == f"{tmp_path}\n"


def test_stdin(commands: Any) -> None:
    assert commands.run(sh("cat")).value.stdout == ""
    assert commands.run(sh("cat", stdin="grüße")).value.stdout == "grüße"
    large = os.urandom(3 << 20)
    assert commands.run(sh("cat", stdin=large, text=False)).value.stdout == large
    assert commands.run(sh("head -c 1", stdin="x" * (1 << 20))).value.stdout == "x"


def test_text_and_bytes(commands: Any) -> None:
    line = r"printf '\377ok'"
    assert commands.run(sh(line)).value.stdout == "\N{REPLACEMENT CHARACTER}ok"
    assert commands.run(sh(line, text=False)).value.stdout == b"\xffok"


def test_unexpected_exit_code(commands: Any) -> None:
    attempt = commands.run(sh("echo out; echo err >&2; exit 7"))
    assert attempt.outcome is Outcome.ERROR
    assert isinstance(attempt.error, CommandFailed)
    assert str(attempt.error) == "Command exited with return code 7: err"
    assert attempt.error.returncode == 7
    assert isinstance(attempt.error.result, CommandResult)
    assert attempt.error.result.stdout == "out\n"
    attempt = commands.run(sh("head -c 2000 /dev/zero | tr '\\0' x; exit 1"))
    assert str(attempt.error) == "Command exited with return code 1: " + "x" * 500


def test_expected_exit_codes(commands: Any) -> None:
    assert commands.run(sh("exit 3", ok=(0, 3))).value.returncode == 3
    assert commands.run(sh("exit 9", ok=None)).value.returncode == 9
    assert commands.run(sh("exit 0", ok=3)).outcome is Outcome.ERROR


def test_killed_by_a_signal(commands: Any) -> None:
    attempt = commands.run(sh("kill -9 $$"))
    assert attempt.outcome is Outcome.ERROR
    assert attempt.error.returncode == -9
    assert "SIGKILL" in str(attempt.error)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Command("no-such-program", "x"), "'no-such-program' cannot start: no program of this"),
        (Command("./no/such/file"), "'./no/such/file' cannot start: no such file"),
        (Command("/etc"), "'/etc' cannot start: Permission denied"),
        (Command("ls", cwd="/no/folder"), "cwd='/no/folder' does not exist"),
    ],
)
def test_what_cannot_start_is_named(commands: Any, command: Command, words: str) -> None:
    attempt = commands.run(command)
    assert attempt.outcome is Outcome.ERROR
    assert isinstance(attempt.error, CommandFailed)
    assert words in str(attempt.error)


def test_wrong_use_is_explained(commands: Any) -> None:
    attempt = commands.run(os.getpid)
    assert isinstance(attempt.error, WrongType)
    assert 'executor="process"' in str(attempt.error)
    attempt = commands.run(Command("ls"), kwargs={"key": 1})
    assert isinstance(attempt.error, UsageError)
    assert "key" in str(attempt.error)
    assert commands.run(Command("true")).outcome is Outcome.OK


def test_large_output_on_both_streams(commands: Any) -> None:
    attempt = commands.run(sh("head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2"))
    assert len(attempt.value.stdout) == len(attempt.value.stderr) == 20_000_000


def test_log_receives_captured_output_too(commands: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    attempt = commands.run(sh("echo out; echo err >&2"), log=log)
    assert (attempt.value.stdout, attempt.value.stderr) == ("out\n", "err\n")
    assert sorted(log.read_text().split()) == ["err", "out"]


def test_without_capture_the_log_gets_it_directly(commands: Any, tmp_path: Path) -> None:
    attempt = commands.run(sh("echo out; echo err >&2", capture=False), log=tmp_path / "log")
    assert (attempt.value.stdout, attempt.value.stderr) == (None, None)
    assert (tmp_path / "log").read_text() == "out\nerr\n"


def test_background_processes_do_not_delay_the_end_and_are_ended(commands: Any, watch: Any) -> None:
    pipe, gate = commands.pipe(), commands.gate()
    line = "sleep 1000 & echo $! > $1; setsid sleep 1000 & echo $! > $1; read x < $2; echo end"
    attempt = commands.start(sh(line), pipe.path, gate.path)
    left = [watch(int(pipe.line())) for _ in range(2)]
    gate.open()
    assert commands.host.next_report() is attempt
    assert attempt.value.stdout == "end\n"
    assert all(process.is_gone() for process in left)


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
def test_stop_ends_the_command_and_its_family(commands: Any, watch: Any, trap: str) -> None:
    pipe = commands.pipe()
    line = f"{trap}sleep 1000 & echo $$ $! > $1; setsid sleep 1000 & echo $! > $1; wait; wait"
    attempt = commands.start(sh(line), pipe.path)
    pids = [*pipe.line().split(), pipe.line()]
    family = [watch(int(pid)) for pid in pids]
    commands.stop(attempt, 0.3)
    assert attempt.outcome is Outcome.STOPPED
    assert all(process.is_gone() for process in family)


def test_grace_lets_a_command_clean_up(commands: Any, tmp_path: Path) -> None:
    pipe, log = commands.pipe(), tmp_path / "log"
    line = "trap 'echo cleaned; exit 0' TERM; echo $$ > $1; while :; do sleep 0.01; done"
    attempt = commands.start(sh(line), pipe.path, log=log)
    pipe.line()
    commands.stop(attempt, 10.0)
    assert attempt.outcome is Outcome.STOPPED  # it ended well, but only because it was told to
    assert "cleaned\n" in log.read_text()


def test_prints_without_end(commands: Any, tmp_path: Path) -> None:
    pipe = commands.pipe()
    attempt = commands.start(sh("echo $$ > $1; yes"), pipe.path)
    pipe.line()
    commands.stop(attempt, 5.0)
    assert attempt.outcome is Outcome.STOPPED


def test_a_command_dies_with_the_parent(tmp_path: Path, watch: Any) -> None:
    pipe = Pipe(tmp_path, "pid")
    code = f"""
import threading
from abreast.domain.command import Command
from abreast.domain.model import Attempt, Run, Task
from abreast.executors.command import CommandExecutor
from abreast.testing.executor_suite import RecordingHost
executor, host = CommandExecutor(1), RecordingHost()
executor.bind(host)
task = Task("t", Command(shell="echo $$ > {pipe.path}; sleep 1000"))
executor.start(Attempt(Run(1, task, (), {{}}, 0.0), 1, (), {{}}, host))
threading.Event().wait()
"""
    root = Path(__file__).resolve().parent.parent.parent
    env = {**os.environ, "PYTHONPATH": str(root / "src")}
    parent = subprocess.Popen([sys.executable, "-c", code], env=env)
    try:
        command = watch(int(pipe.line()))
    finally:
        parent.kill()
        parent.wait()
    command.wait_until_gone()
