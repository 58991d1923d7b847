"""Calls, results, groups, direct tasks, the runner."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.compat.pynenc_help import WAIT_S, runner_of

from abreast.compat.pynenc import (
    Invocation,
    InvocationStatus,
    Pynenc,
    PynencError,
    RetryError,
    RunnerError,
    ThreadRunner,
)


@pytest.fixture
def app() -> Pynenc:
    return Pynenc()


# --- one call ---


def test_a_call_is_an_invocation_and_func_the_function(app: Pynenc) -> None:
    @app.task
    def add(x: int, y: int = 2) -> int:
        """Add."""
        return x + y

    assert (add.__name__, add.__doc__) == ("add", "Add.")
    assert add.func(1) == 3
    invocation = add(1)
    assert isinstance(invocation, Invocation)
    assert invocation.status is InvocationStatus.REGISTERED
    assert not invocation.status.is_final()
    with runner_of(app):
        assert invocation.result == 3
    assert invocation.status is InvocationStatus.SUCCESS
    assert invocation.arguments == {"x": 1, "y": 2}
    assert invocation.task is add
    assert invocation.num_retries == 0
    assert app.get_task(add.task_id) is add
    assert app.tasks == {add.task_id: add}


def test_objects_reach_the_task_and_come_back_as_they_are(app: Pynenc) -> None:
    @app.task
    def same(thing: object) -> object:
        return thing

    thing = object()
    with runner_of(app):
        assert same(thing).result is thing


def test_an_error_is_raised_by_result(app: Pynenc) -> None:
    @app.task
    def fail() -> None:
        raise LookupError("gone")

    with runner_of(app):
        invocation = fail()
        with pytest.raises(LookupError, match="gone"):
            _ = invocation.result
    assert invocation.status is InvocationStatus.FAILED


def test_wrong_arguments_are_refused_by_the_call(app: Pynenc) -> None:
    @app.task
    def add(x: int) -> int:
        return x

    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        add()


def test_the_invocation_inside_and_outside_of_a_task(app: Pynenc) -> None:
    running = threading.Event()

    @app.task
    def own() -> Invocation:
        invocation = own.invocation
        assert invocation.status is InvocationStatus.RUNNING
        running.set()
        return invocation

    with pytest.raises(RuntimeError, match="has not been invoked"):
        _ = own.invocation
    with runner_of(app):
        invocation = own()
        assert invocation.result == invocation
        assert {invocation, invocation.result} == {invocation}
    assert running.is_set()
    assert invocation != object()


def test_a_task_waits_for_another_though_one_runs_at_a_time(app: Pynenc) -> None:
    app.conf.max_threads = 1

    @app.task
    def inner(x: int) -> int:
        return x + 1

    @app.task
    def outer(x: int) -> int:
        return inner(x).result * 10

    with runner_of(app):
        assert outer(1).result == 20


def test_async_tasks_and_results(app: Pynenc) -> None:
    @app.task
    async def double(x: int) -> int:
        await asyncio.sleep(0)
        return 2 * x

    @app.task(running_concurrency="task", reroute_on_concurrency_control=False)
    def one(x: int) -> int:
        return x

    async def main() -> None:
        assert await double(2).async_result() == 4
        assert [r async for r in double.parallelize([(1,), (2,)]).async_results()] == [2, 4]

    kept, dropped = one.parallelize([(1,), (2,)])
    with runner_of(app):
        asyncio.run(main())
        assert asyncio.run(kept.async_result()) == 1
        with pytest.raises(KeyError):
            asyncio.run(dropped.async_result())


# --- retries and priority ---


def test_retries_are_for_retry_error_and_what_is_named(app: Pynenc) -> None:
    seen: list[int] = []

    @app.task(max_retries=2, retry_for=(OSError,))
    def flaky(kind: type[Exception]) -> str:
        seen.append(len(seen))
        if len(seen) < 3:
            raise kind("once more")
        return "done"

    with runner_of(app):
        for kind in (RetryError, OSError):
            seen.clear()
            invocation = flaky(kind)
            assert invocation.result == "done"
            assert invocation.num_retries == 2
        seen.clear()
        with pytest.raises(ValueError, match="once more"):
            _ = flaky(ValueError).result
        assert seen == [0]


def test_retries_end(app: Pynenc) -> None:
    @app.task(max_retries=1)
    def never() -> None:
        raise RetryError("no")

    with runner_of(app):
        invocation = never()
        with pytest.raises(RetryError):
            _ = invocation.result
    assert (invocation.status, invocation.num_retries) == (InvocationStatus.FAILED, 1)


def test_higher_priority_first(app: Pynenc) -> None:
    app.conf.max_threads = 1
    order: list[str] = []

    @app.task
    def usual() -> None:
        order.append("usual")

    @app.task(priority=0.5)
    def urgent() -> None:
        order.append("urgent")

    @app.task(priority=-1)
    def some_day() -> None:
        order.append("some day")

    invocations = [some_day(), usual(), urgent()]
    with runner_of(app):
        for invocation in invocations:
            assert invocation.result is None
    assert order == ["urgent", "usual", "some day"]


# --- many calls ---


def test_parallelize_takes_tuples_dicts_and_arguments(app: Pynenc) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    with runner_of(app):
        group = add.parallelize([(1, 1), add.args(1, y=2), add.args(1, 5), {"x": 2, "y": 3}])
        assert list(group.results) == [2, 3, 6, 5]
        assert list(add.parallelize([]).results) == []
    assert len(group) == 4
    assert [i.status for i in group] == [InvocationStatus.SUCCESS] * 4


def test_common_arguments(app: Pynenc) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    with runner_of(app):
        assert list(add.parallelize([{"x": 1}, {"x": 2}], {"y": 10}).results) == [11, 12]
    with pytest.raises(ValueError, match="only dictionaries"):
        add.parallelize([(1,)], {"y": 10})
    with pytest.raises(TypeError, match="each item must be"):
        add.parallelize([1])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="missing"):
        add.parallelize([(1, 2), (1,)])
    assert len(app.abreast.runs()) == 2  # nothing of a refused call is registered


# --- direct tasks ---


def test_a_direct_task_returns_its_result(app: Pynenc) -> None:
    @app.direct_task
    def add(x: int, y: int) -> str:
        return f"{add.invocation.invocation_id}: {x + y}"

    @app.direct_task(max_retries=1)
    async def wait() -> int:
        await asyncio.sleep(0)
        return 7

    with runner_of(app):
        assert add(1, y=2) == "1: 3"
        assert asyncio.run(wait()) == 7


@pytest.mark.parametrize(
    "split",
    [
        lambda args: [{"numbers": [n], "plus": args["plus"]} for n in args["numbers"]],
        lambda args: [([n], args["plus"]) for n in args["numbers"]],
        lambda args: ({"plus": args["plus"]}, [{"numbers": [n]} for n in args["numbers"]]),
        lambda args: {
            "common_args": {"plus": args["plus"]},
            "param_iter": [{"numbers": [n]} for n in args["numbers"]],
        },
    ],
)
def test_a_direct_task_in_parts(app: Pynenc, split: object) -> None:
    @app.direct_task(parallel_func=split, aggregate_func=sum)
    def total(numbers: list[int], plus: int = 0) -> int:
        return sum(numbers) + plus

    @app.direct_task(parallel_func=split, aggregate_func=sum)
    async def total_async(numbers: list[int], plus: int = 0) -> int:
        return sum(numbers) + plus

    with runner_of(app):
        assert total([1, 2], plus=1) == 5
        assert asyncio.run(total_async([1, 2])) == 3


def test_two_calls_are_not_taken_for_common_arguments(app: Pynenc) -> None:
    @app.direct_task(parallel_func=lambda args: ({"x": 1}, {"x": 2}), aggregate_func=list)
    def one(x: int) -> int:
        return x

    with runner_of(app):
        assert one(0) == [1, 2]


def test_parts_need_somebody_who_joins_them(app: Pynenc) -> None:
    with pytest.raises(ValueError, match="needs aggregate_func"):
        app.direct_task(parallel_func=lambda args: [])(print)
    assert not app.tasks


# --- the runner ---


def test_stopped_before_it_runs(app: Pynenc) -> None:
    runner = app.runner
    runner.stop_runner_loop()
    runner.run()
    assert not runner.running


def test_it_runs_once_at_a_time_and_again(app: Pynenc) -> None:
    @app.task
    def one() -> int:
        return 1

    for _ in range(2):
        with runner_of(app):
            assert one().result == 1
            with pytest.raises(RunnerError, match="runs already"):
                app.runner.run()


def test_results_can_be_read_after_the_end(app: Pynenc) -> None:
    @app.task
    def one() -> int:
        return 1

    with runner_of(app):
        invocation = one()
        assert invocation.result == 1
    assert invocation.result == 1
    assert app.abreast.run(1).ok


def test_kinds_of_runners(app: Pynenc) -> None:
    assert isinstance(app.runner, ThreadRunner)
    app.conf.runner_cls = "PersistentProcessRunner"
    with pytest.raises(RunnerError, match="needs a store that other processes can open"):
        app.runner.run()
    app.conf.runner_cls = "Thread"
    with pytest.raises(RunnerError, match="unknown runner_cls 'Thread'; known are ThreadRunner"):
        _ = app.runner
    own = app.runner = ThreadRunner(app)
    assert app.runner is own


def test_settings() -> None:
    app = Pynenc(app_id="shop", config_values={"max_threads": 3, "logging_level": "debug"})
    assert (app.app_id, app.conf.app_id, app.conf.max_threads) == ("shop", "shop", 3)
    assert app.conf.logging_level == "debug"
    with pytest.raises(AttributeError, match=r"unknown setting 'max_thread'; .*max_threads"):
        app.conf.max_thread = 1
    with pytest.raises(AttributeError, match="unknown setting"):
        _ = app.conf.nothing


def test_sync_mode_runs_in_the_caller(app: Pynenc) -> None:
    app.conf.dev_mode_force_sync_tasks = True

    @app.task(max_retries=1)
    def here(x: int) -> tuple[int, str, int]:
        if x == 0:
            raise RetryError("never")
        return x, here.invocation.invocation_id, threading.get_ident()

    @app.task
    def outer() -> int:
        return here(5).result[0]

    assert here(1).result == (1, "1", threading.get_ident())
    assert outer().result == 5
    assert [r[0] for r in here.parallelize([(1,), (2,)]).results] == [1, 2]
    with pytest.raises(PynencError, match="never"):
        _ = here(0).result


# --- purge ---


def test_purge_forgets_everything(app: Pynenc) -> None:
    @app.task(registration_concurrency="task")
    def one(x: int) -> int:
        return x

    old = one(1)
    app.purge()
    assert old.status is InvocationStatus.KILLED
    assert app.abreast.runs() == []
    new = one(2)
    assert new.arguments == {"x": 2}
    with runner_of(app):
        assert new.result == 2


def test_purge_while_a_runner_runs(app: Pynenc) -> None:
    @app.task
    def one(x: int) -> int:
        return x

    with runner_of(app):
        assert one(1).result == 1
        app.purge()
        assert one(2).result == 2


def test_purge_of_a_file(tmp_path: Path) -> None:
    app = Pynenc(f"sqlite:///{tmp_path}/jobs.db")

    @app.task
    def one(x: int) -> int:
        return x

    invocations = one.parallelize([(n,) for n in range(5)])
    app.purge()
    assert {i.status for i in invocations} == {InvocationStatus.KILLED}
    app.abreast.close()


# --- a store, and processes ---

TASKS = """\
import os, threading
from abreast.compat.pynenc import Pynenc
app = Pynenc("sqlite:///jobs.db")
durable = app.abreast
LOCK = threading.Lock()  # cannot travel: found by importing this module

