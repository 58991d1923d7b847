"""Following what happens: nothing missing, nothing twice, and told when that cannot be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.http.log_tasks import add_tasks
from tests.http.service_help import Client, Service, listening, problem, stream

from abreast.interfaces.http import hub as hub_module
from abreast.interfaces.http.hub import Client as Follower
from abreast.interfaces.http.hub import Wanted


@pytest.fixture(scope="module")
def base(service: Service) -> Iterator[str]:
    with listening(service) as (found, _):
        yield found


def until(events: Iterator[Any], id: int, state: str) -> list[Any]:
    """The events up to the one that says that a run is in a state."""
    found = []
    for event in events:
        if event["data"] is None:
            continue
        found.append(event)
        if event["event"] == "run" and (event["data"]["id"], event["data"]["state"]) == (id, state):
            return found
    raise AssertionError("the stream ended")


def test_events_of_a_run(base: str, admin: Client) -> None:
    with stream(base, admin, "events") as events:
        next(events)  # the place from which it goes on
        id = admin.start("add", a=1)["id"]
        found = until(events, id, "completed")
    row = found[-1]["data"]
    assert set(row) >= {"id", "name", "label", "state", "created", "run_seconds", "trigger"}
    assert row == {
        key: value for key, value in admin.get(f"runs/{id}").json().items() if key in row
    }
    numbers = [int(event["id"]) for event in found]
    assert numbers == sorted(set(numbers))


def test_resuming_without_a_gap_or_a_repeat(base: str, admin: Client) -> None:
    seen: dict[int, list[int]] = {}
    last, total = None, 60
    made: list[int] = []
    go = threading.Event()

    def submit() -> None:
        for number in range(total):
            made.append(admin.start("add", a=number)["id"])
            if number == 5:
                go.set()

    with ThreadPoolExecutor(1) as pool:
        done: Any = None
        ended: set[int] = set()
        for _ in range(50):  # connections, each cut off after a few events
            headers = {} if last is None else {"Last_Event_ID": str(last)}
            with stream(base, admin, "events", **headers) as events:
                if done is None:
                    last = int(next(events)["id"])
                    done = pool.submit(submit)
                for count, event in enumerate(events):
                    last = int(event["id"])
                    if event["data"] is None:
                        continue
                    assert event["event"] != "resync"
                    seen.setdefault(event["data"]["id"], []).append(last)
                    if event["data"]["state"] == "completed":
                        ended.add(event["data"]["id"])
                    if count >= 7 or (done.done() and ended >= set(made)):
                        break
            if done.done() and ended >= set(made):
                break
        done.result(30)
    assert ended >= set(made)
    for numbers in seen.values():
        assert numbers == sorted(set(numbers))
    flat = sorted(number for numbers in seen.values() for number in numbers)
    assert len(flat) == len(set(flat))


def test_choosing_events(base: str, admin: Client) -> None:
    with stream(base, admin, "events?task=fail,echo&state=failed") as events:
        next(events)
        admin.ended(admin.start("add")["id"])
        admin.ended(admin.start("echo")["id"])
        id = admin.start("fail")["id"]
        found = until(events, id, "failed")
    assert [event["data"]["id"] for event in found] == [id]
    for query in ("state=broken", "after=x", "stat=failed", "after=-1"):
        problem(admin.get(f"events?{query}"), 400, "bad-parameter")
    problem(admin.get("events", headers={"Last-Event-ID": "x"}), 400, "bad-parameter")


def test_events_of_schedules(base: str, admin: Client) -> None:
    with stream(base, admin, "events?task=echo") as events:
        next(events)
        body = {"name": "often", "task": "echo", "spec": "0 * * * *"}
        admin.post("schedules", json=body)
        event = next(event for event in events if event["event"] == "schedule")
        assert (event["data"]["name"], event["data"]["paused"]) == ("often", None)
        period = {"since": "2026-01-01T00:30:00Z", "until": "2026-01-01T01:30:00Z"}
        admin.post("schedules/often/backfill", json=period)
        event = next(event for event in events if event["event"] == "instant")
        assert (event["data"]["schedule"], event["data"]["outcome"]) == ("often", "ran")
    admin.ask("DELETE", "schedules/often")


def test_who_was_away_too_long_looks_again(base: str, admin: Client, service: Service) -> None:
    newest = service.app.event_bounds()[1]
    with stream(base, admin, f"events?after={newest + 1000}") as events:
        event = next(events)
    assert (event["event"], event["data"]["reason"]) == ("resync", "pruned")
    for number in range(3):
        admin.ended(admin.start("add", a=number)["id"])
    store = service.app.file_store()
    import time

    service.app.node.post(lambda now: store.events.prune(time.time() + 60, 2, 10_000))
    with stream(base, admin, "events?after=1") as events:
        event = next(events)
        assert (event["event"], event["data"]["reason"]) == ("resync", "pruned")
        assert int(event["id"]) == event["data"]["after"] == service.app.event_bounds()[1]
        id = admin.start("add")["id"]
        assert until(events, id, "completed")  # and goes on


def test_asking_instead_of_following(admin: Client) -> None:
    begin = admin.get("events?poll=1").json()
    assert (begin["items"], begin["resync"]) == ([], False)
    id = admin.start("add")["id"]
    admin.ended(id)
    page = admin.get(f"events?poll=1&after={begin['after']}").json()
    assert page["items"][-1]["data"]["id"] == id
    assert page["items"][-1]["kind"] == "run"
    assert page["after"] == page["items"][-1]["seq"]
    again = admin.get(f"events?poll=1&after={page['after']}").json()
    assert (again["items"], again["after"]) == ([], page["after"])
    one = admin.get(f"events?poll=1&after={begin['after']}&limit=1").json()
    assert one["after"] == begin["after"] + 1
    assert admin.get("events?poll=1&after=999999999").json()["resync"] is True


def test_who_is_too_slow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "_MOST_BYTES", 10)

    async def scene() -> None:
        client = Follower(Wanted(), 0)
        client.push(b"12345", 1)
        client.push(b"67890", 2)
        assert await client.next() == b"1234567890"
        client.push(b"12345678", 3)
        client.push(b"123", 4)
        client.push(b"abc", 5)
        found = await client.next()
        assert found is not None
        assert found.endswith(b"abc")
        assert b"event: resync\nid: 4\n" in found
        assert b"123" not in found.replace(b'"after":4', b"")
        client.close()
        assert await client.next() is None

    asyncio.run(scene())


def test_streams_end_with_the_service(service: Service, admin: Client, tmp_path: Path) -> None:
    add_tasks(service.app)
    id = admin.start("wait_for", path=f"{tmp_path}/go")["id"]
    with (
        listening(service) as (base, server),
        stream(base, admin, "events") as events,
        stream(base, admin, f"runs/{id}/log?follow=1") as lines,
    ):
        next(events)
        next(lines)
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        assert all(event["data"] is None or event["event"] == "run" for event in events)
        list(lines)  # both end although the run goes on
        stopper.join(10)
        assert not stopper.is_alive()
    (tmp_path / "go").touch()
    admin.ended(id)


def test_many_clients_get_the_same(base: str, admin: Client) -> None:
    """Every client gets the end of every run, once."""
    total = 20
    ready = threading.Barrier(9)

    def follow() -> list[int]:
        with stream(base, admin, "events?task=analyse&state=completed") as events:
            next(events)
            ready.wait(30)
            found = []
            for event in events:
                found.append(event["data"]["id"])
                if len(set(found)) == total:
                    return found
        return found

    with ThreadPoolExecutor(8) as pool:
        followers = [pool.submit(follow) for _ in range(8)]
        ready.wait(30)
        made = [admin.start("analyse", video="v", model="m")["id"] for _ in range(total)]
        for follower in followers:
            assert sorted(follower.result(30)) == made
