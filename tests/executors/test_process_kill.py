"""Ending runs against their will, with all they started; and deaths nobody asked for."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.executors import process_tasks as tasks

from abreast.domain.model import Outcome
from abreast.errors import Crashed

pytestmark = pytest.mark.needs("linux")
FAMILY = 5  # processes that process_tasks.fork_family tells of, itself included


def family(pipe: Any, watch: Any) -> list[Any]:
    return [watch(int(pipe.line())) for _ in range(FAMILY)]


def assert_usable(bench: Any) -> None:
    attempt = bench.run(tasks.pid)
    assert attempt.outcome is Outcome.OK, attempt.error
    assert attempt.value == attempt.pid


def test_term_lets_a_task_clean_up(processes: Any, tmp_path: Path) -> None:
    pipe = processes.pipe()
    attempt = processes.start(tasks.clean_up_on_term, pipe.path, str(tmp_path / "trace"))
    assert int(pipe.line()) > 0
    processes.stop(attempt, 10.0)
    assert attempt.outcome is Outcome.STOPPED
    assert (tmp_path / "trace").read_text() == "cleaned up"
    assert_usable(processes)


def test_what_ignores_term_is_killed_after_the_grace(processes: Any, watch: Any) -> None:
    pipe = processes.pipe()
    attempt = processes.start(tasks.ignore_term, pipe.path)
    process = watch(int(pipe.line()))
    before = time.monotonic()
    processes.stop(attempt, 0.3)
    assert 0.3 <= time.monotonic() - before < 5
    assert process.is_gone()
    assert attempt.outcome is Outcome.STOPPED
    assert_usable(processes)


def test_no_grace_kills_at_once(processes: Any, watch: Any, tmp_path: Path) -> None:
    pipe = processes.pipe()
    attempt = processes.start(tasks.clean_up_on_term, pipe.path, str(tmp_path / "trace"))
    process = watch(int(pipe.line()))
    processes.stop(attempt, 0.0)
    assert process.is_gone()
    assert not (tmp_path / "trace").exists()


def test_a_second_stop_may_shorten_the_grace(processes: Any) -> None:
    pipe = processes.pipe()
    attempt = processes.start(tasks.ignore_term, pipe.path)
    pipe.line()
    processes.executor.stop(attempt, 1000.0)
    processes.stop(attempt, 0.0)
    assert attempt.outcome is Outcome.STOPPED


@pytest.mark.parametrize("grace_s", [0.0, 0.3])
def test_stop_ends_all_descendants(processes: Any, watch: Any, grace_s: float) -> None:
    pipe = processes.pipe()
    attempt = processes.start(tasks.fork_family_and_wait, pipe.path)
    members = family(pipe, watch)
    processes.stop(attempt, grace_s)
    assert all(member.is_gone() for member in members)
    assert_usable(processes)


def test_stop_spares_the_neighbour(processes: Any, watch: Any) -> None:
    pipe, other, gate = processes.pipe(), processes.pipe(), processes.gate()
    from abreast.testing.executor_tasks import hold

    neighbour = processes.start(hold, other.path, gate.path)
    other.line()
    attempt = processes.start(tasks.fork_family_and_wait, pipe.path)
    members = family(pipe, watch)
    processes.stop(attempt, 0.1)
    assert all(member.is_gone() for member in members)
    gate.open()
    assert processes.host.next_report() is neighbour
    assert neighbour.value == "released"


@pytest.mark.parametrize("fresh", [False, True])
def test_leftovers_are_ended_before_the_report(processes: Any, watch: Any, fresh: bool) -> None:
    pipe, gate = processes.pipe(), processes.gate()
    attempt = processes.start(fork_then_hold, pipe.path, gate.path, fresh=fresh)
    members = family(pipe, watch)
    gate.open()
    assert processes.host.next_report() is attempt
    assert attempt.outcome is Outcome.OK, attempt.error
    assert all(member.is_gone() for member in members[1:-1])
    assert members[-1].is_gone()
    assert_usable(processes)


def fork_then_hold(pipe: str, gate: str) -> None:
    tasks.fork_family(pipe)
    with open(gate) as file:
        file.readline()


def test_descendants_of_the_dead_are_ended(processes: Any, watch: Any) -> None:
    pipe = processes.pipe()
    attempt = processes.start(tasks.fork_family, pipe.path)
    assert processes.host.next_report() is attempt
    pipe = processes.pipe()
    attempt = processes.run(tasks.fork_family_and_die, pipe.path)
    assert attempt.outcome is Outcome.CRASHED
    for _ in range(FAMILY - 1):  # the stubborn one may have died before it could tell
        pid = int(pipe.line())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize(
    ("fn", "how"),
    [
        (tasks.segfault, "killed by signal SIGSEGV (11)"),
        (tasks.kill_myself, "killed by signal SIGKILL (9)"),
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_death_is_seen_at_once(processes: Any, fn: Any, how: str, fresh: bool) -> None:
    attempt = processes.run(fn, fresh=fresh)
    assert attempt.outcome is Outcome.CRASHED
    assert isinstance(attempt.error, Crashed)
    assert how in str(attempt.error)
    assert "'label 1'" in str(attempt.error)
    assert_usable(processes)


def test_the_death_of_the_nursery_is_a_crash_of_its_runs(processes: Any, watch: Any) -> None:
    pipe = processes.pipe()
    bystander = processes.start(tasks.fork_family_and_wait, pipe.path)
    members = family(pipe, watch)
    killer = processes.start(tasks.kill_my_parent)
    ended = [processes.host.next_report(), processes.host.next_report()]
    assert {id(attempt) for attempt in ended} == {id(bystander), id(killer)}
    for attempt in ended:
        assert attempt.outcome is Outcome.CRASHED
        assert "nursery" in str(attempt.error)
    for member in members:  # killed by now, and on their way out
        member.wait_until_gone()
    assert_usable(processes)


def test_prints_without_end(processes: Any, tmp_path: Path) -> None:
    pipe = processes.pipe()
    attempt = processes.start(tasks.print_without_end, pipe.path, log=tmp_path / "log")
    pipe.line()
    assert_usable(processes)
    processes.stop(attempt, 5.0)
    assert attempt.outcome is Outcome.STOPPED


def test_a_task_that_forks_and_comes_back_twice_answers_once(processes: Any) -> None:
    assert processes.run(tasks.fork_and_come_back_twice).value == "parent"
    assert_usable(processes)


def test_stop_before_there_is_a_process(processes: Any) -> None:
    attempts = [processes.start(tasks.sleep_for_ever) for _ in range(2)]
    for attempt in attempts:
        assert processes.executor.stop(attempt, 0.0)
    for _ in attempts:
        assert processes.host.next_report().outcome is Outcome.STOPPED
    assert_usable(processes)


def test_close_ends_running_attempts(processes: Any, watch: Any) -> None:
    pipe = processes.pipe()
    attempt = processes.start(tasks.fork_family_and_wait, pipe.path)
    members = family(pipe, watch)
    processes.executor.close(0.1)
    assert processes.host.next_report() is attempt
    assert attempt.outcome is Outcome.STOPPED
    assert all(member.is_gone() for member in members)


def test_signals_to_the_group_do_not_end_an_idle_child(processes: Any) -> None:
    first = processes.run(tasks.pid).value
    os.kill(first, signal.SIGINT)
    assert processes.run(tasks.pid).value == first


def test_a_killed_idle_child_is_replaced(processes: Any, watch: Any) -> None:
    process = watch(processes.run(tasks.pid).value)
    os.kill(process.pid, signal.SIGKILL)
    process.wait_until_gone()
    attempts = [processes.run(tasks.pid) for _ in range(3)]
    assert attempts[-1].outcome is Outcome.OK