@app.task
def who(x):
    with LOCK:
        return [x, who.invocation.invocation_id, os.getpid(), who.func.__qualname__]

@app.direct_task
def direct(x):
    with LOCK:
        return [x, direct.invocation.invocation_id]

@app.task
def outer(x):
    return who(x).result
"""
MAIN = """\
import os, sys, threading
import tasks
tasks.app.conf.runner_cls = sys.argv[1]
tasks.app.conf.max_threads = 2
thread = threading.Thread(target=tasks.app.runner.run, daemon=True)
thread.start()
invocations = [tasks.who(n) for n in range(3)]
results = [i.result for i in invocations]
assert [r[0] for r in results] == [0, 1, 2]
assert [r[1] for r in results] == [i.invocation_id for i in invocations]
assert os.getpid() not in [r[2] for r in results]
assert {r[3] for r in results} == {"who.func"}
assert tasks.direct(5)[0] == 5
assert tasks.outer(6).result[0] == 6
if sys.argv[1] == "ProcessRunner":
    assert len({r[2] for r in results}) == 3
tasks.app.runner.stop_runner_loop()
thread.join()
print("done")
"""


@pytest.mark.needs("posix")
@pytest.mark.parametrize("kind", ["PersistentProcessRunner", "ProcessRunner"])
def test_processes_on_a_store(tmp_path: Path, kind: str) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "main.py").write_text(MAIN)
    done = subprocess.run(
        [sys.executable, "main.py", kind],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=WAIT_S * 2,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["done"]
