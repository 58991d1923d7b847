"""Everybody can use the pages, and nobody more than they may: roles, policy, accessibility."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response, expect
from tests.dashboard.dashboard_help import Dashboard, Watched
from tests.dashboard.sample_shop import Shop, shop

POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)
LOGIN_POLICY = (
    "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# Buttons that change something have one of these words; none of the others has.
CHANGES = re.compile(
    r"\b(run|cancel|again|pause|resume|remove|save|backfill|send|make|revoke|edit|change|read)\b"
    r"|\badd\b(?! filter)",
    re.IGNORECASE,
)
OWN = {"Change"}  # their own password


@pytest.fixture(scope="module")
def service(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A service that is at work, with an admin and somebody who may only look."""
    folder = tmp_path_factory.mktemp("access") / "service"
    with shop(folder, browser, anna="admin", vera="viewer") as found:
        yield found


def pages(service: Shop) -> dict[str, str]:
    """Every page there is, and what it shows when it is ready."""
    ids = service.ids
    return {
        "/": ".tl-lane",
        "/?table=1&by=flow": ".tl-table tbody tr",
        "/tasks": ".tasks tbody tr",
        "/tasks/import_orders": ".numbers",
        "/runs": ".runs tbody tr",
        f"/runs/{ids['log']}": ".log-row",
        f"/runs/{ids['failed']}": ".error-box",
        f"/flows/{ids['flow']}": ".node",
        "/schedules": ".schedules tbody tr",
        "/schedules/backup": ".ledger tbody tr",
        "/schedules/tidy-late": ".preview tbody tr",
        "/schedules?add=1": "form",
        "/limits?key=/press": "figure",
        "/workers": "[data-worker] .doing a",
        "/settings": "main section:nth-child(1) h2",
        "/runs/999999": "main h2",
    }


# -- who may what ------------------------------------------------------------------------------

