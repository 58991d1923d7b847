"""What follows from the ends of runs happens once, in the transaction that notes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from abreast import App
from abreast.domain.model import Run
from abreast.interfaces.service.reactor import Reactor, followers_of


def extract(x: int = 1) -> int:
    """The first."""
    if x < 0:
        raise ValueError("negative")
    return x * 10


def report(extract: int) -> str:
    """Gets the result of what it comes after."""
    return f"report of {extract}"


def plain() -> str:
    """Needs nothing."""
    return "plain"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(f"sqlite:///{tmp_path}/jobs.db")
    app.task(name="extract", executor="thread")(extract)
    yield app
    app.close()


def reactor_of(app: App, told: list[tuple[int, bool | None]] | None = None) -> Reactor:
    def tell(run: Run, before: bool | None) -> list[Run]:
        assert told is not None
        told.append((run.id, before))
        return []

    found = Reactor(app, tell, lambda name: told is not None)
    found.follow(followers_of(app)[0])
    app.tell_events()
    app.node.post(lambda now: app.file_store().events.reader(found._name))
    return found


def execute(app: App, *runs: object) -> None:
    with app.worker(2, executor="thread") as worker:
        worker.until_done()


def test_a_task_follows_with_the_result(app: App) -> None:
    app.task(name="report", executor="thread", after=["extract"])(report)
    reactor = reactor_of(app)
    app.submit("extract", 4)
    execute(app)
    assert reactor.react()
    assert not reactor.react()
    execute(app)
    (run,) = app.search(tasks=["report"])
    assert run.result(1) == "report of 40"
    assert run.trigger == "after extract"


def test_a_failure_starts_nothing(app: App) -> None:
    app.task(name="report", executor="thread", after=["extract"])(report)
    reactor = reactor_of(app)
    app.submit("extract", -1)
    execute(app)
    reactor.react()
    assert app.search(tasks=["report"]) == []


def test_all_or_any(app: App) -> None:
    app.task(name="other", executor="thread")(plain)
    app.task(name="both", executor="thread", after=["extract", "other"])(plain)
    app.task(name="either", executor="thread", after=["extract", "other"], after_any=True)(plain)
    reactor = reactor_of(app)
    app.submit("extract", 1)
    execute(app)
    reactor.react()
    assert len(app.search(tasks=["both"])) == 0
    assert len(app.search(tasks=["either"])) == 1
    again = reactor_of(app)  # another service, later: what was kept is kept
    app.submit("other")
    execute(app)
    again.react()
    assert len(app.search(tasks=["both"])) == 1
    assert len(app.search(tasks=["either"])) == 2


def test_two_services_react_once(app: App) -> None:
    app.task(name="report", executor="thread", after=["extract"])(report)
    one, other = reactor_of(app), reactor_of(app)
    for x in range(5):
        app.submit("extract", x)
    execute(app)
    assert [one.react(), other.react()] == [True, False]
    assert len(app.search(tasks=["report"])) == 5


def test_what_ended_before_a_first_start_is_past(app: App) -> None:
    app.task(name="report", executor="thread", after=["extract"])(report)
    app.tell_events()
    app.submit("extract", 1)
    execute(app)
    reactor = reactor_of(app)
    assert not reactor.react()
    assert app.search(tasks=["report"]) == []


def test_people_hear_of_ends_and_how_it_was_before(app: App) -> None:
    told: list[tuple[int, bool | None]] = []
    reactor = reactor_of(app, told)
    for x in (1, -1, 2):
        app.submit("extract", x)
        execute(app)
    reactor.react()
    assert told == [(1, None), (2, True), (3, False)]


def test_circles_and_unknown_names_are_left_out_and_told(app: App) -> None:
    app.task(name="a", after=["b"])(plain)
    assert followers_of(app) == ([], {"a": "it comes after 'b', which is no task here"})
    app.task(name="b", after=["a"])(plain)
    app.task(name="c", after=["extract"])(plain)
    found, wrong = followers_of(app)
    assert [item.task for item in found] == ["c"]
    assert set(wrong) == {"a", "b"}
    assert "would start one another for ever" in wrong["a"]
