"""``@task``: declaring a function with its policy."""

from __future__ import annotations

import functools
import threading
from typing import Any

import pytest

from abreast import Command, Limit, Retry, Runner, errors, task
from abreast.interfaces.tasks import define, is_coroutine, name_of

pytestmark = pytest.mark.timeout(30)


@task
def double(value: int) -> int:
    """Twice as much."""
    return 2 * value


@task(name="a name", timeout="10m", retry=Retry(2), priority=5, expected=3)
def declared() -> None:
    pass


async def coroutine() -> None:
    pass


def function() -> None:
    pass


class Callable_:
    def __call__(self) -> None:
        pass

    def method(self) -> None:
        pass

    async def async_method(self) -> None:
        pass


class AsyncCallable:
    async def __call__(self) -> None:
        pass


def test_calling_a_declared_function_calls_the_function() -> None:
    assert double(4) == 8
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice as much."
    assert "double" in repr(double)
    assert double.name == "double"
    assert declared.name == "a name"


def test_a_declared_task_runs_with_its_policy() -> None:
    runner = Runner(2, progress=False, timeout=1, retry=9)
    run = runner.add(declared)
    assert run.label == "a name"
    assert run.task.timeout == 600.0
    assert run.task.retry is not None
    assert run.task.retry.n == 2
    assert run.task.priority == 5
    assert run.task.expected == 3
    child = runner.add(double, 21)
    assert runner.run().ok
    assert child.value == 42


def test_options_given_when_adding_override_those_declared() -> None:
    runner = Runner(progress=False)
    run = runner.add(declared, timeout=7, retry=0, priority=1, name="other", label="x")
    assert (run.task.timeout, run.task.retry.n, run.task.priority) == (7.0, 0, 1.0)
    assert (run.name, run.label) == ("other", "x")


@pytest.mark.parametrize("option", ["timeout", "retry"])
def test_none_when_adding_means_none(option: str) -> None:
    runner = Runner(progress=False, timeout=1, retry=9)
    plain = runner.add(function, **{option: None})
    assert getattr(plain.task, option) is None
    run = runner.add(declared, **{option: None})
    assert getattr(run.task, option) is None, "the declared one is still there"


def test_none_when_declaring_means_none() -> None:
    @task(timeout=None, retry=None)
    def patient() -> None:
        pass

    run = Runner(progress=False, timeout=1, retry=9).add(patient)
    assert run.task.timeout is None
    assert run.task.retry is None


def test_map_of_a_declared_task() -> None:
    runner = Runner(2, progress=False)
    runs = runner.map(double, [1, 2, 3])
    assert [run.label for run in runs] == ["double[0]", "double[1]", "double[2]"]
    runner.run()
    assert [run.value for run in runs] == [2, 4, 6]


def test_a_declared_coroutine_and_a_declared_process() -> None:
    @task
    async def greet() -> str:
        return "hello"

    @task(executor="process", fresh=True)
    def count(number: int) -> int:
        return number + 1

    runner = Runner(2, progress=False)
    first, second = runner.add(greet), runner.add(count, 1)
    assert runner.run().ok
    assert (first.executor, second.executor) == ("coroutine", "process")
    assert (first.value, second.value) == ("hello", 2)


def test_a_declared_limit_is_shared_by_all_runs_of_the_task() -> None:
    now, most, lock = 0, 0, threading.Lock()

    @task(limits=[Limit(2)])
    def work(_: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.001)
        with lock:
            now -= 1

    runner = Runner(8, progress=False)
    runner.map(work, range(30))
    assert runner.run().ok
    assert most == 2


def test_declared_needs_are_checked_by_the_runner() -> None:
    @task(needs={"cpu": 2})
    def work() -> None:
        pass

    assert Runner(progress=False, pools={"cpu": 2}).add(work).label == "work"
    with pytest.raises(errors.UsageError, match=r"pools=\{'cpu'"):
        Runner(progress=False).add(work)
    with pytest.raises(errors.UsageError, match="2 of 'cpu' wanted, but the pool has 1"):
        Runner(progress=False, pools={"cpu": 1}).add(work)


