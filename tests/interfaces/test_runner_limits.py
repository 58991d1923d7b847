"""Limits and pools: what may run at the same time, and what happens beyond that."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from abreast import Busy, Limit, Report, Retry, Run, Runner, errors
from abreast.domain.adaptive import Adaptive
from abreast.domain.keys import ARGS
from abreast.domain.unique import Unique
from abreast.errors import Backoff

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


def nothing(*_: object, **__: object) -> None:
    pass


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

    def __call__(self, *_: object) -> None:
        self.begun.set()
        assert self.gate.wait(30), "nobody opened the gate"


class Units:
    """Counts the units held of every key, from inside the tasks."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now: dict[object, int] = defaultdict(int)
        self.most: dict[object, int] = defaultdict(int)

    def hold(self, *keys: object, units: int = 1) -> None:
        with self.lock:
            for key in keys:
                self.now[key] += units
                self.most[key] = max(self.most[key], self.now[key])
        time.sleep(0.001)  # the task sleeps
        with self.lock:
            for key in keys:
                self.now[key] -= units


def holding(runner: Runner, gate: threading.Event, **options: Any) -> Run:
    """Start a run that holds its limits until the gate opens."""
    occupied = Occupied(gate)
    run = runner.add(occupied, label="holder", priority=100, **options)
    runner.start()
    assert occupied.begun.wait(10)
    return run


# -- units -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5])
def test_units_are_never_exceeded_and_all_are_used(n: int) -> None:
    units, together = Units(), threading.Barrier(n)

    def task(number: int) -> None:
        if number < n:
            together.wait(10)
        units.hold("x")

    runner = Runner(8, progress=False)
    runner.map(task, range(60), limits=Limit(n))
    assert finish(runner).ok
    assert units.most["x"] <= n


def test_an_int_is_short_for_a_limit() -> None:
    units = Units()
    runner = Runner(8, progress=False)
    runner.map(lambda _: units.hold("x"), range(30), limits=2)
    assert finish(runner).ok
    assert units.most["x"] == 2


def test_every_value_of_a_key_counts_for_itself(gate: threading.Event) -> None:
    units = Units()
    everyone = threading.Barrier(4)

    def serve(tenant: str, number: int) -> None:
        if number == 0:
            everyone.wait(10)  # four tenants at the same time
        units.hold(tenant)

    runner = Runner(8, progress=False)
    for number in range(10):
        for tenant in "abcd":
            runner.add(serve, tenant, number=number, limits=Limit(1, "{tenant}"))
    assert finish(runner).ok
    assert units.most == dict.fromkeys("abcd", 1)


def test_a_pool_is_shared_by_all_tasks_that_name_it() -> None:
    units = Units()

    def first(number: int) -> None:
        units.hold("/x", "first")

    def second(number: int) -> None:
        units.hold("/x", "second")

    async def third(number: int) -> None:
        units.hold("/x", "third")

    runner = Runner(8, progress=False)
    for task in (first, second, third):
        runner.map(task, range(15), limits=Limit(2, "/x"))
    assert finish(runner).ok
    assert units.most["/x"] <= 2


def test_without_a_slash_every_task_counts_for_itself(gate: threading.Event) -> None:
    together = threading.Barrier(2)

    def first() -> None:
        together.wait(10)

    def second() -> None:
        together.wait(10)

    runner = Runner(4, progress=False)
    runner.add(first, limits=1)
    runner.add(second, limits=1)
    assert finish(runner).ok


def test_a_shared_key_declared_with_different_amounts_is_refused() -> None:
    runner = Runner(4, progress=False)
    runner.add(nothing, limits=Limit(2, "/x"), name="two")
    with pytest.raises(errors.UsageError, match="/x"):  # noqa: PT012
        runner.add(nothing, limits=Limit(3, "/x"), name="three")
        runner.run()


@pytest.mark.parametrize("cost", [2, lambda number: 1 + number % 3])
def test_costs(cost: Any) -> None:
    units = Units()

    def task(number: int) -> None:
        units.hold("x", units=cost if isinstance(cost, int) else cost(number))

    runner = Runner(8, progress=False)
    runner.map(task, range(40), limits=Limit(5, cost=cost))
    assert finish(runner).ok
    assert units.most["x"] <= 5


