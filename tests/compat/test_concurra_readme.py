"""The programs of Concurra's README run unchanged and print what it says they print.

Each runs in an interpreter of its own, all at the same time. Programs that only sleep to show
that something takes long sleep a tenth of it; where the sleep decides the outcome it is real.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PROGRAMS = Path(__file__).parent / "readme_programs"
IN_FULL = {"fast_fail", "task_timeout"}

START = """
import logging, runpy, sys, time
factor, program = float(sys.argv[1]), sys.argv[2]
pause = time.sleep
time.sleep = lambda seconds: pause(seconds * factor)
logging.basicConfig(level=logging.INFO)
runpy.run_path(program, run_name="__main__")
"""

NUMBER = r"\d+(?:\.\d+)?"
KEYS = [
    "task_name", "start_time", "end_time", "duration", "duration_seconds", "result", "error",
    "trace", "status", "has_failed", "output", "execution_mode", "warning", "attempts",
    "task_retries", "retried", "retry_errors",
]  # fmt: skip


class Printed(NamedTuple):
    out: str
    log: str


@pytest.fixture(scope="module")
def started() -> Iterator[dict[str, subprocess.Popen[str]]]:
    processes = {}
    for program in sorted(PROGRAMS.glob("*.py")):
        factor = "1" if program.stem in IN_FULL else "0.1"
        processes[program.stem] = subprocess.Popen(
            [sys.executable, "-X", "utf8", "-c", START, factor, str(program)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
    yield processes
    for process in processes.values():
        process.kill()
        process.communicate()


@pytest.fixture
def printed(request: pytest.FixtureRequest, started: dict[str, subprocess.Popen[str]]) -> Printed:
    process = started[request.param]
    out, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    return Printed(out, log)


def program(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("printed", [name], indirect=True)


def test_every_program_has_a_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    named = set(re.findall(r'^@program\("(\w+)"\)', tests, re.MULTILINE))
    assert named == {path.stem for path in PROGRAMS.glob("*.py")}


def as_logged(wanted: str, log: str) -> bool:
    """Whether these lines are in the log; ``N`` is any number, widths do not matter."""
    wanted, log = (re.sub(r"-{3,}", "-", " ".join(text.split())) for text in (wanted, log))
    pattern = NUMBER.join(re.escape(part) for part in re.split(r"\bN\b", wanted))
    return re.search(pattern, log) is not None


def ten_keys(results: dict[str, Any], seconds: dict[str, float]) -> list[dict[str, Any]]:
    """Check what varies from run to run and return the rest."""
    rest = []
    for label, result in results.items():
        assert list(result) == KEYS
        assert result["duration_seconds"] == pytest.approx(seconds[label], abs=0.35)
        assert result["duration"] == f"{result['duration_seconds']} sec"
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", result["start_time"])
        assert result["start_time"] <= result["end_time"]
        assert result["output"] == result["result"]
        names = ["task_name", "result", "error", "status", "has_failed"]
        rest.append({name: result[name] for name in names})
    return rest


def good(name: str, result: Any) -> dict[str, Any]:
    return end(name, result, None, "Successful", False)


def bad(name: str, status: str, error: str) -> dict[str, Any]:
    return end(name, None, error, status, True)


def end(*values: Any) -> dict[str, Any]:
    names = ["task_name", "result", "error", "status", "has_failed"]
    return dict(zip(names, values, strict=True))


@program("quick_start")
def test_quick_start(printed: Printed) -> None:
    results = ast.literal_eval(printed.out)
    assert list(results) == ["greet_world", "greet_universe"]
    assert ten_keys(results, dict.fromkeys(results, 0.0)) == [
        good("say_hello", "Hello World"),
        good("say_universe", "Hello Universe"),
    ]


@program("parameters")
def test_parameters(printed: Printed) -> None:
    assert printed.out == "{'task1': ['one', 'two', 'three'], 'task2': ['one', 'two', 'three']}\n"
    progress = "INFO:my_logger:MyRunner progress: [############.............] 1/2 [50.0%]"
    assert progress in printed.log
    assert "concurra.core" not in printed.log


REUSED = (
    "TaskRunner has already started execution. "
    "Create a new TaskRunner instance to add tasks and run again."
)


@program("rules")
def test_rules(printed: Printed) -> None:
    assert printed.out.splitlines() == [
        "Duplicate task key label: 'A' already exists.",
        "Task 'C' cannot depend on itself.",
        "Circular dependency detected: B -> A -> B.",
        "{'A': 'Successful', 'B': 'Successful', 2: 'Successful'}",
        REUSED,
    ]


@program("custom_failure")
def test_custom_failure(printed: Printed) -> None:
    assert printed.out == "Failed\nException Custom failure message\n"
    assert printed.log.count("ERROR:concurra.core:Custom failure message\n+--") == 1


@program("background")
def test_background(printed: Printed) -> None:
    assert printed.out.splitlines() == [
        "Tasks are still running...",
        "All tasks are done!",
        "{'t1': 1, 't2': 2}",
        "Cannot add tasks after execution has started.",
        "an error, as nothing was started",
    ]


@program("abort")
def test_abort(printed: Printed) -> None:
    assert printed.out.splitlines() == [
        "{'quick': 'Successful', 'endless': 'Terminated', 'late': 'Terminated'}",
        "False",
    ]


@program("all_tasks_pass")
def test_all_tasks_pass(printed: Printed) -> None:
    results = json.loads(printed.out)
    assert list(results) == ["square_4", "square_5", "divide_10_2"]
    assert ten_keys(results, {"square_4": 0.1, "square_5": 0.1, "divide_10_2": 0.0}) == [
        good("square", 16),
        good("square", 25),
        good("divide", 5.0),
    ]
    assert all(result["trace"] is None for result in results.values())
    assert as_logged(
        """
