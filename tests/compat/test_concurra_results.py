"""Results, states and log lines of tasks in threads, as recorded with Concurra 1.1.12."""

from __future__ import annotations

import functools
import logging
import re
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from abreast.compat.concurra import TaskRunner, core
from abreast.compat.concurra.results import progress_line, table

STOPPED = "RuntimeError: Execution terminated before completion"
GOOD = {
    "error": None,
    "trace": None,
    "status": "Successful",
    "has_failed": False,
    "execution_mode": "thread",
    "warning": None,
    "attempts": 1,
    "task_retries": 0,
    "retried": False,
    "retry_errors": [],
}
NEVER_RAN = {"status": "Terminated", "has_failed": True, "attempts": 0, "execution_mode": None}


def one() -> int:
    return 1


def boom() -> None:
    raise ValueError("boom")


def parts(result: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(result[name] for name in names)


def ends(results: dict[Any, dict[str, Any]]) -> dict[Any, tuple[Any, ...]]:
    return {label: parts(one, "status", "error") for label, one in results.items()}


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What went to the logger of Concurra, without what varies."""
    shown = []
    for name, level, text in caplog.record_tuples:
        if name == "concurra.core":
            text = re.sub(r"\d+\.\d+ sec\b *", "N sec ", text)
            text = re.sub(r"(?s)Traceback.*?\n(?=\w+: )", "TRACE ", text)
            shown.append((logging.getLevelName(level), text))
    return shown


class Held:
    """A task that goes on until the test is over."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.over = threading.Event()

    def __call__(self) -> str:
        self.started.set()
        self.over.wait(60)
        return "late"

    __name__ = "held"


@pytest.fixture
def held() -> Any:
    task = Held()
    yield task
    task.over.set()


def test_a_good_result() -> None:
    runner = TaskRunner()
    runner.add_task(divmod, 7, 2, label="x")
    (result,) = runner.run().values()
    assert result | GOOD == result
    assert parts(result, "task_name", "result", "output") == ("divmod", (3, 1), (3, 1))


def test_a_failed_result() -> None:
    runner = TaskRunner()
    runner.add_task(boom)
    result = runner.run(verify=False)[0]
    assert parts(result, "status", "has_failed", "result", "error", "attempts", "retry_errors") == (
        "Failed", True, None, "ValueError: boom", 1, ["ValueError: boom"],
    )  # fmt: skip
    assert result["trace"].startswith("Traceback (most recent call last):\n")
    assert result["trace"].endswith('in boom\n    raise ValueError("boom")\nValueError: boom\n')


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("k"), "KeyError: 'k'"),
        (RuntimeError(), "RuntimeError: "),
        (Exception("two\nlines"), "Exception: two\nlines"),
        (TimeoutError("mine"), "TimeoutError: mine"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
        (GeneratorExit("g"), "GeneratorExit: g"),
    ],
)
def test_error_texts(error: BaseException, text: str) -> None:
    def fail() -> None:
        raise error

    runner = TaskRunner(task_retries=1)
    runner.add_task(fail)
    result = runner.run(verify=False)[0]
    tried = 2 if isinstance(error, Exception) else 1  # the others are never tried again
    assert parts(result, "status", "error", "attempts") == ("Failed", text, tried)
    assert result["retry_errors"] == [text] * tried


def test_names_of_tasks() -> None:
    class Thing:
        def __call__(self) -> None: ...
        def method(self) -> None: ...
        def __str__(self) -> str:
            return "a thing"

    partial = functools.partial(one)
    runner = TaskRunner()
    for task in (Thing(), Thing().method, partial, lambda: 7, one, Thing):
        runner.add_task(task)
    names = [result["task_name"] for result in runner.run(verify=False).values()]
    assert names == ["a thing", "method", str(partial), "<lambda>", "one", "Thing"]


