"""What a run in a process of its own prints and logs reaches its log, and only its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.executors import output_tasks as tasks

from abreast.domain.command import Command
from abreast.domain.model import Outcome
from abreast.executors.process import ProcessExecutor

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.needs("linux")

EVERY_WAY = [
    "printed in pieces",
    "to stderr",
    "as bytes",
    "by descriptor",
    "by libc",
    "by a shell",
    "by a shell to stderr",
    "by a grandchild",
]


@pytest.mark.parametrize("fresh", [False, True])
def test_every_way_to_print(processes: Any, logs: Any, fresh: bool) -> None:
    for name in ("one", "two"):
        attempt = processes.run(tasks.print_in_every_way, log=logs.new(name), fresh=fresh)
        assert attempt.outcome is Outcome.OK, attempt.trace
        assert logs.lines(name) == EVERY_WAY
        assert attempt.log.error is None


def test_a_silent_run_makes_no_file(processes: Any, logs: Any) -> None:
    attempts = [processes.run(tasks.nothing, log=logs.new()) for _ in range(3)]
    assert {attempt.log.path for attempt in attempts} == {None}
    assert not logs.folder.exists()


def test_logging_is_shown_from_info_on(processes: Any, logs: Any) -> None:
    processes.run(tasks.log_at_every_level, log=logs.new())
    lines = logs.lines()
    assert lines[:3] == [
        "INFO:tests.output:info 1",
        "WARNING:root:warning",
        "ERROR:tests.output:trouble",
    ]
    assert lines[-1] == "ValueError: no luck"
    processes.run(tasks.log_by_module, log=logs.new("module"))
    assert logs.lines("module") == ["INFO:root:by module"]


def test_a_task_may_configure_logging(processes: Any, logs: Any) -> None:
    processes.run(tasks.nothing, log=logs.new())
    processes.run(tasks.configure_logging_and_log, log=logs.new())
    assert logs.lines() == ["mine: shown"]


def test_output_is_readable_while_running_to_the_last_character(processes: Any, logs: Any) -> None:
    pipe, gate = processes.pipe(), processes.gate()
    processes.start(tasks.prompt, pipe.path, gate.path, log=logs.new())
    pipe.line()
    logs.wait_for("your name? ")
    assert logs.lines() == ["before", "your name? "]
    gate.open()
    processes.host.next_report()
    assert logs.lines() == ["before", "your name? x"]


def test_each_run_of_a_chain_has_its_own(processes: Any, logs: Any) -> None:
    attempts = [processes.attempt(tasks.say, f"text {n}", log=logs.new(f"{n}")) for n in range(300)]
    processes.host.following.extend(attempts[2:])
    for attempt in attempts[:2]:
        processes.executor.start(attempt)
    for _ in attempts:
        processes.host.next_report()
    assert [logs.lines(f"{n}") for n in range(300)] == [[f"text {n}"] for n in range(300)]


def test_runs_given_from_another_thread_lose_nothing(processes: Any, logs: Any) -> None:
    for number in range(300):
        processes.run(tasks.say, f"text {number}", log=logs.new(f"{number}"))
        assert logs.lines(f"{number}") == [f"text {number}"]


def test_everything_is_in_the_log_when_the_run_is_reported(processes: Any, logs: Any) -> None:
    processes.run(tasks.print_lines, 20_000, 8, log=logs.new())
    assert logs.lines() == [f"{number:08d}" for number in range(20_000)]


def test_a_second_attempt_continues_the_file(processes: Any, logs: Any) -> None:
    processes.run(tasks.print_and_fail, log=logs.new())
    processes.run(tasks.say, "again", log=logs.new())
    assert logs.lines() == ["so far", "again"]


def test_killed_in_the_middle_of_a_line(processes: Any, logs: Any) -> None:
    attempt = processes.run(tasks.die_in_the_middle_of_a_line, log=logs.new())
    assert attempt.outcome is Outcome.CRASHED
    assert logs.lines() == ["a whole line", "half a li"]
    processes.run(tasks.say, "next", log=logs.new("next"))
    assert logs.lines("next") == ["next"]


def test_fifty_megabytes_under_a_cap_of_one(processes: Any, logs: Any) -> None:
    attempt = processes.run(tasks.print_lines, 51_200, 1023, log=logs.new(cap_bytes=1_000_000))
    assert attempt.outcome is Outcome.OK, attempt.trace
    assert (logs.folder / "log").stat().st_size <= 1_000_000
    lines = logs.lines()
    numbers = [int(line) for line in lines if line.isdigit()]
    assert numbers[0] == 0
    assert numbers[-1] == 51_199
    assert len(lines) - len(numbers) == 2
    assert 850 < len(numbers) < 960


def test_what_a_leftover_prints_is_in_no_later_log(processes: Any, logs: Any) -> None:
    for number in range(3):
        processes.run(tasks.leave_a_printer, log=logs.new(f"left {number}", 10_000))
        processes.run(tasks.say, "alone", log=logs.new(f"alone {number}"))
        assert logs.lines(f"alone {number}") == ["alone"]
        assert "started" in logs.text(f"left {number}")


def test_a_run_that_is_stopped_keeps_what_it_printed(processes: Any, logs: Any) -> None:
    pipe, gate = processes.pipe(), processes.gate()
    attempt = processes.start(tasks.prompt, pipe.path, gate.path, log=logs.new())
    pipe.line()
    processes.stop(attempt, 0.0)
    assert attempt.outcome is Outcome.STOPPED
    assert logs.lines() == ["before", "your name? "]


@pytest.mark.parametrize("spoil", [tasks.close_and_replace_streams, tasks.detach_streams])
def test_spoilt_streams_are_put_right(processes: Any, logs: Any, spoil: Any) -> None:
    for number in range(3):
        processes.run(spoil, log=logs.new(f"close {number}"))
        attempt = processes.run(tasks.print_in_every_way, log=logs.new(f"{number}"))
        assert attempt.outcome is Outcome.OK, attempt.trace
        assert logs.lines(f"close {number}") == ["as ever"]
        assert logs.lines(f"{number}") == EVERY_WAY


def test_runs_with_a_log_of_any_kind_and_none_take_turns(
    processes: Any, logs: Any, tmp_path: Path, capfd: Any
) -> None:
    for number in range(3):
        processes.run(tasks.say, f"piped {number}", log=logs.new(f"{number}"))
        processes.run(tasks.say, f"plain {number}", log=tmp_path / "plain")
        processes.run(tasks.say, f"none {number}")
    assert [logs.lines(f"{number}") for number in range(3)] == [[f"piped {n}"] for n in range(3)]
    assert (tmp_path / "plain").read_text() == "plain 0\nplain 1\nplain 2\n"
    assert capfd.readouterr().out == "none 0\nnone 1\nnone 2\n"


def test_children_from_before_the_first_log_are_replaced(processes: Any, logs: Any) -> None:
    held = [processes.start(os.getpid) for _ in range(2)]
    for _ in held:
        processes.host.next_report()
    for number in range(4):
        processes.run(tasks.say, "x", log=logs.new(f"{number}"))
        assert logs.lines(f"{number}") == ["x"]
    first = processes.attempt(tasks.nothing)
    processes.host.following.append(processes.attempt(tasks.say, "y", log=logs.new("y")))
    processes.executor.start(first)
    processes.host.next_report()
    processes.host.next_report()
    assert logs.lines("y") == ["y"]


def test_threads_of_a_run_print_whole_lines(processes: Any, logs: Any) -> None:
    processes.run(tasks.print_from_threads, 4, 500, log=logs.new())
    lines = logs.lines()
    assert len(lines) == 2_000
    assert set(lines) == {f"{str(n) * 9} {str(n) * 9}" for n in range(4)}


def test_code_that_holds_the_interpreter_can_print_much(processes: Any, logs: Any) -> None:
    size = 5 << 20
    attempt = processes.run(
        tasks.print_in_c_with_the_interpreter_held, size, log=logs.new(cap_bytes=20 << 20)
    )
    assert attempt.value == size, attempt.error
    assert logs.lines() == ["x" * (size - 1)]


def test_text_of_any_kind(processes: Any, logs: Any) -> None:
    attempt = processes.run(tasks.strange_text, log=logs.new())
    assert attempt.outcome is Outcome.OK, attempt.trace
    assert logs.lines() == ["grüße \\udcff \N{SNOWMAN}"]


def test_a_full_disk_does_not_end_the_run(processes: Any, logs: Any) -> None:
    logs.folder.mkdir()
    (logs.folder / "full").symlink_to("/dev/full")
    attempt = processes.run(tasks.print_lines, 10_000, 100, log=logs.new("full"))
    assert attempt.outcome is Outcome.OK, attempt.trace
    assert "space" in str(attempt.log.error)


def test_descriptors_are_given_back(tmp_path: Path, logs: Any) -> None:
    from tests.executors.conftest import Bench

    def use(number: int) -> None:
        bench = Bench(ProcessExecutor(2), tmp_path)
        bench.run(tasks.say, "x", log=logs.new(f"{number}"))
        bench.run(tasks.die_in_the_middle_of_a_line, log=logs.new(f"die {number}"))
        bench.run(tasks.say, "x", log=logs.new(f"again {number}"), fresh=True)
        bench.executor.close(1.0)

    use(0)
    before = sorted(os.listdir("/proc/self/fd"))
    use(1)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_child_holds_only_its_own_pipe(processes: Any, logs: Any) -> None:
    from tests.executors.process_tasks import descriptors

    processes.run(tasks.nothing, log=logs.new())
    found = processes.run(descriptors, log=logs.new()).value
    assert len([name for name in found if "socket" in name]) == 1
    assert len({name for name in found if "pipe" in name} - set(own_pipes())) == 1


def own_pipes() -> list[str]:
    """Pipes that are our standard streams, which children have too."""
    return [os.readlink(f"/proc/self/fd/{fd}") for fd in (0, 1, 2)]


def test_the_parent_may_have_no_standard_streams(tmp_path: Path) -> None:
    code = """