INFO:concurra.core:Concurra progress: [########.................] 1/3 [33.33%] in 0 min N sec
INFO:concurra.core:Concurra progress: [#################........] 2/3 [66.67%] in 0 min N sec
INFO:concurra.core:Concurra progress: [#########################] 3/3 [100.0%] in 0 min N sec
INFO:concurra.core:
+-------------+--------+------------+------------+
| label       | task   | status     | duration   |
|-------------+--------+------------+------------|
| square_4    | square | Successful | N sec   |
| square_5    | square | Successful | N sec   |
| divide_10_2 | divide | Successful | N sec    |
+-------------+--------+------------+------------+
""",
        printed.log,
    )


@program("partial_failures")
def test_partial_failures(printed: Printed) -> None:
    results = json.loads(printed.out)
    took = {"square_4": 0.1, "square_5": 0.1, "divide_10_2": 0.0, "divide_by_zero": 0.0}
    assert ten_keys(results, took) == [
        good("square", 16),
        good("square", 25),
        good("divide", 5.0),
        bad("divide", "Failed", "ZeroDivisionError: division by zero"),
    ]
    trace = results["divide_by_zero"]["trace"]
    assert trace.startswith("Traceback (most recent call last):\n")
    assert "in divide\n" in trace
    assert trace.endswith("\nZeroDivisionError: division by zero\n")
    assert as_logged(
        """
INFO:concurra.core:Concurra progress: [#########################] 4/4 [100.0%] in 0 min N sec
ERROR:concurra.core:Execution Failed
+----------------+--------+------------+------------+
| label          | task   | status     | duration   |
|----------------+--------+------------+------------|
| square_4       | square | Successful | N sec    |
| square_5       | square | Successful | N sec   |
| divide_10_2    | divide | Successful | N sec    |
| divide_by_zero | divide | Failed     | N sec    |
+----------------+--------+------------+------------+
Task 'divide_by_zero' failed with error: ZeroDivisionError: division by zero
Traceback (most recent call last):
""",
        printed.log,
    )


@program("fast_fail")
def test_fast_fail(printed: Printed) -> None:
    results = json.loads(printed.out)
    assert ten_keys(results, {"ok": 0.0, "fail": 0.0}) == [
        bad("will_succeed", "Terminated", "RuntimeError: Execution terminated before completion"),
        bad("will_fail", "Failed", "RuntimeError: Oops!"),
    ]
    assert results["ok"]["trace"] is None
    assert "ERROR:concurra.core:RuntimeError: Oops! Traceback" in printed.log
    assert as_logged(
        """
ERROR:concurra.core:terminating execution!
INFO:concurra.core:Deleting terminated task: ok, will_succeed
ERROR:concurra.core:Execution Failed
+---------+--------------+------------+------------+
| label   | task         | status     | duration   |
|---------+--------------+------------+------------|
| ok      | will_succeed | Terminated | N sec   |
| fail    | will_fail    | Failed     | N sec    |
+---------+--------------+------------+------------+
Task 'ok' failed with error: RuntimeError: Execution terminated before completion
 None
Task 'fail' failed with error: RuntimeError: Oops!
 Traceback (most recent call last):
""",
        printed.log,
    )


@program("task_timeout")
def test_task_timeout(printed: Printed) -> None:
    status, _, rest = printed.out.partition("\n")
    assert status == "Terminated"
    results = json.loads(rest)
    error = "TimeoutError: Task exceeded timeout of 4 seconds"
    assert ten_keys(results, {"timeout_task": 4.0}) == [bad("slow", "Terminated", error)]
    assert results["timeout_task"]["trace"] is None
    assert as_logged(
        """
ERROR:concurra.core:Execution Failed
+--------------+--------+------------+------------+
| label        | task   | status     | duration   |
|--------------+--------+------------+------------|
| timeout_task | slow   | Terminated | N sec    |
+--------------+--------+------------+------------+
Task 'timeout_task' failed with error: TimeoutError: Task exceeded timeout of 4 seconds
""",
        printed.log,
    )


@program("dependent_tasks")
def test_dependent_tasks(printed: Printed) -> None:
    assert printed.out.splitlines() == [
        "✅ Results Summary:",
        "task_A: Successful → Task A",
        "task_B: Successful → Task B",
        "fetch_data: Successful → user_data.csv",
        "clean: Successful → cleaned_user_data.csv",
        "transform: Successful → transformed_cleaned_user_data.csv",
        "train: Successful → model_trained_on_transformed_cleaned_user_data.csv",
        "fetch_logs: Successful → raw_logs.txt",
        "parse_logs: Successful → parsed_raw_logs.txt",
        "analyze_logs: Successful → analysis_result_parsed_raw_logs.txt",
        "generate_report: Successful → Report: report.txt)",
    ]
