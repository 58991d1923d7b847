"""What differs from Concurra 1.1.12: one test for each row of docs/coming-from-concurra.md."""

from __future__ import annotations

import importlib
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from abreast.compat.concurra import TaskRunner, core

PAGE = Path(__file__).parents[2] / "docs" / "coming-from-concurra.md"


def one() -> int:
    return 1


def boom() -> None:
    raise ValueError("boom")


class Held:
    """A task that goes on until the test is over."""

    __name__ = "held"

    def __init__(self) -> None:
        self.started = threading.Event()
        self.over = threading.Event()

    def __call__(self) -> None:
        self.started.set()
        self.over.wait(60)


@pytest.fixture
def held() -> Any:
    task = Held()
    yield task
    task.over.set()


def test_every_difference_is_documented_and_tested() -> None:
    rows = re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    tests = [name for name in globals() if name.startswith("test_difference_")]
    assert rows == [str(number) for number in range(1, len(rows) + 1)]
    assert {name.split("_")[2].rstrip("abcdef") for name in tests} == set(rows)


FENCE = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page_programs() -> list[tuple[str, str]]:
    blocks = FENCE.findall(PAGE.read_text(encoding="utf-8"))
    return [(code, text) for (_, code), (_, text) in zip(blocks[::2], blocks[1::2], strict=True)]


