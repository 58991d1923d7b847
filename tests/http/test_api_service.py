"""The service itself over HTTP: health, metrics, people, notices, problems, headers."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

import pytest
from tests.http.service_help import PASSWORD, Client, Service, problem

from abreast.errors import StoreError
from abreast.interfaces.http.metrics import Labels
from abreast.interfaces.http.problems import KINDS


@pytest.fixture
def stranger(service: Service) -> Client:
    return Client(service, None)


# -- health -----------------------------------------------------------------------------------


def test_health_needs_no_log_in_and_tells_strangers_nothing(
    service: Service, stranger: Client, viewer: Client
) -> None:
    for path in ("/livez", "/readyz"):
        answer = stranger.get(path)
        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert viewer.get(path).json()["ok"] is True
    service.parts["store"] = (False, "disk full")
    try:
        assert stranger.get("/readyz").text == "not ok\n"
        assert stranger.get("/readyz").status_code == 503
        assert stranger.get("/livez").status_code == 200  # a restart would not help
        found = viewer.get("/readyz").json()
        assert found["checks"]["store"] == {"ok": False, "detail": "disk full"}
    finally:
        service.parts["store"] = (True, "well")
    service.parts["scheduler"] = (False, "stands still")
    try:
        assert stranger.get("/livez").status_code == 503
    finally:
        service.parts["scheduler"] = (True, "well")


def test_a_service_that_stops_is_alive_and_not_ready(service: Service, stranger: Client) -> None:
    service.draining = True
    try:
        assert stranger.get("/livez").status_code == 200
        assert stranger.get("/readyz").status_code == 503
    finally:
        service.draining = False


# -- metrics ----------------------------------------------------------------------------------

NAMES = [
    "abreast_runs_total", "abreast_run_duration_seconds", "abreast_run_wait_seconds",
    "abreast_runs_running", "abreast_runs_queued", "abreast_concurrency_limit",
    "abreast_retries_total", "abreast_schedule_skipped_total", "abreast_schedule_lag_seconds",
    "abreast_schedule_next_timestamp_seconds", "abreast_schedule_last_success_timestamp_seconds",
    "abreast_worker_last_heartbeat_timestamp_seconds", "abreast_store_size_bytes",
    "abreast_store_busy_total", "abreast_event_clients", "abreast_build_info",
]  # fmt: skip


def figures(text: str) -> dict[str, float]:
    return {
        name: float(value)
        for name, _, value in (
            line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")
        )
    }


def test_figures_for_prometheus(viewer: Client, admin: Client) -> None:
    before = figures(viewer.get("/metrics").text)
    for number in range(3):
        admin.ended(admin.start("add", a=number)["id"])
    admin.ended(admin.start("fail")["id"])
    admin.post("schedules", json={"name": "daily", "task": "add", "spec": "@daily"})
    answer = viewer.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "run=" not in answer.text  # no ids as labels
    for name in NAMES:
        assert f"# HELP {name.removesuffix('_total')}" in answer.text, name
    found = figures(answer.text)

    def grown(name: str) -> float:
        return found[name] - before.get(name, 0)

    assert grown('abreast_runs_total{outcome="completed",task="add"}') == 3
    assert grown('abreast_runs_total{outcome="failed",task="fail"}') == 1
    assert grown('abreast_run_duration_seconds_count{task="add"}') == 3
    assert grown('abreast_run_wait_seconds_count{cause="limit"}') == 4
    assert found['abreast_runs_running{task="add"}'] == 0
    assert found['abreast_schedule_next_timestamp_seconds{schedule="daily"}'] > time.time()
    assert found["abreast_store_size_bytes"] > 0
    assert found["abreast_event_clients"] == 0
    assert re.search(r'abreast_build_info\{python="3[^"]*",version="0.1.0"\} 1.0', answer.text)
    again = figures(viewer.get("/metrics").text)
    total = 'abreast_runs_total{outcome="completed",task="add"}'
    assert again[total] == found[total]
    admin.ask("DELETE", "schedules/daily")


def test_figures_are_for_those_who_may_look(stranger: Client) -> None:
    problem(stranger.get("/metrics"), 401, "unauthenticated")


def test_labels_are_bounded() -> None:
    labels = Labels()
    found = {labels.of(f"task {number}") for number in range(1000)}
    assert len(found) == 201
    assert labels.of("task 0") == "task 0"
    assert labels.of("task 999") == "other"


# -- what it is -------------------------------------------------------------------------------


def test_what_it_is_and_who_asks(admin: Client, viewer: Client) -> None:
    info = viewer.get("info").json()
    assert (info["version"], info["timezone"], info["settings"]) == ("0.1.0", "UTC", [])
    (setting,) = admin.get("info").json()["settings"]
    assert (setting["key"], setting["origin"]) == ("server.listen", "default")
    assert viewer.get("me").json() == {"name": "vera", "role": "viewer", "csrf": None}


def test_reloading(service: Service, admin: Client) -> None:
    assert admin.post("reload").json() == {"changes": ["nothing"]}
    problem(Client(service, "olga").post("reload"), 403, "forbidden")
    service.wrong = "abreast.toml: unknown key 'prot'; did you mean 'port'?"
    try:
        assert "did you mean" in problem(admin.post("reload"), 422, "invalid")["detail"]
    finally:
        service.wrong = None


def test_notices(admin: Client, viewer: Client) -> None:
    assert [item["name"] for item in viewer.get("notify/channels").json()["items"]] == [
        "good", "bad",
    ]  # fmt: skip
    assert admin.post("notify/channels/good/test").json()["ok"] is True
    found = admin.post("notify/channels/bad/test").json()
    assert (found["ok"], found["detail"]) == (False, "it was not taken")
    problem(admin.post("notify/channels/none/test"), 404, "not-found")
    problem(viewer.post("notify/channels/good/test"), 403, "forbidden")


# -- people -----------------------------------------------------------------------------------


def test_users(service: Service, admin: Client) -> None:
    new = {"name": "otto", "password": "a long enough one", "role": "operator"}
    answer = admin.post("users", json=new)
    assert (answer.status_code, answer.json()["role"]) == (201, "operator")
    assert "password" not in answer.text
    problem(admin.post("users", json=new), 409, "exists")
    assert "otto" in [user["name"] for user in admin.get("users").json()["items"]]
    changed = admin.ask("PATCH", "users/otto", json={"role": "viewer"})
    assert changed.json()["role"] == "viewer"
    assert admin.ask("PATCH", "users/otto", json={"password": "another long one"}).is_success
    assert service.access.verify("otto", "another long one") is not None
    assert admin.ask("DELETE", "users/otto").status_code == 204
    problem(admin.ask("DELETE", "users/otto"), 404, "not-found")
    problem(admin.ask("PATCH", "users/otto", json={}), 404, "not-found")
    problem(admin.ask("DELETE", "users/anna"), 409, "conflict")  # the only admin
    problem(admin.ask("PATCH", "users/anna", json={"role": "viewer"}), 409, "conflict")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x", "password": "short"}, "/password"),
        ({"name": "x"}, "/password"),
        ({"name": "a b/", "password": "long enough 123"}, "/name"),
        ({"name": "x", "password": "long enough 123", "role": "king"}, "/role"),
    ],
)
def test_users_that_cannot_be(admin: Client, body: dict[str, Any], pointer: str) -> None:
    found = problem(admin.post("users", json=body), 422, "invalid")
    assert found["errors"][0]["pointer"] == pointer


def test_tokens(service: Service, admin: Client) -> None:
    answer = admin.post("tokens", json={"name": "ci", "user": "olga", "role": "viewer"})
    made = answer.json()
    assert (answer.status_code, made["user"], made["role"]) == (201, "olga", "viewer")
    assert made["token"].startswith("abr_")
    program = Client(service, None)
    program.headers["Authorization"] = f"Bearer {made['token']}"
    assert program.get("me").json() == {"name": "olga", "role": "viewer", "csrf": None}
    assert made["token"] not in admin.get("tokens").text
    assert admin.ask("DELETE", f"tokens/{made['id']}").status_code == 204
    problem(admin.ask("DELETE", f"tokens/{made['id']}"), 404, "not-found")
    problem(program.get("me"), 401, "unauthenticated")
    for body, pointer in (({"name": "x", "user": "none"}, "/user"),
                          ({"name": "x", "expires": 5}, "/expires"),
                          ({"name": "x", "user": "vera", "role": "admin"}, "/role")):  # fmt: skip
        found = problem(admin.post("tokens", json=body), 422, "invalid")
        assert found["errors"][0]["pointer"] == pointer


def test_people_are_the_admins_matter(service: Service) -> None:
    operator = Client(service, "olga")
    for path in ("users", "tokens"):
        problem(operator.get(path), 403, "forbidden")
        problem(operator.post(path, json={}), 403, "forbidden")


def test_name_and_password(service: Service, stranger: Client) -> None:
    import base64

    def ask(password: str) -> Any:
        text = base64.b64encode(f"anna:{password}".encode()).decode()
        return stranger.get("me", headers={"Authorization": f"Basic {text}"})

    assert ask(PASSWORD).json()["name"] == "anna"
    problem(ask("wrong"), 401, "unauthenticated")


# -- problems and headers ---------------------------------------------------------------------


def test_every_kind_of_problem_has_a_page(stranger: Client) -> None:
    listed = stranger.get("/api/problems")
    for name, kind in KINDS.items():
        page = stranger.get(f"/api/problems/{name}")
        assert page.status_code == 200
        assert kind.title in page.text.replace("&#x27;", "'")
        assert f"/api/problems/{name}" in listed.text
    problem(stranger.get("/api/problems/none"), 404, "not-found")


def test_headers_of_every_answer(stranger: Client, viewer: Client) -> None:
    answers = [
        stranger.get("/api/v1/runs"), stranger.get("/livez"), viewer.get("runs"),
        viewer.get("/nothing"), viewer.get("/api/docs"), viewer.get("runs?x=1"),
        stranger.get("/login"), viewer.ask("PUT", "runs"),
    ]  # fmt: skip
    for answer in answers:
        headers = answer.headers
        assert "default-src 'self'" in headers["content-security-policy"] or (
            "default-src 'none'" in headers["content-security-policy"]
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] in ("same-origin", "no-referrer")
        assert headers["x-request-id"]
        assert headers["cache-control"]
        assert "server" not in headers
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


def test_methods_that_do_not_exist(viewer: Client, admin: Client) -> None:
    for method, path in (("PUT", "runs"), ("DELETE", "runs/1"), ("PATCH", "tasks/add")):
        answer = admin.ask(method, path)
        problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"]


def test_a_mistake_tells_nothing_and_is_in_the_log(
    service: Service, admin: Client, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def explode(*_: Any, **__: Any) -> Any:
        raise RuntimeError("SELECT secret FROM place")

    monkeypatch.setattr(service.app, "search", explode)
    with caplog.at_level(logging.ERROR, logger="abreast"):
        answer = admin.get("runs")
    found = problem(answer, 500, "internal")
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in found["instance"]
    assert answer.headers["x-request-id"] in caplog.text


def test_a_store_that_cannot_be_used(
    service: Service, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any, **__: Any) -> Any:
        raise StoreError("the store is locked; look who has it")

    before = figures(admin.get("/metrics").text)["abreast_store_busy_total"]
    with monkeypatch.context() as patch:
        patch.setattr(service.app, "search", locked)
        answer = admin.get("runs")
    problem(answer, 503, "store")
    assert answer.headers["retry-after"]
    assert figures(admin.get("/metrics").text)["abreast_store_busy_total"] == before + 1


def test_pages_about_the_api_come_from_here_alone(viewer: Client) -> None:
    page = viewer.get("/api/docs").text
    for operation in ("start_run", "follow_events", "preview_schedule"):
        assert f'id="{operation}"' in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    assert "style=" not in page
    assert viewer.get("/api/docs.css").headers["content-type"].startswith("text/css")
