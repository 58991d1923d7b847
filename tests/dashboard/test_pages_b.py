"""Schedules, limits, workers and settings, in a real browser."""

from __future__ import annotations

import heapq
import json
import random
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.dashboard.dashboard_help import PASSWORD, Dashboard, Watched, looking

ZONE = "America/New_York"  # of whoever looks
PAGES = ("/schedules", "/schedules/nightly", "/schedules?add=1", "/limits?key=/press", "/workers",
         "/settings")  # fmt: skip
USERS = {"anna": "admin", "olga": "operator", "vera": "viewer"}

Open = Callable[..., Page]


class Hook:
    """A web address that notices are sent to."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.status = 204
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.heard.append(json.loads(body))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    found = Hook()
    yield found
    found.close()


@pytest.fixture(scope="module")
def service(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, hook: Hook
) -> Iterator[Dashboard]:
    """A service with an admin, an operator and a viewer, and a channel of notices."""
    url = f"http://127.0.0.1:{hook.server.server_address[1]}/told"
    config = f'[notify.channels.ops]\ntype = "webhook"\nurl = "{url}"\n'
    folder = tmp_path_factory.mktemp("pages_b") / "service"
    with looking(folder, browser, config=config, users=USERS) as found:
        yield found


@pytest.fixture
def open_as(service: Dashboard) -> Iterator[Open]:
    """Opens a page as a user; fails the test when something went wrong in it unseen."""
    opened = []

    def open_page(path: str, user: str = "anna", **options: Any) -> Page:
        context = service.context(user, timezone_id=ZONE, **options)
        opened.append((context, Watched(context, service.url)))
        page = context.new_page()
        page.goto(path)
        return page

    yield open_page
    for context, watched in opened:
        context.close()
        assert not watched.wrong, "\n".join(watched.wrong)


def schedule(service: Dashboard, name: str, **more: Any) -> dict[str, Any]:
    """Add a schedule over the API; returns it."""
    body = {"name": name, "task": "talk", "spec": "0 2 * * *", "timezone": "Europe/Berlin", **more}
    found = service.ask("POST", "/api/v1/schedules", body)
    assert found.status == 201, found.body
    return dict(found.json)


def now(service: Dashboard, name: str) -> dict[str, Any]:
    return dict(service.ask("GET", f"/api/v1/schedules/{name}").json)


# -- schedules --------------------------------------------------------------------------------


def test_a_schedule_is_changed_with_a_preview(service: Dashboard, open_as: Open) -> None:
    schedule(service, "report", window="30m")
    page = open_as("/schedules/report")
    preview, rows = page.locator(".preview"), page.locator(".preview tbody tr")
    expect(preview.locator("h3").first).to_have_text("every day at 02:00 (Europe/Berlin)")
    expect(rows).to_have_count(10)
    expect(rows.first).to_contain_text("02:00:00")
    expect(rows.first).to_contain_text(re.compile("20:00:00|21:00:00"))  # by the viewer's clock
    save = page.get_by_role("button", name="Save")
    expect(save).to_be_disabled()
    when = page.get_by_label("When", exact=True)
    when.fill("30 2 * * *")
    expect(preview).to_contain_text("02:30 does not exist, so it runs at 03:00 instead")
    expect(preview).to_contain_text("02:30 comes twice")
    when.fill("*/50 * * * *")
    expect(page.locator(".warning").first).to_be_visible()
    when.fill("61 * * * *")
    expect(page.locator("[data-field=spec] .wrong")).to_contain_text("61")
    expect(when).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Time zone").fill("Europe/Berln")
    when.fill("30 4 * * *")
    expect(page.locator("[data-field=timezone] .wrong")).to_contain_text("Europe/Berlin")
    page.get_by_label("Time zone").fill("Europe/Rome")
    page.get_by_label("When runs overlap").select_option("allow")
    page.get_by_label("How many").fill("3")
    page.get_by_label("Arguments (JSON)").fill('{"lines": 7}')
    expect(page.locator(".wrong")).to_have_count(0)
    save.click()
    expect(page.locator(".toast")).to_contain_text("Changed")
    expect(save).to_be_disabled()
    found = now(service, "report")
    assert (found["spec"], found["timezone"], found["overlap"]) == (
        "30 4 * * *", "Europe/Rome", "allow(3)",
    )  # fmt: skip
    assert (found["window"], found["kwargs"]) == (1800, {"lines": 7})  # as it was; as was written
    page.get_by_label("Arguments (JSON)").fill("{lines")
    save.click()
    expect(page.locator("[data-field=kwargs] .wrong")).to_contain_text("JSON")
    page.reload()
    expect(when).to_have_value("30 4 * * *")
    expect(page.get_by_label("How many")).to_have_value("3")
    expect(page.get_by_label("Too late after")).to_have_value("30m")


def test_what_somebody_else_changes_shows(service: Dashboard, open_as: Open) -> None:
    schedule(service, "shared")
    page = open_as("/schedules/shared")
    when = page.get_by_label("When", exact=True)
    expect(page.locator(".preview tbody tr")).to_have_count(10)
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    service.ask("PATCH", "/api/v1/schedules/shared", {"spec": "0 5 * * *"})
    expect(when).to_have_value("0 5 * * *")
    when.fill("0 6 * * 1")
    service.ask("PATCH", "/api/v1/schedules/shared", {"jitter": "5m"})
    service.ask("POST", "/api/v1/schedules/shared/pause")
    expect(page.get_by_role("button", name="resume shared")).to_be_visible()
    expect(when).to_have_value("0 6 * * 1")  # what is being typed is not overwritten


def test_the_ledger_follows_what_happens(service: Dashboard, open_as: Open) -> None:
    page = open_as("/schedules")
    expect(page.get_by_role("link", name="nightly").first).to_be_visible()
    schedule(service, "often", task="steps", spec="every 1s")
    marks = page.locator("tr", has=page.get_by_role("link", name="often")).locator(".outcome")
    expect(marks.nth(1)).to_have_attribute("data-state", "completed")
    page.get_by_role("link", name="often").click()
    rows = page.locator(".ledger tbody tr")
    expect(rows.nth(2)).to_contain_text("ran #")
    expect(rows.nth(2)).to_contain_text("completed")
    page.get_by_role("button", name="pause often").click()
    expect(rows.first).to_contain_text("the schedule is paused")
    page.get_by_label("paused").check()
    expect(page.locator(".ledger .outcome:not(.paused)")).to_have_count(0)
    assert page.evaluate("location.search") == "?outcome=paused"
    page.get_by_role("button", name="resume often").click()
    page.get_by_label("paused").uncheck()
    expect(rows.first).to_contain_text("ran #")
    service.until(
        lambda: len(service.ask("GET", "/api/v1/instants?schedule=often").json["items"]) > 3,
        "there are no instants",
    )
    page.get_by_role("button", name="Remove").click()
    page.locator("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("h1")).to_have_text("Schedules")
    expect(page.get_by_role("link", name="often")).to_have_count(0)
    assert service.ask("GET", "/api/v1/schedules/often").status == 404


def test_pausing_in_the_list(service: Dashboard, open_as: Open) -> None:
    page = open_as("/schedules", user="olga")
    row = page.locator("tr", has=page.get_by_role("link", name="nightly"))
    expect(row).to_contain_text("every day at 02:00 (Europe/Berlin)")
    expect(row.locator(".zones small")).to_contain_text("02:00:00 Europe/Berlin")
    row.get_by_role("button", name="pause nightly").click()
    expect(row.locator(".next")).to_have_text("paused")
    assert now(service, "nightly")["paused"] is not None
    row.get_by_role("button", name="resume nightly").click()
    expect(row.locator(".next")).to_contain_text("in ")
    assert now(service, "nightly")["paused"] is None


def test_a_declared_schedule_says_where_it_is_declared(open_as: Open) -> None:
    page = open_as("/schedules/nightly")
    expect(page.locator(".where")).to_contain_text("tasks/samples.py")
    expect(page.locator(".preview tbody tr")).to_have_count(10)
    for control in page.locator(".schedule-form").locator("input, select, textarea").all():
        expect(control).to_be_disabled()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    expect(page.get_by_role("button", name="Remove")).to_have_count(0)


def test_a_schedule_is_added(service: Dashboard, open_as: Open) -> None:
    page = open_as("/schedules")
    page.get_by_role("link", name="Add", exact=True).click()
    page.get_by_label("Name").fill("nightly")
    page.get_by_label("Task").select_option("add")
    page.get_by_label("When", exact=True).fill("0 12 * * 1-5")
    expect(page.locator(".preview tbody tr")).to_have_count(10)
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".trouble").filter(has_text="there is a schedule")).to_be_visible()
    page.get_by_label("Name").fill("weekdays at noon")
    page.get_by_role("button", name="Add").click()
    wrong = page.locator("[data-field=kwargs] .wrong")
    expect(wrong).to_contain_text("missing a required argument: 'a'")
    page.get_by_label("Arguments (JSON)").fill('{"a": 1}')
    page.get_by_role("button", name="Add").click()
    expect(page.locator("h1")).to_have_text("weekdays at noon")
    assert page.evaluate("location.pathname") == "/schedules/weekdays%20at%20noon"
    found = now(service, "weekdays%20at%20noon")
    assert (found["task"], found["kwargs"], found["window"]) == ("add", {"a": 1}, None)


def test_a_backfill_is_looked_at_first(service: Dashboard, open_as: Open) -> None:
    schedule(service, "past", spec="0 */6 * * *", timezone=ZONE)
    page = open_as("/schedules/past")
    page.get_by_role("button", name="Backfill").click()
    page.get_by_label("From, by your clock").fill("2026-06-01T00:00")
    page.get_by_label("To", exact=True).fill("2026-06-02T00:00")
    page.get_by_role("button", name="Look first").click()
    expect(page.locator("dialog")).to_contain_text("It would make 5 runs.")
    expect(page.locator(".times li")).to_have_count(5)
    expect(page.locator(".times li").first).to_contain_text("00:00:00")
    assert service.ask("GET", "/api/v1/schedules/past/instants").json["items"] == []
    page.get_by_role("button", name="Make these runs").click()
    expect(page.locator(".toast")).to_contain_text("past: ")
    expect(page.locator(".ledger tbody tr")).to_have_count(5)


# -- limits -----------------------------------------------------------------------------------


def test_who_holds_and_who_waits(service: Dashboard, open_as: Open) -> None:
    page = open_as("/limits")
    row = page.locator("[data-key='/press']")
    expect(row).to_contain_text("0 of 1")
    first, second = service.run("press", gate="limits"), service.run("press", gate="limits")
    expect(row).to_contain_text("1 of 1")
    expect(row.locator("td").nth(2)).to_contain_text(re.compile(rf"#{first} press for \d+ s"))
    expect(row.locator("td").nth(3)).to_contain_text(f"#{second} press for")
    row.get_by_role("link", name=f"#{first}").focus()  # is not lost while things change
    assert page.evaluate("document.activeElement.textContent") == f"#{first} press"
    service.gate("limits")
    expect(row).to_contain_text("0 of 1")
    expect(row.get_by_role("link", name="#")).to_have_count(0)


def simulated(
    runs: dict[str, list[float]], n: float, per: float | None = None
) -> tuple[float, float] | None:
    """Wait of 95 in 100 and makespan, in ms: at every moment, whoever is first starts if it can."""
    if max(runs["cost"]) > n:
        return None
    coming = sorted(range(len(runs["ready"])), key=lambda place: runs["ready"][place])
    line: list[tuple[float, int]] = []
    busy: list[tuple[float, float]] = []
    moments = [runs["ready"][place] for place in coming]
    heapq.heapify(moments)
    waits, ends = [], []
    while moments:
        at = heapq.heappop(moments)
        busy = [item for item in busy if item[0] > at]
        while coming and runs["ready"][coming[0]] <= at:
            place = coming.pop(0)
            heapq.heappush(line, (runs["rank"][place], place))
        while line and sum(cost for _, cost in busy) + runs["cost"][line[0][1]] <= n:
            place = heapq.heappop(line)[1]
            took = runs["took"][place]
            waits.append(at - runs["ready"][place])
            ends.append(at + took)
            free = at + (took if per is None else per)
            busy.append((free, runs["cost"][place]))
            heapq.heappush(moments, free)
            if took == 0 and per is None:
                busy.pop()
    waits.sort()
    return waits[-(-len(waits) * 95 // 100) - 1], max(ends) - min(runs["ready"])


REPLAY = """(found, runs, sizes, per) => sizes.map((size) => {
    const one = found.replay(runs, size, per);
    return one && [one.wait * 1000, one.makespan * 1000];
})"""


def module(page: Page, name: str, code: str, *given: Any) -> Any:
    call = f"""async ([name, given]) => {{
        const address = document.querySelector('script[type=module]').src;
        const found = await import(new URL(name, address).pathname);
        return ({code})(found, ...given);
    }}"""
    return page.evaluate(call, [name, list(given)])


@pytest.mark.parametrize("per", [None, 700])
@pytest.mark.parametrize("seed", range(4))
def test_replaying_is_what_a_simulation_gives(open_as: Open, seed: int, per: int | None) -> None:
    rand = random.Random(seed)
    many = 300
    ready = sorted(rand.randrange(60_000) for _ in range(many))
    runs: dict[str, list[float]] = {
        "ready": list(ready),
        "rank": [at - rand.choice([0, 0, 5_000]) for at in ready],
        "took": [rand.randrange(1, 1500) for _ in ready],
        "cost": [rand.choice([1, 1, 1, 2]) for _ in ready],
    }
    page = open_as("/workers")
    sizes = list(range(1, 9))
    found = module(page, "whatif.js", REPLAY, runs, sizes, per)
    for size, result in zip(sizes, found, strict=True):
        expected = simulated(runs, size, per)
        assert result == (None if expected is None else pytest.approx(expected)), size


def test_what_if_there_were_more_units(service: Dashboard, open_as: Open) -> None:
    service.gate("whatif")
    ids = [service.run("press", gate="whatif") for _ in range(6)]
    for id in ids:
        service.ended(id)
    service.stop()
    begin = time.time() - 3600
    took = [10, 20, 30, 40, 50, 60]
    with sqlite3.connect(service.folder / "jobs.db") as base:  # the history is made known
        base.execute("UPDATE runs SET ended=ended-200000 WHERE task=(SELECT task FROM runs WHERE "
                     "id=?) AND id<?", (ids[0], ids[0]))  # fmt: skip
        at = begin
        for number, id in enumerate(ids):
            ready = begin + number
            at = max(at, ready)
            base.execute("UPDATE runs SET created=?, ready=?, started=?, ended=? WHERE id=?",
                         (ready, ready, at, at + took[number], id))  # fmt: skip
            at += took[number]
    base.close()
    service.start()
    page = open_as("/limits")
    page.locator("[data-key='/press']").get_by_role("link", name="What if?").click()
    said = page.locator(".told")
    # one after the other: the last one waits for 150 s, less the 5 s it came later
    expect(said).to_contain_text("With 1 unit, 95 % of the runs start within 2 min 25 s, and all "
                                 "are done after 3 min 30 s.")  # fmt: skip
    expect(said).to_contain_text("It really was 2 min 25 s and 3 min 30 s.")
    expect(page.locator("figure")).to_have_count(2)
    expect(page.locator("figure").first.locator("rect")).to_have_count(2)
    expect(page.locator("section", has=said)).to_contain_text("Replays 6 runs of press")
    slider = page.get_by_role("slider")
    slider.press("ArrowRight")
    assert page.evaluate("location.search") == "?key=%2Fpress&n=2"
    runs: dict[str, list[float]] = {
        "ready": [1000.0 * number for number in range(6)], "took": [1000.0 * one for one in took],
        "rank": [1000.0 * number for number in range(6)], "cost": [1.0] * 6,
    }  # fmt: skip
    expected = simulated(runs, 2)
    assert expected == (56_000, 121_000)
    expect(said).to_contain_text("With 2 units, 95 % of the runs start within 56 s, and all are "
                                 "done after 2 min 1 s.")  # fmt: skip
    assert "With 2 units" in (slider.get_attribute("aria-valuetext") or "")
    page.reload()
    expect(said).to_contain_text("With 2 units")


# -- workers ----------------------------------------------------------------------------------


def test_what_workers_do(service: Dashboard, open_as: Open) -> None:
    page = open_as("/workers")
    worker = page.locator("[data-worker]")
    expect(worker).to_have_count(1)
    expect(worker).to_contain_text("working")
    id = service.run("hold", gate="workers")
    line = worker.locator(".doing > div", has_text=f"#{id} hold")
    expect(line).to_contain_text("waiting for the gate")
    expect(line.locator("progress")).to_have_js_property("value", 0.25)
    expect(worker).to_contain_text(re.compile(r"[1-9]\d* of \d+ slots"))
    service.gate("workers")
    expect(line).to_have_count(0)


# -- settings ---------------------------------------------------------------------------------


def part(page: Page, title: str) -> Any:
    return page.get_by_role("region", name=title, exact=True)


def test_the_life_of_a_user(service: Dashboard, open_as: Open) -> None:
    page = open_as("/settings")
    users, window = part(page, "Users"), page.locator("dialog")
    users.get_by_role("button", name="Add a user").click()
    page.get_by_label("Name").fill("nina")
    window.get_by_label("Password").fill("nina")
    window.get_by_role("button", name="Add").click()
    expect(window.locator("[data-field=password] .wrong")).to_be_visible()
    window.get_by_label("Password").fill("a horse of another colour")
    window.get_by_role("button", name="Add").click()
    row = page.locator("[data-user=nina]")
    expect(row.get_by_label("Role of nina")).to_have_value("viewer")
    row.get_by_label("Role of nina").select_option("operator")
    expect(page.locator(".toast")).to_contain_text("It is set")
    roles = {one["name"]: one["role"] for one in service.ask("GET", "/api/v1/users").json["items"]}
    assert roles == {**USERS, "nina": "operator"}
    page.get_by_label("Role of anna").select_option("viewer")  # the last admin
    expect(page.locator(".toast.error")).to_be_visible()
    expect(page.get_by_label("Role of anna")).to_have_value("admin")
    row.get_by_role("button", name="Password nina").click()
    page.get_by_label("New password").fill(PASSWORD)
    window.get_by_role("button", name="Set").click()
    expect(window).to_have_count(0)
    own = open_as("/settings", user="nina")  # logs in with it
    expect(part(own, "Service")).to_contain_text("nina, operator")
    expect(part(own, "Users")).to_have_count(0)
    expect(part(own, "Settings in force")).to_have_count(0)
    row.get_by_role("button", name="Remove nina").click()
    window.get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)
    own.goto("/workers")
    expect(own.locator("#password")).to_be_visible()  # their session is over


def test_the_life_of_a_token(service: Dashboard, open_as: Open) -> None:
    page = open_as("/settings")
    tokens, window = part(page, "Tokens"), page.locator("dialog")
    tokens.get_by_role("button", name="Make a token").click()
    page.get_by_label("What for").fill("deploy")
    page.get_by_label("Acts as").select_option("olga")
    page.get_by_label("May at most").select_option("admin")
    window.get_by_role("button", name="Make").click()
    expect(window).to_contain_text("olga")  # it cannot be more than she is
    page.get_by_label("May at most").select_option("operator")
    window.get_by_role("button", name="Make").click()
    text = window.locator("code").inner_text()
    assert text.startswith("abr_")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("document.addEventListener('copy', () => (window.copied = String(getSelection())"
                  " || document.activeElement.value))")  # fmt: skip
    window.get_by_role("button", name="Copy").click()
    expect(page.locator(".toast")).to_contain_text("Copied")
    assert page.evaluate("window.copied") == text  # also where the page came over plain HTTP
    window.get_by_role("button", name="Close").click()
    expect(page.locator("[data-token=deploy]")).to_contain_text("olga, operator")
    assert text not in page.content()
    bearer = {"Authorization": f"Bearer {text}"}
    assert page.request.get("/api/v1/me", headers=bearer).json()["name"] == "olga"
    page.get_by_role("button", name="Revoke deploy").click()
    window.get_by_role("button", name="Revoke").click()
    expect(page.locator("[data-token=deploy]")).to_have_count(0)
    assert page.request.get("/api/v1/me", headers=bearer).status == 401


def test_notices_are_tried_out(hook: Hook, open_as: Open) -> None:
    page = open_as("/settings")
    channel = page.locator("[data-channel=ops]")
    button = channel.get_by_role("button", name="Send a test")
    button.click()
    expect(channel.get_by_role("status")).to_contain_text("answered 204")
    expect(channel.locator("[data-state=completed]")).to_be_visible()
    assert len(hook.heard) == 1
    hook.status = 500
    button.click()
    expect(channel.get_by_role("status")).to_contain_text("answered 500")
    expect(channel.locator("[data-state=failed]")).to_be_visible()
    hook.status = 204


def test_the_service_tells_how_it_is(service: Dashboard, open_as: Open) -> None:
    page = open_as("/settings")
    for check in ("engine", "scheduler", "store", "workers"):
        expect(part(page, "Health")).to_contain_text(check)
    expect(part(page, "Health").get_by_label("not well")).to_have_count(0)
    expect(part(page, "Settings in force")).to_contain_text("notify.channels.ops.url")
    expect(part(page, "Settings in force")).not_to_contain_text("/told")  # may be secret
    config = service.folder / "abreast.toml"
    before = config.read_text()
    config.write_text(before + "[shceduler]\n")
    reload = page.get_by_role("button", name="Read settings and tasks again")
    reload.click()
    expect(page.locator(".toast.error")).to_contain_text("did you mean")
    config.write_text(before)
    reload.click()
    expect(page.locator(".toast.ok")).to_be_visible()


def test_ones_own_password(service: Dashboard, open_as: Open, tmp_path: Path) -> None:
    made = service.ask("POST", "/api/v1/users",
                       {"name": "otto", "password": PASSWORD, "role": "viewer"})  # fmt: skip
    assert made.status == 201
    page = open_as("/settings", user="otto")
    part(page, "Your password").get_by_role("button", name="Change").click()
    page.get_by_label("Current password").fill("wrong")
    page.get_by_label("New password").fill("a horse of another colour")
    page.locator("dialog").get_by_role("button", name="Change").click()
    expect(page.locator("[data-field=current] .wrong")).to_have_text("this is not your password")
    page.get_by_label("Current password").fill(PASSWORD)
    page.locator("dialog").get_by_role("button", name="Change").click()
    page.fill("#name", "otto")
    page.fill("#password", "a horse of another colour")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Settings")


# -- roles ------------------------------------------------------------------------------------

FORGED = [
    ("POST", "/schedules/nightly/pause", None),
    ("PATCH", "/schedules/guarded", {"spec": "0 9 * * *"}),
    ("DELETE", "/schedules/guarded", None),
    ("POST", "/schedules", {"name": "mine", "task": "talk", "spec": "@daily"}),
    ("POST", "/schedules/guarded/backfill", {"since": 0, "until": 1}),
    ("POST", "/users", {"name": "eve", "password": PASSWORD, "role": "admin"}),
    ("PATCH", "/users/vera", {"role": "admin"}),
    ("DELETE", "/users/anna", None),
    ("POST", "/tokens", {"name": "mine", "user": "anna"}),
    ("POST", "/notify/channels/ops/test", None),
    ("POST", "/reload", None),
]

SEND = """async ([method, path, body]) => {
    const { csrf } = await (await fetch("/login/session")).json();
    const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
    const answer = await fetch("/api/v1" + path, { method, headers, body: body && JSON.stringify(body) });
    return answer.status;
}"""  # noqa: E501


def test_a_viewer_sees_no_buttons_and_forges_in_vain(
    service: Dashboard, hook: Hook, open_as: Open
) -> None:
    schedule(service, "guarded")
    heard = len(hook.heard)
    page = open_as("/schedules", user="vera")
    expect(page.get_by_role("link", name="guarded")).to_be_visible()
    expect(page.get_by_role("link", name="Add", exact=True)).to_have_count(0)
    ready = {"/schedules": ".schedules tbody tr", "/schedules/guarded": ".preview tbody tr",
             "/limits?key=/press": "figure", "/workers": "[data-worker]"}  # fmt: skip
    for path, there in ready.items():
        page.goto(path)
        expect(page.locator(there).first).to_be_visible()
        expect(page.locator("main button")).to_have_count(0)
    page.goto("/schedules?add=1")
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("main button")).to_have_count(0)
    page.goto("/settings")
    expect(part(page, "Notifications")).to_contain_text("ops")
    expect(page.locator("main button")).to_have_text(["Change"])  # their own password
    for method, path, body in FORGED:
        assert page.evaluate(SEND, [method, path, body]) == 403, path
    assert now(service, "nightly")["paused"] is None
    assert now(service, "guarded")["spec"] == "0 2 * * *"
    assert service.ask("GET", "/api/v1/schedules/mine").status == 404
    assert service.ask("GET", "/api/v1/schedules/guarded/instants").json["items"] == []
    users = {one["name"]: one["role"] for one in service.ask("GET", "/api/v1/users").json["items"]}
    assert (users["vera"], users["anna"], "eve" in users) == ("viewer", "admin", False)
    names = [one["name"] for one in service.ask("GET", "/api/v1/tokens").json["items"]]
    assert "mine" not in names
    assert len(hook.heard) == heard


# -- all of them ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_narrow_windows_need_no_scrolling_sideways(open_as: Open, path: str) -> None:
    page = open_as(path, viewport={"width": 360, "height": 700})
    expect(page.locator("main h1")).to_be_visible()
    expect(page.locator("main[aria-busy]")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
