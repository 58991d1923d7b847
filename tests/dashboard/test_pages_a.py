"""The pages of tasks, runs, one run and flows, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from tests.dashboard.dashboard_help import SAMPLES, Dashboard, Watched, looking

MORE = '''\
"""Tasks that take things."""

from typing import Any, Literal, Optional

from abreast import task


@task
def take(
    text: str,
    number: int = 3,
    share: float = 0.5,
    loud: bool = False,
    form: Literal["csv", "json"] = "csv",
    names: Optional[list[str]] = None,
    more: dict[str, int] = {},
    anything=None,
    /,
    *rest: int,
    key: str | None = "x",
    **others: Any,
) -> Any:
    """Give back what it was given."""
    return [text, number, share, loud, form, names, more, anything, list(rest), key, others]


@task
def part(model: str, size: int) -> str:
    """A part of a batch."""
    if model == "b" and size == 2:
        raise ValueError("too large")
    return f"{model}{size}"


@task
def gather(parts: list[str]) -> str:
    """Puts the parts together."""
    return "+".join(parts)


@task
def after(*others: Any) -> None:
    """Comes after others."""
'''


@pytest.fixture(scope="module")
def dashboard(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A service with tasks of all kinds, and somebody who may only look."""
    folder = tmp_path_factory.mktemp("pages") / "service"
    tasks = {"samples.py": SAMPLES, "more.py": MORE}
    with looking(folder, browser, tasks=tasks, users={"ada": "admin", "vera": "viewer"}) as found:
        yield found


@pytest.fixture
def context(dashboard: Dashboard) -> Iterator[BrowserContext]:
    """The browser of an admin."""
    found = dashboard.context("ada", viewport={"width": 1280, "height": 900})
    watched = Watched(found, dashboard.url)
    yield found
    found.close()
    assert not watched.wrong, "\n".join(watched.wrong)


def go(page: Page, path: str) -> None:
    """Open a page, and leave a mark in it that a reload would remove."""
    page.goto(path)
    page.wait_for_selector("main h1")
    page.evaluate("window.mark = true")


def same_page(page: Page) -> bool:
    return bool(page.evaluate("window.mark === true"))


def state(page: Page) -> Locator:
    return page.locator(".big-state .state")


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def row(page: Page, id: int) -> Locator:
    return page.locator(f'tr[data-id="{id}"]')


# -- tasks ------------------------------------------------------------------------------------


def test_a_task_is_started_with_parameters(page: Page) -> None:
    go(page, "/tasks")
    page.get_by_role("row", name=re.compile("^add ")).get_by_role("button", name="Run …").click()
    window = page.get_by_role("dialog", name="Run add")
    window.get_by_label("b int").fill("four")
    page.keyboard.press("Control+Enter")
    expect(window.get_by_label("a * int")).to_have_attribute("aria-invalid", "true")
    expect(window.locator(".field", has_text="a *").locator(".wrong")).to_have_text("is required")
    expect(window.locator(".field", has_text="b int").locator(".wrong")).to_have_text(
        "needs a whole number"
    )
    window.get_by_label("a * int").fill("3")
    window.get_by_label("b int").fill("4")
    window.get_by_text("Options").click()
    window.get_by_label("timeout").fill("soon")
    page.keyboard.press("Control+Enter")
    expect(window.locator(".field", has_text="timeout").locator(".wrong")).to_contain_text("soon")
    window.get_by_label("timeout").fill("10m")
    window.get_by_label("label").fill("seven")
    page.keyboard.press("Control+Enter")
    expect(window).to_have_count(0)
    page.locator(".toast a").click()
    expect(page.locator("h1")).to_contain_text("seven")
    expect(state(page)).to_contain_text("completed")
    expect(page.get_by_role("region", name="Result")).to_contain_text("7")
    expect(page.get_by_role("region", name="Arguments")).to_contain_text("a3b4")
    assert same_page(page)


