"""Which run starts next, and how many at once."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from abreast import Command, Limit, Report, Runner

pytestmark = pytest.mark.timeout(40)


def finish(runner: Runner, seconds: float = 20.0) -> Report:
    """Wait until all runs have ended; when they do not, say what each of them waits for."""
    try:
        ended = runner.wait(seconds)
        assert ended, "\n".join(["not ended:", *(r.why() for r in runner.runs if not r.done)])
    finally:
        runner.close()
    return runner.report


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


class Meter:
    """Counts how many are inside at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = self.total = 0

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.total += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.now -= 1


# -- order -------------------------------------------------------------------------------------


def nothing(*_: object) -> None:
    pass


@pytest.mark.parametrize("count", [5, 500])
def test_equal_runs_start_in_the_order_of_adding(count: int) -> None:
    order: list[int] = []
    runner = Runner(1, progress=False)
    runner.map(order.append, range(count))
    finish(runner)
    assert order == list(range(count))


def test_equal_runs_with_a_limit_start_in_the_order_of_adding() -> None:
    order: list[int] = []
    runner = Runner(3, progress=False)
    runner.map(order.append, range(200), limits=Limit(1, "/x"))
    finish(runner)
    assert order == list(range(200))


def test_higher_priority_starts_first() -> None:
    order: list[int] = []
    runner = Runner(1, progress=False)
    priorities = [0, 5, -3, 10, 5, 0, 2.5]
    for number, priority in enumerate(priorities):
        runner.add(order.append, number, priority=priority)
    finish(runner)
    wanted = sorted(range(len(priorities)), key=lambda number: (-priorities[number], number))
    assert order == wanted


def test_priority_counts_among_those_who_come_later(gate: threading.Event) -> None:
    order: list[str] = []
    begun = threading.Event()
    runner = Runner(1, progress=False)
    runner.add(lambda: (begun.set(), gate.wait(20)))
    runner.start()
    assert begun.wait(10)
    for priority in (0, 1, 2, 3):
        runner.add(order.append, str(priority), priority=priority)
    gate.set()
    finish(runner)
    assert order == ["3", "2", "1", "0"]


@pytest.mark.parametrize("pause", [0.0003, 0.0], ids=["ordinary runs", "very short runs"])
@pytest.mark.parametrize("mixed", ["executors", "limits"])
def test_priority_across_executors_and_limits(mixed: str, pause: float) -> None:
    order: list[int] = []

    def note(number: int) -> None:
        order.append(number)
        if pause:
            time.sleep(pause)  # the task sleeps

    async def async_note(number: int) -> None:
        note(number)

    runner = Runner(1, progress=False)
    rng = random.Random(7)
    priorities = list(range(30))
    rng.shuffle(priorities)
    for number in priorities:
        task = rng.choice([note, async_note]) if mixed == "executors" else note
        limits = rng.choice([None, Limit(1, "/a"), Limit(2, "/b")]) if mixed == "limits" else None
        runner.add(task, number, priority=number, limits=limits)
    finish(runner)
    assert order == sorted(priorities, reverse=True)


def test_the_longest_path_starts_first() -> None:
    order: list[str] = []
    runner = Runner(1, progress=False)
    for number in range(3):
        runner.add(order.append, f"alone {number}")
    last = None
    for number in range(5):
        last = runner.add(order.append, f"chain {number}", after=last)
    finish(runner)
    assert order[0] == "chain 0"
    assert order.index("chain 3") < order.index("alone 0")


def test_a_path_as_long_as_a_chain_of_labels_added_backwards() -> None:
    order: list[str] = []
    runner = Runner(1, progress=False)
    runner.add(order.append, "alone")
    for number in reversed(range(1, 5)):
        runner.add(order.append, f"{number}", label=f"{number}", after=f"{number - 1}")
    runner.add(order.append, "0", label="0")
    finish(runner)
    assert order[0] == "0"
    assert order.index("3") < order.index("alone")


def test_a_path_that_grows_while_the_runner_runs(gate: threading.Event) -> None:
    order: list[str] = []
    begun = threading.Event()
    runner = Runner(1, progress=False)
    runner.add(lambda: (begun.set(), gate.wait(20)))
    runner.start()
    assert begun.wait(10)
    runner.add(order.append, "pair", label="pair")
    runner.add(order.append, "chain", label="chain")
    runner.add(order.append, "pair 2", after="pair")
    last: Any = "chain"
    for number in range(4):
        last = runner.add(order.append, f"chain {number}", after=last)
    gate.set()
    finish(runner)
    assert order[0] == "chain", f"the longest path is not first: {order}"