def test_dependents_of_a_failure_are_skipped() -> None:
    runner = TaskRunner()
    runner.add_task(boom, label="b2")
    runner.add_task(boom, label="b1")
    runner.add_task(one, label="ok")
    runner.add_task(one, label="m", depends_on=["b2", "ok", "b1"])
    runner.add_task(one, label="n", depends_on=["m"])
    runner.add_task(one, label=9, depends_on=["n", "ok"])
    runner.add_task(one, label="free", depends_on=["ok"])
    results = runner.run(verify=False)
    assert ends(results) == {
        "b2": ("Failed", "ValueError: boom"),
        "b1": ("Failed", "ValueError: boom"),
        "ok": ("Successful", None),
        "m": (
            "Terminated",
            "RuntimeError: Skipped: dependency ['b1', 'b2'] failed or was terminated",
        ),
        "n": ("Terminated", "RuntimeError: Skipped: dependency ['m'] failed or was terminated"),
        9: ("Terminated", "RuntimeError: Skipped: dependency ['n'] failed or was terminated"),
        "free": ("Successful", None),
    }
    skipped = results["m"]
    assert skipped | NEVER_RAN == skipped
    assert parts(skipped, "trace", "duration", "duration_seconds") == (None, "0.0 sec", 0.0)
    assert skipped["start_time"] == skipped["end_time"]
    assert runner._failed_tasks == {"b1", "b2"}
    assert runner._terminated_tasks == {"m", "n", 9}


def test_retries() -> None:
    tries: list[int] = []

    def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError(f"no {len(tries)}")
        return len(tries)

    runner = TaskRunner(task_retries=2)
    runner.add_task(flaky, label="flaky")
    runner.add_task(boom, label="bad")
    runner.add_task(boom, label="none", task_retries=0)
    results = runner.run(verify=False)
    names = ("status", "attempts", "task_retries", "retried", "retry_errors")
    assert parts(results["flaky"], *names) == (
        "Successful", 3, 2, True, ["ValueError: no 1", "ValueError: no 2"],
    )  # fmt: skip
    assert parts(results["bad"], *names) == ("Failed", 3, 2, True, ["ValueError: boom"] * 3)
    assert parts(results["none"], *names) == ("Failed", 1, 0, False, ["ValueError: boom"])


@pytest.mark.parametrize("timeout", [0.2, 0, -1])
def test_timeout(timeout: float, held: Held) -> None:
    runner = TaskRunner(2, timeout=timeout, task_retries=2)
    runner.add_task(held, label="slow")
    runner.add_task(one, label="next", depends_on=["slow"])
    results = runner.run(verify=False)
    error = f"TimeoutError: Task exceeded timeout of {timeout} seconds"
    assert ends(results) == {
        "slow": ("Terminated", error),
        "next": (
            "Terminated",
            "RuntimeError: Skipped: dependency ['slow'] failed or was terminated",
        ),
    }
    assert parts(results["slow"], "trace", "result", "attempts", "retry_errors") == (
        None, None, 1, [],
    )  # fmt: skip
    held.over.set()  # a late end changes nothing
    assert ends(runner.results_registry) == ends(results)


def test_a_timeout_leaves_the_others_alone(held: Held) -> None:
    runner = TaskRunner(1, timeout=0.2)
    runner.add_task(held, label="slow")
    runner.add_task(one, label="other")
    assert ends(runner.run(verify=False))["other"] == ("Successful", None)