# -- mistakes show where they are made ---------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeot": 5}, "unknown option 'timeot'; did you mean 'timeout'"),
        ({"zzz": 5}, "unknown option 'zzz'; known are after, after_any, catch_up"),
        ({"timeout": "soon"}, "timeout 'soon' is not a duration"),
        ({"retry": "often"}, "retry must be a Retry or a number"),
        ({"retry": -1}, "n must be 0 or more"),
        ({"executor": "threads"}, "unknown executor 'threads'; did you mean 'thread'"),
        ({"executor": "coroutine"}, "declare it with 'async def'"),
        ({"executor": "command"}, "wrap the program in Command"),
        ({"limits": [1]}, "limits must be Limit objects"),
        ({"priority": "high"}, "priority must be a number"),
        ({"on_crash": "ignore"}, "on_crash must be 'retry' or 'fail'"),
        ({"needs": {"cpu": "much"}}, "needs.*is not an amount"),
        ({"needs": ["cpu"]}, "needs"),
        ({"expected": -1}, "expected must be 0 or more"),
        ({"name": 5}, "name"),
        ({"fresh": "no"}, "fresh"),
    ],
)
def test_a_wrong_option(options: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.UsageError, match=text):
        task(**options)(function)


@pytest.mark.parametrize("fn", [5, "x", None])
def test_only_callables_are_declared(fn: Any) -> None:
    with pytest.raises(errors.WrongType):
        task()(fn)


# -- what a function is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "name", "executor"),
    [
        (function, "function", "thread"),
        (coroutine, "coroutine", "coroutine"),
        (functools.partial(function), "function", "thread"),
        (functools.partial(functools.partial(coroutine)), "coroutine", "coroutine"),
        (Callable_(), "Callable_", "thread"),
        (Callable_().method, "method", "thread"),
        (Callable_().async_method, "async_method", "coroutine"),
        (AsyncCallable(), "AsyncCallable", "coroutine"),
        (len, "len", "thread"),
        (str.upper, "upper", "thread"),
        (dict, "dict", "thread"),
        (lambda: None, "<lambda>", "thread"),
        (Command("/usr/bin/gzip", "-k"), "gzip", "command"),
        (Command(shell="sort a | uniq"), "sort", "command"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_name_and_the_executor_follow_from_the_function(
    fn: Any, name: str, executor: str
) -> None:
    made = define(fn)
    assert (made.name, made.executor) == (name, executor)
    assert name_of(fn) == name
    assert is_coroutine(fn) == (executor == "coroutine")


def test_a_runner_with_processes_leaves_commands_and_coroutines_alone() -> None:
    runner = Runner(2, progress=False, executor="process")
    runs = [runner.add(function), runner.add(Command("true"))]
    assert [run.executor for run in runs] == ["process", "command"]
    runner = Runner(2, progress=False, executor="thread")
    assert runner.add(coroutine).executor == "coroutine"


def test_two_callables_that_are_equal_are_still_two() -> None:
    class Equal:
        def __init__(self, value: int) -> None:
            self.value = value

        def __call__(self) -> int:
            return self.value

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

        def __hash__(self) -> int:
            return 1

    runner = Runner(2, progress=False)
    runs = [runner.add(Equal(1)), runner.add(Equal(2))]
    assert runner.run().ok
    assert [run.value for run in runs] == [1, 2]


def test_what_cannot_be_hashed_can_still_be_run() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self) -> int:
            return 7

    runner = Runner(2, progress=False)
    fn = Unhashable()
    runs = [runner.add(fn), runner.add(fn)]
    assert runner.run().ok
    assert [run.value for run in runs] == [7, 7]
    assert [run.label for run in runs] == ["Unhashable", "Unhashable-2"]
