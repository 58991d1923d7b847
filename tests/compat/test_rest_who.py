"""Who may use the routes; health and numbers; errors; what the description says."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi import FastAPI

import abreast
from abreast import App
from abreast.compat.rest import make_router
from abreast.errors import StoreError, UsageError

from .rest_help import Client, User, app, client, gates, routes, working

__all__ = ["app", "client", "gates", "working"]


def all_routes(app: App) -> list[tuple[str, str]]:
    paths = routes(app).openapi()["paths"]
    return [
        (method.upper(), re.sub(r"\{\w+\}", "1", path))
        for path, methods in paths.items()
        for method in methods
    ]


def test_without_a_user_nothing_but_health(app: App) -> None:
    nobody = Client(app, None)
    asked = all_routes(app)
    assert len(asked) > 20
    for method, path in asked:
        answer = nobody.ask_all((method, path, {}))[0]
        if path == "/health":
            assert answer.status_code == 200
            continue
        assert answer.status_code == 401, path
        assert answer.json() == {"detail": "Not authenticated"}
        assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_viewer_looks_and_an_operator_acts(app: App) -> None:
    viewer, odd = Client(app, User("eve", "viewer")), Client(app, User("odd", "king"))
    for method, path in all_routes(app):
        answer = viewer.ask_all((method, path, {}))[0]
        if method == "GET":
            assert answer.status_code in (200, 404), path
        else:
            assert answer.status_code == 403, path
            assert answer.json() == {"detail": "This needs the role operator; eve is viewer"}
        if path != "/health":
            assert odd.ask_all((method, path, {}))[0].status_code == 403
    assert app.search() == []
    Client(app, User("root", "admin")).post("/api/jobs", json={"task": "nothing"})


def test_an_anonymous_viewer_is_asked_to_log_in(app: App) -> None:
    anonymous = Client(app, User("anonymous", "viewer"))
    anonymous.get("/api/jobs")
    answer = anonymous.ask_all(("POST", "/api/jobs", {"json": {"task": "nothing"}}))[0]
    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_for_an_application_that_guards_them_itself(app: App) -> None:
    import asyncio

    site = FastAPI()
    site.include_router(make_router(app, guarded=False))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(site), base_url="http://service"
        ) as client:
            return await client.post("/api/jobs", json={"task": "nothing"})

    assert asyncio.run(ask()).status_code == 200
    assert [run.trigger for run in app.search()] == [""]


def test_a_store_in_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="store in a file"):
        make_router(App("memory://"))


def test_a_store_in_trouble(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**given: object) -> None:
        raise StoreError("/secret/place is locked")

    monkeypatch.setattr(app, "search", broken)
    said = Client(app).get("/api/jobs", 503)["detail"]
    assert said == "The store cannot be used now; the log of the service says why"


def test_health(app: App) -> None:
    found = Client(app, None).get("/health")
    assert list(found) == ["status", "version", "timestamp"]
    assert (found["status"], found["version"]) == ("healthy", abreast.__version__)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["timestamp"])


@pytest.mark.usefixtures("working")
def test_stats(app: App, client: Client) -> None:
    app.schedules.add("nothing", "nothing", "0 2 * * *")
    app.schedules.add("later", "nothing", "0 3 * * *")
    quick = app.tasks["quick_test_task"]
    for config in ({}, {"fail": True}):
        assert quick.submit(config).wait(30)
    found = client.get("/api/admin/stats")
    assert found["tasks"] == {"total": 5, "active": 5, "manual": 4, "scheduled": 1}
    assert found["runs"] == {"total": 2, "successful": 1, "failed": 1, "running": 0}
    assert found["logs"] == {"total_files": 2, "total_size_mb": 0.0}
    assert found["email"] == {"configured": None, "total_task_emails": None}
    activity = found["recent_activity"]
    assert [(one["task_name"], one["status"]) for one in activity] == [
        ("quick_test_task", "failed"), ("quick_test_task", "success")]  # fmt: skip
    assert list(activity[0]) == ["task_name", "status", "started_at", "duration"]
    for name in ("nothing", "later"):
        app.schedules.pause(name)
    assert client.get("/api/admin/stats")["tasks"]["active"] == 4


def test_everything_is_described(app: App) -> None:
    for path, methods in routes(app).openapi()["paths"].items():
        for method, said in methods.items():
            assert said.get("description"), f"{method} {path}"
            assert said.get("tags"), f"{method} {path}"
