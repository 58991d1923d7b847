"""How runs end: errors, skipped chains, fail_fast, cancel, timeouts and retries."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from abreast import Command, Limit, Report, Retry, Run, Runner, TimedOut, errors, progress

pytestmark = pytest.mark.timeout(40)


def finish(runner: Runner, seconds: float = 20.0) -> Report:
    """Wait until all runs have ended; when they do not, say what each of them waits for."""
    try:
        ended = runner.wait(seconds)
        assert ended, "\n".join(["not ended:", *(r.why() for r in runner.runs if not r.done)])
    finally:
        runner.close()
    return runner.report


def ends(report: Report) -> dict[str, str]:
    return {label: end(run) for label, run in report.items()}


def end(run: Run) -> str:
    return f"{run.state}({run.reason})" if run.reason else str(run.state)


def nothing(*_: object) -> None:
    pass


def fail(text: str = "broken") -> None:
    raise ValueError(text)


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

    def __call__(self) -> str:
        self.begun.set()
        assert self.gate.wait(30), "nobody opened the gate"
        return "let go"


async def forever() -> None:
    await asyncio.Event().wait()


# -- errors and what comes after ---------------------------------------------------------------


def test_a_failed_run_tells_what_happened() -> None:
    runner = Runner(2, progress=False)
    run = runner.add(fail, "very broken")
    finish(runner)
    assert end(run) == "failed(error)"
    assert isinstance(run.exception, ValueError)
    assert run.errors == (run.exception,)
    assert "very broken" in str(run.traceback)
    assert "in fail" in str(run.traceback)
    assert run.attempts == 1
    assert not run.ok
    assert run.done
    with pytest.raises(ValueError, match="very broken"):
        run.result()


def test_only_what_comes_after_is_skipped() -> None:
    runner = Runner(2, progress=False)
    bad = runner.add(fail, label="bad")
    child = runner.add(nothing, bad, label="child")
    runner.add(nothing, after=child, label="grandchild")
    runner.add(nothing, after=["grandchild", "fine"], label="both")
    fine = runner.add(nothing, label="fine")
    runner.add(nothing, after=fine, label="after fine")
    report = finish(runner)
    assert ends(report) == {
        "bad": "failed(error)",
        "child": "skipped(dependency)",
        "grandchild": "skipped(dependency)",
        "both": "skipped(dependency)",
        "fine": "completed",
        "after fine": "completed",
    }
    for label, parent in (("child", "bad"), ("grandchild", "child"), ("both", "grandchild")):
        run = report[label]
        assert (run.attempts, run.started, run.run_seconds) == (0, None, None)
        assert isinstance(run.exception, errors.Skipped)
        assert repr(parent) in str(run.exception), f"{run.exception} does not name {parent}"
        assert run.ended is not None
        with pytest.raises(errors.Skipped):
            run.result()


@pytest.mark.parametrize("length", [1, 100, 3000])
def test_a_chain_of_any_length_is_skipped(length: int) -> None:
    runner = Runner(2, progress=False)
    run = runner.add(fail)
    for _ in range(length):
        run = runner.add(nothing, after=run, name="link")
    report = finish(runner)
    assert report.counts == {"failed": 1, "skipped": length}


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
@pytest.mark.parametrize("kind", ["thread", "coroutine"])
def test_whatever_is_raised_ends_only_this_run(kind: str, error: BaseException) -> None:
    def task() -> None:
        raise error

    async def async_task() -> None:
        raise error

    runner = Runner(1, progress=False)
    run = runner.add(async_task if kind == "coroutine" else task)
    others = [runner.add(nothing, label=f"other {number}") for number in range(3)]
    finish(runner)
    assert end(run) == "failed(error)"
    assert run.exception is error
    assert all(other.ok for other in others)


def test_sys_exit_in_a_process_ends_only_this_run() -> None:
    def leave() -> None:
        raise SystemExit(3)

    runner = Runner(1, progress=False, executor="process")
    run, other = runner.add(leave), runner.add(lambda: 7)
    finish(runner)
    assert end(run) == "failed(error)"
    assert isinstance(run.exception, SystemExit)
    assert other.value == 7


def test_mixed_executors_in_one_graph() -> None:
    async def double(value: int) -> int:
        return 2 * value

    runner = Runner(2, progress=False)
    one = runner.add(lambda: 1)
    two = runner.add(double, one)
    three = runner.add(lambda value: value + 1, two, executor="process")
    echo = runner.add(Command(shell="echo four"), after=three)
    result = runner.add(lambda number, echo: (number, echo.stdout), three, echo)
    report = finish(runner)
    assert report.ok, report.table()
    assert result.value == (3, "four\n")
    assert [run.executor for run in report.values()] == [
        *("thread", "coroutine", "process", "command"),
        "thread",
    ]


# -- fail_fast ---------------------------------------------------------------------------------


def test_fail_fast_cancels_what_runs_and_skips_the_rest(gate: threading.Event) -> None:
    begun = Occupied(gate)
    runner = Runner(4, progress=False, fail_fast=True)
    runner.add(begun, label="thread")
    runner.add(forever, label="coroutine")
    runner.add(Command("sleep", "60"), label="command")
    bad = runner.add(lambda: begun.begun.wait(20) and fail(), label="bad")
    runner.add(nothing, label="waiting")
    runner.add(nothing, after=bad, label="child")
    runner.add(nothing, after="thread", label="other child")
    report = finish(runner)
    assert end(report["child"]) in {"skipped(dependency)", "skipped(fail_fast)"}
    assert ends(report) | {"child": "either"} == {
        "thread": "cancelled(fail_fast)",
        "coroutine": "cancelled(fail_fast)",
        "command": "cancelled(fail_fast)",
        "bad": "failed(error)",
        "waiting": "skipped(fail_fast)",
        "child": "either",
        "other child": "skipped(fail_fast)",
    }, report.table()
    assert [run.label for run in report.failed] == ["bad"]


def test_fail_fast_at_concurrency_one_starts_nothing_more() -> None:
    """Also when runs are so short that a thread is given several of them at once."""
    seen: list[int] = []

    def task(number: int) -> None:
        seen.append(number)
        if number == 100:
            fail()

    runner = Runner(1, progress=False, fail_fast=True)
    runner.map(task, range(300))
    report = finish(runner)
    assert max(seen) == 100, f"{len(seen) - 101} runs were started after the failure"
    assert report.counts == {"completed": 100, "failed": 1, "skipped": 199}


def test_fail_fast_waits_for_the_last_try() -> None:
    runner = Runner(1, progress=False, fail_fast=True)
    tries: list[int] = []

    def flaky() -> None:
        tries.append(1)
        if len(tries) < 3:
            fail()

    runner.add(flaky, retry=2)
    runner.add(nothing)
    assert finish(runner).ok


def test_fail_fast_cancels_what_waits_for_its_next_try() -> None:
    tried = threading.Event()
    runner = Runner(2, progress=False, fail_fast=True)

    def flaky() -> None:
        tried.set()
        fail()

    again = runner.add(flaky, retry=Retry(1, backoff=60), label="again")
    runner.start()
    assert tried.wait(10)
    runner.add(fail, label="bad")
    finish(runner)
    assert end(again) == "cancelled(fail_fast)"
    assert again.attempts == 1


def test_without_fail_fast_everything_goes_on() -> None:
    runner = Runner(1, progress=False)
    runner.map(lambda number: fail() if number % 2 else None, range(20))
    assert finish(runner).counts == {"completed": 10, "failed": 10}


# -- cancel ------------------------------------------------------------------------------------


def test_cancelling_one_in_each_state(gate: threading.Event) -> None:
    tried = threading.Event()

    def flaky() -> None:
        tried.set()
        fail()

    occupied = Occupied(gate)
    runner = Runner(1, progress=False)
    scheduled = runner.add(flaky, retry=Retry(1, backoff=60), label="scheduled", priority=9)
    running = runner.add(occupied, label="running", priority=8)
    pending = runner.add(nothing, label="pending")
    blocked = runner.add(nothing, after=running, label="blocked")
    held = runner.add(nothing, label="held", limits=Limit(1, "/x"))
    last = runner.add(nothing, label="last")
    runner.start()
    assert occupied.begun.wait(10)
    states = {run.label: run.state for run in runner.runs}
    assert states == {
        "scheduled": "scheduled",
        "running": "running",
        "pending": "pending",
        "blocked": "blocked",
        "held": "pending",
        "last": "pending",
    }
    scheduled.cancel()
    runner.cancel(pending)
    runner.cancel("blocked")
    held.cancel()
    assert [end(run) for run in (scheduled, pending, blocked, held)] == ["cancelled(user)"] * 4
    running.cancel()
    report = finish(runner)
    assert end(running) == "cancelled(user)"
    assert last.ok
    assert report.counts == {"completed": 1, "cancelled": 5}
    before = ends(report)
    for run in runner.runs:
        run.cancel()  # what has ended stays as it is
    assert ends(runner.report) == before


def test_cancelling_all(gate: threading.Event) -> None:
    occupied = Occupied(gate)
    runner = Runner(2, progress=False)
    running = runner.add(occupied)
    done = runner.add(nothing)
    child = runner.add(nothing, after=running)
    runner.start()
    assert occupied.begun.wait(10)
    done.result(10)
    runner.cancel()
    report = finish(runner)
    assert [end(run) for run in (running, done, child)] == [
        "cancelled(user)",
        "completed",
        "cancelled(user)",
    ], report.table()
    with pytest.raises(errors.Cancelled):
        child.result()
    with pytest.raises(errors.Cancelled):
        running.result()


def test_cancelling_before_the_start() -> None:
    runner = Runner(1, progress=False)
    runs = [runner.add(nothing) for _ in range(3)]
    runs[0].cancel()
    assert end(runs[0]) == "cancelled(user)"
    runner.cancel(runs[1].label)
    finish(runner)
    assert [end(run) for run in runs] == ["cancelled(user)", "cancelled(user)", "completed"]


def test_what_comes_after_a_cancelled_run_is_skipped(gate: threading.Event) -> None:
    occupied = Occupied(gate)
    runner = Runner(1, progress=False)
    running = runner.add(occupied)
    child = runner.add(nothing, after=running)
    runner.start()
    assert occupied.begun.wait(10)
    running.cancel()
    finish(runner)
    assert end(child) == "skipped(dependency)"
    assert repr(running.label) in str(child.exception)


@pytest.mark.parametrize("kind", ["process", "command", "coroutine"])
def test_cancelling_ends_what_can_be_ended(kind: str, tmp_path: Any) -> None:
    begun = tmp_path / "begun"
    runner = Runner(1, progress=False, grace=5)
    if kind == "command":
        run = runner.add(Command(shell=f"echo > '{begun}'; exec sleep 60"))
    elif kind == "process":
        run = runner.add(
            lambda: (begun.write_text(""), time.sleep(60)),  # the task sleeps
            executor="process",
        )
    else:

        async def stay() -> None:
            begun.write_text("")
            await asyncio.Event().wait()

        run = runner.add(stay)
    after = runner.add(nothing)
    runner.start()
    until(begun.exists)
    run.cancel()
    finish(runner)
    assert end(run) == "cancelled(user)"
    assert not run.abandoned
    assert after.ok


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that cannot signal: a file written by another process."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "it did not happen"
        threading.Event().wait(0.005)


def test_a_cancelled_run_among_many_short_ones_does_not_start() -> None:
    """It was asked to end by a run before it that took its time."""
    ran: list[int] = []
    runner = Runner(1, progress=False)

    def task(number: int) -> None:
        ran.append(number)
        if number == 20:
            last = time.perf_counter() + 0.004
            while time.perf_counter() < last:  # the task computes
                pass
            runner.cancel("x[21]")

    runs = runner.map(task, range(60), label="x")
    finish(runner)
    assert 21 not in ran
    assert end(runs[21]) == "cancelled(user)"
    assert runs[21].started is None
    assert len(ran) == 59


# -- timeouts ----------------------------------------------------------------------------------


def test_a_coroutine_that_exceeds_its_time() -> None:
    runner = Runner(1, progress=False)
    run, other = runner.add(forever, timeout="20ms"), runner.add(nothing)
    finish(runner)
    assert end(run) == "failed(timeout)"
    assert isinstance(run.exception, TimedOut)
    assert isinstance(run.exception, TimeoutError)
    assert "0.02" in str(run.exception)
    assert not run.abandoned
    assert other.ok


def test_a_coroutine_may_clean_up() -> None:
    cleaned = threading.Event()

    async def task() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    runner = Runner(1, progress=False)
    run = runner.add(task, timeout=0.02)
    finish(runner)
    assert cleaned.is_set()
    assert end(run) == "failed(timeout)"


def test_a_process_and_a_command_that_exceed_their_time() -> None:
    runner = Runner(2, progress=False, timeout=0.3)
    process = runner.add(lambda: time.sleep(60), executor="process")  # the task sleeps
    command = runner.add(Command("sleep", "60"))
    after = runner.add(nothing, after=[process])
    report = finish(runner)
    assert ends(report) == {
        process.label: "failed(timeout)",
        "sleep": "failed(timeout)",
        after.label: "skipped(dependency)",
    }
    assert command.ended is not None
    assert command.run_seconds is not None
    assert command.run_seconds < 10


def test_a_thread_that_exceeds_its_time_is_abandoned(gate: threading.Event) -> None:
    occupied, second = Occupied(gate), threading.Event()
    runner = Runner(1, progress=False)
    run = runner.add(occupied, timeout=0.05, label="stuck")
    others = [runner.add(second.set), runner.add(nothing)]
    runner.start()
    assert second.wait(10), "its place was not refilled"
    assert runner.wait(10), "the runner does not end"
    assert end(run) == "failed(timeout)"
    assert run.abandoned
    assert [other.label for other in runner.report.abandoned] == ["stuck"]
    gate.set()
    until(lambda: not run.abandoned)
    assert end(run) == "failed(timeout)", "its late result counts"
    assert run.value is None
    assert all(other.ok for other in others)
    assert runner.report.abandoned == []
    runner.close()


def test_the_timeout_of_the_runner_and_of_the_run(gate: threading.Event) -> None:
    runner = Runner(4, progress=False, timeout=0.03)
    default = runner.add(forever)
    own = runner.add(asyncio.sleep, 0.1, timeout=30)
    none = runner.add(asyncio.sleep, 0.1, timeout=None)
    finish(runner)
    assert [end(run) for run in (default, own, none)] == [
        *("failed(timeout)", "completed"),
        "completed",
    ]


def test_the_time_waited_does_not_count(gate: threading.Event) -> None:
    runner = Runner(1, progress=False)
    runner.add(time.sleep, 0.15)  # the task sleeps
    runs = [runner.add(nothing, timeout=0.1) for _ in range(3)]
    finish(runner)
    assert all(run.ok for run in runs)


def test_every_try_has_its_own_time() -> None:
    runner = Runner(1, progress=False)
    run = runner.add(forever, timeout=0.03, retry=2)
    finish(runner)
    assert run.attempts == 3
    assert [type(error) for error in run.errors] == [TimedOut] * 3
    assert end(run) == "failed(timeout)"


def test_a_parent_that_exceeds_its_time_while_it_waits_frees_one_place_only(
    gate: threading.Event,
) -> None:
    runner = Runner(1, progress=False)
    lock, now, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.03)  # the task sleeps
        with lock:
            now -= 1

    def parent() -> Any:
        return runner.add(Occupied(gate), label="slow child").result()

    run = runner.add(parent, timeout=0.05, label="parent", priority=9)
    runs = [runner.add(work) for _ in range(6)]
    runner.start()
    with pytest.raises(TimedOut):
        run.result(10)
    gate.set()
    finish(runner)
    assert all(other.ok for other in runs)
    assert most == 1, f"{most} executed at once in a runner with concurrency 1"


# -- limits held by an abandoned thread --------------------------------------------------------


def test_units_of_an_abandoned_thread_stay_held_until_it_returns(gate: threading.Event) -> None:
    stay = threading.Event()
    runner = Runner(2, progress=False)
    stuck = runner.add(Occupied(gate), timeout=0.05, limits=Limit(1, "/x"), label="stuck")
    waiting = runner.add(nothing, limits=Limit(1, "/x"), label="waiting")
    other = runner.add(lambda: stay.wait(20), label="keeps the runner going")
    runner.start()
    with pytest.raises(TimedOut):
        stuck.result(10)
    assert waiting.state == "pending"
    assert "'/x'" in waiting.why()
    assert "'stuck'" in waiting.why()
    gate.set()
    assert waiting.result(10) is None
    assert waiting.ok
    assert not stuck.abandoned
    stay.set()
    finish(runner)
    assert other.ok


def test_runs_that_wait_only_for_an_abandoned_thread_end(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    limit = Limit(1, "/x")
    stuck = runner.add(Occupied(gate), timeout=0.05, limits=limit, label="stuck", priority=9)
    waiting = [runner.add(nothing, limits=Limit(1, "/x")) for _ in range(3)]
    child = runner.add(nothing, after=waiting[0])
    free = runner.add(nothing, label="free")
    report = finish(runner)
    assert end(stuck) == "failed(timeout)"
    assert [end(run) for run in waiting] == ["failed(limit)"] * 3, report.table()
    assert end(child) == "skipped(dependency)"
    assert free.ok
    for run in waiting:
        assert isinstance(run.exception, errors.LimitHeld)
        assert "'stuck'" in str(run.exception)
        assert "'/x'" in str(run.exception)


def test_runs_that_wait_for_an_abandoned_thread_end_once_under_fail_fast(
    gate: threading.Event,
) -> None:
    """The first of them to fail ends the others; none is ended twice, and the runner ends."""
    runner = Runner(2, progress=False, fail_fast=True)
    limit, occupied = Limit(1, "/x"), Occupied(gate)
    stuck = runner.add(occupied, limits=limit, label="stuck", priority=9)
    waiting = [runner.add(nothing, limits=limit) for _ in range(3)]
    runner.start()
    assert occupied.begun.wait(10)
    stuck.cancel()
    finish(runner, seconds=5)
    assert end(stuck) == "cancelled(user)"
    assert sorted(map(end, waiting)) == [
        "failed(limit)",
        "skipped(fail_fast)",
        "skipped(fail_fast)",
    ]


# -- retries -----------------------------------------------------------------------------------


class Flaky:
    """Fails the first ``times`` times, then returns how often it was called."""

    def __init__(self, times: int, error: BaseException | None = None) -> None:
        self.times, self.calls, self.error = times, 0, error or ValueError("flaky")

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return self.calls


@pytest.mark.parametrize("retry", [2, Retry(2), Retry(2, "10ms"), Retry(2, lambda failed: 0.001)])
def test_retry_until_it_works(retry: Any) -> None:
    runner = Runner(2, progress=False)
    run = runner.add(Flaky(2), retry=retry)
    finish(runner)
    assert run.ok
    assert run.value == run.attempts == 3
    assert len(run.errors) == 2
    assert len(run.history) == 2
    assert all(past.reason == "error" for past in run.history)
    times = [moment for past in run.history for moment in (past.started, past.ended)]
    assert [*times, run.started, run.ended] == sorted([*times, run.started, run.ended])


def test_retries_that_are_used_up() -> None:
    runner = Runner(1, progress=False)
    run = runner.add(Flaky(9), retry=2)
    finish(runner)
    assert end(run) == "failed(error)"
    assert run.attempts == 3
    assert len(run.errors) == 3


def test_the_retry_of_the_runner_and_of_the_run() -> None:
    runner = Runner(1, progress=False, retry=1)
    runs = [
        runner.add(Flaky(9)),
        runner.add(Flaky(9), retry=3),
        runner.add(Flaky(9), retry=None),
        runner.add(Flaky(9), retry=0),
    ]
    finish(runner)
    assert [run.attempts for run in runs] == [2, 4, 1, 1]


def test_between_two_tries_it_is_scheduled() -> None:
    tried = threading.Event()

    def task() -> None:
        tried.set()
        fail()

    runner = Runner(1, progress=False)
    run = runner.add(task, retry=Retry(1, backoff=30))
    marker = runner.add(nothing)
    runner.start()
    assert tried.wait(10)
    marker.result(10)  # at concurrency 1 it ran after the first try
    assert run.state == "scheduled"
    assert "scheduled" in run.why()
    assert run.due is not None
    assert 25 < run.due - run.history[0].ended <= 31
    run.cancel()
    finish(runner)
    assert end(run) == "cancelled(user)"


def test_the_backoff_is_kept() -> None:
    runner = Runner(1, progress=False)
    run = runner.add(Flaky(2), retry=Retry(2, "80ms"))
    finish(runner)
    starts = [*(past.started for past in run.history), run.started]
    ends_ = [past.ended for past in run.history]
    pauses = [start - ended for start, ended in zip(starts[1:], ends_, strict=True)]
    assert all(0.08 <= pause < 2 for pause in pauses), pauses


def test_others_run_while_one_waits_for_its_next_try() -> None:
    runner = Runner(1, progress=False)
    flaky = Flaky(1)
    order: list[str] = []
    run = runner.add(lambda: order.append("flaky") or flaky(), retry=Retry(1, "100ms"))
    for number in range(3):
        runner.add(order.append, str(number))
    finish(runner)
    assert order == ["flaky", "0", "1", "2", "flaky"]
    assert run.ok


@pytest.mark.parametrize(
    ("on", "error", "attempts"),
    [
        (ValueError, ValueError(), 3),
        (ValueError, KeyError(), 1),
        ((KeyError, ValueError), ValueError(), 3),
        (Exception, SystemExit(), 1),
        (BaseException, SystemExit(), 3),
        (lambda error: "again" in str(error), ValueError("again"), 3),
        (lambda error: "again" in str(error), ValueError("never"), 1),
    ],
)
def test_which_errors_are_tried_again(on: Any, error: BaseException, attempts: int) -> None:
    runner = Runner(1, progress=False)
    run = runner.add(Flaky(9, error), retry=Retry(2, on=on))
    finish(runner)
    assert run.attempts == attempts
    assert run.exception is error


@pytest.mark.parametrize("part", ["on", "backoff"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_retry_whose_callable_raises_ends_this_run_only(part: str) -> None:
    def broken(_: Any) -> Any:
        raise ZeroDivisionError(f"in {part}")

    retry = Retry(3, on=broken) if part == "on" else Retry(3, backoff=broken)
    runner = Runner(2, progress=False)
    run = runner.add(fail, retry=retry)
    others = [runner.add(nothing) for _ in range(5)]
    finish(runner, seconds=5)
    assert end(run) == "failed(error)"
    assert run.attempts == 1
    assert all(other.ok for other in others)


def test_a_run_that_comes_after_waits_for_the_last_try() -> None:
    runner = Runner(2, progress=False)
    run = runner.add(Flaky(2), retry=2)
    child = runner.add(lambda value: value, run)
    finish(runner)
    assert child.value == 3


def test_retries_keep_within_a_limit() -> None:
    runner = Runner(4, progress=False)
    runs = [runner.add(Flaky(2), retry=Retry(2, "1ms"), limits=Limit(1, "/x")) for _ in range(4)]
    finish(runner)
    assert [run.attempts for run in runs] == [3] * 4
    spans = sorted(
        (start, stop)
        for run in runs
        for start, stop in (
            *((past.started, past.ended) for past in run.history),
            (run.started, run.ended),
        )
    )
    for (_, ended), (started, _) in itertools.pairwise(spans):
        assert started >= ended, "two tries held the only unit at the same time"


def test_cancelled_from_inside_is_seen_at_the_next_progress(gate: threading.Event) -> None:
    seen: list[BaseException] = []
    begun, over = threading.Event(), threading.Event()

    def task() -> None:
        begun.set()
        gate.wait(20)
        try:
            progress(1)
        except errors.Cancelled as error:
            seen.append(error)
            raise
        finally:
            over.set()

    runner = Runner(1, progress=False)
    run = runner.add(task)
    runner.start()
    assert begun.wait(10)
    run.cancel()
    gate.set()
    assert over.wait(10)
    assert len(seen) == 1
    finish(runner)
    assert end(run) == "cancelled(user)"
