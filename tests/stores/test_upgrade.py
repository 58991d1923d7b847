"""A store of every earlier version is brought up to date, and nothing in it is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.interfaces.app_help import working

from abreast import App, errors
from abreast.interfaces.care import check
from abreast.stores import migrate
from abreast.stores.sqlite import SqliteStore

pytestmark = [pytest.mark.needs("posix"), pytest.mark.timeout(60)]

SHIPPED = migrate.shipped()
NEWEST = SHIPPED[-1].number
NOW = 1_700_000_000.0

# What a store of version 1 can hold: an ended run, a failed one with an earlier attempt, a step, a
# waiting run under a limit, one that waits for it, a delayed one.
ROWS = f"""
INSERT INTO tasks (id, name) VALUES (1, 'echo'), (2, 'limited');
INSERT INTO keys (id, name) VALUES (1, 'limited/a');
INSERT INTO lanes (id, task, claims, h_rank, h_path, h_id) VALUES
    (1, 1, '[]', NULL, NULL, NULL),
    (2, 2, '[["limited/a",null,1,1,null,0,null]]', {NOW}, -1.0, 3);
INSERT INTO lane_keys (key, lane) VALUES (1, 2);
INSERT INTO runs (id, task, state, reason, lane, rank, path, created, ready, due, started, ended,
    attempt, missing, args, value, error) VALUES
    (1, 1, 4, NULL, 1, {NOW}, -1.0, {NOW}, {NOW}, NULL, {NOW} + 1, {NOW} + 2, 1, 0,
        CAST('[["x"],{{}}]' AS BLOB), CAST('"x"' AS BLOB), NULL),
    (2, 1, 5, 'error', 1, {NOW}, -1.0, {NOW}, {NOW}, NULL, {NOW} + 1, {NOW} + 2, 2, 0, NULL, NULL,
        CAST('{{"type":"ValueError","text":"no","args":["no"],"trace":"t","notes":[]}}' AS BLOB)),
    (3, 2, 2, NULL, 2, {NOW}, -1.0, {NOW}, {NOW}, NULL, NULL, NULL, 0, 0,
        CAST('[["a"],{{}}]' AS BLOB), NULL, NULL),
    (4, 1, 0, NULL, NULL, {NOW}, -1.0, {NOW}, {NOW}, NULL, NULL, NULL, 0, 1,
        CAST('[["y"],{{}}]' AS BLOB), NULL, NULL),
    (5, 1, 1, NULL, NULL, {NOW}, -1.0, {NOW}, {NOW}, {NOW} * 10, NULL, NULL, 0, 0, NULL, NULL,
        NULL);
INSERT INTO edges (parent, child) VALUES (3, 4);
INSERT INTO attempts (run, number, started, ended, reason, error) VALUES
    (2, 1, {NOW}, {NOW} + 1, 'error', CAST('{{"type":"OSError","text":"o","args":["o"]}}' AS BLOB));
INSERT INTO steps (run, name, number, attempt, input, output, started, ended) VALUES
    (1, 'load', 1, 1, CAST('1' AS BLOB), CAST('2' AS BLOB), {NOW} + 1, {NOW} + 2);
"""


def old_store(path: Path, version: int) -> None:
    """Make the file as that version of the tables left it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        migrate.migrate(connection, str(path), SHIPPED[:version])
        connection.executescript(ROWS)


def app_of(path: Path) -> App:
    app = App(f"sqlite:///{path}", durability="normal")

    @app.task
    def echo(value: str = "") -> str:
        return value

    from abreast import Limit

    @app.task(limits=[Limit(1, "{tenant}")])
    def limited(tenant: str) -> str:
        return tenant

    return app


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_every_earlier_store_is_brought_up_to_date(version: int, tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    old_store(path, version)
    before = tables(path)
    with app_of(path) as app:
        ended, failed, waiting, blocked, delayed = (app.run(id) for id in range(1, 6))
        assert tables(path, before) == before, "what was in it is in it still"
        assert ended.value == "x"
        assert ended.args == ("x",)
        assert [step.name for step in ended.steps()] == ["load"]
        assert isinstance(failed.exception, ValueError)
        assert failed.attempt == 2
        assert delayed.state == "scheduled"
        assert check(app) == []
        with working(app):
            assert waiting.result(20) == "a"
            assert blocked.result(20) == "y"
            assert app.submit("echo", "new").result(20) == "new"
        assert check(app) == []
    with closing(sqlite3.connect(path)) as now:
        assert now.execute("PRAGMA user_version").fetchone() == (NEWEST,)
        assert now.execute("SELECT count(*) FROM workflow_executions").fetchone() == (6,)
    copy = Path(f"{path}.before-{version + 1:03d}")
    with closing(sqlite3.connect(copy)) as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (version,)
    assert tables(copy) == before


def tables(path: Path, like: dict[str, list[object]] | None = None) -> dict[str, list[object]]:
    """All rows of all tables, or of those there were."""
    with closing(sqlite3.connect(path)) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite_%'"
            )
        ]
        return {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
            for name in (names if like is None else like)
        }


def test_all_versions_lead_to_the_same_tables(tmp_path: Path) -> None:
    def schema(path: Path) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(
                "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
            ).fetchall()

    found = []
    for version in range(NEWEST + 1):
        path = tmp_path / f"{version}.db"
        if version:
            old_store(path, version)
        open_store(path)
        found.append(schema(path))
    assert all(other == found[0] for other in found)
    assert not Path(f"{tmp_path}/{NEWEST}.db.before-{NEWEST + 1:03d}").exists()


def open_store(path: Path) -> None:
    SqliteStore(str(path), lambda: 0.5).close()


def test_a_newer_store_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    open_store(path)
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version={NEWEST + 1}")
    app = app_of(path)
    before = path.read_bytes()
    calls: list[Callable[[], object]] = [
        lambda: app.submit("echo"), app.runs, lambda: app.worker().run(once=True)
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(errors.SchemaTooNew, match=rf"written by a newer abreast.*{NEWEST + 1}"):
            call()
    assert ["newer abreast" in problem for problem in check(app)] == [True]
    assert path.read_bytes() == before
    app.close()


def test_an_upgrade_without_room_for_its_backup_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    old_store(path, 1)
    before = tables(path)
    (tmp_path / "jobs.db.before-002.part").mkdir()
    with pytest.raises(errors.StoreError):
        open_store(path)
    assert tables(path) == before
    (tmp_path / "jobs.db.before-002.part").rmdir()
    open_store(path)
    with closing(sqlite3.connect(path)) as now:
        assert now.execute("PRAGMA user_version").fetchone() == (NEWEST,)
