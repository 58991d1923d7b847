"""A runner at work: results, waiting, iteration, runs that add runs, progress, async use."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from abreast import Report, Retry, Run, Runner, current_run, errors, progress

pytestmark = pytest.mark.timeout(40)


def finish(runner: Runner, seconds: float = 20.0) -> Report:
    """Wait until all runs have ended; when they do not, say what each of them waits for."""
    try:
        ended = runner.wait(seconds)
        assert ended, "\n".join(["not ended:", *(r.why() for r in runner.runs if not r.done)])
    finally:
        runner.close()
    return runner.report


def end(run: Run) -> str:
    return f"{run.state}({run.reason})" if run.reason else str(run.state)


def nothing(*_: object) -> None:
    pass


def give(value: Any) -> Any:
    return value


def fail() -> None:
    raise ValueError("broken")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Closed; tasks wait for it, and it opens at the end whatever happens."""
    event = threading.Event()
    yield event
    event.set()


class Occupied:
    """A task that says when it has begun and stays until it is let go."""

    def __init__(self, gate: threading.Event) -> None:
        self.begun = threading.Event()
        self.gate = gate

    def __call__(self, *_: object) -> str:
        self.begun.set()
        assert self.gate.wait(30), "nobody opened the gate"
        return "let go"


def watchdog(runner: Runner, seconds: float = 10.0) -> threading.Timer:
    """Cancel everything when a test would hang; the assertions that follow then fail."""
    timer = threading.Timer(seconds, runner.cancel)
    timer.daemon = True
    timer.start()
    return timer


# -- start, wait, running, result --------------------------------------------------------------


