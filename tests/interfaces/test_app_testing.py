"""app.testing(): submits run inline and are listed."""

from __future__ import annotations

import asyncio

import pytest

from abreast import App, Retry, current_run, errors, progress, step

pytestmark = pytest.mark.timeout(40)


def add(a: int, b: int = 1) -> int:
    return a + b


def test_submits_run_at_once_and_are_listed() -> None:
    app = App()  # no store needed
    plus = app.task(add)
    with app.testing() as testing:
        run = plus.with_options(delay="1h", label="later").submit(1, b=2)
        assert run.state == "completed"
        assert run.result(0) == 3
        plus.map([1, 2])
    first, *rest = testing.submitted
    assert (first.task, first.args, first.kwargs) == ("add", (1,), {"b": 2})
    assert first.options == {"delay": "1h", "label": "later"}
    assert first.run == run
    assert [call.args for call in rest] == [(1,), (2,)]


def test_errors_and_retries() -> None:
    app = App("sqlite:////nowhere/at/all.db")
    tries: list[int] = []

    @app.task(retry=Retry(2, "1h"))
    def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no")
        return 1

    @app.task
    def broken() -> None:
        raise ValueError("bad")

    with app.testing():
        assert flaky.submit().result(0) == 1
        with pytest.raises(ValueError, match="bad"):
            broken.submit().result(0)
    assert len(tries) == 3


def test_tasks_that_submit_and_wait() -> None:
    app = App()
    plus = app.task(add)

    @app.task
    def parent() -> int:
        progress(1, 2)
        assert current_run() is not None
        child = plus.submit(1)
        value: int = step("wait", child.result, 5)
        return value + 1

    @app.task
    async def async_parent() -> int:
        value: int = await plus.submit(2)
        return value + 1

    with app.testing() as testing:
        assert parent.submit().result(5) == 3
        assert async_parent.submit().result(5) == 4
        assert [call.task for call in testing.submitted] == ["parent", "add", "async_parent", "add"]


def test_inside_a_running_loop() -> None:
    app = App()

    @app.task
    async def work(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    async def main() -> int:
        with app.testing():
            result: int = await work.submit(1)
            return result

    assert asyncio.run(main()) == 2


def test_flows_and_batches_inline() -> None:
    app = App()
    plus = app.task(add)
    with app.testing() as testing:
        with app.flow() as flow:
            one = flow.add(plus, 1)
            two = flow.add(plus, one)
        assert two.result(0) == 3
        assert flow.run.state == "completed"
        job = app.batch(plus, over={"a": [1, 2]}, parallel={"b": [1, 2]})
        assert [item["result"] for item in job.result(0)] == [[2, 3], [3, 4]]
    assert len(testing.submitted) == 2 + 4


def test_nested_and_restored() -> None:
    app = App("memory://")
    plus = app.task(add)
    outside = plus.submit(1)
    with app.testing() as outer:
        plus.submit(2)
        with app.testing() as inner:
            plus.submit(3)
            assert len(app.runs()) == 1
        plus.submit(4)
        assert len(app.runs()) == 2
    assert [call.args for call in outer.submitted] == [(2,), (4,)]
    assert [call.args for call in inner.submitted] == [(3,)]
    assert app.runs() == [outside]
    assert outside.state == "pending"
    app.close()


def test_an_exception_restores_too() -> None:
    app = App("memory://")
    plus = app.task(add)
    with pytest.raises(RuntimeError), app.testing():
        raise RuntimeError
    assert plus.submit(1).state == "pending"
    app.close()


def test_what_a_store_could_not_keep_is_told_inline_too() -> None:
    app = App()
    plus = app.task(add)
    with app.testing(), pytest.raises(errors.NotStorable, match="argument 1"):
        plus.submit(object())
    live = App("memory://")
    with live.testing():
        live.task(name="id", retry=0)(lambda x: x).submit(object()).result(0)


def test_wrong_arguments_are_told_inline_too() -> None:
    app = App()
    plus = app.task(add)
    with app.testing() as testing, pytest.raises(errors.WrongType, match="'a'"):
        plus.submit()
    assert testing.submitted == []
