"""``/api/tasks``: shapes, texts and codes; one run of a task at a time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from abreast import App, Command, Limit

from .rest_help import Client, Gates, app, client, gates, make_app, until, working

__all__ = ["app", "client", "gates", "working"]

TASK = ["id", "name", "module_name", "description", "file_path", "schedule_type",
        "schedule_config", "is_active", "created_at", "updated_at", "latest_run", "next_run",
        "job_status"]  # fmt: skip
LATEST = ["status", "started_at", "completed_at", "duration_seconds", "error_message"]
RUN = ["id", "status", "started_at", "completed_at", "duration_seconds", "error_message",
       "logs_file_path", "created_at"]  # fmt: skip


def number(client: Client, name: str) -> int:
    tasks = client.get("/api/tasks/")["tasks"]
    return next(task["id"] for task in tasks if task["name"] == name)


def runs(client: Client, id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/tasks/{id}/runs")["task_runs"]
    return found


def newest_ended(client: Client, id: int) -> dict[str, Any]:
    return until(  # type: ignore[no-any-return]
        lambda: next(
            (run for run in runs(client, id)[:1] if run["status"] not in ("pending", "running")),
            None,
        )
    )


def test_list(client: Client) -> None:
    found = client.get("/api/tasks/")
    assert list(found) == ["tasks"]
    assert client.get("/api/tasks") == found
    first = found["tasks"][0]
    assert list(first) == TASK
    assert first["name"] == "quick_test_task"
    assert first["description"] == "Print a little."
    assert (first["schedule_type"], first["schedule_config"], first["is_active"]) == (
        "manual", None, True)  # fmt: skip
    assert first["job_status"] == {"scheduled": False, "next_run": None, "status": "not_scheduled"}
    ids = [task["id"] for task in found["tasks"]]
    assert ids == sorted(set(ids))


def test_the_services_own_tasks_are_not_shown(app: App, client: Client) -> None:
    @app.task(name="abreast:notify", executor="thread")
    def notify() -> None: ...

    hidden = app.task_ids()["abreast:notify"]
    assert "abreast:notify" not in [task["name"] for task in client.get("/api/tasks/")["tasks"]]
    client.post(f"/api/tasks/{hidden}/run", 404)
    client.post("/api/jobs", 404, json={"task": "abreast:notify"})


@pytest.mark.usefixtures("working")
def test_a_run(client: Client) -> None:
    id = number(client, "quick_test_task")
    started = client.post(f"/api/tasks/{id}/run")
    assert list(started) == ["message", "task_run_id", "status"]
    assert started["message"] == "Task execution started"
    assert started["status"] in ("pending", "running", "success")
    run = newest_ended(client, id)
    assert list(run) == RUN
    assert (run["id"], run["status"], run["error_message"]) == (
        started["task_run_id"], "success", None)  # fmt: skip
    begun, ended = (datetime.fromisoformat(run[name]) for name in ("started_at", "completed_at"))
    assert begun.tzinfo is None
    assert (ended - begun).total_seconds() == pytest.approx(run["duration_seconds"], abs=1e-4)
    lines = Path(run["logs_file_path"]).read_text().splitlines()
    assert [line.split("Z ")[-1] for line in lines] == ["at work", "done"]
    latest = client.get("/api/tasks/")["tasks"][0]["latest_run"]
    assert list(latest) == LATEST
    assert latest == {key: run[key] for key in LATEST}


@pytest.mark.usefixtures("working")
def test_a_failed_run(client: Client) -> None:
    id = number(client, "quick_test_task")
    client.post(f"/api/tasks/{id}/run", json={"fail": True})
    run = newest_ended(client, id)
    assert (run["status"], run["error_message"]) == ("failed", "ValueError: as wanted")


def test_states(app: App, client: Client) -> None:
    """What has not started is pending; what was cancelled or skipped is cancelled."""
    id = number(client, "nothing")
    task = app.tasks["nothing"]
    first = task.submit()
    later = task.with_options(delay=3600).submit()
    blocked = task.with_options(after=[later]).submit()
    assert [run["status"] for run in runs(client, id)] == ["pending"] * 3
    later.cancel()
    found = {run["id"]: run for run in runs(client, id)}
    assert found[first.id]["status"] == "pending"
    assert found[later.id]["status"] == found[blocked.id]["status"] == "cancelled"
    assert found[blocked.id]["error_message"]
    assert found[later.id]["started_at"] is None
    assert found[later.id]["completed_at"] is not None


def test_history_is_limited(app: App, client: Client) -> None:
    id = number(client, "nothing")
    made = app.tasks["nothing"].submit_many([()] * 12)
    assert [run["id"] for run in runs(client, id)] == [run.id for run in made[::-1][:10]]
    few = client.get(f"/api/tasks/{id}/runs?limit=2")["task_runs"]
    assert [run["id"] for run in few] == [made[-1].id, made[-2].id]
    for wrong in ("-1", "x", "1001"):
        client.get(f"/api/tasks/{id}/runs?limit={wrong}", 422)


# -- starting -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("working")
def test_a_task_that_runs_is_refused(client: Client, gates: Gates) -> None:
    id = number(client, "quick_test_task")
    client.post(f"/api/tasks/{id}/run", json={"gate": "a"})
    assert client.post(f"/api/tasks/{id}/run", 400) == {"detail": "Task is already running"}
    other = client.post(f"/api/tasks/{number(client, 'nothing')}/run")
    assert other["message"] == "Task execution started"
    gates.open("a")
    newest_ended(client, id)
    client.post(f"/api/tasks/{id}/run")


@pytest.mark.parametrize("round", range(5))
@pytest.mark.usefixtures("working")
def test_fifty_at_once_start_one(app: App, client: Client, gates: Gates, round: int) -> None:
    id = number(client, "quick_test_task")
    answers = client.ask_all(
        *[("POST", f"/api/tasks/{id}/run", {"json": {"gate": "all"}}) for _ in range(50)]
    )
    codes = [answer.status_code for answer in answers]
    assert (codes.count(200), codes.count(400)) == (1, 49)
    refused = {answer.text for answer in answers if answer.status_code == 400}
    assert refused == {'{"detail":"Task is already running"}'}
    assert len(runs(client, id)) == 1
    gates.open("all")
    newest_ended(client, id)


def test_what_does_not_exist(client: Client) -> None:
    for method, url in (
        ("POST", "/api/tasks/99/run"), ("GET", "/api/tasks/99/runs"), ("DELETE", "/api/tasks/99"),
    ):  # fmt: skip
        assert client.ask(method, url, 404) == {"detail": "Task not found"}
    client.put("/api/tasks/99/schedule", 404, json={"schedule_type": "manual"})
    assert list(client.post("/api/tasks/x/run", 422)) == ["detail"]


def test_a_config_is_an_object(client: Client) -> None:
    found = client.post("/api/tasks/1/run", 422, json=[1, 2])
    assert found["detail"][0]["loc"] == ["body"]
    assert "input" not in found["detail"][0]
    client.post("/api/tasks/1/run", 422, content=b"{", headers={"content-type": "application/json"})


def test_a_config_becomes_arguments(app: App, client: Client) -> None:
    """A task with a parameter config gets it whole, others get its keys."""

    @app.task(executor="thread")
    def optional(config: dict[str, Any] | None = None) -> None: ...

    def start(name: str, status: int = 200, **rest: Any) -> Any:
        answer = client.post(f"/api/tasks/{number(client, name)}/run", status, **rest)
        return answer["detail"] if status != 200 else dict(app.run(answer["task_run_id"]).kwargs)

    assert start("optional") == {}
    assert start("optional", json={}) == {}
    assert start("optional", json={"a": 1}) == {"config": {"a": 1}}
    assert start("optional", json={"config": {"a": 1}}) == {"config": {"config": {"a": 1}}}
    assert start("quick_test_task") == {"config": {}}
    assert start("compare", json={"video_id": "v"}) == {"video_id": "v"}
    assert "video_id" in start("compare", 400)
    assert "colour" in start("compare", 400, json={"video_id": "v", "colour": 1})


def test_who_started_it_is_written_down(app: App, client: Client) -> None:
    id = client.post(f"/api/tasks/{number(client, 'nothing')}/run")["task_run_id"]
    assert app.run(id).trigger == "user anna"


# -- numbers --------------------------------------------------------------------------------------


def test_numbers_stay(tmp_path: Path, gates: Gates) -> None:
    """Over a restart, another order of the tasks, and tasks that come and go."""
    with make_app(tmp_path / "jobs.db", gates) as app:
        before = {task["name"]: task["id"] for task in Client(app).get("/api/tasks/")["tasks"]}
    with App(f"sqlite:///{tmp_path / 'jobs.db'}") as app:
        for name in ["new", *reversed(before)]:
            if name != "nothing":
                app.task(name=name, executor="thread")(lambda: None)
        after = {task["name"]: task["id"] for task in Client(app).get("/api/tasks/")["tasks"]}
        assert {name: after[name] for name in after if name != "new"} == {
            name: id for name, id in before.items() if name != "nothing"
        }
        assert after["new"] not in before.values()
        Client(app).post(f"/api/tasks/{before['nothing']}/run", 404)


# -- what is only answered ------------------------------------------------------------------------


def test_discover(client: Client) -> None:
    found = client.get("/api/tasks/discover")
    assert list(found) == ["discovered_tasks", "new_tasks", "existing_tasks"]
    assert found["new_tasks"] == []
    assert found["existing_tasks"] == [task["name"] for task in found["discovered_tasks"]]
    assert list(found["discovered_tasks"][0]) == [
        "name", "file_path", "module_name", "description"]  # fmt: skip


class FileTask:
    """Stands for the function of a file, which says where it runs."""

    def __init__(self, python: str | None = None, requirements: str | None = None) -> None:
        self.python = python
        self.requirements = requirements

    def __call__(self, config: dict[str, Any] | None = None) -> None: ...


@pytest.fixture
def folder(app: App, tmp_path: Path) -> Path:
    """Tasks read from files: one with an environment and requirements, one in a package."""
    found = tmp_path / "tasks"
    (found / "env" / "bin").mkdir(parents=True)
    python = found / "env" / "bin" / "python"
    python.touch(0o755)
    (found / "needs.txt").write_text("x\n")
    (found / "backup.py").write_text("")
    (found / "pack").mkdir()
    for name in ("__init__.py", "more.py"):
        (found / "pack" / name).write_text("")
    backup = FileTask(str(python), str(found / "needs.txt"))
    limits = [Limit(1, then="fail")]
    app.register("backup", backup, {"limits": limits}, origin=("file", str(found / "backup.py")))
    app.register("packed", FileTask(), {}, origin=("file", str(found / "pack")))
    other = FileTask(str(found / "env"))
    app.register("other", other, {}, origin=("file", str(found / "backup.py")))
    return found


def test_environments(client: Client, folder: Path) -> None:
    environment = {"name": "backup_env", "path": str(folder / "env"), "task_folder": "tasks",
                   "python_executable": str(folder / "env/bin/python")}  # fmt: skip
    assert client.get("/api/tasks/environments") == {"environments": [environment]}
    requirements = {"name": "backup_needs.txt", "path": str(folder / "needs.txt"),
                    "task_folder": "tasks", "size": 2}  # fmt: skip
    assert client.get("/api/tasks/requirements") == {"requirements_files": [requirements]}
    project = {"name": "pack", "path": str(folder / "pack"), "main_file": "pack/__init__.py",
               "file_count": 2, "files": ["__init__.py", "more.py"],
               "is_package": True}  # fmt: skip
    assert client.get("/api/tasks/projects") == {"task_projects": [project]}


def test_validate_environment(client: Client, folder: Path, tmp_path: Path) -> None:
    url = "/api/tasks/validate-environment"
    good = client.post(url, json={"environment_path": str(folder / "env")})
    assert good == {"valid": True, "errors": [], "warnings": [],
                    "python_executable": str(folder / "env/bin/python")}  # fmt: skip
    relative = {"environment_path": "tasks/env", "requirements_path": "needs.txt"}
    assert client.post(url, json=relative) == good
    absent = {"valid": False, "errors": ["Environment path does not exist"], "warnings": []}
    (tmp_path / "elsewhere" / "bin").mkdir(parents=True)
    (tmp_path / "elsewhere" / "bin" / "python").touch(0o755)
    for path in ("nowhere", str(tmp_path / "elsewhere"), "../elsewhere", "/usr", "a\0b"):
        assert client.post(url, json={"environment_path": path}) == absent
    assert client.post(url, json={"environment_path": "pack"})["errors"] == [
        "Path is not a valid virtual environment"
    ]
    assert client.post(url, json={**relative, "requirements_path": "no.txt"})["errors"] == [
        "Requirements file does not exist"
    ]
    assert client.post(url, 400, json={}) == {"detail": "Environment path is required"}


def test_a_task_of_the_configuration(app: App, client: Client) -> None:
    """A command has the name of its task where others have that of a module."""
    command = Command(shell="true")
    app.register("hello", command, {}, origin=("toml", "/srv/abreast.toml"))
    found = next(task for task in client.get("/api/tasks/")["tasks"] if task["name"] == "hello")
    assert (found["module_name"], found["file_path"], found["created_at"]) == (
        "hello", "/srv/abreast.toml", None)  # fmt: skip
    said = client.delete(f"/api/tasks/{found['id']}")["message"]
    assert said.endswith("To get rid of the task, remove [tasks.hello] from /srv/abreast.toml")


def test_register(client: Client, folder: Path) -> None:
    """A file of the folder is a task already; registering it finds it."""
    url = "/api/tasks/register"
    id = number(client, "backup")
    done = {"message": "Task registered successfully", "task_id": id}
    assert client.post(url, json={"name": "backup", "file_path": "tasks/backup.py"}) == done
    daily = {"schedule_type": "daily", "schedule_config": {"hour": 2}}
    path = str(folder / "backup.py")
    assert client.post(url, json={"name": "backup", "file_path": path, **daily}) == done
    manual = {"schedule_type": "manual", "schedule_config": None}  # what most clients send
    assert client.post(url, json={"name": "backup", "file_path": path, **manual}) == done
    task = next(t for t in client.get("/api/tasks/")["tasks"] if t["id"] == id)
    assert (task["schedule_type"], task["file_path"], task["module_name"]) == (
        "daily", path, "backup")  # fmt: skip
    assert datetime.fromisoformat(task["updated_at"])

    def refused(name: str, path: str) -> str:
        found: str = client.post(url, 400, json={"name": name, "file_path": path})["detail"]
        return found

    assert refused("compare", "x.py") == "Task with this name already exists"
    assert refused("fresh", "tasks/backup.py").endswith("its task is named backup, other")
    assert refused("new", "tasks/new.py").startswith("Invalid task file: ")
    assert client.post(url, 422, json={"name": "new"})["detail"][0]["loc"] == ["body", "file_path"]