def test_fast_fail(held: Held, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        held.started.wait()
        raise ValueError("boom")

    caplog.set_level(logging.INFO)
    runner = TaskRunner(2, fast_fail=True)
    runner.add_task(held, label="ok")
    runner.add_task(fail, label="fail")
    runner.add_task(one, label="queued")
    runner.add_task(one, label="after", depends_on=["fail"])
    runner.add_task(one, label="later", depends_on=["ok"])
    results = runner.run()
    assert ends(results) == {
        "ok": ("Terminated", STOPPED),
        "fail": ("Failed", "ValueError: boom"),
        "queued": ("Terminated", STOPPED),
        "after": ("Terminated", STOPPED),
        "later": ("Terminated", STOPPED),
    }
    assert parts(results["ok"], "execution_mode", "attempts") == ("thread", 1)
    assert results["queued"] | NEVER_RAN == results["queued"]
    logged = lines(caplog)
    assert logged[:4] == [
        ("INFO", "Concurra progress: [#####....................] 1/5 [20.0%] in 0 min N sec "),
        ("ERROR", "ValueError: boom TRACE ValueError: boom\n\n"),
        ("ERROR", "terminating execution!"),
        ("INFO", "Deleting terminated task: ok, held"),
    ]
    assert logged[4][1].startswith("Execution Failed\n+----")
    assert len(logged) == 5


def test_fast_fail_on_a_timeout(held: Held, caplog: pytest.LogCaptureFixture) -> None:
    runner = TaskRunner(1, timeout=0.1, fast_fail=True)
    runner.add_task(held, label="slow")
    runner.add_task(one, label="next", depends_on=["slow"])
    assert ends(runner.run(verify=False)) == {
        "slow": ("Terminated", "TimeoutError: Task exceeded timeout of 0.1 seconds"),
        "next": ("Terminated", STOPPED),
    }
    errors = [text for level, text in lines(caplog) if level == "ERROR"]
    assert errors == ["Task 'slow' exceeded timeout of 0.1 seconds\n", "terminating execution!"]


def test_log_errors(held: Held, caplog: pytest.LogCaptureFixture) -> None:
    runner = TaskRunner(timeout=0.2, log_errors=True, progress_stats=False, task_retries=1)
    runner.add_task(boom, label="bad")
    runner.add_task(held, label="slow")
    runner.run(verify=False)
    assert lines(caplog) == [
        ("ERROR", "ValueError: boom TRACE ValueError: boom\n\n"),
        ("ERROR", "Task 'slow' exceeded timeout of 0.2 seconds\n"),
    ]


def test_background(held: Held) -> None:
    runner = TaskRunner()
    runner.add_task(held, label="x")
    runner.execute_in_background()
    held.started.wait()
    assert runner.is_running()
    assert runner.get_active_runner_count() == 1
    assert dict(runner.results_registry) == {"x": {}}
    with pytest.raises(Exception, match=r"^Execution is still in progress$") as caught:
        runner.verify()
    assert caught.type is Exception
    held.over.set()
    results = runner.get_background_results()
    assert results["x"]["result"] == "late"
    assert results == runner.get_background_results() == dict(runner.results_registry)
    assert not runner.is_running()
    assert runner.get_active_runner_count() == 0


def test_abort(held: Held, caplog: pytest.LogCaptureFixture) -> None:
    quick = threading.Event()
    runner = TaskRunner(1, progress_stats=False)
    runner.add_task(quick.set, label="quick")
    runner.add_task(held, label="held")
    runner.add_task(one, label="queued")
    runner.add_task(one, label="after", depends_on=["held"])
    runner.execute_in_background()
    held.started.wait()
    results = runner.abort()
    assert ends(results) == {
        "quick": ("Successful", None),
        "held": ("Terminated", STOPPED),
        "queued": ("Terminated", STOPPED),
        "after": ("Terminated", STOPPED),
    }
    assert parts(results["held"], "execution_mode", "attempts", "retry_errors") == ("thread", 1, [])
    assert results["queued"] | NEVER_RAN == results["queued"]
    assert not runner.is_running()
    assert [text.split("\n")[0] for level, text in lines(caplog) if level == "ERROR"] == [
        "Execution Failed"
    ]
    assert ends(runner.abort()) == ends(results)  # and once more, as often as one likes


def test_abort_before_the_start_and_after_the_end() -> None:
    runner = TaskRunner()
    runner.add_task(one)
    assert ends(runner.abort()) == ends(runner.run()) == {0: ("Terminated", STOPPED)}
    runner = TaskRunner()
    runner.add_task(one)
    runner.run()
    assert ends(runner.abort()) == {0: ("Successful", None)}


def test_report_of_failures(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    runner = TaskRunner(progress_stats=False)
    runner.add_task(one, label="good")
    runner.add_task(boom, label="bad")
    runner.add_task(one, label="next", depends_on=["bad"])
    runner.run(error_message="It went wrong")
    wanted = (
        "It went wrong\n"
        "+---------+--------+------------+------------+\n"
        "| label   | task   | status     | duration   |\n"
        "|---------+--------+------------+------------|\n"
        "| good    | one    | Successful | N sec |\n"
        "| bad     | boom   | Failed     | N sec |\n"
        "| next    | one    | Terminated | N sec |\n"
        "+---------+--------+------------+------------+\n"
        "Task 'bad' failed with error: ValueError: boom \n TRACE ValueError: boom\n\n"
        "Task 'next' failed with error: RuntimeError: Skipped: dependency ['bad'] failed or was "
        "terminated \n None"
    )
    assert lines(caplog) == [("ERROR", wanted)]
    with pytest.raises(Exception, match=r"^Execution Failed\n") as caught:
        runner.verify(raise_exception=True)
    assert caught.type is Exception


@pytest.mark.parametrize("fetch", ["run", "get_background_results"])
def test_failures_are_raised_on_request(fetch: str) -> None:
    runner = TaskRunner()
    runner.add_task(boom)
    if fetch != "run":
        runner.execute_in_background()
    with pytest.raises(Exception, match=r"^Mine\n") as caught:
        getattr(runner, fetch)(True, True, "Mine")
    assert caught.type is Exception
    runner = TaskRunner()
    runner.add_task(boom)
    assert runner.run(verify=False, raise_exception=True)[0]["status"] == "Failed"


def test_table_of_numbers_stands_on_the_right() -> None:
    row = {"task_name": "one", "status": "Successful", "duration": "0.0 sec"}
    assert table({0: row, "022": row}).splitlines()[1:5] == [
        "|   label | task   | status     | duration   |",
        "|---------+--------+------------+------------|",
        "|       0 | one    | Successful | 0.0 sec    |",
        "|     022 | one    | Successful | 0.0 sec    |",
    ]


def test_table_of_other_labels() -> None:
    row = {"task_name": "one", "status": "Successful", "duration": "0.0 sec"}
    assert table({}).splitlines() == [
        "+---------+--------+----------+------------+",
        "| label   | task   | status   | duration   |",
        "|---------+--------+----------+------------|",
        "+---------+--------+----------+------------+",
    ]
    assert table({("a", 1): row, "": row, "two\nlines": row}).splitlines()[3:7] == [
        "| ('a', 1) | one    | Successful | 0.0 sec    |",
        "|          | one    | Successful | 0.0 sec    |",
        "| two      | one    | Successful | 0.0 sec    |",
        "| lines    |        |            |            |",
    ]


def test_progress_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    runner = TaskRunner(1, name="N")
    for _ in range(25):
        runner.add_task(one)
    runner.run(verify=False)
    told = [re.search(r"(\d+)/25 \[(.*)%\]", text) for _, text in lines(caplog)]
    assert [found and found[1] for found in told] == [str(n) for n in range(2, 25, 2)]
    assert lines(caplog)[0][1] == (
        "N progress: [##.......................] 2/25 [8.0%] in 0 min N sec "
    )
    caplog.clear()
    runner.show_progress()
    assert lines(caplog)[0][1].startswith("N progress: [#########################] 25/25 [100.0%]")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 min 0 sec"), (5.129, "0 min 5.13 sec"), (60.5, "1 min 0.5 sec"),
     (3700.0, "61 min 40.0 sec")],
)  # fmt: skip
def test_time_in_progress_lines(seconds: float, text: str) -> None:
    bar = "#" * 8 + "." * 17
    assert progress_line("N", 1, 3, seconds) == f"N progress: [{bar}] 1/3 [33.33%] in {text}"


