"""What only a store on disk has: other processes, JSON, and looking again later."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.interfaces.app_help import STORES, working

from abreast import App, Retry, errors
from abreast.interfaces import discovery

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif("sqlite" not in STORES, reason="no store on disk"),
]

JOBS = """
import os
from abreast import App, current_run, progress, step
app = App("sqlite:///jobs.db")

@app.task
def add(a, b=1):
    return a + b

@app.task(retry=1)
def steps(path):
    def once():
        with open(path, "a") as file:
            file.write("x")
        return os.getpid()
    first = step("once", once)
    if current_run().attempt == 1:
        raise OSError("again")
    progress(1, 2, "half")
    return [first, os.getpid()]

@app.task
def parent(n):
    return add.submit(n).result(30) + 1

@app.task
def say():
    print("hello from the task")
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(f"sqlite:///{tmp_path}/jobs.db")
    yield app
    app.close()


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """An app in a file of its own, as child processes import it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "app_jobs.py").write_text(JOBS)
    app = discovery.load_app("app_jobs:app")
    yield app
    app.close()
    del sys.modules["app_jobs"]


def add(a: int, b: int = 1) -> int:
    return a + b


@dataclasses.dataclass
class Point:
    x: int


def test_nothing_is_opened_before_it_is_needed(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/jobs.db")
    app.task(add)
    assert os.listdir(tmp_path) == []
    app.tasks["add"].submit(1)
    assert "jobs.db" in os.listdir(tmp_path)
    app.close()


def test_arguments_and_results_are_json(app: App) -> None:
    @app.task
    def echo(value: Any) -> Any:
        return {"value": value}

    @app.task
    def odd() -> Any:
        return object()

    with pytest.raises(errors.NotStorable, match=r"task 'echo': argument 1 \(type 'object'\)"):
        echo.submit(object())
    with pytest.raises(TypeError, match="argument value="):
        echo.submit(value=lambda: 1)
    assert app.runs() == []
    with working(app):
        assert echo.submit(Point(3)).result(20) == {"value": {"x": 3}}
        assert echo.submit((1, 2)).result(20) == {"value": [1, 2]}
        assert echo.submit({"$run": 1}).result(20) == {"value": {"$run": 1}}
        with pytest.raises(errors.NotStorable, match="object"):
            odd.submit().result(20)


def test_another_app_sees_the_same_runs(app: App, tmp_path: Path) -> None:
    plus = app.task(add)
    run = plus.with_options(label="mine").submit(1, b=plus.submit(5))
    other = App(app.url)
    other.task(add)
    found = other.run(run.id)
    assert (found.label, found.state, found.name) == ("mine", "blocked", "add")
    (inner,) = found.kwargs.values()
    assert inner.id == run.id - 1
    with working(other):
        assert run.result(20) == 7
        assert found.result(20) == 7
        assert inner.result(20) == 6
    other.close()


def test_errors_come_back_with_their_types(app: App) -> None:
    class Odd(Exception):
        pass

    @app.task
    def fail(kind: str) -> None:
        raise {"value": ValueError("v"), "odd": Odd("o"), "back": errors.TimedOut("t")}[kind]

    with working(app):
        runs = fail.map(["value", "odd", "back"])
        with pytest.raises(ValueError, match="v"):
            runs[0].result(20)
        with pytest.raises(errors.RemoteError, match="o") as caught:
            runs[1].result(20)
        assert "Odd" in caught.value.type_name
        with pytest.raises(errors.TimedOut, match="t"):
            runs[2].result(20)
    assert "raise {" in (runs[0].traceback or "")


def test_options_of_a_submit_reach_a_worker_elsewhere(jobs: App, tmp_path: Path) -> None:
    run = jobs.tasks["steps"].with_options(retry=Retry(0)).submit(str(tmp_path / "x"))
    with jobs.worker(1), pytest.raises(OSError, match="again"):
        run.result(30)
    assert run.attempts == 1


def test_a_child_process_records_steps_and_progress(jobs: App, tmp_path: Path) -> None:
    with jobs.worker(2):
        run = jobs.submit("steps", str(tmp_path / "x"))
        first, second = run.result(30)
        assert os.getpid() not in (first, second)
        (only,) = run.steps()
        assert (only.name, only.output, only.attempt) == ("once", first, 1)
        assert run.progress is not None
        assert run.progress.message == "half"
    assert (tmp_path / "x").read_text() == "x"


def test_a_child_process_submits_and_waits(jobs: App) -> None:
    with jobs.worker(1):  # one slot, which the parent lends to its child
        assert jobs.submit("parent", 5).result(40) == 7


def test_what_a_run_prints(jobs: App) -> None:
    with jobs.worker(1):
        run = jobs.submit("say")
        run.result(30)
        quiet = jobs.submit("add", 1)
        quiet.result(30)
    assert "hello from the task" in run.log()
    assert run.log_path is not None
    assert (quiet.log(), quiet.log_path) == ("", None)


def test_a_worker_in_another_process(jobs: App, tmp_path: Path) -> None:
    code = (
        "import sys; from abreast.interfaces.discovery import load_app\n"
        "with load_app('app_jobs:app').worker(2, executor='thread'): sys.stdin.read()"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, cwd=tmp_path)
    try:
        runs = jobs.map("add", range(20))
        results: list[int] = []
        threads = [
            threading.Thread(target=lambda run=run: results.append(run.result(30))) for run in runs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(40)
        assert sorted(results) == list(range(1, 21))
        watching = [t for t in threading.enumerate() if t.name == "abreast-watch"]
        assert len(watching) <= 1
        assert jobs.submit("parent", 1).result(30) == 3
    finally:
        assert worker.stdin is not None
        worker.stdin.close()
        worker.wait(30)


@pytest.mark.needs("posix")
def test_a_fork_writes_with_a_connection_of_its_own(jobs: App) -> None:
    jobs.submit("add", 1)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if jobs.submit("add", 2).id == 2 else 2
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert [run.id for run in jobs.runs()] == [2, 1]
