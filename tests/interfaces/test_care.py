"""The care of a store: copies, retention, and whether all is well."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.interfaces.app_help import working

from abreast import App, Limit, Unique, errors
from abreast.interfaces.care import Retention, backup, check, prune, restore, retention_due

pytestmark = [pytest.mark.needs("posix"), pytest.mark.timeout(60)]
DAY = 86400.0


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(f"sqlite:///{tmp_path}/jobs.db", durability="normal")

    @app.task
    def echo(value: Any = None) -> Any:
        return value

    @app.task
    def bad() -> None:
        raise ValueError("no")

    @app.task(limits=[Limit(1, "{tenant}")])
    def limited(tenant: str) -> str:
        return tenant

    yield app
    app.close()


def finish(app: App, *runs: Any) -> None:
    with working(app):
        for run in runs:
            assert run.wait(20), run


def rows(app: App, sql: str, *given: Any) -> list[Any]:
    return app.node.store.db.read(sql, given)


def write(app: App, sql: str, *given: Any) -> None:
    with closing(sqlite3.connect(app.url.removeprefix("sqlite:///"))) as other, other:
        other.execute(sql, given)


def age(app: App, run: Any, by: float = 10 * DAY) -> None:
    """Let it have ended long ago."""
    write(
        app,
        "UPDATE runs SET created=created-?1, ended=ended-?1 WHERE id=?2 OR flow=?2",
        by,
        run.id,
    )


# -- retention ---------------------------------------------------------------------------------


def test_something_has_to_say_what_may_go() -> None:
    with pytest.raises(errors.UsageError, match="older_than='30d'"):
        Retention()
    with pytest.raises(errors.WrongType, match="keep must be a whole number"):
        Retention(keep="10")  # type: ignore[arg-type]
    with pytest.raises(errors.UsageError, match="keep must be 0 or more"):
        Retention(keep=-1)
    with pytest.raises(errors.UsageError, match="older_than"):
        Retention("soon")
    assert Retention("1h", 5).older_than == 3600.0
    assert repr(Retention(keep=5)) == "Retention(keep=5)"


def test_a_store_in_memory_needs_no_care(tmp_path: Path) -> None:
    app = App("memory://")
    for call in (lambda: prune(app, 1), lambda: backup(app, tmp_path / "b"), lambda: check(app)):
        with pytest.raises(errors.UsageError, match="ends with this process"):
            call()


def test_old_runs_go_and_young_ones_stay(app: App) -> None:
    old, failed, young = app.submit("echo", 1), app.submit("bad"), app.submit("echo", 2)
    finish(app, old, failed, young)
    waiting = app.submit("echo", 3)
    for run in (old, failed, waiting):
        age(app, run)
    assert prune(app, "5d", failed_older_than="30d", dry_run=True)["runs"] == 1
    assert app.run(old.id).value == 1
    assert prune(app, "5d", failed_older_than="30d")["runs"] == 1
    with pytest.raises(errors.UnknownRun, match="pruned"):
        app.run(old.id)
    assert [run.id for run in app.runs()] == [waiting.id, young.id, failed.id]
    assert prune(app, "5d")["runs"] == 1
    assert [run.id for run in app.runs()] == [waiting.id, young.id]
    assert rows(app, "SELECT count(*) FROM attempts") == [(0,)]
    assert check(app) == []


def test_of_every_task_the_newest_stay(app: App) -> None:
    many = app.submit_many("echo", [(number,) for number in range(7)])
    failed = [app.submit("bad") for _ in range(3)]
    finish(app, *many, *failed)
    assert prune(app, keep=2, failed_older_than="30d", dry_run=True)["runs"] == 5
    assert prune(app, keep=2, failed_older_than="30d")["runs"] == 5
    assert [run.value for run in app.runs(task="echo")] == [6, 5]
    assert len(app.runs(task="bad")) == 3
    assert prune(app, keep=0)["runs"] == 5
    assert app.runs() == []
    assert app.submit("echo").id == failed[-1].id + 1, "a number is never given twice"


def test_numbers_are_not_given_twice_in_a_new_process(app: App) -> None:
    runs = [app.submit("echo") for _ in range(3)]
    finish(app, *runs)
    prune(app, keep=0)
    app.close()
    assert app.submit("echo").id == runs[-1].id + 1


def test_what_others_wait_for_stays(app: App) -> None:
    first = app.submit("echo", 1)
    finish(app, first)
    echo = app.tasks["echo"]
    slow = echo.with_options(delay="1h").submit()
    second = echo.with_options(after=[first, slow]).submit(2)
    age(app, first)
    assert prune(app, "1d")["runs"] == 0
    slow.cancel()
    assert second.wait(5)
    age(app, slow)
    age(app, second)
    assert prune(app, "1d")["runs"] == 3
    assert rows(app, "SELECT count(*) FROM edges") == [(0,)]
    assert check(app) == []


def test_a_run_that_was_pruned_cannot_be_waited_for(app: App) -> None:
    first = app.submit("echo", 1)
    finish(app, first)
    second = app.submit("echo", first)
    finish(app, second)
    age(app, first)
    assert prune(app, "1d")["runs"] == 1
    third = app.submit("echo", second)
    finish(app, third)
    assert third.value == 1
    for submit in (
        lambda: app.submit("echo", first),
        lambda: app.tasks["echo"].with_options(after=[first]).submit(),
    ):
        with pytest.raises(errors.UnknownRun, match="pruned"):
            submit()
    assert check(app) == []


def test_a_flow_goes_as_a_whole_and_last(app: App) -> None:
    with app.flow("all") as flow:
        parts = [flow.add("echo", number) for number in range(5)]
        last = flow.add("echo", parts)
    finish(app, flow.run)
    assert last.wait(5)
    write(app, "UPDATE runs SET ended=1, created=1 WHERE id=?", parts[0].id)
    assert prune(app, "1d")["runs"] == 0, "its flow is young"
    age(app, flow.run)
    later = app.tasks["echo"].with_options(after=[parts[1]], delay="1h").submit()
    blocked = app.tasks["echo"].with_options(after=[parts[1], later]).submit()
    assert prune(app, "1d")["runs"] == 0, "one of its runs is waited for"
    later.cancel()
    assert blocked.wait(5)
    assert prune(app, "1d")["runs"] == 7
    assert rows(app, "SELECT count(*) FROM flows") == [(0,)]
    assert check(app) == []


def test_known_work_stays_for_as_long_as_a_submit_would_meet_it(app: App) -> None:
    known = app.tasks["echo"].with_options(unique=Unique(until="1d")).submit(1)
    again = app.tasks["echo"].with_options(unique=Unique(until="end")).submit(2)
    finish(app, known, again)
    assert prune(app, keep=0)["runs"] == 1
    assert app.tasks["echo"].with_options(unique=Unique(until="1d")).submit(1) == known
    write(app, "UPDATE uniques SET until=1")
    assert prune(app, keep=0)["runs"] == 1
    assert rows(app, "SELECT count(*) FROM uniques") == [(0,)]


def test_large_values_and_logs_go_with_their_run(app: App, tmp_path: Path) -> None:
    payload, logs = tmp_path / "jobs.db.d" / "payload", tmp_path / "jobs.db.d" / "logs"

    @app.task
    def talk() -> None:
        print("hello")

    run, other = app.submit("echo", "x" * 100_000), app.submit("talk")
    finish(app, run, other)
    assert len(list(payload.iterdir())) == 2
    files = list(logs.glob("*/*.log"))
    old = logs / "2020-01-01"
    old.mkdir(parents=True)
    (old / f"task_1_echo_20200101_000000_{run.id}.log").write_text("lost")
    (old / "task_1_echo_20200101_000000_99999.log").write_text("of nobody")
    (payload / "lost").write_text("young")
    assert check(app) == []
    os.utime(payload / "lost", (1, 1))
    assert "belong to no run" in check(app)[0]
    assert prune(app, keep=0, dry_run=True)["files"] == 4 + len(files)
    assert (payload / "lost").exists()
    done = prune(app, keep=0)
    assert done["runs"] == 2
    assert done["files"] == 5 + len(files)
    assert done["bytes"] > 200_000
    assert list(payload.iterdir()) == []
    os.utime(old, (1, 1))
    prune(app, keep=0)
    assert not old.exists()
    assert check(app) == []


def test_lines_and_keys_without_use_go_and_come_again(app: App) -> None:
    runs = [app.submit("limited", name) for name in "abcd"]
    finish(app, *runs)
    held = app.tasks["limited"].with_options(delay="1h").submit("a")
    waiting = app.submit("limited", "b")
    assert prune(app, keep=0, dry_run=True)["lanes"] == 2
    done = prune(app, keep=0)
    assert (done["lanes"], done["keys"]) == (2, 2)
    assert check(app) == []
    again = [app.submit("limited", name) for name in "abcd"]
    finish(app, waiting, *again)
    assert [run.value for run in again] == list("abcd")
    assert held.state == "scheduled"
    assert check(app) == []


def test_other_processes_do_not_use_lines_that_are_gone(app: App, tmp_path: Path) -> None:
    """A worker and a second app keep lines in memory; the first one prunes them away."""
    other = App(app.url, durability="normal")
    other.add(*app.tasks.values())
    with working(other):
        first = other.submit("limited", "a")
        assert first.wait(20)
        app.submit("limited", "a").result(20)
        app.submit("limited", "b").result(20)
        assert prune(app, keep=0)["lanes"] == 2
        runs = [other.submit("limited", name) for name in "bcab"]
        assert [run.result(20) for run in runs] == list("bcab")
        assert check(app) == []
    other.close()


def test_pruning_goes_on_beside_workers(app: App) -> None:
    """Lines vanish all the time under those who use them."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def care() -> None:
        mine = App(app.url, durability="normal")
        try:
            while not stop.is_set():
                prune(mine, keep=3)
        except BaseException as error:
            failures.append(error)
        finally:
            mine.close()

    thread = threading.Thread(target=care)
    with working(app):
        thread.start()
        for round in range(30):
            runs = [app.submit("limited", f"{round * k % 7}") for k in range(20)]
            for run in runs:
                try:
                    assert run.wait(20)
                except errors.UnknownRun:
                    pass  # ended and pruned already
        stop.set()
        thread.join()
        assert failures == []
        assert check(app) == []


