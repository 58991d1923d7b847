"""Looking at runs over HTTP, and ending and repeating them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.http.service_help import GO, Client, Service, problem

from abreast.interfaces.http.runs import FIELDS


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


@pytest.fixture(scope="module")
def many(service: Service) -> list[int]:
    """Runs that have ended: 5 sums, 2 failures, 1 echo."""
    client = Client(service)
    runs = [client.start("add", a=number) for number in range(5)]
    runs += [client.start("fail"), client.start("fail", text="much worse")]
    answer = client.post("tasks/echo/runs", json={"label": "Strange ÄÖ label"})
    runs.append(answer.json())
    for run in runs:
        client.ended(run["id"])
    return [run["id"] for run in runs]


def test_newest_first_and_oldest_first(viewer: Client, many: list[int]) -> None:
    assert ids(viewer.get("runs")) == many[::-1]
    assert ids(viewer.get("runs?sort=created")) == many
    assert ids(viewer.get("runs?sort=-created&limit=3")) == many[:-4:-1]


@pytest.mark.parametrize("sort", ["created", "-created"])
def test_pages_join_without_gaps(viewer: Client, many: list[int], sort: str) -> None:
    found, cursor = [], None
    for _ in range(10):
        more = f"&cursor={cursor}" if cursor else ""
        page = viewer.get(f"runs?sort={sort}&limit=3&task=add,fail{more}").json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(found) == many[:7]


def test_cursors_are_of_one_list(viewer: Client, many: list[int]) -> None:
    cursor = viewer.get("runs?limit=1").json()["next_cursor"]
    for query in (f"sort=created&cursor={cursor}", "cursor=nonsense", "cursor=%C3%A4", "cursor="):
        problem(viewer.get(f"runs?{query}"), 400, "bad-parameter")


def test_filters(viewer: Client, many: list[int]) -> None:
    cases = {
        "state=failed": many[5:7], "state=failed,completed": many, "state=running": [],
        "task=echo": many[7:], "task=echo,fail": many[5:], "task=none": [], "tag=sums": many[:5],
        "tag=other": [], "q=strange": many[7:], "q=FAIL": many[5:7], "reason=error": many[5:7],
        "worker=1": many, "worker=77": [], "flow=77": [], "since=2099-01-01": [],
        "until=2099-01-01": many, "since=0": many, "tag=sums&state=failed": [],
        "until=2001-01-01T00:00:00+02:00": [],
    }  # fmt: skip
    for query, wanted in cases.items():
        assert ids(viewer.get(f"runs?sort=created&{query}")) == wanted, query


def test_times_split_the_list(viewer: Client, many: list[int]) -> None:
    at = viewer.get(f"runs/{many[3]}").json()["created"]
    from urllib.parse import quote

    for text in (quote(at), at):  # a plus that was not escaped is a blank
        assert ids(viewer.get(f"runs?since={text}&sort=created")) == many[3:]
        assert ids(viewer.get(f"runs?until={text}&sort=created")) == many[:3]


@pytest.mark.parametrize(
    "query",
    ["limt=3", "state=ended", "state=faild", "limit=0", "limit=1001", "limit=x", "sort=id",
     "since=yesterday", "since=1e30", "until=nan", "reason=because", "worker=0", "worker=x",
     "fields=id,nam", "flow=-1", "state=failed&state=running", "count=perhaps", f"q={'x' * 201}"],
)  # fmt: skip
def test_slips_select_nothing(viewer: Client, query: str) -> None:
    found = problem(viewer.get(f"runs?{query}"), 400, "bad-parameter")
    assert query.partition("=")[0] in found["detail"]


def test_only_some_members(viewer: Client, many: list[int]) -> None:
    page = viewer.get("runs?fields=id,state&limit=2").json()
    assert page["items"] == [{"id": id, "state": "completed" if id == many[7] else "failed"}
                             for id in many[:5:-1]]  # fmt: skip


def test_how_many_there_are(viewer: Client, many: list[int]) -> None:
    assert viewer.get("runs?count=true&limit=1").json()["total"] == len(many)
    assert viewer.get("runs?count=true&state=failed&limit=1").json()["total"] == 2
    assert viewer.get("runs?count=true&task=none").json()["total"] == 0
    assert "total" not in viewer.get("runs").json()


def test_a_run_at_length(viewer: Client, many: list[int]) -> None:
    run = viewer.get(f"runs/{many[1]}").json()
    assert set(FIELDS) < set(run)
    assert (run["name"], run["state"], run["result"]) == ("add", "completed", 3)
    assert (run["kwargs"], run["args"], run["history"]) == ({"a": 1}, [], [])
    assert (run["executor"], run["trigger"], run["attempts"]) == ("thread", "user anna", 1)
    assert run["place"]["pid"] > 0
    failed = viewer.get(f"runs/{many[6]}").json()
    assert (failed["state"], failed["reason"]) == ("failed", "error")
    assert (failed["error"]["type"], failed["error"]["message"]) == ("RuntimeError", "much worse")
    assert "raise RuntimeError" in failed["error"]["traceback"]  # of the task, which is its point


def test_a_run_that_did_not_change_is_not_sent_again(viewer: Client, many: list[int]) -> None:
    answer = viewer.get(f"runs/{many[0]}")
    tag = answer.headers["etag"]
    for given in (tag, f'W/{tag}, "other"', "*"):
        again = viewer.get(f"runs/{many[0]}", headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = viewer.get(f"runs/{many[0]}", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200
    assert viewer.get(f"runs/{many[1]}").headers["etag"] != tag


@pytest.mark.parametrize("id", ["999999", "0", "-1", "x", "1.5", "9" * 30, "%20"])
@pytest.mark.parametrize("what", ["", "/log", "/steps", "/result", "/why"])
def test_runs_that_are_not_there(viewer: Client, id: str, what: str) -> None:
    problem(viewer.get(f"runs/{id}{what}"), 404, "not-found")


def test_a_run_that_was_pruned_is_gone(admin: Client, service: Service) -> None:
    run = admin.start("add")
    admin.ended(run["id"])
    admin.ended(admin.start("add")["id"])
    service.app.forget(run["id"])
    problem(admin.get(f"runs/{run['id']}"), 410, "pruned")
    problem(admin.post(f"runs/{run['id']}/cancel"), 410, "pruned")


def test_steps_progress_and_why(admin: Client) -> None:
    run = admin.start("steps")
    done = admin.ended(run["id"])
    assert done["progress"] == {"done": 1, "total": 2, "message": "half"}
    (step,) = admin.get(f"runs/{run['id']}/steps").json()["items"]
    assert (step["name"], step["output"], step["error"]) == ("double", 42, None)
    assert step["seconds"] >= 0
    why = admin.get(f"runs/{run['id']}/why").json()
    assert why["why"].endswith("ended completed")
    assert admin.get(f"runs/{run['id']}/result").json()["result"] == 42


def test_results_that_are_not_there(admin: Client) -> None:
    waiting = admin.start("wait")
    found = problem(admin.get(f"runs/{waiting['id']}/result"), 409, "not-ended")
    assert found["state"] in ("pending", "running")
    GO.set()
    admin.ended(waiting["id"])
    failed = admin.start("fail")
    admin.ended(failed["id"])
    found = problem(admin.get(f"runs/{failed['id']}/result"), 409, "no-result")
    assert (found["reason"], found["error"]["message"]) == ("error", "no luck")


# -- ending and repeating ---------------------------------------------------------------------


def test_what_has_not_started_is_cancelled_at_once(admin: Client) -> None:
    run = admin.post("tasks/add/runs", json={"delay": 3600}).json()
    answer = admin.post(f"runs/{run['id']}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert answer.json()["reason"] == "user"
    again = admin.post(f"runs/{run['id']}/cancel")
    assert (again.status_code, again.json()) == (200, answer.json())


def test_what_runs_is_asked_to_end(admin: Client) -> None:
    run = admin.start("patient")
    while admin.get(f"runs/{run['id']}").json()["state"] != "running":
        GO.wait(0.01)
    answer = admin.post(f"runs/{run['id']}/cancel")
    assert answer.status_code in (200, 202)
    assert admin.ended(run["id"])["state"] == "cancelled"


def test_what_has_ended_is_repeated(admin: Client) -> None:
    first = admin.start("add", a=40)
    problem(admin.post(f"runs/{first['id'] + 1000}/retry"), 404, "not-found")
    admin.ended(first["id"])
    answer = admin.post(f"runs/{first['id']}/retry")
    again = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/runs/{again['id']}"
    assert again["retry_of"] == first["id"]
    assert admin.ended(again["id"])["result"] == 42


def test_what_has_not_ended_is_not_repeated(admin: Client) -> None:
    run = admin.start("wait")
    problem(admin.post(f"runs/{run['id']}/retry"), 409, "not-ended")
    GO.set()
    admin.ended(run["id"])


def test_viewers_end_and_repeat_nothing(viewer: Client, many: list[int]) -> None:
    for what in ("cancel", "retry"):
        problem(viewer.post(f"runs/{many[0]}/{what}"), 403, "forbidden")
        problem(viewer.post(f"runs:{what}", json={"all": True}), 403, "forbidden")


# -- many at once -----------------------------------------------------------------------------


def test_cancelling_many(idle: Service) -> None:
    client = Client(idle)
    sums = [client.start("add")["id"] for _ in range(4)]
    echo = client.start("echo")["id"]
    dry = client.post("runs:cancel", json={"task": ["add"], "dry_run": True}).json()
    assert (dry["matched"], dry["done"], dry["dry_run"], dry["more"]) == (4, 0, True, False)
    assert client.get(f"runs/{sums[0]}").json()["state"] == "pending"
    done = client.post("runs:cancel", json={"task": ["add"]}).json()
    assert (done["matched"], done["done"], done["refused_count"]) == (4, 4, 0)
    assert client.get(f"runs/{echo}").json()["state"] == "pending"
    assert client.post("runs:cancel", json={"all": True}).json()["done"] == 1
    assert client.post("runs:cancel", json={"all": True}).json()["matched"] == 0


def test_repeating_many(admin: Client, many: list[int]) -> None:
    failed = many[5:7]
    done = admin.post("runs:retry", json={"ids": [*failed, many[0], 10**9]}).json()
    assert (done["matched"], done["done"]) == (2, 2)  # of its own accord it repeats no successes
    done = admin.post("runs:retry", json={"ids": [many[0]], "state": ["completed"]}).json()
    assert (done["matched"], done["done"]) == (1, 1)


def test_repeating_what_cannot_be_repeated(idle: Service) -> None:
    client = Client(idle)
    for _ in range(2):
        client.start("add")
    client.post("runs:cancel", json={"all": True})
    tasks, idle.app._tasks = idle.app._tasks, {}
    try:
        done = client.post("runs:retry", json={"state": ["cancelled"]}).json()
    finally:
        idle.app._tasks = tasks
    assert (done["matched"], done["done"], done["refused_count"]) == (2, 0, 2)
    assert "no task 'add'" in done["refused"][0]["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""), ({"dry_run": True}, ""), ({"all": False}, ""), ({"al": True}, "/al"),
        ({"state": ["ended"]}, "/state"), ({"state": "failed"}, "/state"),
        ({"since": "yesterday"}, "/since"), ({"flow": 0}, "/flow"), ({"worker": 2**60}, "/worker"),
        ({"reason": "because"}, "/reason"), ({"ids": ["1"]}, "/ids"),
        ({"ids": [1], "q": "x"}, "/ids"), ({"ids": list(range(10_001))}, "/ids"),
    ],
)  # fmt: skip
def test_it_has_to_be_said_which(admin: Client, body: dict[str, Any], pointer: str) -> None:
    found = problem(admin.post("runs:cancel", json=body), 422, "invalid")
    assert found["errors"][0]["pointer"].startswith(pointer)