def test_a_form_is_made_from_hints_of_all_kinds(page: Page, dashboard: Dashboard) -> None:
    go(page, "/tasks/take")
    form = page.locator(".run-fields")
    form.get_by_label("text * str").fill("hello")
    form.get_by_label("share float").fill("1e-3")
    form.get_by_label("loud bool").check()
    form.get_by_label(re.compile("^form")).select_option("json")
    form.get_by_label(re.compile("^names")).fill('["a", "b"')
    form.get_by_label(re.compile("^more")).fill('{"one": 1}')
    form.get_by_label("anything").fill("just text")
    form.get_by_label("*rest int").fill("[1, 2]")
    form.get_by_label("key str | None").fill("")
    form.get_by_label("**others Any").fill('{"extra": [true, null]}')
    page.get_by_role("button", name="Run Ctrl").click()
    expect(form.locator(".field", has_text="names").locator(".wrong")).to_contain_text("a list")
    form.get_by_label(re.compile("^names")).fill('["a", "b"]')
    form.get_by_label(re.compile("^names")).press("Control+Enter")
    page.get_by_role("link", name=re.compile(r"^run \d+")).click()
    expect(state(page)).to_contain_text("completed")
    run = dashboard.get(f"/api/v1/runs/{page.url.rpartition('/')[2]}")
    assert run["result"] == [
        "hello", 3, 0.001, True, "json", ["a", "b"], {"one": 1}, "just text", [1, 2], None,
        {"extra": [True, None]},
    ]  # fmt: skip
    page.get_by_role("button", name="Change and run …").click()
    window = page.get_by_role("dialog")
    expect(window.get_by_label("text * str")).to_have_value("hello")
    expect(window.get_by_label("*rest int")).to_have_value("[1,2]")
    window.get_by_label("text * str").fill("again")
    window.get_by_role("button", name="Run", exact=True).click()
    page.locator(".toast a").click()
    expect(page.get_by_role("region", name="Result")).to_contain_text('"again"')


def test_tasks_tell_how_they_are_and_live(page: Page, dashboard: Dashboard) -> None:
    go(page, "/tasks")
    line = page.get_by_role("row", name=re.compile("^hold "))
    run = dashboard.run("hold", gate="tasks")
    expect(line.locator(".c-Now a")).to_have_attribute("title", "1 running")
    dashboard.gate("tasks")
    expect(line.locator(".c-Last .state")).to_contain_text("completed")
    expect(line.locator(".c-Now")).to_be_empty()
    expect(line.locator(".spark")).to_have_attribute("aria-label", re.compile("1 completed"))
    expect(line).to_contain_text("100 %")
    expect(line.locator(".c-Last a")).to_have_attribute("href", f"/runs/{run}")
    page.get_by_label("Find tasks").fill("night")
    expect(page.locator("table.tasks tbody tr")).to_have_count(1)
    assert query(page) == {"q": ["night"]}
    page.get_by_label("Find tasks").fill("")
    page.get_by_role("button", name="gates").click()
    expect(page.locator("table.tasks tbody tr")).to_have_count(2)
    assert query(page) == {"tag": ["gates"]}
    assert same_page(page)


def test_a_broken_file_is_told_with_its_error(page: Page, dashboard: Dashboard) -> None:
    go(page, "/tasks")
    file = dashboard.folder / "tasks" / "broken.py"
    file.write_text("import no_such_thing\n")
    expect(page.locator(".broken")).to_contain_text("tasks/broken.py cannot be used")
    expect(page.locator(".broken pre")).to_contain_text("no_such_thing")
    file.write_text("def run_task(config):\n    return config\n")
    expect(page.locator(".broken")).to_have_count(0)
    expect(page.get_by_role("link", name="broken")).to_be_visible()
    file.unlink()
    expect(page.get_by_role("link", name="broken")).to_have_count(0)
    assert same_page(page)


def test_schedules_of_a_task_are_paused_and_resumed(page: Page) -> None:
    go(page, "/tasks")
    line = page.get_by_role("row", name=re.compile("^nightly "))
    expect(line.locator(".c-Next")).to_contain_text(re.compile(r"in \d+ (h|min|s)"))
    line.get_by_role("button", name="Pause its schedules").click()
    expect(line.locator(".c-Next")).to_have_text("paused")
    page.get_by_role("link", name="nightly", exact=True).click()
    expect(page.get_by_role("region", name="Schedules")).to_contain_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("region", name="Schedules")).to_contain_text("02:00")
    expect(page.get_by_role("region", name="Schedules")).not_to_contain_text("paused")
    expect(page.locator(".numbers a")).to_have_attribute("href", "/schedules/nightly")


# -- one run ----------------------------------------------------------------------------------


def test_a_run_is_watched_from_waiting_to_completed(page: Page, dashboard: Dashboard) -> None:
    holder = dashboard.run("press", gate="first")
    run = dashboard.run("press", gate="second")
    go(page, f"/runs/{run}")
    expect(state(page)).to_contain_text("pending")
    expect(page.locator(".run-why")).to_contain_text(f"run {holder}")
    dashboard.gate("first")
    expect(state(page)).to_contain_text("running")
    dashboard.gate("second")
    expect(state(page)).to_contain_text("completed")
    expect(page.get_by_role("region", name="Result")).to_contain_text("second")
    expect(page.get_by_role("button", name="Cancel …")).to_have_count(0)
    assert same_page(page)


