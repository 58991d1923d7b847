"""Looking through many runs: filters, pages, periods, numbers of tasks, keys of submits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from abreast import App, Limit
from abreast.errors import KeyReused, UnknownRun, UsageError


def works(x: int = 0) -> int:
    """A task that sometimes fails."""
    if x % 3 == 2:
        raise ValueError(f"no {x}")
    return x


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(f"sqlite:///{tmp_path}/jobs.db")
    app.task(name="works", executor="thread")(works)
    app.task(name="other", executor="thread")(works)
    app.task(name="abreast:own", executor="thread")(works)
    yield app
    app.close()


def ids(found: list) -> list[int]:  # type: ignore[type-arg]
    return [run.id for run in found]


def test_filters_and_pages(app: App) -> None:
    runs = [app.find_task(name).with_options(label=f"{name} no {n}").submit(n)
            for n in range(6) for name in ("works", "other")]  # fmt: skip
    app.submit("abreast:own")
    with app.worker(4, executor="thread"):
        for run in runs:
            run.wait(10)
    assert len(app.search()) == 12, "our own tasks are not shown unless asked for"
    assert len(app.search(system=True)) == 13
    failed = app.search(states=["failed"])
    assert {run.args[0] for run in failed} == {2, 5}
    assert ids(app.search(tasks=["other"], states=["failed"])) == [12, 6]
    page = app.search(limit=5)
    assert ids(page) == [12, 11, 10, 9, 8]
    assert ids(app.search(limit=5, before=page[-1].id)) == [7, 6, 5, 4, 3]
    assert ids(app.search(limit=2, oldest_first=True, after=10)) == [11, 12]
    assert ids(app.search(text="OTHER NO 3")) == [8]
    assert ids(app.search(text="work", limit=1)) == [11]
    assert app.count_found(states=["failed"]) == 4
    assert app.search(worker=999) == []
    assert ids(app.search(reason="error", tasks=["works"])) == [11, 5]


def test_periods(app: App) -> None:
    node, task = app.node, app.find_task("works")
    start = node.now() - 1000
    records = [app.record(node, task, (n,), {}, now=start + n) for n in range(1000)]
    node.submit(records)
    assert ids(app.search(since=start + 990)) == list(range(1000, 990, -1))
    assert ids(app.search(until=start + 3)) == [3, 2, 1]
    assert ids(app.search(since=start + 500, until=start + 502)) == [502, 501]
    store = app.file_store()
    assert store.id_at(start + 500) == 501
    assert store.id_at(start - 5) == 1
    assert store.id_at(start + 5000) == 1001
    assert ids(app.timeline(start, start + 5)) == [1, 2, 3, 4, 5], "what has not ended is in it"
    assert ids(app.timeline(start, start + 5, limit=2)) == [4, 5]


def test_numbers_of_tasks(app: App) -> None:
    runs = [app.submit("works", n) for n in range(6)]
    app.find_task("works").with_options(delay=3600).submit()
    with app.worker(2, executor="thread"):
        for run in runs:
            run.wait(10)
    stats = app.stats()
    assert set(stats) == set(app.tasks)
    works = stats["works"]
    assert (works.counted, works.active, works.waiting) == (6, 0, 1)
    assert works.success_rate == pytest.approx(4 / 6)
    assert works.median is not None
    assert works.p95 is not None
    assert works.median <= works.p95
    assert works.last is not None
    assert works.last.id == 7
    assert works.last_ended is not None
    assert works.last_ended.id == 6
    assert [row[1] for row in works.recent] == ["failed", "completed", "completed"] * 2
    assert stats["other"] == (None, None, 0, None, None, None, [], 0, 0)
    assert app.stats(["other"]).keys() == {"other"}


def test_who_waits_for_a_limit(app: App) -> None:
    task = app.task(name="narrow", limits=[Limit(1, "/gate")])(works)
    first = [task.submit(n).id for n in range(3)]
    assert app.waiters("/gate") == first
    assert app.waiters("/gate", limit=1) == first[:1]
    assert app.waiters("/other") == []
    assert app.live() == {"narrow": (0, 3)}


def test_numbers_that_stay(app: App, tmp_path: Path) -> None:
    found = app.task_ids()
    assert sorted(found) == ["abreast:own", "other", "works"]
    again = App(f"sqlite:///{tmp_path}/jobs.db")
    again.task(name="new")(works)
    again.task(name="works")(works)
    assert again.task_ids()["works"] == found["works"]
    assert again.task_ids()["new"] not in found.values()
    again.close()


def test_a_submit_that_came_twice(app: App) -> None:
    task = app.find_task("works")
    run, again = app.submit_once("key", "abc", task, (1,))
    assert not again
    same, again = app.submit_once("key", "abc", task, (1,))
    assert again
    assert same == run
    with pytest.raises(KeyReused, match="was used with other content for run 1"):
        app.submit_once("key", "xyz", task, (2,))
    assert len(app.search()) == 1


def test_a_refused_submit_leaves_its_key_unused(app: App) -> None:
    task = app.task(name="one", limits=[Limit(1, then="fail")])(works)
    first = task.submit(1)
    with pytest.raises(Exception, match="one"):
        app.submit_once("key", "abc", task, (1,))
    first.cancel()
    _, again = app.submit_once("key", "abc", task, (1,))
    assert not again


def test_forgetting_a_run(app: App) -> None:
    run = app.submit("works", 1)
    with pytest.raises(UsageError, match="only what has ended"):
        app.forget(run.id)
    run.cancel()
    app.forget(run.id)
    with pytest.raises(UnknownRun):
        app.run(run.id)
    assert app.submit("works", 1).id == run.id + 1, "an id is never given twice"


def test_who_made_a_run(app: App) -> None:
    task = app.find_task("works")
    assert task.submit().trigger == ""
    run = task.with_options(by="user anna").submit()
    assert app.run(run.id).trigger == "user anna"
    run.cancel()
    assert app.run(run.retry().id).trigger == f"retry of {run.id}"


def test_memory_says_what_it_lacks() -> None:
    app = App("memory://")
    with pytest.raises(UsageError, match="needs a store in a file"):
        app.search()
    app.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM runs r WHERE task=1 ORDER BY id DESC LIMIT 50",
        "SELECT r.id FROM lanes l CROSS JOIN runs r ON r.lane=l.id AND r.state=2 WHERE l.task=1",
        "SELECT r.id FROM lanes l CROSS JOIN runs r ON r.lane=l.id AND r.state=3 WHERE l.task=1",
        "SELECT r.id FROM lanes l CROSS JOIN runs r ON r.lane=l.id AND r.state<2 WHERE l.task=1",
        "SELECT id FROM runs r WHERE task=1 AND state<2 AND lane IS NULL",
        "SELECT min(due) FROM schedules r WHERE owner='x' AND due IS NOT NULL",
        "SELECT r.task, count(*) FROM runs r WHERE r.state=3 GROUP BY r.task",
    ],
)
def test_no_question_reads_the_whole_history(app: App, sql: str) -> None:
    steps = [row[3] for row in app.file_store().db.read(f"EXPLAIN QUERY PLAN {sql}", ())]
    looks = [step for step in steps if step.split()[:2] in (["SCAN", "r"], ["SEARCH", "r"])]
    assert looks, steps
    assert all("INDEX" in step for step in looks), steps
