"""Tasks, flows, batches, limits and workers over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from tests.http.service_help import GO, Client, Service, problem


def test_tasks_with_how_they_have_gone(admin: Client) -> None:
    for number in range(3):
        admin.ended(admin.start("add", a=number)["id"])
    admin.ended(admin.start("fail")["id"])
    page = admin.get("tasks").json()
    tasks = {task["name"]: task for task in page["items"]}
    add = tasks["add"]
    assert (add["doc"], add["tags"]) == ("Add two numbers.", ["sums"])
    assert (add["success_rate"], add["running"], add["waiting"]) == (1.0, 0, 0)
    assert add["last"]["state"] == "completed"
    assert len(add["recent"]) == 3
    assert 0 <= add["median_seconds"] <= add["p95_seconds"]
    assert [(item["name"], item["required"], item["default"]) for item in add["parameters"]] == [
        ("a", False, 1), ("b", False, 2),
    ]  # fmt: skip
    assert tasks["fail"]["success_rate"] == 0.0
    assert tasks["analyse"]["last"] is None
    assert list(tasks) == sorted(tasks)
    assert page["files"][1]["error"].startswith("SyntaxError")


def test_choosing_tasks(viewer: Client) -> None:
    def names(query: str) -> list[str]:
        return [task["name"] for task in viewer.get(f"tasks?{query}").json()["items"]]

    assert names("tag=sums") == ["add"]
    assert names("tag=none") == []
    assert names("q=ECH") == ["echo"]
    problem(viewer.get("tasks?tags=sums"), 400, "bad-parameter")


def test_a_task_with_its_options(viewer: Client) -> None:
    task = viewer.get("tasks/single").json()
    assert "Limit(1" in str(task["options"]["limits"])
    assert "did you mean 'single'" in problem(viewer.get("tasks/singl"), 404, "not-found")["detail"]


def test_pausing_a_task_pauses_its_schedules(admin: Client) -> None:
    for name in ("one", "two"):
        body = {"name": name, "task": "echo", "spec": "0 0 1 1 *"}
        assert admin.post("schedules", json=body).status_code == 201
    assert admin.get("tasks/echo").json()["next"]["schedule"] == "one"
    assert admin.post("tasks/echo/pause").json() == {
        "name": "echo", "paused": True, "schedules": ["one", "two"],
    }  # fmt: skip
    paused = admin.get("tasks/echo").json()
    assert (paused["paused"], paused["next"]) == (True, None)
    assert admin.post("tasks/echo/pause").json()["schedules"] == []
    assert admin.post("tasks/echo/resume").json()["schedules"] == ["one", "two"]
    assert admin.get("tasks/echo").json()["paused"] is False
    problem(admin.post("tasks/none/pause"), 404, "not-found")
    for name in ("one", "two"):
        assert admin.ask("DELETE", f"schedules/{name}").status_code == 204


# -- flows ------------------------------------------------------------------------------------


def test_a_flow(admin: Client) -> None:
    runs = [
        {"task": "add", "label": "left", "kwargs": {"a": 1}},
        {"task": "add", "label": "right", "args": [5, 6]},
        {"task": "add", "label": "both", "args": [{"$run": "left"}, {"$run": "right"}]},
        {"task": "echo", "after": ["both"]},
    ]
    answer = admin.post("flows", json={"name": "sums", "runs": runs})
    assert answer.status_code == 202
    flow = answer.json()
    assert answer.headers["location"] == f"/api/v1/flows/{flow['id']}"
    assert admin.ended(flow["id"])["state"] == "completed"
    found = admin.get(f"flows/{flow['id']}").json()
    assert [run["label"] for run in found["runs"]] == ["left", "right", "both", "echo"]
    left, right, both, echo = (run["id"] for run in found["runs"])
    assert sorted(found["edges"]) == sorted([[left, both], [right, both], [both, echo]])
    assert (found["progress"]["done"], found["progress"]["total"]) == (4, 4)
    assert (found["counts"], found["batch"], found["more"]) == ({"completed": 4}, False, False)
    assert admin.get(f"runs/{both}/result").json()["result"] == 3 + 11
    assert admin.get(f"runs?flow={flow['id']}&sort=created").json()["items"][0]["id"] == left
    assert flow["id"] in [item["id"] for item in admin.get("flows?q=sums").json()["items"]]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"runs": []}, "/runs"),
        ({}, "/runs"),
        ({"runs": [{"task": "none"}]}, "/runs/0"),
        ({"runs": [{"task": "add"}, {"task": "add", "kwargs": {"z": 1}}]}, "/runs/1/kwargs/z"),
        ({"runs": [{"task": "add", "after": ["x"]}]}, "/runs/0"),
        ({"runs": [{"task": "add", "args": [{"$run": "x"}]}]}, "/runs/0"),
        ({"runs": [{"task": "add", "label": "x"}, {"task": "echo", "label": "x"}]}, "/runs/1"),
        ({"runs": [{"task": "echo", "kwargs": {"label": 1}}]}, "/runs/0/kwargs/label"),
        ({"runs": [{"task": "add", "befor": []}]}, "/runs/0/befor"),
    ],
)
def test_flows_that_cannot_be(admin: Client, body: dict[str, Any], pointer: str) -> None:
    before = admin.get("runs?limit=1").json()
    found = problem(admin.post("flows", json=body), 422, "invalid")
    assert found["errors"][0]["pointer"] == pointer
    assert admin.get("runs?limit=1").json() == before


def test_a_run_is_no_flow(admin: Client) -> None:
    run = admin.start("add")
    problem(admin.get(f"flows/{run['id']}"), 404, "not-found")
    problem(admin.get(f"batches/{run['id']}"), 404, "not-found")


def test_pages_of_flows(idle: Service) -> None:
    client = Client(idle)
    made = [client.post("flows", json={"runs": [{"task": "add"}]}).json()["id"] for _ in range(3)]
    page = client.get("flows?limit=2").json()
    assert [item["id"] for item in page["items"]] == made[:0:-1]
    rest = client.get(f"flows?limit=2&cursor={page['next_cursor']}").json()
    assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == (made[:1], None)
    problem(client.get(f"batches?cursor={page['next_cursor']}"), 400, "bad-parameter")


# -- batches ----------------------------------------------------------------------------------


def test_a_batch(admin: Client) -> None:
    said = {
        "task": "analyse", "over": {"video": ["a", "b"]}, "parallel": {"model": ["x", "y"]},
        "join": "judge",
    }  # fmt: skip
    answer = admin.post("batches", json=said)
    assert answer.status_code == 202, answer.text
    id = answer.json()["id"]
    assert answer.headers["location"] == f"/api/v1/batches/{id}"
    admin.ended(id)
    found = admin.get(f"batches/{id}").json()
    assert found["results"] == [
        {"values": {"video": "a"}, "result": "a/x+a/y"},
        {"values": {"video": "b"}, "result": "b/x+b/y"},
    ]
    assert (found["combinations"], found["counts"], found["join"]) == (2, {"completed": 6}, "judge")
    assert (found["progress"]["done"], found["progress"]["total"]) == (6, 6)
    result = admin.get(f"runs/{id}/result").json()["result"]
    assert result[1] == {"video": "b", "result": "b/x+b/y"}
    assert id in [item["id"] for item in admin.get("batches").json()["items"]]
    assert admin.get(f"flows/{id}").json()["batch"] is True


def test_a_batch_under_way(idle: Service) -> None:
    client = Client(idle)
    said = {"task": "add", "over": {"a": [1, 2]}, "constants": {"b": 3}}
    id = client.post("batches", json=said).json()["id"]
    found = client.get(f"batches/{id}").json()
    assert (found["results"], found["progress"]["done"]) == ([], 0)
    assert found["counts"] in ({"pending": 1, "blocked": 1}, {"blocked": 1, "pending": 1})
    problem(client.get(f"runs/{id}/result"), 409, "not-ended")
    client.post("flows", json={"runs": [{"task": "add"}]})
    assert [item["id"] for item in client.get("batches").json()["items"]] == [id]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"task": "none", "over": {"a": [1]}}, "/task"),
        ({"task": "add", "over": {"a": [1]}, "join": "none"}, "/join"),
        ({"task": "add", "over": {}}, "/over"),
        ({"task": "add", "over": {"a": []}}, "/over/a"),
        ({"task": "add", "over": {"a": 5}}, "/over/a"),
        ({"task": "add", "over": {"z": [1]}}, ""),
        ({"task": "add", "over": {"a": [1]}, "concurrency": 0}, "/concurrency"),
        ({"task": "add", "over": {"a": [1]}, "concurrency": True}, "/concurrency"),
        ({"task": "add", "over": {"a": [1]}, "parallel": {"a": [1]}}, ""),
        ({"task": "add", "over": {"a": [0] * 1000, "b": [0] * 1000}}, "/over"),
        ({"task": "echo", "over": {"result": [1]}}, "/over"),
    ],
)
def test_batches_that_cannot_be(admin: Client, body: dict[str, Any], pointer: str) -> None:
    before = admin.get("runs?limit=1").json()
    found = problem(admin.post("batches", json=body), 422, "invalid")
    assert found["errors"][0]["pointer"] == pointer
    assert admin.get("runs?limit=1").json() == before


def test_arguments_named_like_those_of_a_batch(admin: Client) -> None:
    said = {"task": "echo", "over": {"task": [1]}, "constants": {"over": 2, "app": 3}}
    id = admin.post("batches", json=said).json()["id"]
    admin.ended(id)
    (row,) = admin.get(f"batches/{id}").json()["results"]
    assert row["result"] == [[], {"task": 1, "over": 2, "app": 3}]


# -- limits and workers -----------------------------------------------------------------------


def test_limits_and_workers(admin: Client) -> None:
    run = admin.start("single")
    try:
        (row,) = [row for row in admin.get("limits").json()["items"] if row["key"] == "single"]
        assert (row["n"], row["holders"] or row["waiters"]) == (1, [run["id"]])
        assert admin.get("limits?key=other").json()["items"] == []
    finally:
        GO.set()
        admin.ended(run["id"])
    (worker,) = admin.get("workers").json()["items"]
    assert (worker["concurrency"], worker["state"]) == (4, "working")