def test_an_expensive_run_is_not_overtaken_for_ever(gate: threading.Event) -> None:
    order: list[str] = []
    runner = Runner(8, progress=False)
    holding(runner, gate, limits=Limit(3, "/x"))
    runner.add(order.append, "expensive", limits=Limit(3, "/x", cost=3))
    for _ in range(5):
        runner.add(order.append, "cheap", limits=Limit(3, "/x"))
    gate.set()
    assert finish(runner).ok
    assert order[0] == "expensive"


def test_the_number_may_depend_on_the_arguments() -> None:
    units = Units()

    def serve(tenant: str) -> None:
        units.hold(tenant)

    limit = Limit(lambda tenant: 3 if tenant == "big" else 1, "{tenant}")
    runner = Runner(8, progress=False)
    for _ in range(20):
        runner.add(serve, "big", limits=limit)
        runner.add(serve, "small", limits=limit)
    assert finish(runner).ok
    assert units.most["big"] <= 3
    assert units.most["small"] == 1


def test_a_key_made_from_the_result_of_another_run(gate: threading.Event) -> None:
    units = Units()

    def serve(tenant: str, number: int) -> None:
        units.hold(tenant)

    runner = Runner(8, progress=False)
    parents = [runner.add(lambda tenant=tenant: tenant, name="choose") for tenant in "ab"]
    for number in range(10):
        for parent in parents:
            runner.add(serve, parent, number, limits=Limit(1, "{tenant}"))
    assert finish(runner).ok
    assert units.most == {"a": 1, "b": 1}


def test_a_key_that_cannot_be_made_from_a_result_fails_the_run() -> None:
    runner = Runner(2, progress=False)
    parent = runner.add(lambda: 5)
    run = runner.add(lambda account: None, parent, limits=Limit(1, "{account.name}"))
    other = runner.add(nothing)
    finish(runner)
    assert end(run) == "failed(error)"
    assert isinstance(run.exception, AttributeError)
    assert other.ok


@pytest.mark.parametrize("kind", ["raises", "is cancelled", "runs out of time"])
def test_units_come_back_however_the_run_ends(kind: str) -> None:
    async def task() -> None:
        if kind == "raises":
            raise ValueError
        begun.set()
        await asyncio.Event().wait()

    begun = threading.Event()
    runner = Runner(4, progress=False)
    timeout = 0.02 if kind == "runs out of time" else None
    run = runner.add(task, limits=Limit(1, "/x"), timeout=timeout)
    runner.start()
    if kind == "is cancelled":
        assert begun.wait(10)
        run.cancel()
    after = runner.add(nothing, limits=Limit(1, "/x"))
    finish(runner)
    assert after.ok
    assert not run.ok


# -- several limits ----------------------------------------------------------------------------


def test_a_list_is_taken_all_or_nothing(gate: threading.Event) -> None:
    runner = Runner(8, progress=False)
    holding(runner, gate, limits=Limit(1, "/a"))
    both = runner.add(nothing, limits=[Limit(1, "/b"), Limit(1, "/a")], label="both")
    other = runner.add(nothing, limits=Limit(1, "/b"), label="other")
    other.result(10)  # the waiting run does not hold /b
    assert both.state == "pending"
    assert "'/a'" in both.why()
    gate.set()
    assert finish(runner).ok


def test_lists_in_opposite_order_do_not_lock_each_other() -> None:
    units = Units()
    a, b, c = Limit(1, "/a"), Limit(2, "/b", cost=2), Limit(1, "/c")
    runner = Runner(8, progress=False)
    for number in range(40):
        limits = [[a, b], [b, a], [c, a], [b, c], [a], [c, b, a]][number % 6]
        keys = [limit.key for limit in limits]
        runner.add(units.hold, *keys, limits=limits)
    assert finish(runner).ok
    assert max(units.most.values()) == 1


