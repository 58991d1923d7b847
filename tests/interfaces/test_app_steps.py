"""Steps: checkpoints that are not repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.interfaces.app_help import STORES, url_of, working

from abreast import App, Retry, Runner, current_run, errors, progress, step

pytestmark = pytest.mark.timeout(40)


@pytest.fixture(params=STORES)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    app = App(url_of(request.param, tmp_path))
    yield app
    app.close()


def test_outside_of_a_run_a_step_just_calls() -> None:
    assert step("x", lambda a, b: (a, b), 1, b=2) == (1, 2)
    with pytest.raises(errors.UsageError, match="name is empty"):
        step("", len, "abc")
    with pytest.raises(errors.WrongType, match="not callable"):
        step("x", 3)  # type: ignore[arg-type]


def test_in_a_runner_a_step_just_calls() -> None:
    with Runner(progress=False) as runner:
        run = runner.add(lambda: step("x", len, "abc"))
    assert run.result() == 3


def test_finished_steps_are_not_repeated(app: App) -> None:
    calls: list[str] = []

    def load(what: str) -> dict[str, str]:
        calls.append(what)
        return {"what": what}

    def flaky() -> int:
        calls.append("flaky")
        if calls.count("flaky") == 1:
            raise OSError("again")
        return 1

    @app.task(retry=Retry(2))
    def job() -> list[Any]:
        return [
            step("load", load, "a"),
            step("load", load, what="b"),
            step("flaky", flaky),
            step("last", load, "c"),
        ]

    with working(app):
        run = job.submit()
        assert run.result(20) == [{"what": "a"}, {"what": "b"}, 1, {"what": "c"}]
        assert calls == ["a", "b", "flaky", "flaky", "c"]
        steps = run.steps()
        assert [s.name for s in steps] == ["load", "load-2", "flaky", "last"]
        assert [s.attempt for s in steps] == [1, 1, 2, 2]
        assert steps[0].input == {"1": "a"}
        assert steps[1].input == {"what": "b"}
        assert steps[0].output == {"what": "a"}
        assert all(s.ended is not None and s.ended >= s.started for s in steps)


def test_the_output_none_counts_too(app: App) -> None:
    calls: list[int] = []

    @app.task(retry=1)
    def job() -> None:
        assert step("x", calls.append, 1) is None
        if len(calls) == 1 and current_run().attempt == 1:  # type: ignore[union-attr]
            raise OSError

    with working(app):
        job.submit().result(20)
    assert calls == [1]


def test_a_failed_step_shows_its_error(app: App) -> None:
    @app.task
    def job() -> None:
        step("divide", lambda: 1 / 0)

    with working(app):
        run = job.submit()
        with pytest.raises(ZeroDivisionError):
            run.result(20)
        (only,) = run.steps()
        assert "ZeroDivisionError" in only.error


def test_steps_of_coroutines(app: App) -> None:
    calls: list[int] = []

    async def load(x: int) -> int:
        await asyncio.sleep(0)
        calls.append(x)
        return x + 1

    @app.task(retry=1)
    async def job() -> int:
        value: int = await step("load", load, 1)
        if current_run().attempt == 1:  # type: ignore[union-attr]
            raise OSError
        return value

    with working(app):
        assert job.submit().result(20) == 2
    assert calls == [1]


def test_progress_in_an_app(app: App) -> None:
    @app.task
    def job() -> None:
        for number in range(3):
            progress(number + 1, 3, "importing")

    with working(app):
        run = job.submit()
        run.result(20)
        shown = run.progress
    assert shown is not None
    assert (shown.done, shown.total, shown.message) == (3, 3, "importing")