def test_in_the_background(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    occupied = Occupied(gate)
    run = runner.add(occupied)
    assert not runner.running
    assert runner.start() is runner
    assert runner.running
    assert occupied.begun.wait(10)
    assert run.state == "running"
    assert runner.wait(0.01) is False
    assert runner.running
    gate.set()
    assert runner.wait(10) is True
    assert not runner.running
    assert run.ok
    more = runner.add(give, 5)  # it has not been closed: it goes on when there is more
    assert runner.wait(10) is True
    assert more.value == 5
    runner.close()


def test_the_times_of_a_run(gate: threading.Event) -> None:
    before = time.time()
    runner = Runner(1, progress=False)
    first = runner.add(time.sleep, 0.05)  # the task sleeps
    second = runner.add(nothing)
    finish(runner)
    after = time.time()
    for run in (first, second):
        assert before - 1 <= run.created <= run.started <= run.ended <= after + 1
        assert run.created_at.timestamp() == pytest.approx(run.created, abs=1e-5)
        assert run.started_at.tzinfo is not None
        assert run.ended_at >= run.started_at
    assert first.run_seconds >= 0.05
    assert second.started >= first.ended
    assert second.wait_seconds >= 0.05


def test_result_waits(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    run = runner.add(Occupied(gate))
    threading.Timer(0.02, gate.set).start()
    assert run.result(10) == "let go"
    assert run.result() == "let go"
    finish(runner)


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_result_with_a_timeout_leaves_the_run_going(gate: threading.Event, timeout: float) -> None:
    runner = Runner(2, progress=False)
    occupied = Occupied(gate)
    run = runner.add(occupied, label="slow")
    with pytest.raises(TimeoutError, match="'slow' has not ended within"):
        run.result(timeout)
    assert occupied.begun.wait(10)
    gate.set()
    assert run.result(10) == "let go"
    finish(runner)


def test_many_wait_for_one_result(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    run = runner.add(Occupied(gate))
    results: list[object] = []
    waiting = [
        threading.Thread(target=lambda: results.append(run.result(20)), daemon=True)
        for _ in range(8)
    ]
    for thread in waiting:
        thread.start()
    gate.set()
    for thread in waiting:
        thread.join(10)
    assert results == ["let go"] * 8
    finish(runner)


def test_the_report_of_a_runner_that_runs(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    occupied = Occupied(gate)
    runner.add(occupied)
    child = runner.add(nothing)
    runner.start()
    child.result(10)
    assert occupied.begun.wait(10)
    assert runner.report.counts == {"running": 1, "completed": 1}
    assert not runner.report.done
    gate.set()
    assert finish(runner).done


# -- with --------------------------------------------------------------------------------------


def test_the_block_waits() -> None:
    with Runner(2, progress=False) as runner:
        runs = runner.map(give, range(10))
        assert not any(run.done for run in runs), "it starts at the end of the block"
    assert [run.value for run in runs] == list(range(10))


def test_an_exception_in_the_block_cancels_waits_and_comes_through(gate: threading.Event) -> None:
    occupied = Occupied(gate)
    runner = Runner(1, progress=False)
    with pytest.raises(ZeroDivisionError), runner:  # noqa: PT012
        running = runner.add(occupied)
        waiting = runner.add(nothing)
        runner.start()
        assert occupied.begun.wait(10)
        _ = 1 / 0
    assert [end(running), end(waiting)] == ["cancelled(user)", "cancelled(user)"]
    assert runner.report.interrupted
    with pytest.raises(errors.RunnerClosed):
        runner.add(nothing)


def test_an_exception_in_the_block_before_the_start() -> None:
    calls: list[int] = []
    runner = Runner(1, progress=False)
    with pytest.raises(ZeroDivisionError), runner:  # noqa: PT012
        runner.add(calls.append, 1)
        runner.add(calls.append, 2, after="nobody")
        _ = 1 / 0
    assert calls == []
    assert runner.report.counts == {"cancelled": 2}


def test_adding_one_after_the_other_while_it_runs() -> None:
    """Every run has ended when the block is left, also when the runner was idle in between."""
    for round_ in range(300):
        with Runner(2, progress=False) as runner:
            runner.start()
            runs = [runner.add(give, number) for number in range(5)]
        assert all(run.ok for run in runs), f"round {round_}: {[end(run) for run in runs]}"


def test_a_run_added_while_the_last_one_ends_is_waited_for(gate: threading.Event) -> None:
    """The runner becomes idle at the very moment at which another thread adds a run."""
    judging, started = threading.Event(), threading.Event()

    def fail_later() -> None:
        started.wait(10)
        fail()

    def judge(_: BaseException) -> bool:  # called while the engine is at work
        judging.set()
        threading.Event().wait(0.1)  # meanwhile the next run is handed in
        return False

    with Runner(2, progress=False) as runner:
        runner.add(fail_later, retry=Retry(1, on=judge))
        runner.start()
        started.set()
        assert judging.wait(10)
        late = runner.add(time.sleep, 0.02)  # the task sleeps
    assert late.ok, f"the block was left while {late} had not ended"


# -- iteration ---------------------------------------------------------------------------------


def test_runs_come_as_they_end() -> None:
    gates = [threading.Event() for _ in range(4)]
    runner = Runner(4, progress=False)
    runs = [runner.add(gate.wait, 20) for gate in gates]
    order = [2, 0, 3, 1]
    following = iter(order)
    gates[next(following)].set()
    seen = []
    for run in runner.as_ended(timeout=10):
        seen.append(run)
        number = next(following, None)
        if number is not None:
            gates[number].set()
    assert seen == [runs[number] for number in order]
    finish(runner)


def test_iteration_starts_the_runner_and_ends_with_the_last() -> None:
    runner = Runner(2, progress=False)
    gates = [threading.Event(), threading.Event()]
    runs = [runner.add(gate.wait, 20) for gate in gates]
    iterator = iter(runner)
    gates[1].set()
    assert next(iterator) is runs[1]
    gates[0].set()
    assert next(iterator) is runs[0]
    with pytest.raises(StopIteration):
        next(iterator)
    finish(runner)


def test_every_run_comes_once_whatever_its_end() -> None:
    runner = Runner(3, progress=False)
    bad = runner.add(fail)
    runner.add(nothing, after=bad)
    runner.add(nothing).cancel()
    runner.map(give, range(200))
    seen = [run.label for run in runner.as_ended(timeout=10)]
    assert sorted(seen) == sorted(runner.report)
    finish(runner)


def test_iteration_that_begins_while_runs_end() -> None:
    for _ in range(30):
        runner = Runner(2, progress=False)
        runner.map(give, range(100))
        runner.start()
        seen = [run.label for run in runner.as_ended(timeout=10)]
        assert len(seen) == len(set(seen)) == 100
        finish(runner)


def test_runs_that_end_as_the_iteration_begins_come_once(gate: threading.Event) -> None:
    """An end that is reported but not yet recorded when the iteration begins to listen."""
    judging, go_on = threading.Event(), threading.Event()

    def judge(_: BaseException) -> bool:  # called while the engine is at work
        judging.set()
        go_on.wait(10)
        return False

    started = threading.Event()

    def fail_later() -> None:
        started.wait(10)
        fail()

    runner = Runner(3, progress=False)
    runner.add(fail_later, retry=Retry(1, on=judge))
    ending = Occupied(gate)
    runner.add(ending)
    last_gate = threading.Event()
    runner.add(last_gate.wait, 20)
    runner.start()
    assert ending.begun.wait(10)
    started.set()
    assert judging.wait(10)
    seen: list[str] = []
    listener = threading.Thread(
        target=lambda: seen.extend(run.label for run in runner.as_ended(timeout=10)), daemon=True
    )
    gate.set()
    listener.start()
    threading.Event().wait(0.1)  # both the report and the request now wait for the engine
    go_on.set()
    last_gate.set()
    listener.join(20)
    assert sorted(seen) == sorted(runner.report)
    finish(runner)


def test_runs_added_during_the_iteration_come_too() -> None:
    runner = Runner(2, progress=False)
    runner.add(give, 5)
    values = []
    for run in runner.as_ended(timeout=10):
        values.append(run.value)
        if run.value:
            runner.add(give, run.value - 1)
    assert values == [5, 4, 3, 2, 1, 0]
    finish(runner)


def test_iteration_with_a_timeout(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    runner.add(Occupied(gate))
    quick = runner.add(nothing)
    iterator = runner.as_ended(timeout=0.2)
    assert next(iterator) is quick
    with pytest.raises(TimeoutError, match="no run has ended within"):
        next(iterator)
    gate.set()
    finish(runner)


def test_iteration_after_the_end() -> None:
    runner = Runner(2, progress=False)
    runs = runner.map(give, range(3))
    runner.start()
    assert runner.wait(10)
    assert set(runner) == set(runs)
    finish(runner)


# -- runs that add runs ------------------------------------------------------------------------


def test_a_task_adds_runs(gate: threading.Event) -> None:
    runner = Runner(3, progress=False)

    def split(number: int) -> None:
        if number > 1:
            for part in (number // 2, number - number // 2):
                runner.add(split, part, name="split")

    runner.add(split, 64)
    report = finish(runner)
    assert len(report) == 127
    assert report.ok


def test_several_threads_add_at_once() -> None:
    runner = Runner(4, progress=False)
    together = threading.Barrier(4)

    def spread(number: int) -> None:
        together.wait(10)
        for part in range(100):
            runner.add(give, (number, part))

    runner.map(spread, range(4))
    report = finish(runner)
    assert report.ok
    assert len(report) == len(set(report)) == 404
    values = {run.value for run in report.values() if run.name == "give"}
    assert len(values) == 400


def test_a_child_of_a_running_parent_may_come_after_it() -> None:
    order: list[str] = []
    runner = Runner(2, progress=False)

    def parent() -> None:
        me = current_run()
        assert me is not None
        runner.add(order.append, "child", after=me.label)
        runner.add(order.append, "second child", after=runner[me.label])
        order.append("parent")

    runner.add(parent)
    finish(runner)
    assert order[0] == "parent"
    assert len(order) == 3


@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize("depth", [1, 3])
def test_a_parent_that_waits_gives_its_slot_back(concurrency: int, depth: int) -> None:
    runner = Runner(concurrency, progress=False)

    def count(depth: int) -> int:
        if depth == 0:
            return 1
        children = [runner.add(count, depth - 1) for _ in range(3)]
        return sum(child.result() for child in children)

    root = runner.add(count, depth)
    report = finish(runner)
    assert report.ok, report.table()
    assert root.value == 3**depth


def test_after_waiting_the_number_of_places_is_as_before() -> None:
    runner = Runner(2, progress=False)
    lock, now, most = threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.001)  # the task sleeps
        with lock:
            now -= 1

    def parent() -> None:
        for child in runner.map(nothing, range(5)):
            child.result()

    parents = [runner.add(parent) for _ in range(10)]
    runner.start()
    for run in parents:
        run.result(10)
    runner.map(work, range(50))
    assert finish(runner).ok
    assert most == 2, "a place was lost, or made out of nothing"


def test_a_run_cannot_wait_for_its_own_result() -> None:
    runner = Runner(1, progress=False)

    def selfish() -> Any:
        return runner["selfish"].result()

    run = runner.add(selfish)
    finish(runner)
    assert isinstance(run.exception, errors.UsageError)
    assert "own result" in str(run.exception)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_async_parent_that_awaits_its_children(concurrency: int) -> None:
    runner = Runner(concurrency, progress=False)

    async def child(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async def parent() -> int:
        return sum([await runner.add(child, number) for number in range(3)])

    run = runner.add(parent)
    timer = watchdog(runner, 5)
    finish(runner)
    timer.cancel()
    assert run.ok, f"{run}: the parent waits in the slot that its child needs"
    assert run.value == 3


def test_an_async_parent_that_gathers_its_children() -> None:
    runner = Runner(4, progress=False)

    async def child(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async def wait(run: Awaitable[int]) -> int:
        return await run

    async def parent() -> int:
        runs = [runner.add(child, number) for number in range(20)]
        return sum(await asyncio.gather(*map(wait, runs)))

    run = runner.add(parent)
    timer = watchdog(runner, 5)
    finish(runner)
    timer.cancel()
    assert run.ok, run
    assert run.value == sum(range(20))


def test_a_parent_gets_the_error_of_its_child() -> None:
    runner = Runner(1, progress=False)

    def parent() -> str:
        with pytest.raises(ValueError, match="broken"):
            runner.add(fail).result()
        return "survived"

    run = runner.add(parent)
    finish(runner)
    assert run.value == "survived"


# -- progress and current_run ------------------------------------------------------------------


def test_outside_of_a_run_progress_does_nothing() -> None:
    assert current_run() is None
    progress(1, 2, "nobody listens")


def test_progress_of_a_thread(gate: threading.Event) -> None:
    told = threading.Event()

    def task() -> tuple[str, int]:
        progress(3, 12, "copying")
        told.set()
        gate.wait(20)
        me = current_run()
        assert me is not None
        return me.label, me.attempt

    runner = Runner(1, progress=False)
    run = runner.add(task, label="copy")
    assert run.progress is None
    runner.start()
    assert told.wait(10)
    assert (run.progress.done, run.progress.total, run.progress.message) == (3, 12, "copying")
    assert run.progress.fraction == 0.25
    gate.set()
    finish(runner)
    assert run.value == ("copy", 1)


def test_progress_of_coroutines_side_by_side() -> None:
    seen: dict[str, str] = {}

    async def task(number: int) -> None:
        progress(number, message=f"I am {number}")
        await asyncio.sleep(0)
        me = current_run()
        assert me is not None
        seen[me.label] = me.progress.message

    runner = Runner(5, progress=False)
    runs = runner.map(task, range(20))
    finish(runner)
    assert seen == {run.label: f"I am {number}" for number, run in enumerate(runs)}
    assert runs[3].progress.fraction is None


def test_progress_and_current_run_in_a_process(tmp_path: Any) -> None:
    told, go_on = tmp_path / "told", tmp_path / "go_on"
    os.mkfifo(told)
    os.mkfifo(go_on)

    def task() -> tuple[str, int]:
        progress(1, 4, "from a child")
        told.write_text("x")
        go_on.read_text()
        me = current_run()
        assert me is not None
        return me.label, me.attempt

    runner = Runner(1, progress=False)
    run = runner.add(task, executor="process", label="child")
    runner.start()
    assert told.read_text() == "x"
    last = time.monotonic() + 10
    while run.progress is None and time.monotonic() < last:
        threading.Event().wait(0.002)  # the message travels through a pipe
    assert run.progress is not None
    assert (run.progress.done, run.progress.total, run.progress.message) == (1, 4, "from a child")
    go_on.write_text("x")
    finish(runner)
    assert run.value == ("child", 1)


def test_the_attempt_is_seen_from_inside() -> None:
    attempts: list[int] = []

    def task() -> None:
        me = current_run()
        assert me is not None
        attempts.append(me.attempt)
        fail()

    runner = Runner(1, progress=False)
    runner.add(task, retry=2)
    finish(runner)
    assert attempts == [1, 2, 3]


# -- async -------------------------------------------------------------------------------------


async def add_one(value: int) -> int:
    await asyncio.sleep(0)
    return value + 1


def in_a_loop(main: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(main(), 20)

    return asyncio.run(bounded())


def test_awaiting_a_runner_gives_the_report() -> None:
    async def main() -> Report:
        runner = Runner(2, progress=False)
        first = runner.add(add_one, 1)
        runner.add(give, first)
        return await runner

    report = in_a_loop(main)
    assert report.ok
    assert [run.value for run in report.values()] == [2, 2]


def test_awaiting_an_empty_runner() -> None:
    async def main() -> Report:
        return await Runner(2, progress=False)

    assert len(in_a_loop(main)) == 0


def test_awaiting_runs() -> None:
    async def main() -> None:
        async with Runner(2, progress=False) as runner:
            assert await runner.add(add_one, 1) == 2
            assert await runner.add(give, "x") == "x"
            bad = runner.add(fail)
            with pytest.raises(ValueError, match="broken"):
                await bad
            child = runner.add(nothing, after=bad)
            with pytest.raises(errors.Skipped):
                await child
            done = runner.add(give, 3)
            assert [await done, await done] == [3, 3]
        assert runner.report.counts == {"completed": 3, "failed": 1, "skipped": 1}

    in_a_loop(main)


def test_an_async_block_waits_and_the_loop_stays_free() -> None:
    async def main() -> None:
        opened = threading.Event()
        async with Runner(2, progress=False) as runner:
            run = runner.add(opened.wait, 20)
            asyncio.get_running_loop().call_later(0.01, opened.set)
        assert run.value is True

    in_a_loop(main)


def test_an_exception_in_an_async_block() -> None:
    async def main() -> Runner:
        runner = Runner(2, progress=False)
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with runner:
                runner.add(asyncio.Event().wait)
                runner.start()
                _ = 1 / 0
        return runner

    assert in_a_loop(main).report.counts == {"cancelled": 1}


def test_an_exception_in_an_async_block_before_the_start_is_the_one_that_comes() -> None:
    async def main() -> Runner:
        runner = Runner(2, progress=False)
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with runner:
                runner.add(nothing, after="nobody")
                _ = 1 / 0
        return runner

    assert in_a_loop(main).report.counts == {"cancelled": 1}


def test_cancelling_the_task_that_awaits_cancels_the_runs() -> None:
    async def main() -> Runner:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def task() -> None:
            loop.call_soon_threadsafe(begun.set)
            await asyncio.Event().wait()

        runner = Runner(1, progress=False)
        runner.add(task)
        runner.add(nothing)

        async def run() -> Report:
            return await runner

        waiting = asyncio.create_task(run())
        await begun.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return runner

    runner = in_a_loop(main)
    assert runner.report.counts == {"cancelled": 2}
    assert runner.report.interrupted


def test_async_iteration() -> None:
    async def main() -> list[Any]:
        runner = Runner(2, progress=False)
        runner.add(give, 3)
        values = []
        async for run in runner:
            values.append(run.value)
            if run.value:
                runner.add(add_one, run.value - 2)
        runner.close()
        return values

    assert in_a_loop(main) == [3, 2, 1, 0]


def test_two_runners_in_one_loop() -> None:
    async def main() -> list[Report]:
        runners = [Runner(2, progress=False, name=str(number)) for number in range(2)]
        for runner in runners:
            runner.map(add_one, range(20))

        async def run(runner: Runner) -> Report:
            return await runner

        return list(await asyncio.gather(*map(run, runners)))

    first, second = in_a_loop(main)
    assert first.ok
    assert second.ok
    assert (first.name, second.name) == ("0", "1")


def test_a_runner_inside_a_task_of_another() -> None:
    def inner(number: int) -> int:
        with Runner(2, progress=False) as runner:
            runs = runner.map(give, range(number))
        return sum(run.value for run in runs)

    outer = Runner(2, progress=False)
    runs = outer.map(inner, [3, 4, 5])
    finish(outer)
    assert [run.value for run in runs] == [3, 6, 10]
