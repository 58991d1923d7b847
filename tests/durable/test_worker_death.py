"""Whatever dies, its runs go on: elsewhere, at once, and not for ever."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import psutil
import pytest
from tests.durable.bench import Bench, eventually, is_gone

from abreast.interfaces.care import check

pytestmark = [pytest.mark.needs("linux"), pytest.mark.timeout(90)]
BOTH = pytest.mark.parametrize("executor", ["process", "thread"])
CHILD_S, WORKER_S = 0.5, 2.0  # how soon a run goes on after the death of its process, its worker

CLAIMS_ONLY = """
import sys
from abreast.executors.thread import ThreadExecutor
from tests.durable.jobs import app
ThreadExecutor.start = lambda *given: None  # what it is given to execute never begins
worker = app.worker(3, executor="thread")
sys.exit(worker.run())
"""


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def executes(bench: Bench, pid: int) -> Any:
    """The worker below which a process is, or that it is."""
    found = psutil.Process(pid)
    above = {pid, *(parent.pid for parent in found.parents())}
    (worker,) = [worker for worker in bench.workers if worker.pid in above]
    return worker


@BOTH
def test_another_worker_takes_over(bench: Bench, executor: str) -> None:
    for _ in "ab":
        bench.worker("--concurrency", "1", "--executor", executor)
    eventually(lambda: len(bench.app.workers()) == 2)
    run = bench.submit("hold_alone", "a")
    _, pid, attempt = bench.news()
    assert attempt == "1"
    victim = executes(bench, int(pid))
    before = time.monotonic()
    victim.kill()
    name, again, attempt = bench.news(WORKER_S)
    assert time.monotonic() - before < WORKER_S
    assert (name, attempt) == ("a", "2")
    assert executes(bench, int(again)) is not victim
    assert is_gone(int(pid))
    bench.go("a")
    assert run.result(20) == "a"
    assert [type(error).__name__ for error in run.errors] == ["Crashed"]
    assert bench.app.node.store.db.read("SELECT crashes FROM runs") == [(1,)]
    assert len(bench.app.workers()) == 1
    assert check(bench.app) == []


def test_a_worker_that_starts_takes_over(bench: Bench) -> None:
    """Nobody else was there when it happened."""
    first = bench.worker("--executor", "thread")
    run, once = bench.submit("hold", "a"), bench.submit("hold_once", "b")
    bench.news()
    bench.news()
    first.kill()
    first.wait(20)
    assert run.state == "running"
    bench.worker("--executor", "thread")
    assert bench.news()[2] == "2"
    assert once.wait(20)
    assert (once.state, once.reason) == ("failed", "crashed")
    bench.go("a")
    assert run.result(20) == "a"


def test_claimed_and_never_begun_is_no_crash(bench: Bench) -> None:
    first = bench.worker(module=CLAIMS_ONLY)
    runs = bench.app.tasks["add"].map(range(3))
    eventually(lambda: all(run.state == "running" for run in runs))
    second = bench.worker("--executor", "thread")
    eventually(lambda: len(bench.app.workers()) == 2)
    first.kill()
    assert [run.result(WORKER_S) for run in runs] == [1, 2, 3]
    assert [run.attempts for run in runs] == [1] * 3
    assert bench.app.node.store.db.read("SELECT sum(crashes) FROM runs") == [(0,)]
    assert second.poll() is None


def test_three_deaths_of_its_process(bench: Bench) -> None:
    bench.worker()
    run = bench.submit("hold", "a")
    other = bench.submit("hold", "b")
    pids = {}
    for _ in "ab":
        name, pid, _ = bench.news()
        pids[name] = int(pid)
    for attempt in ("2", "3"):
        before = time.monotonic()
        kill(pids["a"])
        name, pid, number = bench.news(CHILD_S)
        assert time.monotonic() - before < CHILD_S
        assert (name, number) == ("a", attempt)
        pids["a"] = int(pid)
    kill(pids["a"])
    assert run.wait(20)
    assert (run.state, run.reason, run.attempts) == ("failed", "crashed", 3)
    assert [type(error).__name__ for error in run.errors] == ["Crashed"] * 3
    assert other.state == "running"
    bench.go("b")
    assert other.result(20) == "b"


def test_a_death_that_may_not_be_repeated(bench: Bench) -> None:
    bench.worker()
    run = bench.submit("hold_once", "a")
    kill(int(bench.news()[1]))
    assert run.wait(20)
    assert (run.state, run.reason, run.attempts) == ("failed", "crashed", 1)


def test_a_crash_is_no_try_of_its_retry(bench: Bench) -> None:
    from abreast import Retry

    bench.worker()
    run = bench.submit("hold", "a", retry=Retry(0))
    kill(int(bench.news()[1]))
    assert bench.news(CHILD_S)[2] == "2"
    bench.go("a")
    assert run.result(20) == "a"


def test_death_of_the_nursery(bench: Bench) -> None:
    """The process that all processes of runs come from: all die with it, and all go on."""
    worker = bench.worker()
    runs = [bench.submit("hold", name) for name in "ab"]
    pids = [int(bench.news()[1]) for _ in "ab"]
    (nursery,) = psutil.Process(worker.pid).children()
    nursery.kill()
    assert {tuple(bench.news(WORKER_S)[::2]) for _ in "ab"} == {("a", "2"), ("b", "2")}
    assert all(is_gone(pid) for pid in pids)
    bench.go("a")
    bench.go("b")
    assert [run.result(20) for run in runs] == ["a", "b"]


def test_finished_steps_are_not_repeated(bench: Bench) -> None:
    bench.worker()
    run = bench.submit("stepped", "a")
    _, first, _ = bench.news()
    kill(int(first))
    _, second, _ = bench.news()
    bench.go("a")
    assert run.result(20) == f"{first} {second}"
    with open(f"{bench.here}/once") as file:
        assert file.read() == "x"
    (only,) = run.steps()
    assert (only.name, only.attempt, only.output) == ("once", 1, int(first))


def test_processes_of_a_dead_worker_end(bench: Bench) -> None:
    worker = bench.worker()
    bench.submit("family")
    _, grandchild, child = bench.news()
    worker.kill()
    eventually(lambda: is_gone(int(grandchild)) and is_gone(int(child)))


@pytest.mark.parametrize("how", ["timeout", "cancel", "child killed"])
def test_all_a_run_started_ends_with_it(bench: Bench, how: str) -> None:
    bench.worker()
    options: dict[str, Any] = {"timeout": 0.5} if how == "timeout" else {}
    run = bench.submit("family", on_crash="fail", **options)
    _, grandchild, child = bench.news()
    if how == "cancel":
        run.cancel()
    elif how == "child killed":
        kill(int(child))
    assert run.wait(20)
    ends = {
        "timeout": ("failed", "timeout"),
        "cancel": ("cancelled", "user"),
        "child killed": ("failed", "crashed"),
    }
    assert (run.state, run.reason) == ends[how]
    assert is_gone(int(child))
    assert is_gone(int(grandchild))


def test_its_place_in_a_limit_is_free_again(bench: Bench) -> None:
    bench.worker()
    run = bench.submit("hold_alone", "a", on_crash="fail")
    _, pid, _ = bench.news()
    other = bench.submit("hold_alone", "b")
    assert f"run {run.id}" in other.why()
    kill(int(pid))
    assert bench.news(CHILD_S)[0] == "b"
    bench.go("b")
    assert other.result(20) == "b"
