"""Submitting runs and looking at them, on every kind of store."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.interfaces.app_help import STORES, url_of, working

from abreast import App, Busy, Limit, Retry, State, Unique, errors, task

pytestmark = pytest.mark.timeout(40)


@pytest.fixture(params=STORES)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    app = App(url_of(request.param, tmp_path))
    yield app
    app.close()


def add(a: int, b: int = 1) -> int:
    return a + b


def fail(text: str = "no") -> None:
    raise ValueError(text)


# --- declaring ---


def test_a_task_is_still_a_function() -> None:
    app = App()  # no store anywhere
    plus = app.task(add)
    assert plus(1, b=2) == 3
    assert plus.name == "add"
    assert list(app.tasks) == ["add"]


def test_no_store_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ABREAST_STORE", raising=False)
    with pytest.raises(errors.UsageError, match="give App"):
        App().task(add).submit(1)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("jobs.db", "write 'sqlite:///jobs.db'"),
        ("sqlite:jobs.db", "names no file"),
        ("sqlite:///", "names no file"),
        ("postgresql://x", "not available"),
        ("redis://x", "unknown kind"),
    ],
)
def test_wrong_urls(url: str, said: str) -> None:
    with pytest.raises(errors.UsageError, match=said):
        App(url)


def test_wrong_options_of_a_task() -> None:
    app = App("memory://")
    with pytest.raises(errors.UsageError, match="did you mean 'timeout'"):
        app.task(timout=3)
    with pytest.raises(errors.UsageError, match="timeout"):
        app.task(timeout="soon")(add)
    with pytest.raises(errors.WrongType, match="unique"):
        app.task(unique=3)(add)
    with pytest.raises(errors.UsageError, match="nice"):
        app.task(nice=99)(add)
    plus = app.task(add)
    with pytest.raises(errors.UsageError, match="did you mean 'delay'"):
        plus.with_options(dealy=1)
    with pytest.raises(errors.UsageError, match="two tasks"):
        app.task(name="add")(fail)
    assert list(app.tasks) == ["add"]


def test_plain_tasks_and_modules_are_added() -> None:
    module: Any = type(sys)("jobs")
    module.one = task(timeout=5)(add)
    module.two = task(name="second")(fail)
    app = App("memory://")
    app.add(module)
    assert list(app.tasks) == ["add", "second"]
    assert app.tasks["add"].options["timeout"] == 5
    with pytest.raises(errors.UsageError, match="declares no @task"):
        app.add(type(sys)("empty"))
    with pytest.raises(errors.WrongType, match="for a plain function"):
        app.add(add)  # type: ignore[arg-type]


# --- submitting ---


def test_submit_and_result(app: App) -> None:
    plus = app.task(add)
    run = plus.submit(1, b=2)
    assert run.id > 0
    assert run.state is State.PENDING
    assert (run.name, run.label, run.attempts, run.done) == ("add", "add", 0, False)
    with working(app):
        assert run.result(20) == 3
        assert run.state == "completed"
        assert run.ok
        assert run.value == 3
        assert run.run_seconds is not None
        assert run.started_at is not None
        assert app.run(run.id) == run
        assert len({app.run(run.id), run}) == 1
        assert list(run.args) == [1]
        assert run.kwargs == {"b": 2}


def test_submit_by_name_and_many(app: App) -> None:
    app.task(add)
    with working(app):
        assert app.submit("add", 1).result(20) == 2
        runs = app.submit_many("add", [(1, 2), {"a": 5}, 7])
        assert [run.result(20) for run in runs] == [3, 6, 8]
        assert [run.result(20) for run in app.map("add", [1, 2], [10, 20])] == [11, 22]
    assert app.submit_many("add", []) == []


def test_unknown_task_suggests(app: App) -> None:
    app.task(add)
    with pytest.raises(errors.UsageError, match="did you mean 'add'"):
        app.submit("ad", 1)
    with pytest.raises(errors.UsageError, match="no task of this app"):
        app.submit(fail)  # type: ignore[arg-type]
    other = App("memory://").task(add)
    with pytest.raises(errors.UsageError, match="another app"):
        app.submit(other, 1)


def test_arguments_are_checked_at_submit(app: App) -> None:
    plus = app.task(add)
    with pytest.raises(TypeError, match=r"task 'add': missing a required argument: 'a'"):
        plus.submit()
    with pytest.raises(TypeError, match=r"task 'add': .*'c'"):
        plus.submit(1, c=2)
    with pytest.raises(TypeError, match="task 'add': too many positional"):
        plus.submit(1, 2, 3)
    assert app.runs() == []


def test_an_error_comes_back(app: App) -> None:
    broken = app.task(fail)
    with working(app):
        run = broken.submit("bad luck")
        with pytest.raises(ValueError, match="bad luck"):
            run.result(20)
        assert run.state == "failed"
        assert run.reason == "error"
        assert isinstance(run.exception, ValueError)
        assert "bad luck" in (run.traceback or "")
        assert len(run.errors) == 1


def test_coroutines_run_on_a_loop(app: App) -> None:
    @app.task
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x

    with working(app):
        assert later.submit(4).result(20) == 4


def test_handles_are_dependencies(app: App) -> None:
    plus = app.task(add)

    @app.task
    def total(items: list[int], more: dict[str, int]) -> int:
        return sum(items) + more["x"]

    one = plus.submit(1)
    two = plus.submit(one, b=one)
    three = total.submit([one, two, 10], more={"x": two})
    after = plus.with_options(after=[three]).submit(1)
    assert (two.state, three.state, after.state) == ("blocked", "blocked", "blocked")
    assert "comes after" in two.why()
    with working(app):
        assert two.result(20) == 4
        assert three.result(20) == 2 + 4 + 10 + 4
        assert after.result(20) == 2


def test_what_comes_after_a_failure_is_skipped(app: App) -> None:
    broken, plus = app.task(fail), app.task(add)
    child = plus.submit(broken.submit())
    with working(app), pytest.raises(errors.Skipped):
        child.result(20)
    assert (child.state, child.reason) == ("skipped", "dependency")


def test_wrong_dependencies(app: App) -> None:
    plus = app.task(add)
    with pytest.raises(errors.WrongType, match="after must be"):
        plus.with_options(after="add").submit(1)
    with pytest.raises(errors.WrongType, match="after must be"):
        plus.with_options(after=[3]).submit(1)
    stranger = App("memory://")
    run = stranger.task(add).submit(1)
    with pytest.raises(errors.UsageError, match="another app"):
        plus.submit(run)


def test_options_of_one_submit(app: App) -> None:
    attempts: list[int] = []

    @app.task
    def flaky() -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("again")
        return len(attempts)

    with working(app):
        run = flaky.with_options(retry=Retry(3, on=OSError), label="third time").submit()
        assert run.result(20) == 3
    assert run.label == "third time"
    assert run.attempts == 3
    assert [str(error) for error in run.errors] == ["again", "again"]
    assert flaky.options == {}


def test_delayed_and_dated(app: App) -> None:
    plus = app.task(add)
    run = plus.with_options(delay="1h").submit(1)
    assert run.state is State.SCHEDULED
    assert run.due == pytest.approx(time.time() + 3600, abs=60)
    assert "waits for its time" in run.why()
    at = datetime.now(UTC) + timedelta(days=1)
    assert plus.with_options(at=at).submit(1).due == pytest.approx(at.timestamp(), abs=0.01)
    soon = plus.with_options(delay=0.05).submit(1)
    with working(app):
        assert soon.result(20) == 2
    with pytest.raises(errors.UsageError, match="either delay= or at="):
        plus.with_options(delay=1, at=5).submit(1)
    with pytest.raises(errors.WrongType, match="at must be"):
        plus.with_options(at="tomorrow").submit(1)


def test_busy_reaches_the_caller(app: App) -> None:
    release = threading.Event()

    @app.task(limits=Limit(1, then="fail"))
    def alone() -> None:
        release.wait(20)

    with working(app):
        first = alone.submit()
        try:
            with pytest.raises(Busy, match="alone"):
                alone.submit()
            assert len(app.runs()) == 1
        finally:
            release.set()
        first.result(20)


def test_unique_gives_the_known_run_back(app: App) -> None:
    plus = app.task(unique=Unique(until="start"))(add)
    first = plus.submit(1, 2)
    assert plus.submit(1, b=2) == first
    other = plus.submit(5, 6)
    assert other != first
    assert len(app.runs()) == 2
    with working(app):
        assert other.result(20) == 11


def test_a_retry_does_not_meet_the_run_it_repeats(app: App) -> None:
    plus = app.task(unique=Unique(until="1h"))(add)
    with working(app):
        run = plus.submit(1)
        assert run.result(20) == 2
        assert plus.submit(1) == run
        again = run.retry()
        assert again != run
        assert again.result(20) == 2


def test_conn_needs_a_file() -> None:
    app = App("memory://")
    with pytest.raises(errors.UsageError, match="no such file"):
        app.task(add).with_options(conn=object()).submit(1)
    app.close()


# --- looking ---


def test_listing_pages(app: App) -> None:
    plus, broken = app.task(add), app.task(fail)
    runs = plus.submit_many([(n,) for n in range(7)])
    other = broken.submit()
    assert app.runs(limit=3) == [other, runs[6], runs[5]]
    page = app.runs(task="add", limit=4)
    assert page == runs[:2:-1]
    assert app.runs(task=plus, before=page[-1], limit=4) == runs[2::-1]
    assert app.runs(state="completed") == []
    assert len(app.runs(state=["pending", State.RUNNING])) == 8
    assert app.counts()[State.PENDING] == 8
    assert app.counts("fail")[State.PENDING] == 1
    with pytest.raises(errors.UsageError, match="state"):
        app.runs(state="sleeping")


def test_unknown_run(app: App) -> None:
    with pytest.raises(errors.UnknownRun, match="no run 12345"):
        app.run(12345)
    with pytest.raises(errors.WrongType, match="whole number"):
        app.run("x")  # type: ignore[arg-type]


def test_cancel_and_retry(app: App) -> None:
    plus = app.task(add)
    run = plus.with_options(label="mine").submit(1, b=5)
    with pytest.raises(errors.UsageError, match="only what has ended"):
        run.retry()
    run.cancel()
    assert (run.state, run.reason) == ("cancelled", "user")
    with pytest.raises(errors.Cancelled):
        run.result(5)
    again = run.retry()
    assert again != run
    assert again.label == "mine"
    with working(app):
        assert again.result(20) == 6
    assert run.state == "cancelled"


def test_limits_and_why(app: App) -> None:
    started, release = threading.Event(), threading.Event()

    @app.task(limits=Limit(1, "/door"))
    def hold() -> None:
        started.set()
        release.wait(20)

    first = hold.submit()
    second = hold.submit()
    with working(app):
        try:
            assert started.wait(20)
            assert "/door" in second.why()
            assert f"run {first.id}" in second.why()
            assert "running on attempt 1" in first.why()
            (row,) = (row for row in app.limits() if row.key == "/door")
            assert (row.held, row.n, list(row.holders)) == (1, 1, [first.id])
        finally:
            release.set()
        second.result(20)
    assert "ended completed" in second.why()


# --- waiting ---


def test_a_wait_that_is_too_short(app: App) -> None:
    run = app.task(add).submit(1)
    assert run.wait(0.01) is False
    with pytest.raises(TimeoutError, match="it goes on"):
        run.result(0.01)


def test_many_wait_at_once(app: App) -> None:
    plus = app.task(add)
    runs = [plus.submit(n) for n in range(20)]
    results: dict[int, int] = {}
    threads = [
        threading.Thread(target=lambda n=n: results.update({n: runs[n].result(20)}))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    with working(app):
        for thread in threads:
            thread.join(20)
    assert results == {n: n + 1 for n in range(20)}


def test_await(app: App) -> None:
    plus = app.task(add)

    async def main() -> list[int]:
        return [*await asyncio.gather(*map(ask, range(5)))]

    async def ask(n: int) -> int:
        result: int = await plus.submit(n)
        return result

    with working(app):
        assert asyncio.run(asyncio.wait_for(main(), 20)) == [1, 2, 3, 4, 5]


def test_a_waiting_parent_lends_its_slot(app: App) -> None:
    plus = app.task(add)

    @app.task
    def parent(depth: int) -> int:
        return plus.submit(1).result(20) if depth == 0 else parent.submit(depth - 1).result(20) + 1

    with working(app, concurrency=1):
        assert parent.submit(3).result(20) == 5


def test_an_awaiting_parent_lends_its_slot(app: App) -> None:
    plus = app.task(add)

    @app.task
    async def parent(n: int) -> int:
        both = await asyncio.gather(*[ask(k) for k in range(n)])
        return sum(both)

    async def ask(k: int) -> int:
        result: int = await plus.submit(k)
        return result

    with working(app, concurrency=1):
        assert parent.submit(3).result(20) == 6


def test_waiting_for_oneself_is_an_error(app: App) -> None:
    @app.task
    def selfish() -> None:
        from abreast import current_run

        run = current_run()
        assert run is not None
        app.run(run.id).result(5)

    with working(app), pytest.raises(errors.UsageError, match="its own result"):
        selfish.submit().result(20)


# --- forks ---


@pytest.mark.needs("posix")
def test_a_fork_opens_its_own(tmp_path: Path) -> None:
    app = App("memory://")
    plus = app.task(add)
    plus.submit(1)
    before = app.node
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            fresh = app.node is not before and app.runs() == []
            os.write(write, b"yes" if fresh else b"no")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 10) == b"yes"
    os.close(read)
    os.close(write)
    assert app.node is before
