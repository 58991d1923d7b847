"""Niceness, titles, loans of slots and origins: what a run in a child may ask for and know."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.executors import output_tasks as tasks
from tests.executors.conftest import Bench

from abreast import platform
from abreast.domain.command import Command
from abreast.domain.model import Outcome, Task
from abreast.executors.command import CommandExecutor
from abreast.executors.process import ProcessExecutor

pytestmark = pytest.mark.needs("linux")
NICE = os.getpriority(os.PRIO_PROCESS, 0)


# -- nice ------------------------------------------------------------------------------------


def test_a_nice_run_is_nice_and_no_other(processes: Any) -> None:
    usual = processes.run(tasks.niceness).value
    assert usual[0] == NICE
    nice = processes.run(Task("nice", tasks.niceness, nice=NICE + 5)).value
    assert nice[0] == NICE + 5
    for _ in range(3):
        found, pid = processes.run(tasks.niceness).value
        assert found == NICE
        assert pid != nice[1]
    nicer = processes.run(Task("nice", tasks.niceness, nice=NICE + 3, fresh=True)).value
    assert nicer[0] == NICE + 3


def test_a_nice_command(commands: Any) -> None:
    attempt = commands.run(Task("nice", Command("nice"), nice=min(NICE + 7, 19)))
    assert int(attempt.value.stdout) == min(NICE + 7, 19)
    assert int(commands.run(Task("usual", Command("nice"))).value.stdout) == NICE


def test_nice_that_is_not_allowed_is_explained(processes: Any, monkeypatch: Any) -> None:
    from abreast.executors import child

    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    with pytest.raises(PermissionError, match=r"task 'fast': nice=-5 .* use nice=\d+ or more"):
        child._become_nice(-5, "fast")


# -- titles ----------------------------------------------------------------------------------


@pytest.fixture
def titled(tmp_path: Path) -> Any:
    bench = Bench(ProcessExecutor(2, titles=True), tmp_path)
    yield bench
    bench.executor.close(0.0)


def named(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


def test_titles_name_run_and_task(titled: Any) -> None:
    pytest.importorskip("setproctitle")
    for _ in range(2):
        attempt = titled.run(Task("send_mail", tasks.titles))
        assert attempt.value[0] == f"abreast: run {attempt.run.id} send_mail"
    assert named(attempt.pid) == "abreast: child, idle"
    parent = int(Path(f"/proc/{attempt.pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert named(parent) == "abreast: nursery"
    shown = subprocess.run(["ps", "auxww"], capture_output=True, text=True, check=True).stdout
    assert "abreast: child, idle" in shown


def test_without_the_package_the_name_of_the_process_is_set(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["setproctitle"] = None
from abreast import platform
print(platform.set_title("abreast: run 42 send_mail"), open("/proc/self/comm").read().strip())
"""
    env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(platform.__file__))}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "False abreast: run 42\n", done.stderr


def test_no_titles_unless_asked_for(processes: Any) -> None:
    assert "abreast: run" not in processes.run(tasks.titles).value[0]


# -- loans and origins -----------------------------------------------------------------------


def loans(bench: Any) -> list[tuple[Any, bool]]:
    found = []
    while True:
        try:
            found.append(bench.host.loans.get_nowait())
        except queue.Empty:
            return found


def test_a_run_that_waits_lends_its_slot(processes: Any) -> None:
    attempt = processes.run(tasks.lend_and_take_back, 3)
    assert attempt.outcome is Outcome.OK, attempt.trace
    assert loans(processes) == [(attempt, True), (attempt, False)] * 3


@pytest.mark.parametrize("how", ["return", "die"])
def test_a_loan_ends_with_its_run(processes: Any, how: str) -> None:
    attempt = processes.run(tasks.lend_and_leave, how)
    assert attempt.outcome is (Outcome.OK if how == "return" else Outcome.CRASHED)
    assert loans(processes) == [(attempt, True), (attempt, False)]
    again = processes.run(tasks.lend_and_take_back, 1)
    assert loans(processes) == [(again, True), (again, False)]


def test_a_loan_of_a_run_that_has_ended_is_none_of_ours(processes: Any) -> None:
    processes.run(tasks.keep_here)
    attempt = processes.run(tasks.lend_of_the_one_before)
    assert attempt.value == attempt.run.id - 1, attempt.trace
    assert loans(processes) == []


def test_the_origin_travels(processes: Any) -> None:
    attempt = processes.attempt(tasks.who)
    attempt.origin = "sqlite:////jobs.db"
    processes.executor.start(attempt)
    processes.host.next_report()
    assert attempt.value == ("sqlite:////jobs.db", attempt.run.id, 3)
    assert processes.run(tasks.who).value[0] is None


# -- when memory runs out --------------------------------------------------------------------


OOM = "/proc/self/oom_score_adj"


def test_children_of_a_worker_go_before_it(titled: Any, tmp_path: Path) -> None:
    own = Path(OOM).read_text()
    wanted = max(int(own), 500)
    attempt = titled.run(tasks.file_text, OOM)
    assert int(attempt.value) == wanted
    stat = Path(f"/proc/{attempt.pid}/stat").read_text()
    parent = int(stat.rpartition(")")[2].split()[1])
    assert Path(f"/proc/{parent}/oom_score_adj").read_text() == own  # the nursery has to stay
    bench = Bench(CommandExecutor(2, titles=True), tmp_path)
    try:
        assert int(bench.run(Task("cat", Command("cat", OOM))).value.stdout) == wanted
    finally:
        bench.executor.close(0.0)


def test_other_children_stay_as_they_are(processes: Any) -> None:
    assert processes.run(tasks.file_text, OOM).value == Path(OOM).read_text()


@pytest.mark.parametrize("own", ["700\n", "400\n"])
def test_a_higher_score_stays(own: str, tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / "score"
    file.write_text(own)
    monkeypatch.setattr("builtins.open", redirected(str(file)))
    platform.go_first(500)
    monkeypatch.undo()
    assert int(file.read_text()) == max(int(own), 500)


@pytest.mark.parametrize("place", ["not/there", "."])
def test_a_score_that_cannot_be_set_is_no_trouble(place: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("builtins.open", redirected(place))
    platform.go_first()


def redirected(path: str) -> Any:
    """The built-in ``open`` with another path in the place of the score's."""
    real = open
    return lambda name, *rest, **more: real(path if name == OOM else name, *rest, **more)
