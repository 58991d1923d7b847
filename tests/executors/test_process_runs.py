"""What a run sees and says in its child process."""

from __future__ import annotations

import dataclasses
import importlib
import os
import queue
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.executors import process_tasks as tasks

from abreast.domain.model import Outcome, Task
from abreast.errors import NotPicklable, UsageError
from abreast.executors.process import ProcessExecutor

pytestmark = pytest.mark.needs("linux")


def test_children_are_reused_and_pid_is_told(processes: Any) -> None:
    attempts = [processes.run(tasks.pid) for _ in range(5)]
    assert len({attempt.value for attempt in attempts}) == 1
    assert [attempt.pid for attempt in attempts] == [attempt.value for attempt in attempts]
    assert attempts[0].pid != os.getpid()


def test_fresh_runs_have_a_process_of_their_own(processes: Any) -> None:
    pids = [processes.run(tasks.pid, fresh=True).value for _ in range(5)]
    pids.append(processes.run(tasks.pid).value)
    pids.append(processes.run(tasks.pid, fresh=True).value)
    assert len(set(pids)) == 7


def test_the_run_knows_who_it_is(processes: Any) -> None:
    assert processes.run(tasks.here).value == (1, "label 1", 3, 3)


def test_lambda_and_closure(processes: Any) -> None:
    base = 40
    assert processes.run(lambda more: base + more, 2).value == 42


class Lost:
    """Can be pickled, and refers to a module that no process can import."""

    def __reduce__(self) -> Any:
        return importlib.import_module, ("nowhere_to_be_found",)

    def __call__(self) -> None: ...


def test_an_unknown_module_is_explained(processes: Any) -> None:
    for attempt in (processes.run(Task("lost", Lost())), processes.run(move, Lost())):
        assert attempt.outcome is Outcome.ERROR
        assert isinstance(attempt.error, NotPicklable)
        assert "No module named 'nowhere_to_be_found'" in str(attempt.error)
        assert "importable" in str(attempt.error)
    assert processes.run(tasks.pid).outcome is Outcome.OK


def test_output_goes_to_the_log_of_the_run(processes: Any, tmp_path: Path) -> None:
    processes.run(tasks.say, "one", log=tmp_path / "one")
    processes.run(tasks.say, "two", log=tmp_path / "two")
    processes.run(tasks.say, "three", log=tmp_path / "one")
    assert sorted((tmp_path / "two").read_text().splitlines()) == ["shell two", "two", "two"]
    assert (tmp_path / "one").read_text().count("three") == 3


def test_a_log_that_cannot_be_written_is_an_error(processes: Any, tmp_path: Path) -> None:
    attempt = processes.run(tasks.say, "one", log=tmp_path / "missing" / "log")
    assert attempt.outcome is Outcome.ERROR
    assert "missing/log" in str(attempt.error)
    assert processes.run(tasks.pid).outcome is Outcome.OK


def test_stdin_is_empty(processes: Any) -> None:
    assert processes.run(tasks.read_stdin).value == ""


def test_multiprocessing_inside_a_run(processes: Any) -> None:
    for _ in range(2):
        attempt = processes.run(tasks.use_multiprocessing)
        assert attempt.outcome is Outcome.OK, attempt.trace


def test_a_child_holds_only_its_own_socket(processes: Any) -> None:
    processes.run(tasks.pid)
    sockets = [name for name in processes.run(tasks.descriptors).value if "socket" in name]
    assert len(sockets) == 1


def test_progress_in_a_tight_loop_is_thinned_and_the_last_is_told(processes: Any) -> None:
    processes.run(tasks.progress_tightly, 20_000)
    told = []
    while True:
        try:
            told.append(processes.host.progresses.get_nowait())
        except queue.Empty:
            break
    assert told[0] == (0, 20_000, "")
    assert told[-1] == (20_000, 20_000, "")
    assert len(told) < 2_000


def test_functions_are_forgotten_and_sent_again(processes: Any) -> None:
    echo = [Task(f"task{number}", tasks.pid) for number in range(2_100)]
    wanted = processes.run(echo[0]).value
    processes.host.following.extend(processes.attempt(task) for task in echo[1:])
    processes.start(echo[0])
    values = {processes.host.next_report().value for _ in echo}
    assert values == {wanted}


def test_large_arguments_do_not_hold_up_the_neighbour(processes: Any) -> None:
    from abreast.testing.executor_tasks import echo

    large = [processes.start(echo, b"x" * (30 << 20)) for _ in range(2)]
    ended = [processes.host.next_report() for _ in large]
    assert {len(attempt.value[0][0]) for attempt in ended} == {30 << 20}


@dataclasses.dataclass
class Point:
    x: int


def move(point: Point) -> Point:
    return Point(point.x + 1)


def test_types_of_the_caller(processes: Any) -> None:
    attempt = processes.run(move, Point(1))
    assert attempt.value == Point(2), attempt.error


def test_start_after_close_is_refused(processes: Any) -> None:
    processes.executor.close(0.0)
    with pytest.raises(UsageError, match="closed"):
        processes.start(tasks.pid)


def test_a_dropped_executor_leaves_nothing(tmp_path: Path, watch: Any) -> None:
    from tests.executors.conftest import Bench

    before = set(threading.enumerate())
    bench = Bench(ProcessExecutor(1), tmp_path)
    process = watch(bench.run(tasks.pid).value)
    del bench
    process.wait_until_gone()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def test_a_fork_of_the_parent_leaves_the_pool_alone_and_has_its_own(processes: Any) -> None:
    mine = processes.run(tasks.pid).value
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            processes.host.__init__()
            os.write(writer, str(processes.run(tasks.pid).value).encode())
            processes.executor.close(1.0)
        finally:
            os._exit(0)
    os.close(writer)
    theirs = int(os.read(reader, 20))
    os.close(reader)
    assert os.waitpid(pid, 0)[1] == 0
    assert theirs != mine
    assert processes.run(tasks.pid).value == mine
