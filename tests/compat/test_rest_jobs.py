"""``/api/jobs``: shapes, texts, codes; progress that never falls; cancel, delete, clean up."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Any

import pytest

from abreast import App, Command, State
from abreast.compat.rest import jobs

from .rest_help import Client, Gates, app, client, gates, until, working

__all__ = ["app", "client", "gates", "working"]

JOB = ["job_id", "job_type", "status", "created_at", "started_at", "completed_at", "progress",
       "progress_message", "request_data", "result", "error"]  # fmt: skip


def create(client: Client, status: int = 200, **said: Any) -> Any:
    found = client.post("/api/jobs", status, json=said)
    return found["job_id"] if status == 200 else found["detail"]


def job(client: Client, id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/jobs/{id}")
    return found


def ended(client: Client, id: str) -> dict[str, Any]:
    def look() -> Any:
        found = job(client, id)
        return found if found["status"] not in ("pending", "running") else None

    return until(look, f"the end of job {id}")  # type: ignore[no-any-return]


def test_create(client: Client) -> None:
    said = {"task": "compare", "args": {"video_id": "v"}}
    created = client.post("/api/jobs", json=said)
    id = created["job_id"]
    assert created == {
        "job_id": id,
        "status": "pending",
        "message": f"Job created successfully. Poll /api/jobs/{id} for status.",
    }
    assert isinstance(id, str)
    found = job(client, id)
    assert list(found) == JOB
    assert {key: found[key] for key in JOB if key != "created_at"} == {
        "job_id": id,
        "job_type": "single_compare",
        "status": "pending",
        "started_at": None,
        "completed_at": None,
        "progress": 0,
        "progress_message": "Waiting to start",
        "request_data": {"task": "compare", "video_id": "v"},
        "result": None,
        "error": None,
    }
    assert datetime.fromisoformat(found["created_at"]).tzinfo is None


@pytest.mark.usefixtures("working")
def test_from_start_to_end(client: Client, gates: Gates) -> None:
    id = create(client, task="compare", args={"video_id": "v", "gate": "a"})
    until(lambda: job(client, id)["progress"] == 20, "progress")
    found = job(client, id)
    assert (found["status"], found["progress_message"]) == ("running", "Running 1 model...")
    assert found["started_at"] is not None
    said = client.get(f"/api/jobs/{id}/result", 400)["detail"]
    assert said == "Job is not completed yet. Current status: running"
    gates.open("a")
    found = ended(client, id)
    result = {"video": "v", "prompt": "Summary"}
    assert (found["status"], found["progress"], found["result"], found["error"]) == (
        "completed", 100, result, None)  # fmt: skip
    assert found["progress_message"] == "Evaluating results..."
    assert client.get(f"/api/jobs/{id}/result") == result
    begun, done = (datetime.fromisoformat(found[key]) for key in ("started_at", "completed_at"))
    assert done >= begun


@pytest.mark.usefixtures("working")
def test_args_in_order(client: Client) -> None:
    id = create(client, task="compare", args=["v", "Editing"])
    assert ended(client, id)["request_data"] == {
        "task": "compare", "video_id": "v", "prompt": "Editing"}  # fmt: skip


@pytest.mark.usefixtures("working")
def test_failed(client: Client, gates: Gates) -> None:
    gates.open("broken/p")
    id = create(client, task="analyse", args={"video": "broken", "prompt": "p"})
    found = ended(client, id)
    assert (found["status"], found["error"], found["result"]) == (
        "failed", "RuntimeError: no such video", None)  # fmt: skip
    said = client.get(f"/api/jobs/{id}/result", 400)["detail"]
    assert said == "Job is not completed yet. Current status: failed"


@pytest.mark.usefixtures("working")
def test_a_job_without_a_result(client: Client) -> None:
    id = create(client, task="nothing")
    found = ended(client, id)
    assert (found["progress_message"], found["result"]) == ("Completed", None)
    assert client.get(f"/api/jobs/{id}/result", 404) == {"detail": "Job result not found"}


@pytest.mark.usefixtures("working")
def test_a_command(app: App, client: Client) -> None:
    app.register("hello", Command(shell="echo hi"), {}, origin=("toml", "/srv/abreast.toml"))
    id = create(client, task="hello")
    found = ended(client, id)
    assert (found["status"], found["error"]) == ("completed", None)
    assert list(found["result"]) == ["command", "returncode", "stdout", "stderr", "cwd"]
    assert (found["result"]["command"], found["result"]["returncode"]) == ("echo hi", 0)


@pytest.mark.parametrize(
    "id", ["999", "x", "0", "-1", "1.5", "9" * 40, "..", "%2e%2e%2fsecret", "١"]
)
def test_unknown_jobs(client: Client, id: str) -> None:
    for method, url in (
        ("GET", f"/api/jobs/{id}"), ("GET", f"/api/jobs/{id}/result"),
        ("POST", f"/api/jobs/{id}/cancel"), ("DELETE", f"/api/jobs/{id}"),
    ):  # fmt: skip
        answer = client.ask_all((method, url, {}))[0]
        assert answer.status_code in (404, 405, 307)
        if answer.status_code == 404 and id not in ("..", "%2e%2e%2fsecret"):
            assert answer.json() == {"detail": "Job not found"}


# -- batches --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("working")
def test_a_batch(client: Client, gates: Gates) -> None:
    """Combinations in sequence; the percentage of those that have ended."""
    created = client.post(
        "/api/jobs",
        json={"task": "analyse", "over": {"video": ["a", "b"], "prompt": ["p", "q"]},
              "args": {"size": 3}},
    )  # fmt: skip
    id = created["job_id"]
    assert created["message"] == f"Batch job created successfully. Poll /api/jobs/{id} for status."
    seen = []
    for number, name in enumerate(("a/p", "a/q", "b/p", "b/q"), 1):
        wanted = (25 * (number - 1), f"Processing combination {number}/4...")

        def now() -> tuple[int, str]:
            found = job(client, id)
            return found["progress"], found["progress_message"]

        until(lambda wanted=wanted: now() == wanted, f"combination {number}")
        assert job(client, id)["status"] == "running"
        seen.append(now())
        gates.open(name)
    found = ended(client, id)
    assert (found["status"], found["progress"], found["progress_message"]) == (
        "completed", 100, "Batch completed")  # fmt: skip
    assert found["job_type"] == "batch_analyse"
    assert found["request_data"] == {
        "task": "analyse", "over": {"video": ["a", "b"], "prompt": ["p", "q"]}}  # fmt: skip
    result = [{"video": v, "prompt": p, "result": f"{v} {p} m 3"} for v in "ab" for p in "pq"]
    assert found["result"] == client.get(f"/api/jobs/{id}/result") == result
    assert client.get("/api/jobs")[0]["result"] is None


@pytest.mark.usefixtures("working")
def test_parts_and_a_join(client: Client, gates: Gates) -> None:
    gates.open("a/p")
    id = create(client, task="analyse", over={"video": ["a"], "prompt": ["p"]},
                parallel={"model": ["x", "y"]}, join="summary")  # fmt: skip
    found = ended(client, id)
    assert found["result"] == [{"video": "a", "prompt": "p", "result": "a p x 1 + a p y 1"}]
    assert found["request_data"]["parallel"] == {"model": ["x", "y"]}
    assert found["request_data"]["join"] == "summary"


@pytest.mark.usefixtures("working")
def test_a_batch_with_a_failure_keeps_the_rest(client: Client, gates: Gates) -> None:
    gates.open("a/p", "broken/p")
    id = create(client, task="analyse", over={"video": ["broken", "a"], "prompt": ["p"]})
    found = ended(client, id)
    assert found["status"] == "failed"
    assert found["error"] == "1 of 2 runs of 'analyse.batch' did not complete"
    assert found["result"] == [{"video": "a", "prompt": "p", "result": "a p m 1"}]


@pytest.mark.usefixtures("working")
def test_progress_never_falls(client: Client, gates: Gates) -> None:
    """Seen by several who look all the time, for single jobs and batches."""
    videos = [str(number) for number in range(30)]
    batch = create(client, task="analyse", over={"video": videos, "prompt": ["p"]},
                   parallel={"model": ["x", "y"]}, concurrency=3)  # fmt: skip
    single = create(client, task="compare", args={"video_id": "v", "gate": "a"})
    seen: list[list[tuple[int, str]]] = []
    over = threading.Event()

    def watch(id: str) -> None:
        mine: list[tuple[int, str]] = []
        seen.append(mine)
        while True:
            last = over.is_set()
            found = job(client, id)
            mine.append((found["progress"], found["status"]))
            if last:
                return

    watchers = [threading.Thread(target=watch, args=(id,)) for id in (batch, single) * 2]
    for watcher in watchers:
        watcher.start()
    for video in videos:
        gates.open(f"{video}/p")
        until(lambda: seen and len(seen[0]) > 2)
    gates.open("a")
    ended(client, batch)
    ended(client, single)
    over.set()
    for watcher in watchers:
        watcher.join(30)
    for mine in seen:
        values = [value for value, _ in mine]
        assert values == sorted(values)
        assert all((value == 100) == (status == "completed") for value, status in mine)
        assert values[-1] == 100


# -- the list -------------------------------------------------------------------------------------


def test_list_newest_first(app: App, client: Client) -> None:
    """Batches and single jobs; the runs of batches are not jobs."""
    first = create(client, task="nothing")
    batch = create(client, task="analyse", over={"video": list("abcdefgh"), "prompt": list("pqr")})
    middle = create(client, task="nothing")
    other = create(client, task="analyse", over={"video": ["a"], "prompt": ["p"]})
    last = create(client, task="nothing")
    found = client.get("/api/jobs")
    assert client.get("/api/jobs/") == found
    assert isinstance(found, list)
    assert [one["job_id"] for one in found] == [last, other, middle, batch, first]
    assert [list(one) for one in found] == [JOB] * 5
    assert [one["job_id"] for one in client.get("/api/jobs?limit=2")] == [last, other]
    assert client.get("/api/jobs?limit=0") == []
    child = app.run(int(batch)).children()[0]
    assert client.get(f"/api/jobs/{child.id}", 404) == {"detail": "Job not found"}
    for wrong in ("-1", "x", "1001"):
        client.get(f"/api/jobs?limit={wrong}", 422)


def test_large_batches_are_stepped_over(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(app)
    monkeypatch.setattr(jobs, "_PAGE", 10)
    first = create(client, task="nothing")
    batches = [
        create(client, task="analyse", over={"video": list(map(str, range(400))), "prompt": ["p"]})
        for _ in range(2)
    ]
    pages = []
    search = app.search
    monkeypatch.setattr(app, "search", lambda **given: pages.append(given) or search(**given))
    assert [one["job_id"] for one in client.get("/api/jobs")] == [*batches[::-1], first]
    assert len(pages) < 8


def test_the_list_while_others_submit(app: App, client: Client) -> None:
    """Nothing that is no part of a batch is ever stepped over."""
    made: list[list[int]] = [[], []]

    def submit(mine: list[int]) -> None:
        for number in range(20):
            if number % 4 == 3:
                mine.append(app.batch("analyse", {"video": ["a", "b"], "prompt": ["p"]}).id)
            else:
                mine.append(app.submit("nothing").id)

    threads = [threading.Thread(target=submit, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    listed = [int(one["job_id"]) for one in client.get("/api/jobs?limit=100")]
    assert listed == sorted(made[0] + made[1], reverse=True)


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "status", "text"),
    [
        ({"task": "compar"}, 404, "did you mean 'compare'"),
        ({"task": "compare"}, 400, "video_id"),
        ({"task": "compare", "args": {"video_id": "v", "colour": 1}}, 400, "colour"),
        ({"task": "compare", "args": ["v"], "over": {"prompt": ["p"]}}, 400, "args of a batch"),
        ({"task": "compare", "args": {"over": 1}, "over": {"prompt": ["p"]}}, 400, "'over'"),
        ({"task": "compare", "args": {"video_id": "v"}, "join": "summary"}, 400, "join goes with"),
        ({"task": "analyse", "over": {}}, 400, "over"),
        ({"task": "analyse", "over": {"video": ["a"]}, "join": "x"}, 404, "Task not found"),
        ({"task": "nothing", "timeout": "soon"}, 400, "timeout"),
        ({"task": "nothing", "over": {k: list(range(400)) for k in "abc"}}, 400, "64,000,000 runs"),
    ],
)
def test_what_cannot_be(app: App, client: Client, said: Any, status: int, text: str) -> None:
    assert text in create(client, status, **said)
    assert app.search() == []


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "task"),
        ({"task": 1}, "task"),
        ({"task": "nothing", "colour": 1}, "colour"),
        ({"task": "nothing", "over": {"a": "text"}}, "over"),
        ({"task": "nothing", "concurrency": 0}, "concurrency"),
        ({"task": "nothing", "args": "text"}, "args"),
    ],
)
def test_wrong_shapes_name_the_field(client: Client, said: Any, field: str) -> None:
    assert field in client.post("/api/jobs", 422, json=said)["detail"][0]["loc"]


@pytest.mark.usefixtures("working")
def test_a_limit_refuses(client: Client, gates: Gates) -> None:
    create(client, task="quick_test_task", args={"config": {"gate": "a"}})
    said = create(client, 400, task="quick_test_task", args={"config": {}})
    assert said == "Task is already running"


def test_options(app: App, client: Client) -> None:
    id = create(client, task="nothing", label="mine", delay=3600, priority=5)
    run = app.run(int(id))
    assert (run.label, run.state, run.trigger) == ("mine", State.SCHEDULED, "user anna")
    assert job(client, id)["status"] == "pending"


# -- cancel, delete, clean up ---------------------------------------------------------------------


@pytest.mark.usefixtures("working")
def test_cancel(client: Client) -> None:
    waiting = create(client, task="nothing", delay=3600)
    assert client.post(f"/api/jobs/{waiting}/cancel") == {
        "message": "Job cancelled", "job_id": waiting}  # fmt: skip
    found = job(client, waiting)
    assert (found["status"], found["progress_message"]) == ("cancelled", "Cancelled")
    said = client.post(f"/api/jobs/{waiting}/cancel", 400)["detail"]
    assert said == "Cannot cancel job with status: cancelled"
    done = create(client, task="nothing")
    ended(client, done)
    said = client.post(f"/api/jobs/{done}/cancel", 400)["detail"]
    assert said == "Cannot cancel job with status: completed"


@pytest.mark.usefixtures("working")
def test_cancel_a_running_batch(client: Client, gates: Gates) -> None:
    """What is done stays done; what has not begun never will."""
    gates.open("a/p")
    id = create(client, task="analyse", over={"video": ["a", "b", "c"], "prompt": ["p"]})
    until(lambda: job(client, id)["progress"] == 33)
    client.post(f"/api/jobs/{id}/cancel")
    found = ended(client, id)
    assert found["status"] == "cancelled"
    assert found["result"] == [{"video": "a", "prompt": "p", "result": "a p m 1"}]


@pytest.mark.usefixtures("working")
def test_delete_what_has_ended(app: App, client: Client) -> None:
    id = create(client, task="nothing")
    ended(client, id)
    assert client.delete(f"/api/jobs/{id}") == {"message": "Job deleted", "job_id": id}
    assert client.get("/api/jobs") == []
    client.get(f"/api/jobs/{id}", 404)
    client.delete(f"/api/jobs/{id}", 404)


@pytest.mark.usefixtures("working")
def test_delete_cancels_first(app: App, client: Client, gates: Gates) -> None:
    id = create(client, task="analyse", over={"video": ["a", "b"], "prompt": ["p"]})
    until(lambda: job(client, id)["status"] == "running")
    opener = threading.Timer(0.2, gates.open, ["a/p", "b/p"])  # a thread cannot be killed
    opener.start()
    assert client.delete(f"/api/jobs/{id}") == {"message": "Job deleted", "job_id": id}
    opener.join()
    assert client.get("/api/jobs") == []
    assert app.search() == []
    assert not gates._gate("b/p").wait(0) or app.counts()[State.COMPLETED] == 0


@pytest.mark.usefixtures("working")
def test_delete_what_will_not_end(
    app: App, client: Client, gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_END_S", 0.1)
    id = create(client, task="compare", args={"video_id": "v", "gate": "a"})
    until(lambda: job(client, id)["status"] == "running")
    with monkeypatch.context() as deaf:
        deaf.setattr(type(app.run(int(id))), "cancel", lambda self: None)
        said = client.delete(f"/api/jobs/{id}", 400)["detail"]
    assert said.startswith("Job has been cancelled, but has not ended yet")
    gates.open("a")
    ended(client, id)
    client.delete(f"/api/jobs/{id}")


def test_removed_while_it_is_listed(app: App, client: Client) -> None:
    """Somebody else deletes all the time; no list and no look fails for that."""
    kept = create(client, task="nothing")
    over = threading.Event()
    answers: list[int] = []

    def look() -> None:
        asked = [("GET", f"/api/{what}", {}) for what in ("jobs", "tasks/", "admin/stats")]
        asked.append(("GET", f"/api/tasks/{app.task_ids()['nothing']}/runs", {}))
        while not over.is_set():
            newest = client.get("/api/jobs?limit=1")[0]["job_id"]
            asked_now = [*asked, ("GET", f"/api/jobs/{newest}", {})]
            answers.extend(answer.status_code for answer in client.ask_all(*asked_now))

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    for _ in range(60):
        client.delete(f"/api/jobs/{create(client, task='nothing')}")
    over.set()
    for looker in lookers:
        looker.join(30)
    assert len(answers) > 20
    assert set(answers) <= {200, 404}
    assert [one["job_id"] for one in client.get("/api/jobs")] == [kept]


@pytest.mark.usefixtures("working")
def test_cleanup(app: App, client: Client, gates: Gates) -> None:
    gates.open("a/p")
    single = create(client, task="nothing")
    batch = create(client, task="analyse", over={"video": ["a"], "prompt": ["p"]})
    for id in (single, batch):
        ended(client, id)
    waiting = create(client, task="nothing", delay=3600)
    assert client.post("/api/jobs/cleanup") == {"message": "Cleaned up jobs older than 7 days"}
    assert len(client.get("/api/jobs")) == 3
    moment = time.time()
    until(lambda: time.time() > moment)
    assert client.post("/api/jobs/cleanup?days=0") == {
        "message": "Cleaned up jobs older than 0 days"}  # fmt: skip
    assert [one["job_id"] for one in client.get("/api/jobs")] == [waiting]
    assert [run.id for run in app.search()] == [int(waiting)]
    client.post("/api/jobs/cleanup?days=-1", 422)
    client.post("/api/jobs/cleanup?days=x", 422)


def test_other_flows_are_jobs_too(app: App, client: Client) -> None:
    with app.flow("import") as flow:
        flow.add("nothing", after=flow.add("nothing"))
    found = job(client, str(flow.run.id))
    assert (found["job_type"], found["request_data"]) == ("flow_import", {"task": "import"})