@pytest.mark.parametrize(
    ("seconds", "text", "number"),
    [(0.004, "0.0 sec", 0.0), (1.239, "1.24 sec", 1.24), (59.996, "60.0 sec", 60.0),
     (60.0, "60.0 sec", 60.0), (60.01, "1.0 min", 60.01), (90.123, "1.5 min", 90.12),
     (7261.7, "121.03 min", 7261.7)],
)  # fmt: skip
def test_durations(
    seconds: float, text: str, number: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = TaskRunner()
    runner.add_task(one)
    runner.run(verify=False)
    monkeypatch.setattr("abreast.compat.concurra.results._times", lambda run: (0.0, seconds))
    result = runner.results_registry[0]
    assert parts(result, "duration", "duration_seconds") == (text, number)


def test_own_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    runner = TaskRunner(name="Mine", logger=logging.getLogger("mine"))
    runner.add_task(one)
    runner.run()
    assert {name for name, _, _ in caplog.record_tuples} == {"mine"}
    assert caplog.messages[0].startswith("Mine progress: ")


def test_never_more_than_allowed_at_once() -> None:
    lock, now, most = threading.Lock(), 0, 0
    meeting = threading.Barrier(3)

    def work() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        meeting.wait(60)  # three must be here together
        with lock:
            now -= 1

    runner = TaskRunner(3)
    for _ in range(12):
        runner.add_task(work)
    assert {result["status"] for result in runner.run(verify=False).values()} == {"Successful"}
    assert most == 3


def test_runners_do_not_disturb_one_another(held: Held) -> None:
    first, second = TaskRunner(1), TaskRunner(1)
    first.add_task(held, label="x")
    second.add_task(one, label="x")
    first.execute_in_background()
    assert second.run()["x"]["result"] == 1
    assert first.is_running()
    held.over.set()
    assert first.get_background_results()["x"]["result"] == "late"


@pytest.mark.needs("posix")
def test_ctrl_c_terminates_and_is_raised() -> None:
    program = """
import threading
from abreast.compat.concurra import TaskRunner

def endless():
    print("started", flush=True)
    threading.Event().wait()

runner = TaskRunner(1)
runner.add_task(endless)
runner.add_task(endless)
try:
    runner.run()
except KeyboardInterrupt:
    print([result["status"] for result in runner.results_registry.values()])
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "['Terminated', 'Terminated']\n"
    assert process.returncode == 0


# --- the parts of a runner, used directly ---


def test_task_handler() -> None:
    handler = core.TaskHandler(divmod, 7, 2)
    assert parts(vars(handler) if hasattr(handler, "__dict__") else _slots(handler),
                 "task", "args", "kwargs") == (divmod, (7, 2), {})  # fmt: skip
    assert (handler.name, handler.run()) == ("divmod", (3, 1))


def _slots(handler: Any) -> dict[str, Any]:
    return {name: getattr(handler, name) for name in handler.__slots__}


def test_task_executor() -> None:
    registry: dict[Any, dict[str, Any]] = {}
    executor = core.TaskExecutor(core.TaskHandler(len, "abc"), 0, "x", registry)
    assert registry == {"x": {}}
    assert not executor.is_running()
    assert not executor.is_results_updated()
    assert (executor.task_name, executor.exitcode) == ("len", None)
    executor.start()
    executor.join()
    assert parts(registry["x"], "result", "status") == (3, "Successful")
    assert executor.is_results_updated()
    assert (executor.has_failed, executor.exitcode, executor.is_running()) == (False, 0, False)
    with pytest.raises(RuntimeError):
        executor.start()


def test_task_executor_that_fails() -> None:
    registry: dict[Any, dict[str, Any]] = {}
    executor = core.TaskExecutor(core.TaskHandler(boom), 0, "x", registry, task_retries=1)
    executor.run()
    assert parts(registry["x"], "status", "attempts") == ("Failed", 2)
    assert (executor.has_failed, executor.exitcode) == (True, 1)


def test_task_executor_that_is_terminated(held: Held) -> None:
    registry: dict[Any, dict[str, Any]] = {}
    executor = core.TaskExecutor(core.TaskHandler(held), 0, "x", registry)
    executor.start()
    held.started.wait()
    assert executor.is_running()
    executor.terminate()
    assert parts(registry["x"], "status", "error") == ("Terminated", STOPPED)


def test_next_runnable_task() -> None:
    runner = TaskRunner()
    assert runner.get_next_runnable_task() is None
    runner.add_task(one, label="b", depends_on=["a"])
    runner.add_task(one, label="a")
    following = runner.get_next_runnable_task()
    assert isinstance(following, core.TaskExecutor)
    assert following.label == "a"
