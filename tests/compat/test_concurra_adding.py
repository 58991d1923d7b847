"""What may be added to a runner, and the exact texts with which everything else is refused."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

import abreast.compat.concurra as concurra
from abreast.compat.concurra import TaskRunner


def one() -> int:
    return 1


def echo(*args: Any, **kwargs: Any) -> list[Any]:
    return [list(args), kwargs]


def refused(call: Any, *args: Any, **kwargs: Any) -> tuple[type, str]:
    with pytest.raises(Exception) as caught:
        call(*args, **kwargs)
    return caught.type, str(caught.value)


def results(runner: TaskRunner) -> dict[Any, Any]:
    return {label: result["result"] for label, result in runner.run(verify=False).items()}


def test_public_names() -> None:
    assert concurra.__version__ == "1.1.12"
    assert sorted(concurra.__all__) == ["CommandExecutionError", "TaskRunner", "__version__"]
    for name in ("TaskRunner", "TaskExecutor", "TaskHandler", "CommandTaskHandler",
                 "CommandExecutionError", "LOGGER"):  # fmt: skip
        assert hasattr(concurra.core, name)


def test_parameters_by_position() -> None:
    log = logging.getLogger("mine")
    runner = TaskRunner(3, "Mine", 5, False, True, True, log, True, True, 2)
    assert (runner.max_concurrency, runner.name, runner.timeout) == (3, "Mine", 5)
    assert (runner.progress_stats, runner.fast_fail, runner.use_multiprocessing) == (
        False,
        True,
        True,
    )
    assert (runner.log, runner.log_errors) == (log, True)
    assert (runner.fallback_to_thread_on_pickle_error, runner.task_retries) == (True, 2)


@pytest.mark.parametrize("number", [0, -3])
def test_too_little_concurrency_is_one(number: int, caplog: pytest.LogCaptureFixture) -> None:
    assert TaskRunner(number).max_concurrency == 1
    assert caplog.record_tuples == [
        (
            "concurra.core",
            logging.WARNING,
            "max_concurrency must be >= 1; resetting to 1, tasks will not run in parallel",
        )
    ]


@pytest.mark.parametrize("value", [2.5, 2.0, "2"])
def test_concurrency_is_a_whole_number(value: Any) -> None:
    kind, text = refused(TaskRunner, value)
    assert kind is TypeError
    assert text == f"'{type(value).__name__}' object cannot be interpreted as an integer"


@pytest.mark.parametrize(("value", "kind"), [(-1, ValueError), (True, TypeError),
                                             (1.0, TypeError), ("1", TypeError)])  # fmt: skip
def test_retries_are_a_whole_number(value: Any, kind: type) -> None:
    text = "task_retries must be a non-negative integer."
    assert refused(TaskRunner, task_retries=value) == (kind, text)
    runner = TaskRunner()
    assert refused(runner.add_task, one, task_retries=value) == (kind, text)
    assert refused(runner.add_command, ["ls"], task_retries=value) == (kind, text)
    assert len(runner) == 0


def test_labels() -> None:
    runner = TaskRunner()
    runner.add_task(one)
    runner.add_task(one, label="x")
    runner.add_task(one)
    runner.add_task(one, label=("a", 1))
    runner.add_task(one, label="0")
    assert list(runner.results_registry) == [0, "x", 2, ("a", 1), "0"]
    text = "Duplicate task key label: 'x' already exists."
    assert refused(runner.add_task, one, label="x") == (ValueError, text)
    assert refused(runner.add_task, one, label=["x"])[0] is TypeError
    assert len(runner) == 5
    assert results(runner) == {0: 1, "x": 1, 2: 1, ("a", 1): 1, "0": 1}


@pytest.mark.parametrize("task", [5, "abc", None])
def test_only_callables(task: Any) -> None:
    runner = TaskRunner()
    wanted = (TypeError, f"The provided task '{task}' is not callable.")
    assert refused(runner.add_task, task) == wanted
    assert refused(runner.add_func, task) == wanted
    assert refused(runner.add_function, task) == wanted
    assert refused(runner.add_work, [(task,)]) == wanted


def test_circles_are_refused_when_added() -> None:
    runner = TaskRunner()
    assert refused(runner.add_task, one, label="s", depends_on=["s"]) == (
        ValueError,
        "Task 's' cannot depend on itself.",
    )
    runner.add_task(one, label="x")
    runner.add_task(one, label="a", depends_on=["b"])
    assert refused(runner.add_task, one, label="b", depends_on=["a"]) == (
        ValueError,
        "Circular dependency detected: b -> a -> b.",
    )
    runner.add_task(one, label="b", depends_on=["c"])
    assert refused(runner.add_task, one, label="c", depends_on=["x", "a", "b"]) == (
        ValueError,
        "Circular dependency detected: c -> a -> b -> c.",
    )
    runner.add_task(one, label="c", depends_on=["x"])
    assert list(results(runner)) == ["x", "a", "b", "c"]


def test_a_long_circle() -> None:
    runner = TaskRunner()
    for number in range(5000):
        runner.add_task(one, label=number, depends_on=[number + 1])
    kind, text = refused(runner.add_task, one, label=5000, depends_on=[0])
    assert kind is ValueError
    assert text.startswith("Circular dependency detected: 5000 -> 0 -> 1 -> 2 ->")
    assert text.endswith("-> 4999 -> 5000.")


def test_unknown_labels_are_refused_at_run() -> None:
    runner = TaskRunner()
    runner.add_task(one, label="A", depends_on=["missing"])
    runner.add_task(one, label="B", depends_on=["missing", "m2", "A"])
    runner.add_task(one, label=3, depends_on=(9,))
    text = (
        "Unknown task dependency label(s): A depends on ['missing'], "
        "B depends on ['m2', 'missing'], 3 depends on [9]."
    )
    assert refused(runner.run) == (ValueError, text)
    assert refused(runner.execute_in_background) == (ValueError, text)
    assert not runner.is_running()
    for label in ("missing", "m2", 9):  # nothing has been started, so more may be added
        runner.add_task(one, label=label)
    assert set(results(runner).values()) == {1}


@pytest.mark.parametrize("make", [list, tuple, set, frozenset, dict.fromkeys, iter])
def test_dependencies_in_any_collection(make: Any) -> None:
    seen: list[str] = []
    runner = TaskRunner(1)
    runner.add_task(seen.append, "b", label="b", depends_on=make(["a", "a"]))
    runner.add_task(seen.append, "a", label="a")
    runner.run(verify=False)
    assert seen == ["a", "b"]


def test_dependencies_are_read_when_added() -> None:
    needed = ["a"]
    runner = TaskRunner()
    runner.add_task(one, label="a")
    runner.add_task(one, label="b", depends_on=needed)
    needed.append("unknown")
    assert results(runner) == {"a": 1, "b": 1}


def test_the_ways_to_add() -> None:
    runner = TaskRunner()
    runner.add_func(echo, 1, key="k", label="L", depends_on=["q"], task_retries=5)
    runner.add_function(echo, (1, 2), {"a": 3}, "fn", True, ["k"], 1)
    runner.add_function(echo, [7])
    runner.add_work([(echo,), (echo, (1,)), (echo, [2], {"z": 1}), (echo, (3,), {}, "work")])
    assert results(runner) == {
        "k": [[1], {"label": "L", "depends_on": ["q"], "task_retries": 5}],
        "fn": [[1, 2], {"a": 3}],
        2: [[7], {}],
        3: [[], {}],
        4: [[1], {}],
        5: [[2], {"z": 1}],
        "work": [[3], {}],
    }


def test_every_other_argument_reaches_the_task() -> None:
    given = {"timeout": 1, "retry": 2, "priority": 3, "name": "n", "after": [4], "fn": 5,
             "self_": 6, "args": (7,), "kwargs": {}, "key": 8}  # fmt: skip
    mutable: list[int] = []
    runner = TaskRunner()
    runner.add_task(echo, mutable, label="x", **given)
    result = results(runner)["x"]
    assert result[0][0] is mutable
    assert result[1] == given


WRONG_LENGTH = """\
Invalid workload item at index 1: expected a tuple with 1 to 4 elements in the format:
(function: callable, args: tuple, kwargs: dict, label: str)
But got 0 element(s): ()"""
NO_ARGS = (
    "Workload item at index 1: 'args' must be an iterable such as a tuple or list, got int. "
    "Did you mean ('one', (5,))?"
)


@pytest.mark.parametrize(
    ("item", "kind", "text"),
    [
        ([one], TypeError, "Workload item at index 1 is not a tuple"),
        (
            (),
            ValueError,
            WRONG_LENGTH,
        ),
        (
            (one, 5),
            TypeError,
            NO_ARGS,
        ),
        (
            (one, (), 5),
            TypeError,
            "Workload item at index 1: 'kwargs' must be a mapping such as a dict, got int.",
        ),
    ],
)
def test_work_of_another_form(item: Any, kind: type, text: str) -> None:
    runner = TaskRunner()
    assert refused(runner.add_work, [(one,), item]) == (kind, text)
    assert len(runner) == 1


@pytest.mark.parametrize(
    ("command", "kind", "text"),
    [
        ("ls -l", TypeError, "add_command requires command to be a list or tuple of strings."),
        (None, TypeError, "add_command requires command to be a list or tuple of strings."),
        ({"ls"}, TypeError, "add_command requires command to be a list or tuple of strings."),
        (["ls", 5], TypeError, "add_command requires every command element to be a string."),
        ([Path("ls")], TypeError, "add_command requires every command element to be a string."),
        ([], ValueError, "add_command requires at least one command element."),
    ],
)
def test_commands_of_another_form(command: Any, kind: type, text: str) -> None:
    assert refused(TaskRunner().add_command, command) == (kind, text)


@pytest.mark.parametrize(
    ("command", "kind", "text"),
    [
        (["ls"], TypeError, "add_shell_command requires command to be a string."),
        (None, TypeError, "add_shell_command requires command to be a string."),
        ("  ", ValueError, "add_shell_command requires a non-empty command string."),
    ],
)
def test_shell_commands_of_another_form(command: Any, kind: type, text: str) -> None:
    assert refused(TaskRunner().add_shell_command, command) == (kind, text)


def test_nothing_is_added_after_the_start() -> None:
    go_on = threading.Event()
    runner = TaskRunner()
    runner.add_task(go_on.wait)
    runner.execute_in_background()
    wanted = (RuntimeError, "Cannot add tasks after execution has started.")
    assert refused(runner.add_task, one) == wanted
    assert refused(runner.add_func, one) == wanted
    assert refused(runner.add_function, one) == wanted
    assert refused(runner.add_work, [(one,)]) == wanted
    assert refused(runner.add_command, ["ls"]) == wanted
    assert refused(runner.add_shell_command, "ls") == wanted
    assert refused(runner.add_task, 5)[0] is TypeError
    go_on.set()
    assert list(runner.get_background_results()) == [0]


def test_a_runner_runs_once() -> None:
    runner = TaskRunner()
    runner.add_task(one)
    assert runner.execute()[0]["result"] == 1
    text = (
        "TaskRunner has already started execution. "
        "Create a new TaskRunner instance to add tasks and run again."
    )
    assert refused(runner.run) == (RuntimeError, text)
    assert refused(runner.execute_in_background) == (RuntimeError, text)


def test_no_tasks_no_results() -> None:
    assert TaskRunner().run() == {}
    runner = TaskRunner()
    runner.execute_in_background()
    assert runner.get_background_results() == {}
    assert TaskRunner().abort() == {}


def test_adding_a_hundred_thousand_tasks_takes_little() -> None:
    """Each is kept as it is, once: no copies, no search through those added before."""
    runner = TaskRunner(progress_stats=False)
    for number in range(100_000):
        runner.add_task(
            one, label=f"task {number}", depends_on=[f"task {number - 1}"] * (number > 0)
        )
    assert len(runner) == 100_000
