"""What happened, in order, without a gap or a repeat, whichever process did it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from abreast import App, State, progress


def adds(x: int) -> int:
    """A task that says how far it is."""
    progress(1, 2, "half")
    return x + 1


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(f"sqlite:///{tmp_path}/jobs.db")
    app.task(name="adds", executor="thread")(adds)
    yield app
    app.close()


def test_nothing_is_written_before_somebody_asks(app: App) -> None:
    app.submit("adds", 1)
    assert app.event_bounds() == (1, 0)
    assert app.events(0) == []


def test_the_life_of_a_run(app: App) -> None:
    app.tell_events()
    app.tell_events()  # twice is as good as once
    run = app.submit("adds", 1)
    with app.worker(1, executor="thread"):
        run.result(10)
    found = app.events(0)
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    assert {event.id for event in found} == {run.id}
    states = [event.state for event in found]
    assert [states[0], states[-1]] == [State.PENDING, State.COMPLETED]
    assert State.RUNNING in states
    assert app.event_bounds() == (1, found[-1].seq)


def test_reading_on(app: App) -> None:
    app.tell_events()
    for number in range(5):
        app.submit("adds", number)
    first = app.events(0, limit=2)
    rest = app.events(first[-1].seq)
    assert [event.seq for event in [*first, *rest]] == [1, 2, 3, 4, 5]


def test_progress_is_told_apart_from_states(app: App) -> None:
    """Who counts ends must not take what is said afterwards for another one."""
    app.tell_events()
    store = app.file_store()
    run = app.submit("adds", 1)
    with app.worker(1, executor="thread"):
        run.result(10)

    def say_more(now: float) -> tuple[list[int], int, bool]:
        store.open(True)
        store.db.execute("UPDATE runs SET progress=x'5b5d' WHERE id=?", (run.id,))
        found: tuple[list[int], int, bool] = store.events.ends(0, 100)
        return found

    ids, newest, more = app.node.post(say_more)
    assert (ids, more) == ([run.id], False)
    assert newest == app.event_bounds()[1]


def test_another_process_tells_too(app: App, tmp_path: Path) -> None:
    app.tell_events()
    other = App(f"sqlite:///{tmp_path}/jobs.db")
    other.task(name="adds")(adds)
    other.submit("adds", 1)
    other.close()
    assert [event.state for event in app.events(0)] == [State.PENDING]


def test_schedules_and_instants_are_told(app: App) -> None:
    app.tell_events()
    app.schedules.add("s", "adds", "@daily", kwargs={"x": 1})
    app.schedules.pause("s")
    app.schedules.remove("s")
    kinds = {event.kind for event in app.events(0)}
    assert kinds == {"schedule"}


def test_old_events_go_but_not_those_a_reader_needs(app: App) -> None:
    app.tell_events()
    store = app.file_store()
    app.node.post(lambda now: store.events.reader("me"))
    for number in range(20):
        app.submit("adds", number)
    assert app.node.post(lambda now: store.events.prune(now + 10, 0)) == 0, "a reader needs them"
    app.node.post(lambda now: store.events.read_up_to("me", 15, None))
    assert app.node.post(lambda now: store.events.prune(now + 10, 8)) == 12, "the newest 8 stay"
    assert app.event_bounds() == (13, 20)
    assert app.node.post(lambda now: store.events.prune(now - 1000, 0)) == 0, "too young"
    assert app.node.post(lambda now: store.events.reader("me")) == (15, None)


def test_a_version_changes_with_every_commit(app: App, tmp_path: Path) -> None:
    before = app.data_version()
    app.submit("adds", 1)
    after = app.data_version()
    assert before != after == app.data_version()
    other = App(f"sqlite:///{tmp_path}/jobs.db")
    other.task(name="adds")(adds)
    other.submit("adds", 1)
    other.close()
    assert app.data_version() != after