def test_a_full_key_does_not_delay_others(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    holding(runner, gate, limits=Limit(1, "/full"))
    waiting = [runner.add(nothing, limits=Limit(1, "/full")) for _ in range(200)]
    others = [
        *(runner.add(nothing) for _ in range(50)),
        *(runner.add(nothing, limits=Limit(1, "/other")) for _ in range(50)),
    ]
    for run in others:
        run.result(10)
    assert {run.state for run in waiting} == {"pending"}
    gate.set()
    assert finish(runner).ok


def test_cancelling_those_in_line(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    limit = Limit(1, "/x")
    holding(runner, gate, limits=limit)
    runs = [runner.add(nothing, limits=limit) for _ in range(6)]
    for run in runs[::2]:
        run.cancel()
    gate.set()
    finish(runner)
    assert [end(run) for run in runs] == ["cancelled(user)", "completed"] * 3


# -- why ---------------------------------------------------------------------------------------


def test_why(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    holder = runner.add(Occupied(gate), limits=Limit(1, "/x"), label="holder", priority=5)
    assert "has not been started" in holder.why()
    runner.start()
    until_running(holder)
    second = runner.add(Occupied(gate), label="second")
    until_running(second)
    held = runner.add(nothing, limits=Limit(1, "/x"), label="held")
    blocked = runner.add(nothing, after=[held, holder], label="blocked")
    slotless = runner.add(nothing, label="slotless")
    assert held.why() == "'held' is pending: limit '/x' has no room; held by 'holder'"
    assert "comes after" in blocked.why()
    assert "held" in blocked.why()
    assert "holder" in blocked.why()
    assert "free slot" in slotless.why()
    assert "holder" in slotless.why()
    assert "running" in holder.why()
    gate.set()
    finish(runner)
    assert "completed" in held.why()


def until_running(run: Run) -> None:
    last = time.monotonic() + 10
    while run.state != "running":
        assert time.monotonic() < last, run.why()
        threading.Event().wait(0.002)


def test_why_names_the_holders_of_a_pool_of_several(gate: threading.Event) -> None:
    runner = Runner(8, progress=False)
    limit = Limit(5, "/x")
    tasks = [Occupied(gate) for _ in range(5)]
    for number, task in enumerate(tasks):
        runner.add(task, limits=limit, label=f"holder {number}")
    runner.start()
    assert all(task.begun.wait(10) for task in tasks)
    held = runner.add(nothing, limits=limit)
    assert "'holder 0', 'holder 1', 'holder 2' and" in held.why()
    gate.set()
    finish(runner)


def test_why_of_a_rate_says_so(gate: threading.Event) -> None:
    runner = Runner(8, progress=False)
    runner.add(nothing, limits=Limit(1, "/x", per=60)).result(10)
    held = runner.add(nothing, limits=Limit(1, "/x", per=60))
    assert held.state == "pending"
    assert "'/x'" in held.why()
    runner.cancel()
    finish(runner)


# -- per ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["thread", "coroutine"])
def test_a_rate_holds_in_every_window(kind: str) -> None:
    n, per = 3, 0.15
    starts: list[float] = []

    def task(number: int) -> None:
        starts.append(time.monotonic())

    async def async_task(number: int) -> None:
        starts.append(time.monotonic())

    runner = Runner(4, progress=False)
    runs = runner.map(
        async_task if kind == "coroutine" else task, range(3 * n), limits=Limit(n, per=per)
    )
    assert finish(runner).ok
    recorded = sorted(run.started for run in runs)
    for moments, slack in ((recorded, 0.0), (sorted(starts), 0.02)):
        for first, over in zip(moments, moments[n:], strict=False):
            assert over - first >= per - slack, f"{n + 1} starts within {over - first:.3f} s"
    assert recorded[-1] - recorded[0] < 2 * per + 1.5, "the rate is not used"


def test_a_rate_is_used_in_full_by_quick_and_slow_runs() -> None:
    """Units of runs that a thread was given and did not begin are not lost."""
    begun: list[int] = []

    def task(number: int) -> None:
        begun.append(number)
        if number >= 3:
            time.sleep(0.01)  # the task sleeps

    runner = Runner(1, progress=False)
    runs = runner.map(task, range(8), limits=Limit(8, per=60))
    runner.start()
    over = runner.wait(5)
    waiting = [run.why() for run in runs if not run.done]
    runner.cancel()
    runner.close()
    assert over, f"8 runs at 8 per minute; only {begun} were started: {waiting[0]}"


def test_the_units_of_a_rate_outlive_the_run_and_return_by_their_time() -> None:
    runner = Runner(4, progress=False)
    limit = Limit(2, "/x", per="200ms", cost=2)
    first = runner.add(nothing, limits=limit)
    second = runner.add(nothing, limits=limit)
    finish(runner)
    assert second.started - first.started >= 0.2
    assert second.started - first.started < 1.5


def test_a_rate_and_a_number_together() -> None:
    units = Units()
    runner = Runner(8, progress=False)
    limits = [Limit(4, "/rate", per="100ms"), Limit(2, "/number")]
    runs = [runner.add(units.hold, "/number", limits=limits) for _ in range(12)]
    finish(runner)
    starts = sorted(run.started for run in runs)
    assert units.most["/number"] <= 2
    for first, over in zip(starts, starts[4:], strict=False):
        assert over - first >= 0.1


def test_a_rate_for_each_key() -> None:
    def serve(tenant: str) -> None:
        pass

    runner = Runner(4, progress=False)
    limit = Limit(1, "{tenant}", per="150ms")
    runs = {tenant: [runner.add(serve, tenant, limits=limit) for _ in range(2)] for tenant in "abc"}
    finish(runner)
    firsts = [runs[tenant][0].started for tenant in "abc"]
    assert max(firsts) - min(firsts) < 0.15
    for tenant in "abc":
        assert runs[tenant][1].started - runs[tenant][0].started >= 0.15


# -- then --------------------------------------------------------------------------------------


def test_then_wait_waits_whatever_the_places(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    limit = Limit(1, "/x", waiting=1)
    holding(runner, gate, limits=limit)
    runs = [runner.add(nothing, limits=limit) for _ in range(5)]
    gate.set()
    finish(runner)
    assert all(run.ok for run in runs)


@pytest.mark.parametrize("waiting", [0, 2])
def test_then_skip(gate: threading.Event, waiting: int) -> None:
    runner = Runner(2, progress=False)
    limit = Limit(1, "/x", then="skip", waiting=waiting)
    holding(runner, gate, limits=limit)
    runs = [runner.add(nothing, limits=limit, label=f"run {number}") for number in range(5)]
    assert [end(run) for run in runs[waiting:]] == ["skipped(limit)"] * (5 - waiting)
    assert isinstance(runs[-1].exception, errors.Skipped)
    assert "'/x'" in str(runs[-1].exception)
    assert "'holder'" in str(runs[-1].exception)
    gate.set()
    report = finish(runner)
    assert all(run.ok for run in runs[:waiting])
    assert len(report) == 6, "what was skipped is recorded"


def test_then_skip_lets_in_again_when_there_is_room(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    limit = Limit(1, "/x", then="skip")
    holder = holding(runner, gate, limits=limit)
    assert end(runner.add(nothing, limits=limit)) == "skipped(limit)"
    gate.set()
    holder.result(10)
    again = runner.add(nothing, limits=limit)
    finish(runner)
    assert again.ok


def test_then_fail_tells_the_caller(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    limit = Limit(1, "/x", then="fail")
    holding(runner, gate, limits=limit)
    with pytest.raises(Busy) as caught:
        runner.add(nothing, limits=limit, label="newcomer")
    assert (caught.value.key, caught.value.holder) == ("/x", "holder")
    assert "'newcomer'" in str(caught.value)
    assert len(runner) == 1, "no run is made"
    assert "newcomer" not in runner.report
    other = runner.add(nothing, label="newcomer")
    gate.set()
    report = finish(runner)
    assert list(report) == ["holder", "newcomer"]
    assert other.ok


def test_then_fail_for_a_run_that_was_released_later_is_skipped(gate: threading.Event) -> None:
    """Nobody is there to catch ``Busy`` when the limit turns out to be full at the release."""
    runner, added = Runner(2, progress=False), threading.Event()
    limit = Limit(1, "/x", then="fail")
    holding(runner, gate, limits=limit)
    parent = runner.add(added.wait, 20)
    child = runner.add(nothing, after=parent, limits=limit)
    added.set()
    with pytest.raises(errors.Skipped):
        child.result(10)
    assert end(child) == "skipped(limit)"
    gate.set()
    finish(runner)


def test_then_fail_before_the_start() -> None:
    runner = Runner(2, progress=False)
    limit = Limit(1, "/x", then="fail")
    first = runner.add(nothing, limits=limit)
    with pytest.raises(Busy) as caught:
        runner.add(nothing, limits=limit)
    assert caught.value.holder == first.label
    finish(runner)
    assert first.ok


@pytest.mark.parametrize("waiting", [None, 2])
def test_then_replace(gate: threading.Event, waiting: int | None) -> None:
    places = waiting or 1
    runner = Runner(2, progress=False)
    limit = Limit(1, "/x", then="replace", waiting=waiting)
    holder = holding(runner, gate, limits=limit)
    runs = [runner.add(nothing, limits=limit, label=f"run {number}") for number in range(5)]
    gate.set()
    finish(runner)
    gone = ["skipped(limit)"] * (5 - places)
    assert [end(run) for run in runs] == gone + ["completed"] * places
    assert holder.ok
    assert "'/x'" in str(runs[0].exception)


def test_then_cancel() -> None:
    begun = threading.Event()

    async def forever() -> None:
        begun.set()
        await asyncio.Event().wait()

    runner = Runner(4, progress=False)
    limit = Limit(1, "/x", then="cancel")
    holder = runner.add(forever, limits=limit)
    runner.start()
    assert begun.wait(10)
    newcomer = runner.add(nothing, limits=limit)
    finish(runner)
    assert end(holder) == "cancelled(limit)"
    assert newcomer.ok
    assert newcomer.started >= holder.ended


def test_then_cancel_keeps_one_place_and_the_last_newcomer_takes_it(gate: threading.Event) -> None:
    cancelled = threading.Event()
    begun = threading.Event()

    async def reluctant() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            await asyncio.get_running_loop().run_in_executor(None, gate.wait, 20)
            raise

    runner = Runner(4, progress=False, grace=20)
    limit = Limit(1, "/x", then="cancel")
    holder = runner.add(reluctant, limits=limit)
    runner.start()
    assert begun.wait(10)
    first = runner.add(nothing, limits=limit, label="first")
    assert cancelled.wait(10)
    second = runner.add(nothing, limits=limit, label="second")
    third = runner.add(nothing, limits=limit, label="third")
    gate.set()
    finish(runner)
    assert end(holder) == "cancelled(limit)"
    assert [end(run) for run in (first, second, third)] == [
        *("skipped(limit)", "skipped(limit)"),
        "completed",
    ]


@pytest.mark.parametrize(
    ("thens", "wanted"),
    [
        (["wait", "skip"], "skipped(limit)"),
        (["skip", "wait", "replace"], "skipped(limit)"),
        (["replace", "wait"], "completed"),
        (["skip", "fail"], "busy"),
        (["fail", "skip", "cancel"], "busy"),
        (["wait", "wait"], "completed"),
    ],
)
def test_a_list_acts_by_the_strictest(gate: threading.Event, thens: list[str], wanted: str) -> None:
    runner = Runner(2, progress=False)
    keys = [f"/{number}" for number in range(len(thens))]
    holder = holding(runner, gate, limits=[Limit(1, key) for key in keys])
    limits = [Limit(1, key, then=then) for key, then in zip(keys, thens, strict=True)]
    try:
        run = runner.add(nothing, limits=limits)
    except Busy as error:
        assert wanted == "busy", error  # noqa: PT017
        gate.set()
        finish(runner)
        return
    gate.set()
    finish(runner)
    assert end(run) == wanted
    assert holder.ok, "nobody else has to go for a newcomer that is not let in"


def test_only_a_limit_that_is_full_acts(gate: threading.Event) -> None:
    runner = Runner(2, progress=False)
    holding(runner, gate, limits=Limit(1, "/a"))
    run = runner.add(nothing, limits=[Limit(1, "/a"), Limit(1, "/b", then="fail")])
    assert run.state == "pending"
    gate.set()
    assert finish(runner).ok


def test_then_counts_the_line_and_not_only_who_runs() -> None:
    """Before the start nobody runs; the line itself fills the units and the places."""
    runner = Runner(4, progress=False)
    limit = Limit(2, "/x", then="skip", waiting=1)
    runs = [runner.add(nothing, limits=limit) for _ in range(5)]
    finish(runner)
    assert [end(run) for run in runs] == ["completed"] * 3 + ["skipped(limit)"] * 2


# -- needs -------------------------------------------------------------------------------------


def test_needs_are_drawn_from_the_pools_of_the_runner() -> None:
    units = Units()
    runner = Runner(8, progress=False, pools={"cpu": 4, "memory": "8GB"})

    def task(cpu: int, memory: int) -> None:
        with units.lock:
            pass
        units.hold("cpu", units=cpu)

    for number in range(30):
        cpu = 1 + number % 3
        runner.add(task, cpu, 2, needs={"cpu": cpu, "memory": "2GB"})
    assert finish(runner).ok
    assert units.most["cpu"] <= 4


def test_needs_may_be_fractions() -> None:
    units = Units()
    runner = Runner(8, progress=False, pools={"cpu": 1})
    for _ in range(20):
        runner.add(units.hold, "x", needs={"cpu": 0.5})
    assert finish(runner).ok
    assert units.most["x"] <= 2


def test_fractions_that_add_up_use_the_whole_pool() -> None:
    """Ten tenths are one, also for floats."""
    together = threading.Barrier(10)
    runner = Runner(16, progress=False, pools={"cpu": 1})
    for _ in range(10):
        runner.add(together.wait, 5, needs={"cpu": 0.1})
    report = finish(runner)
    assert report.ok, "ten times 0.1 of a pool of 1 did not run at the same time"


def test_all_units_of_a_pool_are_there_again_afterwards() -> None:
    runner = Runner(4, progress=False, pools={"cpu": 1})
    for _ in range(50):
        runner.add(nothing, needs={"cpu": 0.1})
        runner.add(nothing, needs={"cpu": 0.3})
    whole = runner.add(nothing, needs={"cpu": 1}, label="whole", priority=-5)
    assert finish(runner).ok
    assert whole.ok


def test_a_need_as_large_as_the_pool(gate: threading.Event) -> None:
    runner = Runner(4, progress=False, pools={"memory": "1GiB"})
    holding(runner, gate, needs={"memory": "1GiB"})
    held = runner.add(nothing, needs={"memory": "1B"}, label="held")
    assert "memory" in held.why()
    assert "'holder'" in held.why()
    gate.set()
    assert finish(runner).ok


def test_needs_and_limits_together() -> None:
    units = Units()
    runner = Runner(8, progress=False, pools={"cpu": 3})
    for _ in range(30):
        runner.add(units.hold, "x", needs={"cpu": 1}, limits=Limit(2, "/x"))
    assert finish(runner).ok
    assert units.most["x"] <= 2


# -- the same work -----------------------------------------------------------------------------


def test_the_same_work_is_the_same_run(gate: threading.Event) -> None:
    runner = Runner(4, progress=False)
    occupied = Occupied(gate)
    first = runner.add(occupied, 1, unique=True)
    assert runner.add(occupied, 1, unique=True) is first
    assert runner.add(occupied, 2, unique=True) is not first
    runner.start()
    assert runner.add(occupied, 1, unique=True) is first
    gate.set()
    report = finish(runner)
    assert [end(run) for run in report.values()] == ["completed", "completed"]


def test_a_dependency_on_a_known_run() -> None:
    runner = Runner(2, progress=False)
    one = runner.add(lambda: 20, name="one", unique=Unique(""))
    two = runner.add(lambda: 30, name="one", unique=Unique(""))
    both = runner.add(lambda a, b: a + b, one, two)
    assert finish(runner).ok
    assert (both.result(), two is one) == (40, True)


def test_the_newest_arguments_win() -> None:
    seen = []
    runner = Runner(1, progress=False)
    for number in range(3):
        runner.add(seen.append, number, name="note", unique=Unique("", then="replace"))
    assert finish(runner).ok
    assert seen == [2]


def test_a_duplicate_can_be_refused_or_recorded(gate: threading.Event) -> None:
    runner = Runner(1, progress=False)
    first = holding(runner, gate, name="x", unique=Unique(""))
    with pytest.raises(Busy) as refused:
        runner.add(nothing, name="x", unique=Unique("", then="fail"))
    assert refused.value.holder == first.label
    skipped = runner.add(nothing, name="x", unique=Unique("", then="skip"))
    gate.set()
    finish(runner)
    assert end(skipped) == "skipped(duplicate)"
    assert len(runner.runs) == 2


def test_unique_work_cannot_come_after_what_is_not_there_yet() -> None:
    runner = Runner(1, progress=False)
    with pytest.raises(errors.UsageError, match=r"'x' is unique.*no run 'later' yet"):
        runner.add(nothing, name="x", unique=True, after="later")
    runner.add(nothing, label="later")
    assert finish(runner).ok
    assert len(runner.runs) == 1


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"unique": "yes"}, errors.WrongType, "unique must be True or a Unique"),
        ({"unique": Unique("{zzz}")}, errors.UsageError, r"key of Unique names \{zzz\}"),
        ({"fair_by": "tenant"}, errors.UsageError, "fair_by 'tenant' names no parameter"),
        ({"fair_by": 5}, errors.WrongType, "fair_by must be a str"),
        ({"fair_by": "{zzz}"}, errors.UsageError, r"fair_by names \{zzz\}"),
        ({"expires": "soon"}, errors.UsageError, "expires 'soon' is not a duration"),
        ({"deadline": -1}, errors.UsageError, "deadline must be 0 or more"),
        ({"nice": 20}, errors.UsageError, "nice must be from -20 to 19"),
        ({"nice": "low"}, errors.WrongType, "nice must be a whole number"),
    ],
)
def test_options_that_cannot_be(options: Any, error: type[Exception], text: str) -> None:
    def plain(tenant: str = "") -> None:
        pass

    runner = Runner(1, progress=False)
    with pytest.raises(error, match=text):
        runner.add(plain, **options)
    with pytest.raises(error, match=text):
        runner.map(plain, ["a"], **options)
    finish(runner)


# -- turns, levels, times ----------------------------------------------------------------------


@pytest.mark.parametrize("limits", [None, 1])
def test_tenants_take_turns(limits: int | None) -> None:
    order: list[str] = []

    def serve(tenant: str) -> None:
        order.append(tenant)

    runner = Runner(1, progress=False)
    runner.map(serve, "aaaabbc", fair_by="{tenant}", limits=limits)
    assert finish(runner).ok
    assert "".join(order) == "abcabaa"


def test_an_adaptive_limit_begins_low_and_rises() -> None:
    units, together = Units(), threading.Barrier(3)

    def work(number: int) -> None:
        if number >= 12:
            together.wait(10)  # three at once
        units.hold("x")

    runner = Runner(8, progress=False)
    runner.map(work, range(15), limits=Limit(Adaptive(1, 3)))
    assert finish(runner).ok
    assert units.most["x"] == 3


def test_backoff_is_no_failure() -> None:
    calls: list[int] = []

    def work() -> str:
        calls.append(1)
        if len(calls) < 4:
            raise Backoff(0.01)
        return "done"

    runner = Runner(1, progress=False)
    run = runner.add(work)
    finish(runner)
    assert (run.result(), len(calls)) == ("done", 4)


def test_a_run_that_waits_too_long_expires(gate: threading.Event) -> None:
    runner = Runner(1, progress=False)
    holding(runner, gate)
    late = runner.add(nothing, expires=0.05)
    after = runner.add(nothing, after=[late])
    with pytest.raises(errors.Skipped, match="it expired"):
        late.result(10)
    assert (end(late), end(after)) == ("skipped(expired)", "skipped(dependency)")
    gate.set()
    finish(runner)


def test_no_try_begins_after_the_deadline() -> None:
    def work() -> None:
        raise ValueError("no")

    runner = Runner(1, progress=False)
    run = runner.add(work, retry=Retry(50, 30), deadline=20)
    finish(runner)
    assert (end(run), run.attempts) == ("failed(error)", 1)


def test_a_limit_per_value_of_all_arguments() -> None:
    units = Units()
    runner = Runner(8, progress=False)
    for _ in range(5):
        runner.add(units.hold, "a", limits=Limit(1, ARGS))
        runner.add(units.hold, "b", limits=Limit(1, ARGS))
    assert finish(runner).ok
    assert units.most == {"a": 1, "b": 1}
