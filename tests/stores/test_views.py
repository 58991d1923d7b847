"""What other programs may read: views with stable names, through a connection of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.interfaces.app_help import working

from abreast import Adaptive, App, Limit

pytestmark = [pytest.mark.needs("posix"), pytest.mark.timeout(60)]

VIEWS = {
    "workflow_executions": "id workflow status started completed duration",
    "run_list": "id task label state reason created due started ended wait_seconds run_seconds "
    "attempt flow worker done total message error_type error",
    "limit_usage": "key per_seconds held size running waiting",
    "worker_list": "id name host pid started concurrency tasks state running",
    "daily_counts": "day task completed failed cancelled skipped run_seconds",
}
EXECUTIONS = "SELECT workflow, status, started, completed, duration FROM workflow_executions "


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(f"sqlite:///{tmp_path}/jobs.db", durability="normal")

    @app.task
    def echo(value: Any = None) -> Any:
        return value

    @app.task
    def bad() -> None:
        raise ValueError("no\nway")

    @app.task(limits=[Limit(2, "{tenant}"), Limit(5, "/pool", per="1m")])
    def limited(tenant: str) -> str:
        return tenant

    @app.task(limits=[Limit(Adaptive(3, 9), "/found")])
    def adaptive() -> None: ...

    yield app
    app.close()


def read(app: App, sql: str) -> list[Any]:
    """As another program does, which may only read."""
    path = app.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as other:
        return other.execute(sql).fetchall()


def finish(app: App, *runs: Any) -> None:
    with working(app):
        for run in runs:
            assert run.wait(20)


def is_time(text: str) -> bool:
    at = datetime.fromisoformat(text)
    return text.endswith("Z") and abs((datetime.now(UTC) - at).total_seconds()) < 60


def test_names_and_columns_are_those_of_the_page(app: App) -> None:
    app.counts()
    found = {name for (name,) in read(app, "SELECT name FROM sqlite_schema WHERE type='view'")}
    assert found == set(VIEWS)
    page = (Path(__file__).parents[2] / "docs" / "store.md").read_text("utf-8")
    for name, columns in VIEWS.items():
        rows = read(app, f"SELECT name FROM pragma_table_info('{name}')")
        assert [row[0] for row in rows] == columns.split()
        assert f"{name}({', '.join(columns.split())})" in " ".join(page.split())


def test_the_monitoring_query_of_a_workflow_table_works(app: App) -> None:
    done, failed = app.submit("echo"), app.submit("bad")
    finish(app, done, failed)
    app.submit("limited", "a")
    skipped = app.tasks["echo"].with_options(after=[failed]).submit()
    assert skipped.wait(5)
    rows = read(
        app,
        """
        SELECT id, status, started FROM workflow_executions
        WHERE status IN ('pending', 'running')
        ORDER BY started DESC;
        """,
    )
    assert [row[:2] for row in rows] == [(3, "pending")]
    assert is_time(rows[0][2])
    rows = read(app, EXECUTIONS + "ORDER BY id")
    assert [row[:2] for row in rows] == [
        ("echo", "completed"), ("bad", "failed"), ("limited", "pending"), ("echo", "failed")
    ]  # fmt: skip
    for _, status, started, completed, duration in rows[:2]:
        assert is_time(started)
        assert is_time(completed)
        assert isinstance(duration, int), status
    assert rows[2][3:] == (None, None)
    assert rows[3][4] is None, "it never started"


def test_durations_are_milliseconds(app: App) -> None:
    finish(app, app.submit("echo"))
    with closing(sqlite3.connect(app.url.removeprefix("sqlite:///"))) as other, other:
        other.execute("UPDATE runs SET created=9.5, ready=9.5, started=10.25, ended=12.5")
    assert read(app, EXECUTIONS) == [
        ("echo", "completed", "1970-01-01T00:00:10.250Z", "1970-01-01T00:00:12.500Z", 2250)
    ]
    (row,) = read(app, "SELECT created, wait_seconds, run_seconds, due FROM run_list")
    assert row == ("1970-01-01T00:00:09.500Z", 0.75, 2.25, None)
    assert read(app, "SELECT * FROM daily_counts") == [("1970-01-01", "echo", 1, 0, 0, 0, 2.25)]


def test_runs_are_listed_in_words(app: App) -> None:
    failed = app.submit("bad")
    finish(app, failed)
    later = app.tasks["echo"].with_options(delay="1h", label="later").submit(1)
    app.tasks["echo"].with_options(after=[later]).submit(2)
    with app.flow("all") as flow:
        flow.add("echo", 3)
    rows = read(app, "SELECT id, task, label, state, reason, attempt, flow FROM run_list")
    assert rows[:3] == [
        (1, "bad", "bad", "failed", "error", 1, None),
        (2, "echo", "later", "scheduled", None, 0, None),
        (3, "echo", "echo", "blocked", None, 0, None),
    ]
    assert sorted(row[3] for row in rows[3:]) == ["pending", "pending"]
    assert {row[6] for row in rows[3:]} == {None, flow.run.id}
    assert read(app, "SELECT error_type, error FROM run_list WHERE id=1") == [
        ("ValueError", "no\nway")
    ]
    assert is_time(read(app, "SELECT created FROM run_list WHERE id=1")[0][0])
    assert read(app, "SELECT due > created FROM run_list WHERE id=2") == [(1,)]


def test_limits_are_listed_with_units_and_runs(app: App) -> None:
    for tenant in "aab":
        app.submit("limited", tenant)
    app.submit("adaptive")
    rows = read(app, "SELECT * FROM limit_usage ORDER BY key")
    assert rows == [
        ("/found", None, 0.0, 3, 0, 1),
        ("/pool", 60.0, 0.0, 5, 0, 3),
        ("limited/a", None, 0.0, 2, 0, 2),
        ("limited/b", None, 0.0, 2, 0, 1),
    ]
    path = app.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE runs SET state=3 WHERE id=1")
        other.execute("UPDATE keys SET held=1, level=4 WHERE name IN ('limited/a', '/found')")
    rows = read(app, "SELECT * FROM limit_usage WHERE key IN ('limited/a', '/found')")
    assert sorted(rows)[1] == ("limited/a", None, 1.0, 4.0, 1, 1)


def test_workers_are_listed(app: App) -> None:
    with working(app):
        (row,) = read(
            app, "SELECT name, pid, started, concurrency, state, running FROM worker_list"
        )
        assert row[0] == "jobs"
        assert is_time(row[2])
        assert row[3:] == (4, "working", 0)
    assert read(app, "SELECT * FROM worker_list") == []


def test_views_cannot_be_written(app: App) -> None:
    app.counts()
    with pytest.raises(sqlite3.OperationalError, match="cannot modify"):
        read(app, "DELETE FROM run_list")