import os, sys
for fd in 0, 1, 2: os.close(fd)
from pathlib import Path
from tests.executors import output_tasks
from tests.executors.conftest import Bench
from abreast.executors.process import ProcessExecutor
from abreast.executors.runlog import RunLog
bench = Bench(ProcessExecutor(1), Path(sys.argv[1]))
bench.run(output_tasks.print_in_every_way, log=RunLog(sys.argv[1] + "/log"))
bench.executor.close(1.0)
"""
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, check=True, timeout=60)
    assert [line.partition(" ")[2] for line in (tmp_path / "log").read_text().splitlines()] == (
        EVERY_WAY
    )


# -- commands --------------------------------------------------------------------------------


@pytest.mark.parametrize("capture", [False, True])
def test_commands_print_to_their_log(commands: Any, logs: Any, capture: bool) -> None:
    command = Command(shell="echo out; echo err >&2", capture=capture)
    attempt = commands.run(command, log=logs.new())
    assert attempt.outcome is Outcome.OK, attempt.error
    assert sorted(logs.lines()) == ["err", "out"]
    assert attempt.value.stdout == ("out\n" if capture else None)
    commands.run(Command(shell="printf half", capture=capture), log=logs.new("half"))
    assert logs.lines("half") == ["half"]
    commands.run(Command("true"), log=logs.new("silent"))
    assert not (logs.folder / "silent").exists()


@pytest.mark.parametrize("capture", [False, True])
def test_a_command_is_readable_while_it_runs(commands: Any, logs: Any, capture: bool) -> None:
    pipe, gate = commands.pipe(), commands.gate()
    command = Command(
        shell="echo begun; printf 'name? '; echo $$ > $1; read x < $2", capture=capture
    )
    commands.start(command, pipe.path, gate.path, log=logs.new())
    pipe.line()
    logs.wait_for("name? ")
    assert logs.lines() == ["begun", "name? "]
    gate.open()
    commands.host.next_report()


def test_a_command_that_prints_without_end_is_stopped(commands: Any, logs: Any) -> None:
    pipe = commands.pipe()
    attempt = commands.start(
        Command(shell="echo $$ > $1; yes", capture=False), pipe.path, log=logs.new("log", 50_000)
    )
    pipe.line()
    logs.wait_for("y\n")
    commands.stop(attempt, 5.0)
    assert attempt.outcome is Outcome.STOPPED
    assert (logs.folder / "log").stat().st_size <= 50_000