def test_expected_durations_decide_when_they_are_told() -> None:
    order: list[str] = []
    runner = Runner(1, progress=False)
    first = runner.add(order.append, "many short", expected="10ms")
    for _ in range(4):
        first = runner.add(nothing, after=first, expected="10ms")
    runner.add(order.append, "one long", expected="1m")
    finish(runner)
    assert order == ["one long", "many short"]


def test_priority_comes_before_the_longest_path() -> None:
    order: list[str] = []
    runner = Runner(1, progress=False)
    long = runner.add(order.append, "long")
    runner.add(nothing, after=long)
    runner.add(order.append, "urgent", priority=1)
    finish(runner)
    assert order == ["urgent", "long"]


# -- how many at once --------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 2, 3, 8])
def test_no_more_threads_at_once_than_allowed_and_no_fewer(concurrency: int) -> None:
    meter, together = Meter(), threading.Barrier(concurrency)

    def task(number: int) -> None:
        with meter:
            if number < concurrency:
                together.wait(10)  # all places are used at the same time
            elif number % 3 == 0:
                time.sleep(0.002)  # the task sleeps

    runner = Runner(concurrency, progress=False)
    runner.map(task, range(120))
    report = finish(runner)
    assert report.ok, report.table()
    assert meter.most == concurrency
    assert meter.total == 120


@pytest.mark.parametrize("concurrency", [1, 4])
def test_one_number_for_all_executors_together(concurrency: int) -> None:
    meter = Meter()

    def task() -> None:
        with meter:
            time.sleep(0.002)  # the task sleeps

    async def async_task() -> None:
        with meter:
            await asyncio.sleep(0.002)

    runner = Runner(concurrency, progress=False)
    for _ in range(20):
        runner.add(task)
        runner.add(async_task)
    runner.map(lambda _: None, range(5), executor="process")
    runner.add(Command("true"))
    report = finish(runner)
    assert report.ok, report.table()
    assert meter.most <= concurrency
    spans = sorted((run.started, run.ended) for run in report.values())
    marks = sorted([(a, 1) for a, _ in spans] + [(b, -1) for _, b in spans])
    now = most = 0
    for _, step in marks:
        now += step
        most = max(most, now)
    assert most <= concurrency, f"the records show {most} at once"


def test_without_a_number_threads_are_bounded_and_coroutines_many() -> None:
    threads, coroutines = Meter(), Meter()
    together = 500

    def task() -> None:
        with threads:
            time.sleep(0.001)  # the task sleeps

    async def async_task(all_here: asyncio.Event) -> None:
        with coroutines:
            if coroutines.now == together:
                all_here.set()
            await all_here.wait()

    runner = Runner(progress=False)
    assert runner.concurrency is None
    runner.map(lambda _: task(), range(100))
    all_here = asyncio.Event()
    for _ in range(together):
        runner.add(async_task, all_here)
    report = finish(runner)
    assert report.ok, report.table()
    assert coroutines.most == together
    assert 1 < threads.most <= 32


def test_a_chain_and_a_fan_both_finish() -> None:
    runner = Runner(3, progress=False)
    last = runner.add(lambda: 0)
    for _ in range(300):
        last = runner.add(lambda value: value + 1, last)
    fan = [runner.add(lambda value, number=number: value + number, last) for number in range(300)]
    total = runner.add(sum, fan)
    report = finish(runner)
    assert report.ok
    assert total.value == sum(300 + number for number in range(300))


def test_a_long_run_does_not_hold_up_the_short_ones_behind_it(gate: threading.Event) -> None:
    """Short runs are given to a thread several at once; one that turns out long keeps none."""
    begun = threading.Event()
    done: list[int] = []

    def task(number: int) -> None:
        if number == 50:
            begun.set()
            gate.wait(20)
        done.append(number)

    runner = Runner(2, progress=False)
    runs = runner.map(task, range(200))
    runner.start()
    assert begun.wait(10)
    for run in (*runs[:50], *runs[51:]):
        run.result(10)
    assert runs[50].state == "running"
    gate.set()
    assert finish(runner).ok


def test_runs_are_shown_as_running_only_while_they_run(gate: threading.Event) -> None:
    begun = threading.Event()

    def task(number: int) -> None:
        if number == 30:
            begun.set()
            gate.wait(20)

    runner = Runner(1, progress=False)
    runs = runner.map(task, range(60))
    runner.start()
    assert begun.wait(10)
    threading.Event().wait(0.1)  # longer than a thread may keep runs it has not begun
    assert [run.label for run in runs if run.state == "running"] == [runs[30].label]
    for run in runs[31:]:
        assert (run.attempts, run.started) == (0, None), f"{run} has not been started"
    gate.set()
    assert finish(runner).ok
