"""What a worker executes, in what, and how much at a time."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from tests.durable.bench import Bench, eventually

from abreast import App, Retry, errors
from abreast.interfaces import worker_room
from abreast.interfaces.worker_room import advice

pytestmark = [pytest.mark.needs("linux"), pytest.mark.timeout(90)]
BOTH = pytest.mark.parametrize("executor", ["process", "thread"])


# --- once ---


@BOTH
def test_once_does_everything_due_or_pending(bench: Bench, executor: str) -> None:
    add = bench.app.tasks["add"]
    runs = add.map(range(20))
    runs.append(add.submit(add.submit(1)))
    runs.append(add.with_options(at=time.time() - 1).submit(1))
    runs.append(bench.app.submit("parent", 1))
    with bench.app.flow() as flow:
        flow.add(add, flow.add(add, 1))
    later = add.with_options(delay="1h").submit(1)
    assert bench.app.worker(2, executor).run(once=True) == 0
    assert {run.state for run in [*runs, flow.run]} == {"completed"}
    assert later.state == "scheduled"
    assert bench.app.workers() == []


def test_a_second_once_leaves_at_once(bench: Bench) -> None:
    bench.submit("hold", "a")
    first = bench.worker("--once")
    bench.news()
    bench.app.submit("add", 1)
    second = bench.worker("--once")
    assert bench.end(second) == (0, "")
    assert first.poll() is None
    bench.go("a")
    assert bench.end(first) == (0, "")
    assert {run.state for run in bench.app.runs()} == {"completed"}


# --- what is executed, and where ---


def test_only_the_tasks_it_was_told(bench: Bench) -> None:
    mine, other = bench.app.submit("add", 1), bench.app.submit("where")
    assert bench.app.worker(2, "thread", tasks=["add"]).run(once=True) == 0
    assert (mine.state, other.state) == ("completed", "pending")
    with pytest.raises(errors.UsageError, match="did you mean 'add'"):
        bench.app.worker(tasks=["ad"])


def test_the_executor_of_the_worker(bench: Bench) -> None:
    runs = bench.app.submit_many("where", [(), ()])
    with bench.app.worker(1, "thread"):
        assert runs[0].result(20)[0] == os.getpid()
        assert runs[1].result(20)[2] is False
    runs = bench.app.submit_many("where", [(), ()])
    with bench.app.worker(1):
        first, second = runs[0].result(20), runs[1].result(20)
    assert first[0] == second[0] != os.getpid(), "a child lives on from run to run"
    assert first[2] is True


def test_fresh_processes(bench: Bench) -> None:
    runs = bench.app.submit_many("where", [()] * 4)
    with bench.app.worker(2, fresh=True):
        assert len({run.result(20)[0] for run in runs}) == 4


@BOTH
def test_never_more_at_a_time(bench: Bench, executor: str) -> None:
    runs = bench.app.submit_many("crowd", [(bench.here, 3)] * 150)
    with bench.app.worker(3, executor):
        assert all(run.result(30) for run in runs)


@BOTH
def test_a_parent_gives_its_slot_back(bench: Bench, executor: str) -> None:
    run = bench.app.submit("parent", 5)
    worker = bench.worker("--concurrency", "1", "--executor", executor)
    assert run.result(30) == 6
    worker.terminate()
    assert bench.end(worker)[0] == 0


def test_nice(bench: Bench) -> None:
    usual = os.nice(0)
    runs = [bench.app.tasks["where"].with_options(nice=n).submit() for n in (18, None, 19)]
    with bench.app.worker(1):
        assert [run.result(20)[3] for run in runs] == [18, usual, 19]


# --- seen from elsewhere ---


def test_progress_and_place(bench: Bench) -> None:
    worker = bench.worker()
    run = bench.submit("half", "half")
    _, pid, _ = bench.news()
    seen = eventually(lambda: run.progress)
    assert (seen.done, seen.total, seen.message) == (1, 2, "half of it")
    (row,) = bench.app.workers()
    assert (row.pid, row.state, row.concurrency) == (worker.pid, "working", 5)
    assert (row.id, row.running) == (run.worker, 1)
    bench.go("half")
    assert run.wait(20)
    assert run.place == (row.host, int(pid))
    worker.terminate()
    assert bench.end(worker)[0] == 0
    assert run.place == (row.host, int(pid)), "also when the worker has left"


@BOTH
@pytest.mark.parametrize("slots", ["1", "2"])
def test_a_cancel_from_elsewhere_is_heard_at_once(bench: Bench, executor: str, slots: str) -> None:
    """Not only when the worker next looks by itself, and also when all its slots are taken."""
    bench.worker("--executor", executor, "--concurrency", slots)
    for name in "abc":
        run = bench.submit("hold", name)
        bench.news()
        run.cancel()
        assert run.wait(2)
        assert (run.state, run.reason) == ("cancelled", "user")


def test_the_process_table_shows_what_runs(bench: Bench) -> None:
    pytest.importorskip("setproctitle")
    bench.worker()
    run = bench.submit("hold", "a")
    _, pid, _ = bench.news()
    with open(f"/proc/{pid}/cmdline") as file:
        assert file.read().strip("\0 ") == f"abreast: run {run.id} hold"
    bench.go("a")
    assert run.wait(20)


# --- policies, as a worker carries them out ---


@BOTH
def test_backoff_is_neither_failure_nor_try(bench: Bench, executor: str) -> None:
    with bench.app.worker(1, executor):
        run = bench.submit("back_off")
        assert run.result(20) == 4
        assert bench.submit("back_off", retry=0).result(20) == 4


def test_deadline_while_it_runs(bench: Bench) -> None:
    with bench.app.worker(1):
        run = bench.submit("hold", "a", deadline=0.5, retry=5)
        bench.news()
        assert run.wait(20)
    assert (run.state, run.reason, run.attempts) == ("failed", "timeout", 1)


def test_no_try_after_the_deadline(bench: Bench) -> None:
    with bench.app.worker(1):
        run = bench.submit("fail", deadline=5, retry=Retry(5, backoff=60.0, jitter=False))
        assert run.wait(20)
    assert (run.state, run.reason, run.attempts) == ("failed", "error", 1)


def test_too_late_to_start(bench: Bench) -> None:
    run = bench.app.tasks["add"].with_options(deadline=0.001).submit(1)
    assert bench.app.worker(1, "thread").run(once=True) == 0
    assert run.wait(20)
    assert (run.state, run.reason) == ("skipped", "expired")


@pytest.mark.parametrize("what", ["memory", "gpu"])
def test_needs_nobody_can_meet(bench: Bench, what: str) -> None:
    big = bench.app.submit(f"needs_{what}")
    small = bench.app.submit("add", 2)
    with bench.app.worker(2, "thread"):
        assert small.result(20) == 3
        assert big.state == "pending"


def test_a_run_names_the_needs_it_waits_for(bench: Bench) -> None:
    big = bench.app.submit("needs_gpu")
    with bench.app.worker(1, "thread"):
        assert bench.app.submit("add", 2).result(20) == 3
        assert "'gpu'" in big.why()


def test_once_does_not_wait_for_what_nobody_can_meet(bench: Bench) -> None:
    big = bench.app.submit("needs_gpu")
    small = bench.app.submit("add", 2)
    assert bench.end(bench.worker("--once"), 20) == (0, "")
    assert (big.state, small.state) == ("pending", "completed")


def test_needs_are_drawn_from_one_pool(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_room, "_cores", lambda: 2)
    runs = [bench.submit("needs_cpu", name) for name in "ab"]
    runs.append(bench.submit("needs_some_cpu", "c"))
    with bench.app.worker(5):
        assert {bench.news()[0], bench.news()[0]} == {"a", "c"}
        assert runs[1].state == "pending"
        bench.go("a")
        assert bench.news()[0] == "b"
        bench.go("b")
        bench.go("c")
        assert all(run.wait(20) for run in runs)


@pytest.mark.parametrize(
    ("load", "free", "pressure", "step"),
    [
        (0.0, 0.9, 0.0, 1),
        (0.69, 0.11, 10.0, 1),
        (0.7, 0.9, 0.0, 0),
        (1.0, 0.5, 0.0, 0),
        (1.2, 0.5, 0.0, 0),
        (1.21, 0.9, 0.0, -1),
        (0.0, 0.09, 0.0, -1),
        (0.0, 0.9, 10.1, -1),
    ],
)
def test_advice_on_how_many_at_a_time(load: float, free: float, pressure: float, step: int) -> None:
    assert advice(load, free, pressure) == step


def test_auto_follows_the_advice(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_room, "_LOOK_S", 0.01)
    monkeypatch.setattr(worker_room, "_cores", lambda: 1)
    advised = [1]
    monkeypatch.setattr(worker_room, "advice", lambda *_: advised[0])
    with bench.app.worker("auto", "thread") as worker:
        eventually(lambda: worker._pool.size == 8)  # the most for a core
        advised[0] = -1
        eventually(lambda: worker._pool.size == 1)
        assert bench.app.submit("add", 1).result(20) == 2
    eventually(lambda: not [t for t in threading.enumerate() if t.name == "abreast-room"])


def test_needs_are_drawn_from_pools_of_the_worker(tmp_path: Path) -> None:
    """Two of a gpu each, and a pool of two: the third waits; without the pool nothing starts."""
    app = App(f"sqlite:///{tmp_path}/jobs.db")
    gate, inside = threading.Event(), threading.Semaphore(0)

    @app.task(needs={"gpu": 1}, executor="thread")
    def train() -> None:
        inside.release()
        gate.wait(30)

    runs = [train.submit() for _ in range(3)]
    with app.worker(4, executor="thread"):
        app.node.engine.attend()
        assert not inside.acquire(timeout=0.3), "there is no gpu here"
    with app.worker(4, executor="thread", pools={"gpu": 2}):
        assert inside.acquire(timeout=10)
        assert inside.acquire(timeout=10)
        assert not inside.acquire(timeout=0.3)
        assert [str(run.state) for run in runs].count("running") == 2
        gate.set()
        assert all(run.wait(10) for run in runs)
    app.close()
