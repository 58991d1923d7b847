"""What runs print, over HTTP: whole, in parts, the last lines, and while they print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.http.log_tasks import add_tasks
from tests.http.service_help import Client, Service, listening, problem, serving, stream


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, int]]:
    """A service, and a run of it that has printed some lines."""
    with serving(tmp_path_factory.mktemp("speaking")) as service:
        add_tasks(service.app)
        client = Client(service)
        id = client.start("speak")["id"]
        client.ended(id)
        yield service, id


@pytest.fixture(scope="module")
def service(speaking: tuple[Service, int]) -> Service:
    return speaking[0]


@pytest.fixture
def printed(speaking: tuple[Service, int], viewer: Client) -> tuple[int, bytes]:
    """The run and its log."""
    return speaking[1], viewer.get(f"runs/{speaking[1]}/log").content


def test_a_log_is_plain_text(viewer: Client, printed: tuple[int, bytes]) -> None:
    id, whole = printed
    answer = viewer.get(f"runs/{id}/log")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["accept-ranges"] == "bytes"
    assert int(answer.headers["content-length"]) == len(whole)
    assert [line.split(" ", 1)[1] for line in answer.text.splitlines()] == [
        f"line {number} ä" for number in range(1, 6)
    ]


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-", 0, None),
        ("bytes=5-9", 5, 10),
        ("bytes=-7", -7, None),
        ("bytes=3-9999999", 3, None),
        ("bytes=-9999999", 0, None),
        ("bytes = 1-1", 1, 2),
    ],
)
def test_parts_of_a_log(
    viewer: Client, printed: tuple[int, bytes], wanted: str, start: int, end: int | None
) -> None:
    id, whole = printed
    answer = viewer.get(f"runs/{id}/log", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, whole[start:end])
    first = start % len(whole)
    last = first + len(answer.content) - 1
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"


@pytest.mark.parametrize(
    "wanted", ["bytes=-", "lines=1-2", "bytes=9-5", "bytes=x", "bytes=0-1,4-5"]
)
def test_parts_that_are_none(viewer: Client, printed: tuple[int, bytes], wanted: str) -> None:
    id, whole = printed
    answer = viewer.get(f"runs/{id}/log", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, whole)


@pytest.mark.parametrize("wanted", ["bytes=999999-", "bytes=-0", f"bytes={'9' * 15}-"])
def test_parts_behind_the_end(viewer: Client, printed: tuple[int, bytes], wanted: str) -> None:
    id, whole = printed
    answer = viewer.get(f"runs/{id}/log", headers={"Range": wanted})
    problem(answer, 416, "bad-range")
    assert answer.headers["content-range"] == f"bytes */{len(whole)}"


def test_the_last_lines(viewer: Client, printed: tuple[int, bytes]) -> None:
    id, whole = printed
    lines = whole.splitlines(keepends=True)
    for count in (0, 1, 3, 5, 99):
        wanted = b"".join(lines[-count:]) if count else b""
        assert viewer.get(f"runs/{id}/log?tail={count}").content == wanted
    problem(viewer.get(f"runs/{id}/log?tail=-1"), 400, "bad-parameter")


def test_a_run_that_printed_nothing(admin: Client) -> None:
    id = admin.start("analyse", video="v", model="m")["id"]
    admin.ended(id)
    assert admin.get(f"runs/{id}/log").content == b""
    problem(admin.get(f"runs/{id}/log", headers={"Range": "bytes=0-"}), 416, "bad-range")


# -- while it prints --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(service: Service) -> Iterator[str]:
    with listening(service) as (found, _):
        yield found


def collect(events: Iterator[Any]) -> tuple[str, list[Any]]:
    found, text = [], ""
    for event in events:
        found.append(event)
        if event["event"] == "message":
            text += event["data"]
        if event["event"] == "end":
            break
    return text, found


def test_following_a_run_to_its_end(base: str, admin: Client, tmp_path: Path) -> None:
    id = admin.start("wait_for", path=f"{tmp_path}/go")["id"]
    with stream(base, admin, f"runs/{id}/log?follow=1") as events:
        first = next(events)
        assert first["data"].endswith("waiting ä\n")  # while it runs
        (tmp_path / "go").touch()
        text, found = collect(events)
    whole = admin.get(f"runs/{id}/log")
    assert first["data"] + text == whole.text
    assert int(found[-1]["id"]) == len(whole.content)
    assert (found[-1]["event"], found[-1]["data"]["state"]) == ("end", "completed")


def test_going_on_where_it_was_cut_off(
    base: str, admin: Client, printed: tuple[int, bytes]
) -> None:
    id, whole = printed
    with stream(base, admin, f"runs/{id}/log?follow=1", Last_Event_ID="40") as events:
        text, _ = collect(events)
    assert text.encode() == whole[40:]
    with stream(base, admin, f"runs/{id}/log?follow=1&tail=1") as events:
        text, _ = collect(events)
    assert text.encode() == whole.splitlines(keepends=True)[-1]
    answer = admin.get(f"runs/{id}/log?follow=1", headers={"Last-Event-ID": "x"})
    problem(answer, 400, "bad-parameter")


def test_a_character_is_never_cut() -> None:
    from abreast.interfaces.http.run_log import _whole

    text = "aä€😀b"
    data = text.encode()
    for end in range(len(data) + 1):
        whole = _whole(data[:end])
        assert text.startswith(data[:whole].decode())
        assert end - whole < 4
    assert _whole(b"\xff\xff") == 2 or _whole(b"\xff\xff") == 1  # not text: goes on all the same


def test_following_a_run_that_waits(base: str, admin: Client) -> None:
    id = admin.post("tasks/add/runs", json={"delay": 3600}).json()["id"]
    with stream(base, admin, f"runs/{id}/log?follow=1") as events:
        admin.post(f"runs/{id}/cancel")
        text, found = collect(events)
    assert (text, found[-1]["data"]["state"]) == ("", "cancelled")