def test_one_of_several_is_told_that_it_is_time(app: App) -> None:
    store, engine = app.node.store, app.node.engine
    other = App(app.url)
    assert retention_due(store, engine)
    assert not retention_due(store, engine)
    assert not retention_due(other.node.store, other.node.engine)
    write(app, "UPDATE counters SET value=value-601 WHERE name='pruned'")
    assert retention_due(other.node.store, other.node.engine)
    assert not retention_due(store, engine)
    write(app, "UPDATE counters SET value=value+100000 WHERE name='pruned'")
    assert retention_due(store, engine), "the clock was wrong once"
    other.close()


# -- copies ------------------------------------------------------------------------------------


def test_a_backup_of_a_store_in_use_can_be_restored(app: App, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with working(app):
        run = app.submit("echo", "y" * 100_000)
        assert run.wait(20)
        waiting = app.tasks["echo"].with_options(delay="1h").submit(7)
        written = backup(app, copy)
        assert written == sum(
            file.stat().st_size
            for file in [copy, *copy.with_suffix(".db.d").rglob("*")]
            if file.is_file()
        )
        later = app.submit("echo", 2)
        assert later.wait(20)
        with pytest.raises(errors.UsageError, match="exists already"):
            backup(app, copy)
        with pytest.raises(errors.StoreError, match=r"is alive; stop all workers"):
            restore(app, copy, force=True)
    with pytest.raises(errors.UsageError, match="has 3 runs"):
        restore(app, copy)
    assert app.run(later.id).value == 2, "nothing has happened"
    for file in (tmp_path / "jobs.db.d" / "payload").iterdir():
        file.unlink()
    kept = restore(app, copy, force=True)
    assert kept == f"{tmp_path}/jobs.db.replaced"
    assert app.run(run.id).value == "y" * 100_000
    assert [found.id for found in app.runs()] == [waiting.id, run.id]
    assert check(app) == []
    with closing(sqlite3.connect(kept)) as old:
        assert old.execute("SELECT count(*) FROM runs").fetchone() == (3,)
    finish(app, app.submit("echo", 3))


def test_who_has_the_store_open_is_told_that_it_was_replaced(app: App, tmp_path: Path) -> None:
    app.submit("echo")
    backup(app, tmp_path / "copy.db")
    other = App(app.url)
    other.add(*app.tasks.values())
    other.submit("echo")
    restore(app, tmp_path / "copy.db", force=True)
    with pytest.raises(errors.StoreError, match="deleted or replaced"):
        other.submit("echo")
    other.close()
    assert len(app.runs()) == 1
    assert other.submit("echo").id == 2
    other.close()


def test_a_backup_is_looked_at_before_it_is_used(app: App, tmp_path: Path) -> None:
    run = app.submit("echo", "z" * 100_000)
    copy = tmp_path / "copy.db"
    backup(app, copy)
    with pytest.raises(errors.StoreError, match="does not exist"):
        restore(app, tmp_path / "none.db", force=True)
    (tmp_path / "text.db").write_text("no database at all " * 100)
    with pytest.raises(errors.StoreError, match="not a database"):
        restore(app, tmp_path / "text.db", force=True)
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as foreign:
        foreign.execute("CREATE TABLE t (x)")
    with pytest.raises(errors.StoreError, match="not a store of abreast"):
        restore(app, tmp_path / "foreign.db", force=True)
    (file,) = (tmp_path / "copy.db.d" / "payload").iterdir()
    file.rename(tmp_path / "elsewhere")
    with pytest.raises(errors.StoreError, match=r"not whole: .* is missing"):
        restore(app, copy, force=True)
    (tmp_path / "elsewhere").rename(file)
    data = bytearray(copy.read_bytes())
    data[8192:12000] = b"\xff" * (12000 - 8192)
    (tmp_path / "damaged.db").write_bytes(data)
    with pytest.raises(errors.StoreError, match="damaged"):
        restore(app, tmp_path / "damaged.db", force=True)
    with closing(sqlite3.connect(copy)) as newer:
        newer.execute("PRAGMA user_version=999")
    with pytest.raises(errors.SchemaTooNew, match="newer abreast"):
        restore(app, copy, force=True)
    assert app.run(run.id).args == ("z" * 100_000,), "nothing has happened"


def test_a_damaged_store_can_be_replaced(app: App, tmp_path: Path) -> None:
    app.submit("echo", 5)
    backup(app, tmp_path / "copy.db")
    app.close()
    (tmp_path / "jobs.db").write_bytes(b"rubbish" * 1000)
    assert ["abreast restore FILE" in problem for problem in check(app)] == [True]
    assert restore(app, tmp_path / "copy.db") == f"{tmp_path}/jobs.db.replaced"
    assert [run.args for run in app.runs()] == [(5,)]
    assert (tmp_path / "jobs.db.replaced").read_bytes().startswith(b"rubbish")


def test_a_store_that_is_not_there_can_be_restored(app: App, tmp_path: Path) -> None:
    app.submit("echo", 5)
    backup(app, tmp_path / "copy.db")
    new = App(f"sqlite:///{tmp_path}/new.db")
    assert restore(new, tmp_path / "copy.db") is None
    new.add(*app.tasks.values())
    assert [run.args for run in new.runs()] == [(5,)]
    new.close()


def test_a_backup_that_cannot_be_written_leaves_nothing(app: App, tmp_path: Path) -> None:
    app.submit("echo", "z" * 100_000)
    with pytest.raises(errors.StoreError, match=r"the folder .* does not exist"):
        backup(app, tmp_path / "no" / "copy.db")
    (file,) = (tmp_path / "jobs.db.d" / "payload").iterdir()
    file.unlink()
    assert "is missing; restore it from a backup" in check(app)[0]
    with pytest.raises(errors.StoreError, match=file.name):
        backup(app, tmp_path / "copy.db")
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == []


def test_copies_and_pruning_exclude_one_another(app: App, tmp_path: Path) -> None:
    from abreast.stores.backup import CareLock

    store = app.node.store
    with CareLock(store.folder):
        for call in (lambda: prune(app, keep=0), lambda: backup(app, tmp_path / "c.db")):
            with pytest.raises(errors.StoreError, match="is under way"):
                call()


# -- check -------------------------------------------------------------------------------------

# What is written over a sound store, and how the sentence that tells of it begins.
DAMAGE = {
    "UPDATE runs SET state=9 WHERE id=1": "run 1: there is no state 9",
    "UPDATE runs SET reason='expired' WHERE id=2": r"run 2: no end is failed\(expired\)",
    "UPDATE runs SET reason='error' WHERE id=1": "run 1: completed with the reason 'error'",
    "UPDATE runs SET ended=NULL WHERE id=1": "run 1 is completed and its times say otherwise",
    "UPDATE runs SET state=3, ended=NULL, worker=99 WHERE id=1": "run 1 is running on no worker",
    "DELETE FROM tasks": "has runs and no name",
    "UPDATE keys SET held=1 WHERE name='limited/a'": "1 units count as held, and runs hold 0",
    "UPDATE runs SET lane=NULL WHERE id=3": "run 3 is pending in no line",
    "UPDATE lanes SET h_id=99 WHERE h_id=3": "run 3 is the first of line 3, and the line",
    "UPDATE lanes SET h_rank=0 WHERE h_id=3": "line 3 has another place than its first run 3",
    "UPDATE lanes SET parked=99 WHERE h_id=3": "line 3 is held back by key 99",
    "UPDATE lanes SET parked=1 WHERE h_id=3": "run 3 waits for key 'limited/a', of whose 1",
    "UPDATE runs SET missing=2 WHERE id=5": "run 5 waits for 2 runs, and 1 it comes after",
    "DELETE FROM edges": "run 5 waits for 1 runs, and 0 it comes after",
    "UPDATE flows SET total=7": r"flow 6 counts 7 runs, 0 ended, 0 .* there are 2, 0, 0",
    "UPDATE runs SET state=6, reason='user', ended=1 WHERE id IN (7, 8)": "flow 6 counts 2",
    "UPDATE runs SET state=4, ended=1 WHERE id=6": "run 7 has not ended, and its flow 6 has",
    "INSERT INTO flows (id) VALUES (99)": "a flow .* is of run 99, which does not exist",
    "DELETE FROM keys": "of key 1, which does not exist",
    'UPDATE runs SET extra=\'{"unique":"u"}\' WHERE id IN (3, 5)': "runs 3 and 5 are the",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_check_finds(damage: str, app: App) -> None:
    done, failed = app.submit("echo"), app.submit("bad")
    finish(app, done, failed)
    app.submit("limited", "a")
    slow = app.tasks["echo"].with_options(delay="1h").submit()
    app.tasks["echo"].with_options(after=[slow]).submit()
    with app.flow("all") as flow:
        flow.add("echo")
        flow.add("echo")
    assert check(app) == []
    write(app, damage)
    problems = check(app)
    assert any(re.search(DAMAGE[damage], problem) for problem in problems), problems


def test_check_tells_of_runs_of_dead_workers(app: App) -> None:
    app.submit("echo")
    write(app, "UPDATE runs SET state=3, started=1, attempt=1, worker=5")
    write(app, "UPDATE lanes SET h_id=NULL")
    write(
        app,
        "INSERT INTO workers (id, name, host, pid, started, concurrency, state) "
        "VALUES (5, 'w', 'h', 1, 1, 1, 'working')",
    )
    (problem,) = check(app)
    assert problem == "run 1 is running on worker 5, which is dead; start a worker: it takes over"


def test_check_does_not_tell_all_there_is(app: App) -> None:
    app.submit_many("echo", [()] * 50)
    write(app, "UPDATE runs SET lane=NULL")
    assert len([problem for problem in check(app) if "in no line" in problem]) == 20
    assert any("more problems of this kind" in problem for problem in check(app))
