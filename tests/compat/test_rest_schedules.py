"""``PUT /api/tasks/{id}/schedule``: the words of the older service, and what they do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from abreast import App
from abreast.compat.rest.schedule_words import spec_of, words_of
from abreast.errors import UsageError

from .rest_help import Client, app, client, gates

__all__ = ["app", "client", "gates"]

UPDATED = {"message": "Task configuration updated successfully"}


@pytest.mark.parametrize(
    ("kind", "config", "spec"),
    [
        ("manual", {}, None),
        ("hourly", {}, "every 1h"),
        ("daily", {}, "0 0 * * *"),
        ("daily", {"hour": 14, "minute": 30}, "30 14 * * *"),
        ("daily", {"hour": "14", "minute": "30"}, "30 14 * * *"),
        ("weekly", {}, "0 0 * * mon"),
        ("weekly", {"day_of_week": "sun", "hour": 3}, "0 3 * * sun"),
        ("weekly", {"day_of_week": "Friday"}, "0 0 * * fri"),
        ("weekly", {"day_of_week": 0}, "0 0 * * mon"),
        ("weekly", {"day_of_week": "6"}, "0 0 * * sun"),
        ("custom", {"cron_expression": " 0 */2 * * * "}, "0 */2 * * *"),
    ],
)
def test_words_make_a_spec(kind: str, config: dict[str, Any], spec: str | None) -> None:
    assert spec_of(kind, config) == spec


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        ("yearly", {}, "schedule_type must be one of"),
        ("daily", {"hour": 24}, "hour must be a whole number from 0 to 23"),
        ("daily", {"minute": -1}, "minute must be"),
        ("daily", {"minute": 1.5}, "minute must be"),
        ("daily", {"minute": True}, "minute must be"),
        ("daily", {"minute": "٣"}, "minute must be"),
        ("weekly", {"day_of_week": 7}, "day_of_week must be"),
        ("weekly", {"day_of_week": None}, "day_of_week must be"),
        ("custom", {}, "cron_expression must be a text"),
    ],
)
def test_impossible_words(kind: str, config: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        spec_of(kind, config)


@pytest.mark.parametrize(
    ("spec", "kind", "config"),
    [
        (None, "manual", None),
        ("every 1h", "hourly", {}),
        ("@hourly", "hourly", {}),
        ("0 * * * *", "hourly", {}),
        ("30  14 * * *", "daily", {"hour": 14, "minute": 30}),
        ("0 3 * * sun", "weekly", {"day_of_week": "sun", "hour": 3, "minute": 0}),
        ("0 3 * * 7", "weekly", {"day_of_week": "sun", "hour": 3, "minute": 0}),
        ("0 3 * * 1", "weekly", {"day_of_week": "mon", "hour": 3, "minute": 0}),
        ("0 3 1 * *", "custom", {"cron_expression": "0 3 1 * *"}),
        ("every 90s", "custom", {"cron_expression": "every 90s"}),
    ],
)
def test_a_spec_in_words(spec: str | None, kind: str, config: Any) -> None:
    assert words_of(spec) == (kind, config)


# -- over HTTP ------------------------------------------------------------------------------------


@pytest.fixture
def scheduled(tmp_path: Path) -> Iterator[App]:
    """An app with schedules of its own."""
    with App(f"sqlite:///{tmp_path / 'scheduled.db'}") as made:

        @made.task(executor="thread", schedule="0 2 * * *")
        def nightly() -> None: ...

        @made.task(executor="thread", schedule=["0 2 * * *", "0 14 * * *"])
        def twice() -> None: ...

        take_in(made)
        yield made


def take_in(app: App) -> None:
    """What a service does when it starts: bring the declared schedules into the store."""
    declared = app.schedules.declared()[0]["app"]
    rows = app.schedules.rows
    app.node.post(lambda now: rows.declare(app.name, declared, "app", time.time()))


def task(client: Client, name: str) -> dict[str, Any]:
    tasks = client.get("/api/tasks/")["tasks"]
    found: dict[str, Any] = next(task for task in tasks if task["name"] == name)
    return found


def put(client: Client, name: str, status: int = 200, **said: Any) -> Any:
    return client.put(f"/api/tasks/{task(client, name)['id']}/schedule", status, json=said)


@pytest.mark.parametrize("as_text", [False, True])
def test_a_schedule_comes_changes_and_goes(app: App, client: Client, as_text: bool) -> None:
    def config(**said: Any) -> Any:
        return json.dumps(said) if as_text else said

    assert put(client, "nothing", schedule_type="daily", schedule_config=config(hour=2)) == UPDATED
    found = task(client, "nothing")
    assert found["schedule_type"] == "daily"
    assert json.loads(found["schedule_config"]) == {"hour": 2, "minute": 0}
    due = datetime.fromisoformat(found["next_run"])
    assert due > datetime.now(UTC)
    assert (due.hour, due.minute) == (2, 0)
    assert found["job_status"] == {
        "scheduled": True, "next_run": found["next_run"], "status": "scheduled"}  # fmt: skip
    put(client, "nothing", schedule_type="custom",
        schedule_config=config(cron_expression="*/5 * * * *"))  # fmt: skip
    assert [view.spec for view in app.schedules.list()] == ["*/5 * * * *"]
    put(client, "nothing", schedule_type="manual")
    assert app.schedules.list() == []
    assert task(client, "nothing")["schedule_type"] == "manual"


def test_pause_and_resume(app: App, client: Client) -> None:
    put(client, "nothing", schedule_type="hourly", schedule_config="{}", is_active=False)
    found = task(client, "nothing")
    assert (found["schedule_type"], found["is_active"], found["next_run"]) == (
        "hourly",
        False,
        None,
    )
    assert found["job_status"]["scheduled"] is False
    put(client, "nothing", is_active=True)
    found = task(client, "nothing")
    assert (found["schedule_type"], found["is_active"]) == ("hourly", True)
    assert found["next_run"] is not None


def test_settings_of_the_same_type(app: App, client: Client) -> None:
    put(client, "nothing", schedule_type="daily", schedule_config={"hour": 2})
    put(client, "nothing", schedule_config={"hour": 3})
    assert [view.spec for view in app.schedules.list()] == ["0 3 * * *"]


def test_a_config_that_the_task_needs_is_empty(app: App, client: Client) -> None:
    put(client, "quick_test_task", schedule_type="hourly")
    assert app.schedules.get("quick_test_task").kwargs == {"config": {}}
    found = put(client, "compare", 400, schedule_type="hourly")
    assert "video_id" in found["detail"]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"schedule_type": "custom", "schedule_config": {"cron_expression": "61 * * * *"}}, "61"),
        ({"schedule_type": "custom", "schedule_config": "no json"}, "schedule_config"),
        ({"schedule_type": "daily", "schedule_config": "[1]"}, "schedule_config"),
        ({"schedule_type": "yearly"}, "schedule_type"),
        ({"schedule_type": "daily", "environment_path": "/x"}, "Environment validation failed: "),
    ],
)
def test_what_cannot_be_is_refused(
    app: App, client: Client, said: dict[str, Any], text: str
) -> None:
    assert text in put(client, "nothing", 400, **said)["detail"]
    assert app.schedules.list() == []


def test_an_environment_is_said_with_the_task(app: App, client: Client, tmp_path: Path) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)

    class Elsewhere:
        python = str(tmp_path / "env")
        requirements = None

        def __call__(self) -> None: ...

    app.register("own", Elsewhere(), {}, origin=("file", str(tmp_path / "own.py")))
    good = put(client, "own", schedule_type="hourly", environment_path=Elsewhere.python)
    assert good == UPDATED
    for path in (str(tmp_path), "a\0b", f"{Elsewhere.python}/bin"):
        said = put(client, "own", 400, schedule_type="daily", environment_path=path)
        assert said["detail"].startswith("Environment validation failed: ")
    put(client, "own", 400, requirements_path="needs.txt")
    assert [view.spec for view in app.schedules.list()] == ["every 1h"]


def test_wrong_types(client: Client) -> None:
    for said in ({"schedule_type": 1}, {"schedule_config": [1]}, {"is_active": "perhaps"}):
        client.put("/api/tasks/1/schedule", 422, json=said)


def test_a_declared_schedule_is_changed_where_it_is_declared(scheduled: App) -> None:
    client = Client(scheduled)
    found = task(client, "nightly")
    assert found["schedule_type"] == "daily"
    assert put(client, "nightly", schedule_type="daily", schedule_config={"hour": 2}) == UPDATED
    for said in ({"schedule_type": "manual"}, {"schedule_type": "hourly"}):
        assert "declared" in put(client, "nightly", 400, **said)["detail"]
    put(client, "nightly", is_active=False)
    assert task(client, "nightly")["is_active"] is False
    put(client, "nightly", is_active=True)
    assert task(client, "nightly")["is_active"] is True


def test_several_schedules_cannot_be_told_apart(scheduled: App) -> None:
    client = Client(scheduled)
    said = put(client, "twice", 400, schedule_type="hourly")["detail"]
    assert "twice, twice-2" in said
    put(client, "twice", is_active=False)
    assert all(view.paused for view in scheduled.schedules.list("twice"))


def test_delete_pauses_what_is_declared(scheduled: App) -> None:
    client = Client(scheduled)
    id = task(client, "twice")["id"]
    said = client.delete(f"/api/tasks/{id}")["message"]
    assert said == (
        "Task twice will not run by itself: schedule twice paused; schedule twice-2 paused. "
        "To get rid of the task, remove its declaration"
    )
    assert task(client, "twice")["is_active"] is False
    assert client.delete(f"/api/tasks/{id}")["message"].startswith("Task twice will not run")


def test_delete_removes_what_was_added(app: App, client: Client) -> None:
    put(client, "nothing", schedule_type="hourly")
    said = client.delete(f"/api/tasks/{task(client, 'nothing')['id']}")["message"]
    assert "schedule nothing removed" in said
    assert app.schedules.list() == []
    assert task(client, "nothing")["is_active"] is True
