"""How a worker stops: it drains, then ends what is left, and leaves nothing behind."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest
from tests.durable.bench import Bench, eventually, is_gone

from abreast.interfaces.care import check

pytestmark = [pytest.mark.needs("linux"), pytest.mark.timeout(90)]
BOTH = pytest.mark.parametrize("executor", ["process", "thread"])


def assert_nothing_is_left(bench: Bench) -> None:
    assert bench.app.workers() == []
    assert list(Path(f"{bench.store}.d", "workers").iterdir()) == []
    assert list(Path(f"{bench.store}.d", "run").glob("w-*")) == []
    assert check(bench.app) == []


@BOTH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(bench: Bench, executor: str, number: signal.Signals) -> None:
    worker = bench.worker("--concurrency", "1", "--executor", executor)
    running = bench.submit("hold", "a")
    assert bench.news()[0] == "a"
    waiting = bench.submit("hold", "b")
    worker.send_signal(number)
    eventually(lambda: bench.states() == ["draining"])
    later = bench.submit("hold", "c")
    assert worker.poll() is None
    bench.go("a")
    assert bench.end(worker)[0] == 0
    assert running.value == "a"
    assert [(run.state, run.attempts) for run in (waiting, later)] == [("pending", 0)] * 2
    assert bench.silent()
    assert_nothing_is_left(bench)


@BOTH
def test_after_the_drain_the_rest_ends(bench: Bench, executor: str) -> None:
    worker = bench.worker("--drain", "300ms", "--executor", executor)
    again, once = bench.submit("hold", "a"), bench.submit("hold_once", "b")
    pids = {name: int(pid) for name, pid, _ in (bench.news(), bench.news())}
    before = time.monotonic()
    worker.terminate()
    assert bench.end(worker)[0] == 0
    assert time.monotonic() - before > 0.3
    assert all(is_gone(pid) for pid in pids.values())
    assert (again.state, again.reason) == ("pending", None)
    assert (once.state, once.reason) == ("cancelled", "shutdown")
    assert_nothing_is_left(bench)
    with bench.app.worker(1):
        assert bench.news()[0] == "a"
        bench.go("a")
        assert again.result(20) == "a"
    assert bench.app.node.store.db.read("SELECT crashes FROM runs") == [(0,)] * 2


@BOTH
def test_a_second_signal_stops_now(bench: Bench, executor: str) -> None:
    worker = bench.worker("--drain", "1h", "--executor", executor)
    again, once = bench.submit("hold", "a"), bench.submit("hold_once", "b")
    pids = [int(bench.news()[1]) for _ in "ab"]
    bench.term(worker)
    worker.terminate()
    assert bench.end(worker, 15)[0] == 0
    assert all(is_gone(pid) for pid in pids)
    assert again.state == "pending"
    assert (once.state, once.reason) == ("cancelled", "shutdown")
    assert_nothing_is_left(bench)


def test_two_workers_hand_over(bench: Bench) -> None:
    """What one worker stops is started by the other at once."""
    first = bench.worker("--drain", "100ms")
    run = bench.submit("hold", "a")
    bench.news()
    second = bench.worker()
    eventually(lambda: len(bench.app.workers()) == 2)
    first.terminate()
    assert bench.news()[2] == "2"
    assert bench.end(first)[0] == 0
    bench.go("a")
    assert run.result(20) == "a"
    bench.term(second)
    assert bench.end(second)[0] == 0
    assert_nothing_is_left(bench)


@BOTH
def test_an_idle_worker_leaves_at_once(bench: Bench, executor: str) -> None:
    worker = bench.worker("--executor", executor)
    eventually(lambda: bench.states() == ["working"])
    worker.terminate()
    code, said = bench.end(worker, 10)
    assert code == 0
    assert "Traceback" not in said
    assert_nothing_is_left(bench)


def test_stop_from_another_thread(bench: Bench) -> None:
    worker = bench.app.worker(1, "thread")
    thread = threading.Thread(target=worker.run)
    thread.start()
    run = bench.app.submit("add", 1)
    assert run.result(20) == 2
    worker.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert_nothing_is_left(bench)
