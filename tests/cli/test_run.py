"""``abreast run``: from a file of tasks to an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

GRAPH = """
@task
def fetch():
    print("fetching")
    return 20

@task(after=[fetch])
def double(fetch, times: int = 2):
    print("doubling")
    return fetch * times

@task(after="double")
async def show(double):
    print(f"it is {double}")

@task
def alone():
    print("alone")
"""


def states(done: Any) -> dict[str, str]:
    return {run["label"]: run["state"] for run in json.loads(done.out)["runs"]}


def test_all_tasks_run_in_order_and_pass_results_on(abreast: Any, tasks: Any) -> None:
    tasks(GRAPH)
    done = abreast("run", "tasks.py")
    assert done.code == 0, done
    assert "it is 40" in done.out
    assert "tasks: 4 runs" in done.out
    assert "4 completed" in done.out
    assert "done      show" in done.err, "progress goes to standard error"
    assert "fetching" not in done.err


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_executor_for_tasks_that_do_not_say(abreast: Any, tasks: Any, executor: str) -> None:
    tasks(GRAPH)
    done = abreast("run", "tasks.py", "--executor", executor, "--json")
    assert done.code == 0, done
    runs = {run["label"]: run for run in json.loads(done.out)["runs"]}
    assert runs["fetch"]["executor"] == executor
    assert runs["double"]["result"] == 40


def test_named_tasks_come_with_what_they_come_after(abreast: Any, tasks: Any) -> None:
    tasks(GRAPH)
    done = abreast("run", "tasks.py", "double", "--json")
    assert list(states(done)) == ["fetch", "double"]


def test_a_task_may_be_declared_after_what_comes_after_it(abreast: Any, tasks: Any) -> None:
    tasks("""
        @task(after="second")
        def first(): print("1")
        @task
        def second(): print("2")
    """)
    done = abreast("run", "tasks.py", "-j", "1", "--output", "stream", "--progress", "none")
    assert done.out.index("2\n") < done.out.index("1\n")


def test_values_for_parameters(abreast: Any, tasks: Any) -> None:
    tasks("""
        from pathlib import Path
        @task
        def show(name, times: int, share: float = 0.5, loud=False, *, where: Path):
            print(repr((name, times, share, loud, where)))
    """)
    given = ["name=Ann=a", "times=3", "loud=yes", "where=x/y"]
    done = abreast("run", "tasks.py", *(word for value in given for word in ("-a", value)))
    assert done.code == 0, done
    assert "('Ann=a', 3, 0.5, True, PosixPath('x/y'))" in done.out


def test_parameters_named_like_options(abreast: Any, tasks: Any) -> None:
    tasks("@task\ndef show(timeout: int, label, name='n', after=None): print(timeout, label, name)")
    done = abreast("run", "tasks.py", "-a", "timeout=3", "-a", "label=x")
    assert done.code == 0, done
    assert "3 x n" in done.out


@pytest.mark.parametrize(
    "name", ["tasks.py", "my-tasks.py", "random.py", "abreast.py", "a.b.py", "no_suffix"]
)
def test_process_tasks_of_files_of_any_name(
    abreast: Any, tasks: Any, tmp_path: Path, name: str
) -> None:
    """What a file declares is found in the processes: functions, classes, things like locks."""
    (tmp_path / "folder").mkdir()
    tasks("""
        import threading
        LOCK = threading.Lock()

        class Point:
            def __init__(self, x): self.x = x

        def helper(x):
            with LOCK:
                return Point(x + 1)

        @task(executor="process")
        def make():
            return helper(1)

        @task(executor="process", after=[make])
        def use(make):
            assert type(make) is Point, type(make)
            print(f"x is {make.x}, here {__name__ != '__main__'}")
    """, f"folder/{name}")  # fmt: skip
    done = abreast("run", f"folder/{name}")
    assert done.code == 0, done
    assert "x is 2, here True" in done.out


def test_tasks_of_other_files(abreast: Any, tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    tasks("@task\ndef base(): print('base')", "more/common.py")
    tasks("""
        import common
        @task(after=[common.base], executor="process")
        def top(base): print("top")
    """, "more/tasks.py")  # fmt: skip
    done = abreast("run", "more/tasks.py")
    assert done.code == 0, done
    assert done.out.index("base\n") < done.out.index("top\n")


# -- exit codes -------------------------------------------------------------------------------


def test_a_failure_is_1(abreast: Any, tasks: Any) -> None:
    tasks("""
        @task
        def bad(): raise ValueError("no good")
        @task(after=[bad])
        def later(): ...
        @task
        def good(): ...
    """)
    done = abreast("run", "tasks.py")
    assert done.code == 1, done
    assert "skipped(dependency)" in done.out
    assert 'tasks.py", line 3, in bad' in done.out, "the traceback is shown"
    assert "File" not in done.err


def test_only_timeouts_are_5(abreast: Any, tasks: Any) -> None:
    text = """
        import signal
        @task(executor="process", timeout="200ms")
        def slow(): signal.pause()
        @task(after=[slow])
        def later(): ...
    """
    tasks(text)
    assert abreast("run", "tasks.py").code == 5
    tasks(text + "    @task\n        def bad(): raise ValueError\n")
    assert abreast("run", "tasks.py").code == 1


def test_timeout_for_each_run(abreast: Any, tasks: Any) -> None:
    tasks("""
        import signal
        @task(executor="process")
        def slow(): signal.pause()
        @task
        def quick(): ...
    """)
    done = abreast("run", "tasks.py", "--timeout", "0.3", "--json")
    assert done.code == 5, done
    assert states(done) == {"slow": "failed", "quick": "completed"}


def test_a_thread_that_never_returns_does_not_hold_the_program(abreast: Any, tasks: Any) -> None:
    tasks("""
        import threading
        @task(timeout=0.2)
        def hangs(): threading.Event().wait()
    """)
    done = abreast("run", "tasks.py")
    assert done.code == 5, done
    assert "abandoned" in done.out


def test_fail_fast(abreast: Any, tasks: Any) -> None:
    tasks("""
        import signal
        @task(executor="process")
        def waits(): signal.pause()
        @task
        def bad(): raise ValueError
    """)
    done = abreast("run", "tasks.py", "--fail-fast", "--json")
    assert done.code == 1, done
    reasons = {run["label"]: run["reason"] for run in json.loads(done.out)["runs"]}
    assert reasons == {"waits": "fail_fast", "bad": "error"}


# -- forms ------------------------------------------------------------------------------------


def test_json_is_all_there_is_on_standard_output(abreast: Any, tasks: Any) -> None:
    tasks("""
        import os, subprocess, sys
        print("while importing")
        @task
        def noisy():
            print("from a thread")
            os.write(1, b"to the descriptor\\n")
            subprocess.run(["echo", "from a program"])
            return {"answer": 42}
        @task(executor="process")
        def apart(): print("from a process")
    """)
    done = abreast("run", "tasks.py", "--json")
    assert done.code == 0, done
    document = json.loads(done.out)
    assert document["ok"] is True
    assert document["runs"][0]["result"] == {"answer": 42}
    for text in ("while importing", "from a thread", "the descriptor", "a program", "a process"):
        assert text in done.err


def test_dry_run_starts_nothing(abreast: Any, tasks: Any, tmp_path: Path) -> None:
    tasks(GRAPH + "\n@task(executor='process', timeout=9)\ndef writes(): open('made', 'w')\n")
    done = abreast("run", "tasks.py", "--dry-run", "-j", "3")
    assert done.code == 0, done
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["1.", "fetch", "thread"]
    assert lines[1] == ["2.", "double", "thread", "after", "fetch"]
    assert ["5.", "writes", "process", "timeout", "9", "s"] in lines
    assert "5 tasks, at once: 3" in done.out
    assert "fetching" not in done.out
    assert done.err == ""
    assert not (tmp_path / "made").exists()


def test_dry_run_as_json(abreast: Any, tasks: Any) -> None:
    tasks(GRAPH)
    done = abreast("run", "tasks.py", "--dry-run", "--json", "double")
    document = json.loads(done.out)
    assert document["dry_run"] is True
    assert [run["after"] for run in document["runs"]] == [[], ["fetch"]]


def test_html_and_trace_files(abreast: Any, tasks: Any, tmp_path: Path) -> None:
    tasks(GRAPH)
    done = abreast("run", "tasks.py", "--html", "report.html", "--trace", "trace.json")
    assert done.code == 0, done
    assert "<html" in (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "trace.json").read_text())


def test_no_progress(abreast: Any, tasks: Any) -> None:
    tasks(GRAPH)
    done = abreast("run", "tasks.py", "--progress", "none")
    assert done.err == ""
    assert "4 completed" in done.out
