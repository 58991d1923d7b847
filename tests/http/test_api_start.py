"""Starting runs over HTTP: acknowledged when written down, once under a key, refused in words."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from tests.http.service_help import GO, Client, Service, problem


def test_a_start_is_acknowledged_and_leads_to_its_run(admin: Client) -> None:
    answer = admin.post("tasks/add/runs", json={"kwargs": {"a": 20}, "args": [], "label": "mine"})
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/api/v1/runs/{body['id']}"
    assert (body["name"], body["label"], body["trigger"]) == ("add", "mine", "user anna")
    assert admin.ended(body["id"])["result"] == 22


def test_nothing_has_to_be_said(admin: Client) -> None:
    for more in ({}, {"json": {}}, {"content": b""}):
        answer = admin.post("tasks/add/runs", **more)
        assert answer.status_code == 202, answer.text
        assert admin.ended(answer.json()["id"])["result"] == 3


def test_who_waits_gets_the_end(admin: Client) -> None:
    answer = admin.post("tasks/add/runs", headers={"Prefer": "respond-async, wait=20"})
    assert (answer.status_code, answer.json()["state"]) == (200, "completed")
    assert answer.headers["preference-applied"] == "wait=20"


def test_who_waits_too_short_gets_the_run_as_it_is(admin: Client) -> None:
    answer = admin.post("tasks/wait/runs", headers={"Prefer": "wait=0"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=0"
    GO.set()
    assert admin.ended(answer.json()["id"])["state"] == "completed"


@pytest.mark.parametrize(
    "prefer", ["wait=", "wait=-1", "wait=x", "", "nothing", "wait=" + "9" * 20]
)
def test_other_preferences_are_not_heeded(admin: Client, prefer: str) -> None:
    answer = admin.post("tasks/add/runs", headers={"Prefer": prefer})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


def test_delays_priorities_and_time_limits(admin: Client) -> None:
    said = {"delay": "1h", "priority": 10, "timeout": 2.5}
    body = admin.post("tasks/add/runs", json=said).json()
    assert body["state"] == "scheduled"
    assert body["due"] > body["created"]
    at = admin.post("tasks/add/runs", json={"at": "2099-01-01T01:00:00+01:00"}).json()
    assert at["due"] == "2099-01-01T00:00:00.000000+00:00"
    for id in (body["id"], at["id"]):
        assert admin.post(f"runs/{id}/cancel").json()["state"] == "cancelled"


def test_a_result_as_an_argument(admin: Client) -> None:
    first = admin.start("add", a=4, b=5)
    second = admin.start("add", a={"$run": first["id"]}, b=1)
    assert admin.ended(second["id"])["result"] == 10
    wrong = admin.post("tasks/add/runs", json={"args": [{"$run": 10**6}]})
    assert "no run 1000000" in problem(wrong, 422, "invalid")["detail"]
    problem(admin.post("tasks/add/runs", json={"args": [{"$run": "x"}]}), 422, "invalid")


# -- refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kwargs": {"z": 1}}, "/kwargs/z"),
        ({"args": [1], "kwargs": {"a": 1}}, "/kwargs/a"),
        ({"args": [1, 2, 3]}, "/args/2"),
        ({"kwarg": {}}, "/kwarg"),
        ({"label": 5}, "/label"),
        ({"label": ""}, "/label"),
        ({"args": {}}, "/args"),
        ({"delay": -1}, "/delay"),
        ({"delay": "soon"}, "/delay"),
        ({"delay": True}, "/delay"),
        ({"timeout": "later"}, "/timeout"),
        ({"at": "tomorrow"}, "/at"),
        ({"at": 1e300}, "/at"),
        ({"priority": "high"}, "/priority"),
    ],
)
def test_what_cannot_be_is_named(admin: Client, body: dict[str, Any], pointer: str) -> None:
    before = admin.get("runs?limit=1").json()
    found = problem(admin.post("tasks/add/runs", json=body), 422, "invalid")
    assert any(error["pointer"].startswith(pointer) for error in found["errors"]), found
    assert admin.get("runs?limit=1").json() == before  # nothing was made


def test_a_parameter_that_is_missing_is_named(admin: Client) -> None:
    found = problem(admin.post("tasks/analyse/runs", json={"args": ["v"]}), 422, "invalid")
    assert [error["pointer"] for error in found["errors"]] == ["/kwargs/model"]


def test_a_task_that_takes_names_of_all_kinds(service: Service, admin: Client) -> None:
    @service.app.task
    def open_to_all(first: int, *others: int, **more: int) -> None:
        """Takes everything, and needs one thing."""

    found = admin.post("tasks/open_to_all/runs", json={"kwargs": {"extra": 1}}).json()
    assert [error["pointer"] for error in found["errors"]] == ["/kwargs/first"]
    body: dict[str, Any] = {"args": [1, 2, 3], "kwargs": {"first": 4}}
    found = admin.post("tasks/open_to_all/runs", json=body).json()
    assert [error["pointer"] for error in found["errors"]] == ["/kwargs/first"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"[1", b"nul", b'{"args": [NaN]}', b'{"label": "\xff"}', b'{"label": "\\ud800"}',
     b"[" * 100_000, b'{"args": [1e999]}'],
)  # fmt: skip
def test_what_is_not_json(admin: Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = admin.post("tasks/add/runs", content=body, headers=headers)
    problem(answer, 400, "bad-json")


def test_other_forms_of_bodies(admin: Client) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", ""):
        answer = admin.post("tasks/add/runs", content=b"{}", headers={"Content-Type": kind})
        problem(answer, 415, "not-json")
    for body in ([], 5, "x"):
        problem(admin.post("tasks/add/runs", json=body), 422, "invalid")


def test_unknown_tasks_and_parameters(admin: Client) -> None:
    found = problem(admin.post("tasks/ad/runs"), 404, "not-found")
    assert "did you mean 'add'" in found["detail"]
    found = problem(admin.post("tasks/add/runs?on_conflic=return"), 400, "bad-parameter")
    assert "did you mean 'on_conflict'" in found["detail"]
    problem(admin.post("tasks/add/runs?on_conflict=no"), 400, "bad-parameter")


def test_viewers_start_nothing(viewer: Client) -> None:
    problem(viewer.post("tasks/add/runs"), 403, "forbidden")


def test_strangers_see_nothing(service: Service) -> None:
    answer = Client(service, None).post("tasks/add/runs")
    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_service_that_stops_starts_nothing(service: Service, admin: Client) -> None:
    run = admin.start("add")
    admin.ended(run["id"])
    service.draining = True
    try:
        for path in ("tasks/add/runs", f"runs/{run['id']}/retry"):
            answer = admin.post(path)
            problem(answer, 503, "draining")
            assert answer.headers["retry-after"]
        assert admin.get("runs").status_code == 200
    finally:
        service.draining = False


# -- limits -----------------------------------------------------------------------------------


def test_a_limit_refuses_and_says_who_runs(admin: Client) -> None:
    first = admin.start("single")
    answer = admin.post("tasks/single/runs")
    found = problem(answer, 409, "already-running")
    assert found["running_run_id"] == first["id"]
    assert found["policy"] == "Limit(1, then='fail')"
    assert found["limit"] == "single"
    assert int(answer.headers["retry-after"]) >= 1
    returned = admin.post("tasks/single/runs?on_conflict=return")
    assert (returned.status_code, returned.json()["id"]) == (200, first["id"])
    assert returned.headers["location"] == f"/api/v1/runs/{first['id']}"
    GO.set()
    admin.ended(first["id"])
    assert admin.post("tasks/single/runs", headers={"Prefer": "wait=20"}).status_code == 200


def test_fifty_at_once_start_one(admin: Client) -> None:
    for _ in range(5):
        GO.clear()

        async def all_at_once(client: httpx.AsyncClient) -> list[httpx.Response]:
            starts = [client.post("/api/v1/tasks/single/runs") for _ in range(50)]
            return await asyncio.gather(*starts)

        answers = admin.together(all_at_once, 60)
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [202] + [409] * 49
        id = next(answer.json()["id"] for answer in answers if answer.status_code == 202)
        GO.set()
        admin.ended(id)


# -- once -------------------------------------------------------------------------------------


def test_the_same_request_under_a_key_makes_one_run(admin: Client) -> None:
    headers = {"Idempotency-Key": '"abc-1"'}
    first = admin.post("tasks/add/runs", json={"kwargs": {"a": 1}}, headers=headers)
    again = admin.post("tasks/add/runs", json={"kwargs": {"a": 1}}, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["location"] == first.headers["location"]


def test_a_key_stands_for_one_request(admin: Client) -> None:
    headers = {"Idempotency-Key": "abc-2"}
    assert admin.post("tasks/add/runs", json={"args": [1]}, headers=headers).status_code == 202
    other = admin.post("tasks/add/runs", json={"args": [2]}, headers=headers)
    problem(other, 422, "key-reused")
    problem(admin.post("tasks/echo/runs", json={"args": [1]}, headers=headers), 422, "key-reused")


def test_keys_are_of_a_user(service: Service, admin: Client) -> None:
    headers = {"Idempotency-Key": "abc-3"}
    mine = admin.post("tasks/add/runs", headers=headers).json()
    hers = Client(service, "olga").post("tasks/add/runs", headers=headers).json()
    assert mine["id"] != hers["id"]


def test_many_of_the_same_request_make_one_run(admin: Client) -> None:
    headers = {"Idempotency-Key": "abc-4"}

    async def all_at_once(client: httpx.AsyncClient) -> list[httpx.Response]:
        starts = [client.post("/api/v1/tasks/add/runs", headers=headers) for _ in range(20)]
        return await asyncio.gather(*starts)

    answers = admin.together(all_at_once)
    ids = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    others = {answer.status_code for answer in answers} - {202}
    assert len(ids) == 1
    assert others <= {409}
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "in-progress")


def test_what_was_refused_leaves_the_key_free(admin: Client) -> None:
    headers = {"Idempotency-Key": "abc-5"}
    problem(admin.post("tasks/add/runs", json={"args": [1, 2, 3]}, headers=headers), 422, "invalid")
    assert admin.post("tasks/add/runs", json={"args": [1]}, headers=headers).status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_keys_have_bounds(admin: Client, key: str) -> None:
    answer = admin.post("tasks/add/runs", headers={"Idempotency-Key": key})
    problem(answer, 400, "bad-parameter")


def test_names_of_tasks_may_have_slashes(service: Service, admin: Client) -> None:
    @service.app.task(name="odd/name %2F é")
    def odd() -> int:
        return 7

    path = "tasks/odd%2Fname%20%252F%20%C3%A9"
    assert admin.get(path).json()["name"] == odd.name
    answer = admin.post(f"{path}/runs", headers={"Prefer": "wait=20"})
    assert (answer.status_code, answer.json()["name"]) == (200, odd.name)


def test_arguments_of_any_name(admin: Client) -> None:
    given = {"self": 1, "task": 2, "": 3, "key": None}
    run = admin.post("tasks/echo/runs", json={"args": [[], {}], "kwargs": given}).json()
    assert admin.ended(run["id"])["result"] == [[[], {}], given]