def test_a_run_is_cancelled_and_repeated(page: Page, dashboard: Dashboard) -> None:
    run = dashboard.run("hold", gate="repeated")
    go(page, f"/runs/{run}")
    expect(page.locator(".progress")).to_contain_text("25 % waiting for the gate")
    page.get_by_role("button", name="Cancel …").click()
    page.get_by_role("button", name="Let it run").click()
    expect(state(page)).to_contain_text("running")
    page.get_by_role("button", name="Cancel …").click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(state(page)).to_contain_text("cancelled (user)")
    dashboard.gate("repeated")
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text(f"retry of #{run}")).to_be_visible()
    expect(state(page)).to_contain_text("completed")
    assert same_page(page)


def test_errors_attempts_and_steps_are_shown(page: Page, dashboard: Dashboard) -> None:
    failed, tried, stepped = (dashboard.run(name) for name in ("fail", "second_try", "steps"))
    for run in (failed, tried, stepped):
        dashboard.ended(run)
    go(page, f"/runs/{failed}")
    expect(page.locator(".error-box")).to_contain_text("RuntimeError")
    expect(page.locator(".traceback")).to_contain_text("raise RuntimeError(text)")
    expect(page.locator(".log-row")).to_contain_text("about to fail")
    go(page, f"/runs/{tried}")
    attempts = page.get_by_role("region", name="Attempts")
    expect(attempts.locator("details")).to_have_count(2)
    expect(attempts).to_contain_text("ConnectionError: the other side does not answer")
    go(page, f"/runs/{stepped}")
    steps = page.get_by_role("region", name="Steps")
    expect(steps.locator("details")).to_have_count(2)
    steps.get_by_text("halve").click()
    expect(steps.locator("dl").first).to_contain_text("Output21")


def test_who_may_only_look_sees_no_buttons(dashboard: Dashboard) -> None:
    run = dashboard.run("hold", gate="looked")
    context = dashboard.context("vera")
    page = context.new_page()
    for path in ("/tasks", "/tasks/hold", "/runs", f"/runs/{run}"):
        go(page, path)
        expect(
            page.get_by_role("button", name=re.compile("^(Run|Cancel|Pause its)"))
        ).to_have_count(0)
        expect(page.get_by_role("checkbox")).to_have_count(0)
    dashboard.gate("looked")
    expect(state(page)).to_contain_text("completed")
    expect(page.get_by_role("button", name="Run again")).to_have_count(0)
    context.close()


# -- many runs --------------------------------------------------------------------------------


def test_filters_are_in_the_address(page: Page, dashboard: Dashboard) -> None:
    failed, fine = dashboard.run("fail"), dashboard.run("add", a=1)
    dashboard.ended(failed), dashboard.ended(fine)
    go(page, "/runs")
    expect(row(page, fine)).to_be_visible()
    page.get_by_role("group", name="States").get_by_role("button", name="failed").click()
    expect(row(page, fine)).to_have_count(0)
    expect(row(page, failed)).to_contain_text("failed (error)")
    page.get_by_label("Reason").select_option("error")
    page.get_by_label("Since").select_option("1h")
    page.get_by_label("Label or task").fill("fai")
    expect(page).to_have_url(re.compile("q=fai"))
    assert query(page) == {"state": ["failed"], "reason": ["error"], "since": ["1h"], "q": ["fai"]}
    page.reload()
    expect(row(page, failed)).to_be_visible()
    expect(page.get_by_label("Label or task")).to_have_value("fai")
    page.get_by_role("link", name="Clear").click()
    expect(row(page, fine)).to_be_visible()
    page.go_back()
    expect(row(page, fine)).to_have_count(0)
    page.goto("/runs?task=nothing")
    expect(page.get_by_role("heading", name="No run matches")).to_be_visible()


def test_rows_stay_in_place_while_others_come(page: Page, dashboard: Dashboard) -> None:
    run = dashboard.run("hold", gate="placed")
    go(page, "/runs")
    expect(row(page, run).locator(".c-state")).to_contain_text("running")
    before = row(page, run).bounding_box()
    news = dashboard.ended(dashboard.run("add", a=1))["id"]
    expect(page.locator(".news")).to_contain_text("1 new run")
    dashboard.gate("placed")
    expect(row(page, run).locator(".c-state")).to_contain_text("completed")
    assert row(page, run).bounding_box() == before
    expect(row(page, news)).to_have_count(0)
    page.keyboard.press(".")
    expect(row(page, news)).to_be_visible()
    expect(page.locator(".news")).to_be_hidden()
    assert same_page(page)


def test_pages_go_on_where_the_last_one_ended(page: Page, dashboard: Dashboard) -> None:
    runs = [{"task": "add", "kwargs": {"a": number}} for number in range(60)]
    flow = dashboard.ask("POST", "/api/v1/flows", {"name": "sixty", "runs": runs}).json["id"]
    dashboard.ended(flow)
    go(page, f"/runs?flow={flow}")
    rows = page.locator("table.runs tbody tr")
    expect(rows).to_have_count(50)
    first = [int(one.get_attribute("data-id") or 0) for one in rows.all()]
    page.get_by_role("button", name="Older").click()
    expect(rows).to_have_count(10)
    second = [int(one.get_attribute("data-id") or 0) for one in rows.all()]
    assert first + second == sorted(first + second, reverse=True)
    page.go_back()
    expect(rows).to_have_count(50)


