"""Schedules and their ledger over HTTP."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.http.service_help import Client, Service, problem

YEARLY = {"name": "yearly", "task": "add", "spec": "0 0 1 1 *", "timezone": "Europe/Berlin"}


@pytest.fixture
def yearly(admin: Client) -> Any:
    answer = admin.post("schedules", json=YEARLY)
    assert answer.status_code == 201, answer.text
    yield answer.json()
    assert admin.ask("DELETE", "schedules/yearly").status_code in (204, 404)


def test_a_schedule_is_added_shown_and_removed(admin: Client) -> None:
    answer = admin.post("schedules", json={**YEARLY, "kwargs": {"a": 1}, "jitter": "30s"})
    assert answer.status_code == 201
    assert answer.headers["location"] == "/api/v1/schedules/yearly"
    body = answer.json()
    assert (body["source"], body["overlap"], body["catch_up"]) == ("api", "skip", "latest")
    assert (body["jitter"], body["kwargs"], body["paused"]) == (30, {"a": 1}, None)
    assert "Europe/Berlin" in body["described"]
    assert body["next"] is not None
    assert admin.get("schedules/yearly").json() == body
    assert admin.get("schedules?task=add").json()["items"] == [body]
    assert admin.get("schedules?task=echo").json()["items"] == []
    problem(admin.post("schedules", json=YEARLY), 409, "exists")
    assert admin.ask("DELETE", "schedules/yearly").status_code == 204
    problem(admin.get("schedules/yearly"), 404, "not-found")
    problem(admin.ask("DELETE", "schedules/yearly"), 404, "not-found")


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"task": "none"}, "/task"),
        ({"spec": "61 * * * *"}, "/spec"),
        ({"spec": ""}, "/spec"),
        ({"spec": "0 " * 200}, "/spec"),
        ({"timezone": "Europe/Atlantis"}, "/timezone"),
        ({"overlap": "maybe"}, "/overlap"),
        ({"catch_up": "some"}, "/catch_up"),
        ({"window": -1}, "/window"),
        ({"jitter": "long"}, "/jitter"),
        ({"kwargs": {"z": 1}}, ""),
        ({"args": [1, 2, 3]}, ""),
        ({"spce": "x"}, "/spce"),
        ({"name": ""}, "/name"),
    ],
)
def test_schedules_that_cannot_be(admin: Client, more: dict[str, Any], pointer: str) -> None:
    found = problem(admin.post("schedules", json={**YEARLY, **more}), 422, "invalid")
    assert found["errors"][0]["pointer"].startswith(pointer)
    assert admin.get("schedules").json()["items"] == []


def test_a_schedule_is_changed(admin: Client, yearly: dict[str, Any]) -> None:
    answer = admin.ask(
        "PATCH", "schedules/yearly", json={"spec": "every 90s", "overlap": "allow(3)"}
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["spec"], body["kind"], body["overlap"]) == ("every 90s", "every", "allow(3)")
    assert body["timezone"] == "Europe/Berlin"
    wrong = admin.ask("PATCH", "schedules/yearly", json={"spec": "nonsense"})
    problem(wrong, 422, "invalid")
    problem(admin.ask("PATCH", "schedules/none", json={}), 404, "not-found")
    assert admin.get("schedules/yearly").json()["spec"] == "every 90s"


def test_a_schedule_is_paused_and_resumed(admin: Client, yearly: dict[str, Any]) -> None:
    paused = admin.post("schedules/yearly/pause").json()
    assert paused["paused"] is not None
    assert admin.post("schedules/yearly/pause").json()["paused"] == paused["paused"]
    assert admin.post("schedules/yearly/resume").json()["paused"] is None
    problem(admin.post("schedules/none/pause"), 404, "not-found")
    problem(admin.post("schedules/none/resume"), 404, "not-found")


def test_what_a_task_declares_is_changed_there(idle: Service) -> None:
    app = idle.app

    @app.task(schedule="0 2 * * *")
    def nightly() -> None: ...

    rows = app.file_store().schedules
    declared = app.schedules.declared()
    found = declared[0] if isinstance(declared, tuple) else declared
    app.node.post(lambda now: rows.declare(app.name, found["app"], "app", time.time()))
    client = Client(idle)
    assert client.get("schedules/nightly").json()["source"] == "app"
    for method, more in (("PATCH", {"json": {"spec": "0 3 * * *"}}), ("DELETE", {})):
        found = problem(client.ask(method, "schedules/nightly", **more), 409, "declared-elsewhere")
        assert "nightly" in found["detail"]
    assert client.post("schedules/nightly/pause").json()["paused"] is not None


# -- the past ---------------------------------------------------------------------------------


def test_a_period_is_made_up_for(admin: Client) -> None:
    body = {"name": "hourly", "task": "add", "spec": "0 * * * *"}
    assert admin.post("schedules", json=body).status_code == 201
    period = {"since": "2026-01-01T00:30:00Z", "until": "2026-01-01T03:30:00Z"}
    dry = admin.post("schedules/hourly/backfill", json={**period, "dry_run": True}).json()
    assert (dry["counts"], dry["dry_run"]) == ({"would run": 3}, True)
    assert [item["at"][11:16] for item in dry["items"]] == ["01:00", "02:00", "03:00"]
    assert admin.get("instants?schedule=hourly").json()["items"] == []
    done = admin.post("schedules/hourly/backfill", json={**period, "overlap": "allow(9)"}).json()
    assert done["counts"] == {"ran": 3}
    for item in done["items"]:
        assert admin.ended(item["run"])["trigger"] == "backfill hourly"

    page = admin.get("schedules/hourly/instants?limit=2").json()
    assert [item["at"][11:16] for item in page["items"]] == ["03:00", "02:00"]
    rest = admin.get(f"schedules/hourly/instants?limit=2&cursor={page['next_cursor']}").json()
    assert ([item["at"][11:16] for item in rest["items"]], rest["next_cursor"]) == (["01:00"], None)
    for query, count in (("outcome=ran", 3), ("outcome=missed,skipped", 0), ("task=add", 3),
                         ("task=echo", 0), ("since=2026-01-01T02:00:00Z", 2),
                         ("until=2026-01-01T02:00:00Z", 1)):  # fmt: skip
        found = admin.get(f"instants?schedule=hourly&{query}").json()["items"]
        assert len(found) == count, query
    assert admin.ask("DELETE", "schedules/hourly").status_code == 204


def test_periods_that_cannot_be(admin: Client, yearly: dict[str, Any]) -> None:
    for period, pointer in (
        ({"since": 5, "until": 4}, "/until"),
        ({"since": "x", "until": 4}, "/since"),
        ({"since": 0, "until": "2099-01-01T00:00:00Z"}, ""),
        ({"since": 0}, "/until"),
    ):
        found = problem(admin.post("schedules/yearly/backfill", json=period), 422, "invalid")
        assert found["errors"][0]["pointer"] == pointer
    problem(admin.post("schedules/none/backfill", json={"since": 0, "until": 1}), 404, "not-found")


def test_the_ledger_of_nothing(viewer: Client) -> None:
    problem(viewer.get("schedules/none/instants"), 404, "not-found")
    problem(viewer.get("instants?outcome=perhaps"), 400, "bad-parameter")
    assert viewer.get("instants?schedule=none").json()["items"] == []


# -- before -----------------------------------------------------------------------------------


def test_trying_a_schedule_out(viewer: Client) -> None:
    said = {
        "spec": "30 2 * * *", "timezone": "Europe/Berlin", "start": "2026-03-27T00:00:00Z",
        "count": 3,
    }  # fmt: skip
    found = viewer.post("schedules/preview", json=said).json()
    assert [at[:16] for at in found["instants"]] == [
        "2026-03-27T01:30", "2026-03-28T01:30", "2026-03-29T01:00",
    ]  # fmt: skip
    assert found["clock_changes"]
    assert "Europe/Berlin" in found["described"]
    assert (found["kind"], found["timezone"]) == ("cron", "Europe/Berlin")


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"spec": "x"}, "/spec"),
        ({"spec": "1" * 257}, "/spec"),
        ({"spec": "0 0 1--100000000 * *"}, "/spec"),
        ({"count": 1001}, "/count"),
        ({"count": -1}, "/count"),
        ({"start": "x"}, "/start"),
        ({"timezone": "Nowhere"}, "/timezone"),
    ],
)
def test_what_cannot_be_tried_out(viewer: Client, more: dict[str, Any], pointer: str) -> None:
    answer = viewer.post("schedules/preview", json={"spec": "@daily", **more})
    found = problem(answer, 422, "invalid")
    assert found["errors"][0]["pointer"] == pointer


def test_viewers_change_nothing(viewer: Client) -> None:
    problem(viewer.post("schedules", json=YEARLY), 403, "forbidden")
    problem(viewer.ask("DELETE", "schedules/none"), 403, "forbidden")