SEND = """async ([method, path, body]) => {
    const { csrf } = await (await fetch("/login/session")).json();
    const response = await fetch(path, { method, body: JSON.stringify(body),
        headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf } });
    return response.status;
}"""
NAMES = {"tasks": "import_orders", "schedules": "tidy-late", "channels": "ops", "users": "vera"}
BODIES: dict[str, Any] = {
    "runs:cancel": {"filter": {"state": ["running"]}},
    "runs:retry": {"filter": {"state": ["failed"]}},
    "flows": {"runs": [{"task": "tidy"}]},
    "batches": {"task": "extract", "over": {"table": ["a"]}},
    "schedules": {"name": "mine", "task": "tidy", "spec": "every 1h"},
    "backfill": {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"},
    "users": {"name": "eve", "password": "correct horse battery", "role": "admin"},
    "tokens": {"name": "mine", "user": "vera", "role": "admin"},
}
ALLOWED = {"/api/v1/schedules/preview", "/api/v1/me/password"}  # looks; is about oneself


def forgeries(service: Shop) -> list[tuple[str, str, Any]]:
    """Every request that changes something, as the description of the API lists them."""
    found = []
    for path, operations in service.get("/api/openapi.json")["paths"].items():
        for method in set(operations) - {"get", "parameters"}:
            if path in ALLOWED:
                continue
            kind = path.split("/")[-2] if path.endswith("}") else path.split("/")[3]
            kind = "channels" if "channels" in path else kind
            real = path.replace("{id}", str(service.ids["log"])).replace(
                "{name}", NAMES.get(kind, "vera")
            )
            body = BODIES.get(path.rpartition("/")[2], {"role": "admin", "spec": "@daily"})
            found.append((method.upper(), real, body))
    return found


def kept(service: Dashboard) -> dict[str, list[Any]]:
    """What the service has on record."""
    tables = {
        "runs": "id, state, asked, label",
        "schedules": "name, spec, paused, gone",
        "users": "name, role, password",
        "tokens": "id, name",
        "instants": "id",
    }
    with closing(sqlite3.connect(service.folder / "jobs.db")) as store:
        return {
            table: store.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()
            for table, columns in tables.items()
        }


def changing(page: Page) -> set[str]:
    """The names of the controls in a page that change something."""
    names = (
        page.locator("main")
        .get_by_role("button")
        .evaluate_all(
            "all => all.map((one) => one.getAttribute('aria-label') ?? one.title ?? one.innerText)"
        )
    )
    texts = page.locator("main").get_by_role("button").all_inner_texts()
    links = page.locator("main a.button").all_inner_texts()
    return {text.strip() for text in [*names, *texts, *links] if CHANGES.search(text)}


def visit(page: Page, path: str, ready: str) -> Response:
    """Open a page and wait until it shows what it has to show."""
    response = page.goto(path)
    assert response is not None
    expect(page.locator(ready).first).to_be_visible()
    return response


def test_who_may_only_look_sees_nothing_that_changes_anything(service: Shop) -> None:
    found: dict[str, dict[str, set[str]]] = {}
    for user in ("vera", "anna"):
        context = service.context(user)
        page = context.new_page()
        found[user] = {}
        for path, ready in pages(service).items():
            visit(page, path, ready)
            found[user][path] = changing(page)
            if user == "vera":
                assert page.locator("main .pick").count() == 0, path
        page.goto(f"/?run={service.ids['blocked']}")
        expect(page.locator(".tl-drawer")).to_contain_text(f"#{service.ids['blocked']}")
        found[user]["drawer"] = changing(page)
        context.close()
    lit = {path: names - OWN for path, names in found["vera"].items()}
    assert not any(lit.values()), lit
    seen = {path for path, names in found["anna"].items() if names}
    assert {"/tasks", "/tasks/import_orders", "drawer", "/settings", "/schedules"} <= seen
    assert f"/runs/{service.ids['log']}" in seen


def test_forged_requests_are_refused_without_effect(service: Shop) -> None:
    asked = forgeries(service)
    assert len(asked) > 20
    context = service.context("vera")
    page = context.new_page()
    page.goto("/workers")
    before = kept(service)
    refused = {f"{method} {path}": page.evaluate(SEND, [method, path, body])
               for method, path, body in asked}  # fmt: skip
    assert set(refused.values()) == {403}, refused
    assert kept(service) == before
    context.close()


def test_an_admin_without_the_token_of_the_page_is_refused(service: Shop) -> None:
    """As a page of somebody else would ask, with the cookie of the admin."""
    context = service.context("anna")
    page = context.new_page()
    page.goto("/workers")
    before = kept(service)
    for method, path, body in forgeries(service):
        for more in ({}, {"X-CSRF-Token": "guessed"}):
            said = {"Content-Type": "application/json", **more}
            answer = page.request.fetch(path, method=method, data=body, headers=said)
            assert answer.status == 403, (method, path)
    assert kept(service) == before
    context.close()


# -- policy ------------------------------------------------------------------------------------


def test_pages_stay_at_home_and_keep_quiet(service: Shop) -> None:
    context = service.context("anna", timezone_id="America/New_York")
    watched = Watched(context, service.url)
    page = context.new_page()
    for path, ready in pages(service).items():
        headers = visit(page, path, ready).headers
        assert headers["content-security-policy"] == POLICY, path
        assert headers["x-content-type-options"] == "nosniff"
    context.clear_cookies()
    response = visit(page, "/login", "form")
    assert response.headers["content-security-policy"] == LOGIN_POLICY
    context.close()
    assert not watched.wrong, "\n".join(watched.wrong)


# -- accessibility -----------------------------------------------------------------------------

AXE = """async (only) => {
    const options = { resultTypes: ["violations"], reporter: "no-passes", preload: false,
        ...(only ? { runOnly: [only] } : {}) };
    const { violations } = await axe.run(document, options);
    return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, help, nodes }) =>
            `${id}: ${help}: ${nodes.slice(0, 5).map((node) => node.html).join(" | ")}`);
}"""


def axe_script() -> Path:
    """The rules, as the package brings them along."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).with_name("axe.min.js")


def open_window(page: Page) -> None:
    page.get_by_role("row", name=re.compile("import_orders")).get_by_role(
        "button", name="Run …"
    ).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("dialog").get_by_text("Options").click()


def open_help(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def open_menu(page: Page) -> None:
    page.locator(".account").click()
    expect(page.locator("#menu")).to_be_visible()


def choose_all(page: Page) -> None:
    page.keyboard.press("a")
    expect(page.locator("main")).to_contain_text(re.compile("chosen|selected"))


def ask_to_cancel(page: Page) -> None:
    page.get_by_role("button", name="Cancel …").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def open_drawer(page: Page) -> None:
    page.get_by_role("group", name="Timeline").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".tl-tip")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".tl-drawer")).to_be_visible()


MORE: list[tuple[str, Callable[[Page], None]]] = [
    ("/", open_drawer), ("/tasks", open_window), ("/workers", open_help), ("/limits", open_menu),
    ("/runs", choose_all), ("/runs/log", ask_to_cancel),
]  # fmt: skip


def test_no_page_has_a_serious_barrier(service: Shop) -> None:
    # The policy forbids what the test brings along, so it is put aside here and only here.
    context = service.context("anna", bypass_csp=True, reduced_motion="reduce")
    page = context.new_page()
    script = axe_script()
    wrong: dict[str, list[str]] = {}

    def look(name: str) -> None:
        page.add_script_tag(path=script)
        page.emulate_media(color_scheme="light")
        wrong[name] = page.evaluate(AXE, None)
        page.emulate_media(color_scheme="dark")  # only the colours are others
        wrong[f"{name}, dark"] = page.evaluate(AXE, "color-contrast")

    every = pages(service)
    for path, ready in every.items():
        visit(page, path, ready)
        expect(page.locator("main[aria-busy]")).to_have_count(0)
        look(path)
    for path, do in MORE:
        real = path.replace("log", str(service.ids["log"]))
        visit(page, real, every.get(real, "main h1"))
        do(page)
        look(f"{path} {do.__name__}")
    page.set_viewport_size({"width": 390, "height": 780})
    for path in ("/", "/tasks", "/runs", "/schedules"):
        visit(page, path, every[path])
        look(f"{path}, narrow")
    context.clear_cookies()
    visit(page, "/login", "form")
    look("/login")
    context.close()
    told = [f"{name}: {text}" for name, texts in wrong.items() for text in texts]
    assert not told, "\n".join(told)
