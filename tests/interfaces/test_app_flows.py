"""Flows and batches: graphs of runs that are runs themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.interfaces.app_help import STORES, url_of, working

from abreast import App, errors

pytestmark = pytest.mark.timeout(40)


@pytest.fixture(params=STORES)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    app = App(url_of(request.param, tmp_path))
    app.task(add)
    app.task(fail)
    app.task(total)
    yield app
    app.close()


def add(a: int, b: int = 1) -> int:
    return a + b


def fail() -> None:
    raise ValueError("no")


def total(items: list[int]) -> int:
    return sum(items)


# --- flows ---


def test_a_flow_is_a_run(app: App) -> None:
    with app.flow("import") as flow:
        one = flow.add("add", 1)
        two = flow.add("add", one, b=one)
        last = flow.add("total", [one, two], label="sum")
        assert app.runs() == []  # nothing before the end of the block
        assert one.id == 0
        with pytest.raises(errors.UsageError, match="not been submitted"):
            one.result(1)
    run = flow.run
    assert [child.label for child in run.children()] == ["add", "add-2", "sum"]
    assert one.flow == run.id
    assert run.state == "pending"
    assert "none of its 3 runs" in run.why()
    progress = run.progress
    assert progress is not None
    assert (progress.done, progress.total) == (0, 3)
    with working(app):
        assert run.result(20) is None
        assert last.result(20) == 6
    assert run.state == "completed"
    assert run.name == "import"
    progress = app_progress(run)
    assert progress == (3, 3)
    assert one.children() == []


def app_progress(run: Any) -> tuple[Any, Any]:
    return run.progress.done, run.progress.total


def test_a_flow_with_a_failure(app: App) -> None:
    with app.flow() as flow:
        bad = flow.add("fail")
        skipped = flow.add("add", bad)
        good = flow.add("add", 1)
    with working(app):
        with pytest.raises(errors.RunError, match="2 of"):
            flow.run.result(20)
        assert good.result(20) == 2
    assert (flow.run.state, flow.run.reason) == ("failed", "error")
    assert (skipped.state, skipped.reason) == ("skipped", "dependency")


def test_fail_fast_ends_the_rest(app: App) -> None:
    with app.flow(fail_fast=True) as flow:
        flow.add("fail")
        other = flow.add(app.tasks["add"].with_options(delay="1h"), 1)
    with working(app), pytest.raises(errors.RunError):
        flow.run.result(20)
    assert (other.state, other.reason) == ("skipped", "fail_fast")


def test_cancelling_a_flow(app: App) -> None:
    with app.flow() as flow:
        one = flow.add("add", 1)
        two = flow.add("add", one)
    flow.run.cancel()
    with pytest.raises(errors.Cancelled):
        flow.run.result(20)
    assert [run.state for run in (one, two, flow.run)] == ["cancelled"] * 3


def test_a_flow_comes_after_earlier_runs(app: App) -> None:
    before = app.submit("add", 1)
    with app.flow() as flow:
        child = flow.add("add", before, after=before)
    with working(app):
        assert child.result(20) == 3
        flow.run.result(20)
    after = app.tasks["add"].with_options(after=flow.run).submit(1)
    assert after.state != "blocked"


def test_an_exception_submits_nothing(app: App) -> None:
    def interrupted() -> None:
        with app.flow() as flow:
            flow.add("add", 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert app.runs() == []
    with app.flow() as flow:
        one = flow.add("add", 1)
        with pytest.raises(TypeError, match="'add'"):
            flow.add("add")
        with pytest.raises(TypeError, match="no hash"):
            hash(one)
    with pytest.raises(errors.UsageError, match="has been submitted"):
        flow.add("add", 1)


def test_nothing_to_do_is_done_at_once(app: App) -> None:
    with app.flow() as flow:
        pass
    assert flow.run.result(20) is None
    job = app.batch("add", over={"a": []})
    assert job.result(20) == []


# --- batches ---


def test_a_batch_joins_the_parts(app: App) -> None:
    job = app.batch("add", over={"a": [1, 2]}, parallel={"b": [10, 20, 30]}, join="total")
    assert job.partial() == []
    assert app_progress(job) == (0, 8)
    with working(app):
        assert job.result(20) == [{"a": 1, "result": 63}, {"a": 2, "result": 66}]
    assert app_progress(job) == (8, 8)
    again = app.run(job.id)
    assert again == job
    assert again.result(5) == job.result(5)
    assert [run.label for run in job.children()][:4] == [
        "add[1][1]", "add[1][2]", "add[1][3]", "total[1]",
    ]  # fmt: skip


def test_a_batch_without_join_and_without_parts(app: App) -> None:
    parts = app.batch("add", over={"a": [1, 2]}, parallel={"b": [3, 4]})
    plain = app.batch("add", over={"a": [1, 2]}, b=5)
    nested = app.batch("add", over={"a": [1, 2], "b": [3, 4]}, concurrency=9)
    with working(app):
        assert parts.result(20) == [{"a": 1, "result": [4, 5]}, {"a": 2, "result": [5, 6]}]
        assert plain.result(20) == [{"a": 1, "result": 6}, {"a": 2, "result": 7}]
        assert nested.result(20) == [
            {"a": 1, "b": 3, "result": 4}, {"a": 1, "b": 4, "result": 5},
            {"a": 2, "b": 3, "result": 5}, {"a": 2, "b": 4, "result": 6},
        ]  # fmt: skip


def test_combinations_in_sequence_with_messages(app: App) -> None:
    trace: list[tuple[str, Any]] = []
    lock = threading.Lock()
    jobs: list[Any] = []
    ready = threading.Event()

    def note(what: str, x: int) -> None:
        ready.wait(20)
        with lock:
            trace.append((what, x, jobs[0].progress.message))  # type: ignore[arg-type]

    @app.task
    def part(x: int, y: int) -> int:
        note("part", x)
        return x

    @app.task
    def join(items: list[int]) -> int:
        note("join", items[0])
        return items[0]

    jobs.append(app.batch(part, over={"x": [1, 2, 3]}, parallel={"y": [1, 2]}, join=join))
    ready.set()
    with working(app):
        assert [item["result"] for item in jobs[0].result(20)] == [1, 2, 3]
    assert [(what, x) for what, x, _ in trace] == [
        pair for x in (1, 2, 3) for pair in (("part", x), ("part", x), ("join", x))
    ]
    said = [message for *_, message in trace]
    assert said[2::3] == ["Evaluating results..."] * 3
    for number in range(3):
        expected = {f"Processing combination {number + 1}/3...", "Running 2 parts..."}
        assert set(said[3 * number : 3 * number + 2]) <= expected


def test_parts_at_a_time(app: App) -> None:
    lock = threading.Lock()
    now, most = [0], [0]
    both = threading.Barrier(2)

    @app.task
    def part(x: int, y: int) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        both.wait(20)  # two at once, or it never ends
        with lock:
            now[0] -= 1

    job = app.batch(part, over={"x": [1, 2]}, parallel={"y": [1, 2, 3, 4]}, part_concurrency=2)
    with working(app, concurrency=8):
        job.result(30)
    assert most[0] == 2


def test_a_failed_part_costs_only_its_combination(app: App) -> None:
    @app.task
    def part(x: int, y: int) -> int:
        if (x, y) == (2, 1):
            raise ValueError("no")
        return x * y

    job = app.batch(part, over={"x": [1, 2, 3]}, parallel={"y": [1, 2]}, join="total")
    with working(app), pytest.raises(errors.RunError, match="2 of"):
        job.result(20)
    assert job.partial() == [{"x": 1, "result": 3}, {"x": 3, "result": 9}]
    assert [run.state for run in job.children()][5] == "skipped"


def test_progress_of_a_batch_never_falls(app: App) -> None:
    job = app.batch("add", over={"a": list(range(20))}, parallel={"b": [1, 2]}, join="total")
    seen = [0.0]
    with working(app):
        while not job.wait(0.001):
            progress = job.progress
            assert progress is not None
            assert progress.total == 60
            seen.append(progress.done)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"over": {}}, "over is empty"),
        ({"over": {"a": "text"}}, r"over\['a'\] must be a list"),
        ({"over": 5}, "over must map"),
        ({"over": {"a": [1]}, "parallel": {"a": [1]}}, "'a' is given twice"),
        ({"over": {"a": [1]}, "concurrency": 0}, "concurrency must be 1"),
        ({"over": {"a": [1]}, "part_concurrency": "x"}, "part_concurrency must be a whole"),
        ({"over": {"a": [1]}, "join": "nobody"}, "no task 'nobody'"),
        ({"over": {"a": [1]}, "join": len}, "'len' is no task"),
        ({"over": {"z": [1]}}, "task 'add'"),
    ],
)
def test_wrong_batches(app: App, given: Any, said: str) -> None:
    with pytest.raises(errors.UsageError, match=said):
        app.batch("add", **given)
    assert app.runs() == []
