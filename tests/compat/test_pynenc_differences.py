"""What differs from Pynenc 0.4.0: one test for each row of docs/coming-from-pynenc.md."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.compat.pynenc_help import Meetings, runner_of

from abreast.compat.pynenc import (
    ConcurrencyControlType,
    Invocation,
    InvocationDroppedError,
    InvocationStatus,
    Pynenc,
    RetryError,
)
from abreast.compat.pynenc.runner import runner_named

PAGE = Path(__file__).parents[2] / "docs" / "coming-from-pynenc.md"
TASK, ARGUMENTS, KEYS = list(ConcurrencyControlType)[1:]


@pytest.fixture
def app() -> Iterator[Pynenc]:
    app = Pynenc()
    yield app
    app.abreast.close()


def test_every_row_has_its_test() -> None:
    rows = [int(n) for n in re.findall(r"^\| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)]
    tests = [int(n) for n in re.findall(r"^def test_(\d+)_", Path(__file__).read_text(), re.M)]
    assert rows == tests == list(range(1, len(rows) + 1))


def dropping(app: Pynenc) -> Invocation:
    @app.task(running_concurrency=TASK, reroute_on_concurrency_control=False)
    def one(x: int) -> int:
        return x

    one(1)
    return one(2)


def test_1_held_up_invocations_wait(app: Pynenc) -> None:
    meetings = Meetings(patience_s=0.01)

    @app.task(running_concurrency=TASK)
    def one(x: int) -> bool:
        return meetings.met()

    with runner_of(app):
        assert list(one.parallelize([(1,), (2,), (3,)]).results) == [False] * 3


def test_2_a_dropped_one_says_who_held_the_limit(app: Pynenc) -> None:
    dropped = dropping(app)
    with pytest.raises(KeyError) as caught:
        _ = dropped.result
    assert isinstance(caught.value, InvocationDroppedError)
    assert re.match(r"Result for invocation 2 not found: .* is full, held by ", str(caught.value))


def test_3_it_is_dropped_by_the_call(app: Pynenc) -> None:
    assert dropping(app).status is InvocationStatus.CONCURRENCY_CONTROLLED_FINAL


def test_4_reused_invocations_are_equal(app: Pynenc) -> None:
    @app.task(registration_concurrency=TASK)
    def one() -> None: ...

    first, second = one(), one()
    assert first == second
    assert type(first) is type(second) is Invocation


def test_5_ids_are_numbers(app: Pynenc) -> None:
    @app.task
    def one() -> None: ...

    assert [one().invocation_id, one().invocation_id] == ["1", "2"]


def test_6_kinds_of_runners(app: Pynenc) -> None:
    assert type(app.runner).__name__ == "ThreadRunner"
    assert type(runner_named("MultiThreadRunner", app)).__name__ == "PersistentProcessRunner"


def test_7_statuses(app: Pynenc) -> None:
    @app.task(running_concurrency=TASK, max_retries=1)
    def one(x: int) -> str:
        if one.invocation.num_retries == 0:
            raise RetryError
        return one.invocation.status

    first, second = one(1), one(2)
    assert {first.status, second.status} == {InvocationStatus.REGISTERED}
    second.run.cancel()
    assert second.status is InvocationStatus.KILLED
    assert second.status.is_final()
    with runner_of(app):
        assert first.result == InvocationStatus.RUNNING


def test_8_priority_is_a_head_start(app: Pynenc) -> None:
    @app.task(priority=0.5)
    def one() -> None: ...

    assert app.abreast.tasks[one.task_id].options["priority"] == 12 * 3600


def test_9_results_come_in_order(app: Pynenc) -> None:
    @app.task
    def one(x: int) -> int:
        return x

    with runner_of(app):
        assert list(one.parallelize([(n,) for n in range(20)]).results) == list(range(20))


def test_10_what_a_parallel_func_may_return(app: Pynenc) -> None:
    calls: list[object] = [
        ((1, 2), (3, 4)),
        ({"x": 1, "y": 2}, {"x": 3, "y": 4}),
        {"common_args": {"y": 2}, "param_iter": [{"x": 1}, {"x": 5}]},
    ]

    @app.direct_task(parallel_func=lambda args: calls[args["x"]], aggregate_func=list)
    def add(x: int, y: int) -> int:
        return x + y

    with runner_of(app):
        assert [add(n, 0) for n in range(3)] == [[3, 7], [3, 7], [3, 7]]


def test_11_tasks_in_the_programs_own_file(tmp_path: Path) -> None:
    script = tmp_path / "jobs.py"
    script.write_text(
        "from abreast.compat.pynenc import Pynenc\n"
        "app = Pynenc()\n"
        "@app.task\n"
        "def one(): ...\n"
        "print(one.task_id)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["jobs.one"]


def test_12_unknown_settings_are_refused(app: Pynenc) -> None:
    with pytest.raises(AttributeError, match="unknown setting 'runner_class'"):
        app.conf.runner_class = "ThreadRunner"


def test_13_values_in_a_file_are_json(tmp_path: Path) -> None:
    app = Pynenc(f"sqlite:///{tmp_path}/jobs.db")

    @app.task
    def same(x: object) -> object:
        return x

    with pytest.raises(TypeError, match="same"):
        same(object())
    with runner_of(app):
        assert same((1, 2)).result == [1, 2]
    app.abreast.close()


def test_14_keys_are_text(app: Pynenc) -> None:
    @app.task(registration_concurrency=KEYS, key_arguments=("x",))
    def by_key(x: object) -> None: ...

    @app.task(registration_concurrency=ARGUMENTS)
    def by_arguments(x: object) -> None: ...

    assert by_key(1) == by_key("1")
    assert by_arguments(1) != by_arguments("1")
