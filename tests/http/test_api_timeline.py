"""The timeline: columns that add up to the runs, instants without runs, what is to come."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest
from tests.http.service_help import Client, Service, problem


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs out of their columns, as a browser adds them up."""
    columns = found["runs"]
    made, id, created = [], 0, round(at(found["since"]) * 1000)
    for number in range(len(columns["id"])):
        id += columns["id"][number]
        created += columns["created"][number]
        label = columns["label"][number]
        task = found["tasks"][columns["task"][number]]
        started = columns["started"][number]
        begin = created if started is None else created + started
        ended = columns["ended"][number]
        made.append({
            "id": id, "name": task, "label": task if label is None else found["labels"][label],
            "state": found["states"][columns["state"][number]], "created": created / 1000,
            "started": None if started is None else begin / 1000,
            "ended": None if ended is None else (begin + ended) / 1000,
            "group": found["groups"][columns["group"][number]],
            "reason": columns["reasons"].get(str(number)),
        })  # fmt: skip
    return made


def test_columns_add_up_to_the_runs(admin: Client) -> None:
    since = time.time() - 1
    ids = [admin.start("add", a=number)["id"] for number in range(4)]
    ids.append(admin.start("fail")["id"])
    ids.append(admin.post("tasks/add/runs", json={"label": "odd", "delay": 3600}).json()["id"])
    for id in ids[:-1]:
        admin.ended(id)
    found = admin.get(f"timeline?since={since}").json()
    listed = {run["id"]: run for run in admin.get("runs").json()["items"]}
    shown = rows(found)
    assert [row["id"] for row in shown] == ids
    for row in shown:
        run = listed[row["id"]]
        assert {key: row[key] for key in ("name", "label", "state", "reason")} == {
            key: run[key] for key in ("name", "label", "state", "reason")
        }
        for key in ("created", "started", "ended"):
            assert (row[key] is None) == (run[key] is None)
            assert row[key] is None or abs(row[key] - at(run[key])) < 0.002
        assert row["group"] == row["name"]
    by_worker = admin.get(f"timeline?since={since}&group_by=worker").json()
    assert {row["group"] for row in rows(by_worker)} == {"worker 1", ""}
    assert {row["name"] for row in rows(admin.get(f"timeline?since={since}&task=fail").json())} == {
        "fail"
    }
    assert rows(admin.get(f"timeline?since={since}&tag=none").json()) == []
    few = admin.get(f"timeline?since={since}&limit=2").json()
    assert ([row["id"] for row in rows(few)], few["truncated"]) == (ids[-2:], True)
    admin.post(f"runs/{ids[-1]}/cancel")


def test_what_is_known_of_tasks_and_workers(admin: Client) -> None:
    since = time.time() - 0.5
    admin.ended(admin.start("add")["id"])
    admin.start("single")
    running = admin.start("patient")["id"]
    deadline = time.monotonic() + 30
    while not (found := admin.get(f"timeline?since={since}").json())["runs"]["progress"]:
        assert time.monotonic() < deadline
    about = dict(zip(found["tasks"], found["about"], strict=True))
    assert about["add"]["tags"] == ["sums"]
    assert about["add"]["seconds"] >= 0
    assert (about["add"]["limited"], about["single"]["limited"]) == (False, True)
    assert about["single"]["seconds"] is None
    assert [worker["concurrency"] for worker in found["workers"]] == [4]
    place = [row["id"] for row in rows(found)].index(running)
    assert found["runs"]["progress"] == {str(place): [0.0, None, ""]}


def test_a_long_line_hides_neither_what_runs_nor_what_ended(admin: Client) -> None:
    since = time.time() - 0.5
    done = [admin.ended(admin.start("add")["id"])["id"] for _ in range(3)]
    running = admin.start("wait")["id"]
    deadline = time.monotonic() + 30
    while admin.get(f"runs/{running}").json()["state"] != "running":
        assert time.monotonic() < deadline
    body = {"delay": 3600}
    later = [admin.post("tasks/add/runs", json=body).json()["id"] for _ in range(9)]
    found = admin.get(f"timeline?since={since}&limit=8").json()
    ids = [row["id"] for row in rows(found)]
    assert (found["truncated"], len(ids), ids) == (True, 8, sorted(ids))
    assert {*done, running} <= set(ids)
    assert ids[-1] == later[-1]


def test_flows_as_groups(admin: Client) -> None:
    since = time.time() - 0.5
    id = admin.post("flows", json={"runs": [{"task": "add"}, {"task": "add"}]}).json()["id"]
    admin.ended(id)
    found = rows(admin.get(f"timeline?since={since}&group_by=flow").json())
    assert [row["id"] for row in found if row["group"] == f"flow {id}"] == [id + 1, id + 2]


def test_what_is_to_come(admin: Client) -> None:
    admin.ended(admin.start("add")["id"])
    for name, spec in (("fast", "every 60s"), ("hourly", "0 * * * *"), ("stopped", "every 60s")):
        admin.post("schedules", json={"name": name, "task": "add", "spec": spec})
    admin.post("schedules/stopped/pause")
    found = admin.get(f"timeline?until={time.time() + 3600}").json()
    names = [item["schedule"] for item in found["coming"]]
    assert 59 <= names.count("fast") <= 61
    assert names.count("hourly") == 1
    assert "stopped" not in names
    times = [at(item["at"]) for item in found["coming"]]
    assert times == sorted(times)
    assert found["coming"][0]["seconds"] > 0
    assert admin.get(f"timeline?until={time.time()}").json()["coming"] == []
    for name in ("fast", "hourly", "stopped"):
        admin.ask("DELETE", f"schedules/{name}")


def test_instants_that_made_no_run(admin: Client, service: Service) -> None:
    admin.post("schedules", json={"name": "dense", "task": "single", "spec": "0 * * * *"})
    period = {"since": "2026-01-01T00:30:00Z", "until": "2026-01-01T03:30:00Z"}
    done = admin.post("schedules/dense/backfill", json=period).json()
    assert done["counts"].get("skipped"), done
    found = admin.get("timeline?since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z").json()
    assert [item["outcome"] for item in found["instants"]] == ["skipped"] * done["counts"][
        "skipped"
    ]
    assert found["instants"][0]["reason"]
    assert found["tasks"][found["instants"][0]["task"]] == "single"
    admin.post("runs:cancel", json={"all": True})
    admin.ask("DELETE", "schedules/dense")


def test_as_a_trace(admin: Client) -> None:
    since = time.time() - 1
    id = admin.start("add")["id"]
    admin.ended(id)
    events = admin.get(f"timeline?since={since}&format=chrome-trace").json()["traceEvents"]
    (run,) = [event for event in events if event["ph"] == "X" and event["args"]["id"] == id]
    assert (run["name"], run["args"]["state"]) == ("add", "completed")
    assert run["dur"] >= 0


@pytest.mark.parametrize(
    "query",
    ["since=x", "until=0&since=5", "group_by=colour", "format=png", "limit=0", "limit=20001"],
)
def test_periods_that_cannot_be(viewer: Client, query: str) -> None:
    problem(viewer.get(f"timeline?{query}"), 400, "bad-parameter")