def test_many_are_cancelled_and_repeated_after_a_look(page: Page, dashboard: Dashboard) -> None:
    runs = [dashboard.run("hold", gate="many") for _ in range(3)]
    done = dashboard.run("add", a=1)
    go(page, "/runs")
    expect(row(page, runs[0])).to_be_visible()
    page.locator("h1").click()
    while page.evaluate("document.activeElement.closest('tr')?.dataset.id") != str(done):
        page.keyboard.press("j")
    page.keyboard.press("x")
    for _ in range(3):
        page.keyboard.press("Shift+J")
    bar = page.get_by_role("region", name="Chosen runs")
    expect(bar).to_contain_text("4 chosen")
    bar.get_by_role("button", name="Cancel …").click()
    window = page.get_by_role("dialog")
    expect(window.locator(".matched")).to_have_text(re.compile("^[34] runs will be asked to end"))
    window.get_by_role("button", name="Leave it").click()
    expect(row(page, runs[0])).not_to_contain_text("cancelled")
    bar.get_by_role("button", name="Cancel …").click()
    window.get_by_role("button", name="Cancel them").click()
    for run in runs:
        expect(row(page, run)).to_contain_text("cancelled (user)")
    expect(bar).to_be_hidden()
    dashboard.gate("many")
    page.goto("/runs?task=hold&state=cancelled")
    expect(row(page, runs[0])).to_be_visible()
    page.keyboard.press("a")
    bar.get_by_role("button", name="Run again …").click()
    expect(window.locator(".matched")).to_have_text(re.compile(r"^\d+ runs will be made anew"))
    count = int(window.locator(".matched").inner_text().split()[0])
    assert count >= 3
    window.get_by_role("button", name="Run them again").click()
    expect(page.locator(".toast")).to_contain_text([f"{count} runs started again"])


# -- flows ------------------------------------------------------------------------------------


def test_a_flow_is_a_graph_that_lives(page: Page, dashboard: Dashboard) -> None:
    runs: list[dict[str, Any]] = [
        {"task": "hold", "label": "first", "kwargs": {"gate": "flow"}},
        {"task": "fail", "label": "second"},
        {"task": "after", "label": "third", "args": [{"$run": "first"}]},
        {"task": "after", "label": "fourth", "after": ["second", "third"]},
    ]
    flow = dashboard.ask("POST", "/api/v1/flows", {"name": "graph", "runs": runs}).json["id"]
    go(page, f"/runs/{flow}")
    expect(page).to_have_url(re.compile(f"/flows/{flow}$"))
    node = {
        name: page.locator(".node", has_text=name)
        for name in ("first", "second", "third", "fourth")
    }
    expect(node["first"]).to_have_attribute("data-state", "running")
    expect(node["second"]).to_have_attribute("data-state", "failed")
    expect(node["third"]).to_have_attribute("data-state", "blocked")
    expect(node["fourth"]).to_have_attribute("data-state", "skipped")
    expect(page.locator(".edge")).to_have_count(3)
    expect(page.locator(".edge.done")).to_have_count(0)
    left = [box["x"] for one in node.values() if (box := one.bounding_box())]
    assert left[0] == left[1] < left[2] < left[3]
    page.evaluate("window.mark = true")
    dashboard.gate("flow")
    expect(node["third"]).to_have_attribute("data-state", "completed")
    expect(state(page)).to_contain_text("failed")
    expect(page.locator(".edge.done")).to_have_count(2)
    expect(page.locator(".counts")).to_contain_text("completed2")
    node["first"].focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("first")
    assert same_page(page)


def test_a_batch_is_a_grid_with_partial_results(page: Page, dashboard: Dashboard) -> None:
    batch = {
        "task": "part",
        "over": {"model": ["a", "b"]},
        "parallel": {"size": [1, 2]},
        "join": "gather",
    }
    job = dashboard.ask("POST", "/api/v1/batches", batch).json["id"]
    go(page, f"/flows/{job}")
    lines = page.locator("table.grid tbody tr")
    expect(page.locator("table.grid thead")).to_contain_text("size=1size=2gather")
    expect(lines.nth(0)).to_contain_text(json.dumps("a1+a2"))
    expect(lines.nth(1).locator(".state").nth(1)).to_have_attribute("data-state", "failed")
    expect(lines.nth(1).locator(".state").nth(2)).to_have_attribute("data-state", "skipped")
    page.locator(".counts button", has_text="failed").click()
    expect(page.locator("table.runs tbody tr")).to_have_count(1)