@pytest.mark.parametrize(("code", "prints"), page_programs())
def test_programs_of_the_page(code: str, prints: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == (prints, 0), done.stderr


def test_difference_1_name(caplog: pytest.LogCaptureFixture) -> None:
    class Mine(TaskRunner):
        pass

    assert (TaskRunner().name, Mine().name) == ("Concurra", "Mine")
    assert (TaskRunner(name="given").name, TaskRunner(name="").name) == ("given", "Concurra")


def test_difference_2_is_running(held: Held) -> None:
    runner = TaskRunner()
    runner.add_task(held)
    assert not runner.is_running()
    runner.execute_in_background()
    fetching = threading.Thread(target=runner.get_background_results)
    fetching.start()
    held.started.wait()
    assert runner.is_running()
    held.over.set()
    fetching.join()
    assert not runner.is_running()
    runner = TaskRunner()
    ended = threading.Event()
    handler = logging.Handler()
    handler.emit = lambda record: ended.set()  # type: ignore[method-assign]
    runner.log = logging.getLogger("difference 2")
    runner.log.setLevel(logging.INFO)
    runner.log.addHandler(handler)
    runner.add_task(one)
    runner.execute_in_background()
    ended.wait()  # the line that says 1 of 1; nobody has fetched the results
    runner.log.removeHandler(handler)
    assert not runner.is_running()


def test_difference_3_threads_that_go_on(held: Held, caplog: pytest.LogCaptureFixture) -> None:
    runner = TaskRunner(1, timeout=0.1)
    runner.add_task(held, label="slow")
    runner.add_task(one, label="next in the same place")
    slow, following = runner.run(verify=False).values()
    assert slow["warning"] == "Threads cannot be ended from outside; the task may still be running"
    assert (following["status"], following["warning"]) == ("Successful", None)
    assert [text for name, _, text in caplog.record_tuples if name == "abreast"] == [
        "'slow': the thread cannot be ended; it is abandoned and goes on in the background"
    ]


def test_difference_4_a_text_is_one_label() -> None:
    runner = TaskRunner()
    runner.add_task(boom, label="ab")
    runner.add_task(one, label="a")
    runner.add_task(one, label="next", depends_on="ab")
    results = runner.run(verify=False)
    assert results["next"]["error"] == (
        "RuntimeError: Skipped: dependency ['ab'] failed or was terminated"
    )


def test_difference_5_default_labels_do_not_clash() -> None:
    runner = TaskRunner()
    runner.add_task(one, label=1)
    runner.add_task(one)
    runner.add_task(one)
    assert list(runner.run(verify=False)) == [1, 2, 3]


def test_difference_6_clear_errors(held: Held, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    runner = TaskRunner()
    runner.add_task(held)
    runner.show_progress()
    assert "0/1 [0.0%] in 0 min 0.0 sec" in caplog.text
    with pytest.raises(RuntimeError, match=r"call execute_in_background\(\) first"):
        runner.get_background_results()
    with pytest.raises(RuntimeError, match="has not been started"):
        runner.verify()
    runner.execute_in_background()
    held.started.wait()
    assert runner.abort() == runner.get_background_results()


@pytest.mark.parametrize(("concurrency", "order"), [(1, "abzc"), (2, "bac")])
def test_difference_7_order_of_starting(concurrency: int, order: str) -> None:
    """With two places one is kept busy, so that the order can be seen."""
    seen: list[str] = []
    enough = threading.Event()

    def work(name: str) -> None:
        seen.append(name)
        if len(seen) >= 4:
            enough.set()

    runner = TaskRunner(concurrency)
    if concurrency == 2:
        runner.add_task(enough.wait, 60, label="busy")
        runner.add_task(one, label="busy too", depends_on=["busy"])
        runner.add_task(one, label="and again", depends_on=["busy too"])
    runner.add_task(work, "a", label="a")
    runner.add_task(work, "z", label="z", depends_on=["b"])
    runner.add_task(work, "b", label="b")
    runner.add_task(work, "c", label="c")
    runner.run(verify=False)
    assert "".join(name for name in seen if name in order) == order


def test_difference_8_each_attempt_has_the_full_time() -> None:
    def slow() -> None:
        time.sleep(0.3)  # the task sleeps
        raise ValueError("again")

    runner = TaskRunner(timeout=0.5, task_retries=2)
    runner.add_task(slow)
    result = runner.run(verify=False)[0]
    assert (result["status"], result["attempts"]) == ("Failed", 3)
    assert result["duration_seconds"] >= 0.9


@pytest.mark.parametrize("timeout", ["x", "10m", [1]])
def test_difference_9_timeouts_are_numbers(timeout: Any) -> None:
    with pytest.raises(TypeError, match=r"^timeout must be a number of seconds or None, not "):
        TaskRunner(timeout=timeout)


async def answer(value: int) -> int:
    return value


@pytest.mark.needs("posix")
@pytest.mark.parametrize("processes", [False, True])
def test_difference_10_async_functions(processes: bool) -> None:
    runner = TaskRunner(use_multiprocessing=processes)
    runner.add_task(answer, 42)
    result = runner.run(verify=False)[0]
    mode = "process" if processes else "coroutine"
    assert (result["result"], result["execution_mode"]) == (42, mode)


@pytest.mark.needs("posix")
def test_difference_11_processes_are_no_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings_of_test_11.py").write_text("level = 1\ndef read():\n    return level\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("settings_of_test_11")
    module.level = 2  # type: ignore[attr-defined]
    runner = TaskRunner(use_multiprocessing=True)
    runner.add_task(module.read)
    assert runner.run(verify=False)[0]["result"] == 1


@pytest.mark.needs("posix")
def test_difference_11b_the_own_file_travels(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import abreast.compat.concurra as concurra\n"
        "level = 1\n"
        "def read():\n    return level\n"
        "level = 2\n"
        "runner = concurra.TaskRunner(use_multiprocessing=True)\n"
        "runner.add_task(read)\n"
        "print(runner.run()[0]['result'])\n"
    )
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "2\n", done.stderr


def start_another(path: str) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(); signal.pause()"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    Path(path).write_text(f"{os.getpid()} {child.pid}")
    child.wait()


@pytest.mark.needs("linux")
def test_difference_12_processes_are_killed_with_what_they_started(tmp_path: Path) -> None:
    runner = TaskRunner(use_multiprocessing=True, timeout=1.5)
    runner.add_task(start_another, str(tmp_path / "pids"))
    assert runner.run(verify=False)[0]["status"] == "Terminated"
    for pid in (tmp_path / "pids").read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.needs("posix")
def test_difference_13_commands(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("not a program")
    runner = TaskRunner()
    runner.add_command(["printf", r"a\377b"], label="bytes")
    runner.add_command([str(plain)], label="forbidden")
    with pytest.raises(TypeError):
        runner.add_command(["true"], cwd=5)  # type: ignore[arg-type]
    results = runner.run(verify=False)
    assert results["bytes"]["result"]["stdout"] == "a\ufffdb"
    assert results["forbidden"]["status"] == "Failed"
    assert results["forbidden"]["error"].startswith("OSError: ")
    assert "Permission denied" in results["forbidden"]["error"]


@pytest.mark.needs("posix")
def test_difference_13b_commands_read_nothing() -> None:
    program = (
        "from abreast.compat.concurra import TaskRunner\n"
        "runner = TaskRunner()\n"
        "runner.add_command(['cat'])\n"
        "print(repr(runner.run(verify=False)[0]['result']['stdout']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input="words", capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "''\n", done.stderr


def test_difference_14_every_end_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    runner = TaskRunner()
    runner.add_task(boom, label="bad")
    for number in range(3):
        runner.add_task(one, label=number, depends_on=["bad"])
    runner.run(verify=False)
    assert re.findall(r"(\d)/4", caplog.text) == ["1", "2", "3", "4"]


def test_difference_15_abort(held: Held, caplog: pytest.LogCaptureFixture) -> None:
    runner = TaskRunner()
    runner.add_task(one)
    runner.abort()
    with pytest.raises(RuntimeError, match=r"^Cannot add tasks after execution has started\.$"):
        runner.add_task(one)
    caplog.clear()
    caplog.set_level(logging.INFO)
    runner = TaskRunner()
    runner.add_task(held, label="x")
    runner.execute_in_background()
    held.started.wait()
    runner.abort()
    texts = [text for name, _, text in caplog.record_tuples if name == "concurra.core"]
    assert texts[0] == "Deleting terminated task: x, held"
    assert texts[1].startswith("Execution Failed\n")


def test_difference_16_errors_without_a_text() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def fail() -> None:
        raise Silent

    runner = TaskRunner()
    runner.add_task(fail)
    assert runner.run(verify=False)[0]["error"] == "Silent: <exception str() failed>"


def test_difference_17_what_can_be_seen() -> None:
    runner = TaskRunner()
    runner.add_task(one, label="x")
    registry = runner.results_registry
    assert isinstance(registry, Mapping)
    assert dict(registry) == {"x": {}}
    assert runner.get_next_runnable_task() is not None
    assert runner.run(verify=False) == dict(registry)
    assert registry["x"]["result"] == 1
    assert not hasattr(registry, "__setitem__")
    for name in ("tasks", "started_tasks", "parents_of_label"):
        assert not hasattr(runner, name)
    assert not hasattr(core.TaskExecutor, "update_results_on_failure")


@pytest.mark.needs("posix")
def test_difference_18_traces() -> None:
    runner = TaskRunner()
    runner.add_task(boom, label="function")
    runner.add_command(["false"], label="command")
    results = runner.run(verify=False)
    assert "/abreast/compat/concurra/" in results["function"]["trace"].replace(os.sep, "/")
    assert results["command"]["trace"] == (
        "abreast.compat.concurra.tasks.CommandExecutionError: Command exited with return code 1\n"
    )


def test_difference_19_decimal_labels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    runner = TaskRunner(progress_stats=False)
    runner.add_task(one, label="3.5")
    runner.add_task(one, label="22")
    runner.run()
    rows = caplog.messages[0].splitlines()
    assert [row.split("|")[1] for row in rows[4:6]] == ["     3.5 ", "      22 "]
