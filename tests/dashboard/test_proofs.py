"""What the dashboard is for, from end to end in a real browser: each test is one story."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from itertools import combinations
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from tests.dashboard.dashboard_help import PASSWORD, Dashboard, Watched, looking
from tests.dashboard.timeline_help import (
    BARS,
    BOX,
    COMPLETED,
    OVER,
    RUNS,
    SEEN,
    STATE,
    VIEW,
    point_at,
    wait_for,
)

from abreast import App
from abreast.interfaces.access import Access

# The colour of what is drawn at a place of a canvas, and that of bars of running runs.
PIXEL = """([name, x, y]) => {
    const canvas = document.querySelector(name);
    const ratio = canvas.width / canvas.clientWidth;
    const [r, g, b, a] = canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data;
    return a ? `rgb(${r}, ${g}, ${b})` : null;
}"""
RUNNING = """() => {
    const probe = document.createElement("i");
    document.body.append(probe);
    probe.style.color = "var(--running)";
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
}"""


def stay(page: Page, path: str = "") -> None:
    """Open a page and leave a mark in it that a reload would remove."""
    if path:
        page.goto(path)
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    page.evaluate("window.mark = true")


def stayed(page: Page) -> bool:
    return bool(page.evaluate("window.mark === true"))


def clients(dashboard: Dashboard) -> float:
    """How many browsers follow the events, as the service counts them."""
    text = dashboard.ask("GET", "/metrics").body.decode()
    (found,) = re.findall(r"^abreast_event_clients (\S+)$", text, re.MULTILINE)
    return float(found)


def state(page: Page) -> Locator:
    return page.locator(".big-state .state")


# -- in -----------------------------------------------------------------------------------------


def test_in_by_the_link_once_and_then_by_password(browser: Browser, tmp_path: Path) -> None:
    with looking(tmp_path / "service", browser) as service:
        contexts = [browser.new_context(base_url=service.url) for _ in range(3)]
        first, second, third = (context.new_page() for context in contexts)
        first.goto(service.login)
        expect(first).to_have_url(f"{service.url}/")
        expect(first.locator(".live")).to_have_attribute("data-state", "live")
        second.goto(service.login)  # somebody has read it over a shoulder
        expect(second.locator("main")).to_contain_text("This link was used already")
        second.goto("/runs")
        expect(second).to_have_url(re.compile("/login"))
        with closing(App(service.store)) as app:
            Access(app).add_user("anna", PASSWORD, "admin")
        third.goto("/limits")
        third.get_by_label("Name").fill("anna")
        third.get_by_label("Password").fill(PASSWORD)
        third.get_by_role("button", name="Log in").click()
        expect(third.locator("h1")).to_have_text("Limits")
        for context in contexts:
            context.close()


# -- what happens, as it happens -----------------------------------------------------------------


def test_a_run_waits_for_its_holder_and_completes_in_every_tab(
    context: BrowserContext, dashboard: Dashboard
) -> None:
    holder = dashboard.run("press", gate="first")
    waits = dashboard.run("press", gate="second")
    timeline, runs, run = (context.new_page() for _ in range(3))
    stay(timeline, "/?span=300")
    stay(runs, "/runs?task=press")
    stay(run, f"/runs/{waits}")
    row = runs.locator(f'tr[data-id="{waits}"]')
    expect(row).to_contain_text("pending")
    expect(state(run)).to_contain_text("pending")
    why = f"'/press' has no room; held by 'press' (run {holder})"
    expect(run.locator(".run-why")).to_contain_text(why)

    # The timeline: the bar that waits explains itself, and the one it waits for lights up.
    wait_for(timeline, holder, waits)
    lit = f"""(id) => {{
        const {{ x, y, height }} = ({BOX})(id);
        return ({PIXEL})(["{OVER}", x - 1.5, y + height / 2]);
    }}"""
    assert timeline.evaluate(lit, holder) is None
    point_at(timeline, waits, 3)
    tip = timeline.locator(".tl-tip")
    expect(tip).to_contain_text(f"#{waits}")
    expect(tip).to_contain_text(f"(run {holder})")
    timeline.wait_for_function(lit, arg=holder)

    dashboard.gate("first")
    expect(row).to_contain_text("running")
    expect(state(run)).to_contain_text("running")
    timeline.wait_for_function(STATE, arg=[waits, RUNS])
    dashboard.gate("second")
    expect(row).to_contain_text("completed")
    expect(state(run)).to_contain_text("completed")
    expect(run.locator("main")).to_contain_text('"second"')  # its result
    timeline.wait_for_function(STATE, arg=[waits, COMPLETED])
    assert all(stayed(page) for page in (timeline, runs, run))


def test_three_tasks_side_by_side_in_the_timeline(page: Page, dashboard: Dashboard) -> None:
    stay(page, "/?span=30")
    ids = [dashboard.run("hold", gate="abreast"), dashboard.run("hold", gate="abreast"),
           dashboard.run("press", gate="abreast")]  # fmt: skip
    for id in ids:
        page.wait_for_function(STATE, arg=[id, RUNS])
    wait_for(page, *ids)
    expect(page.locator('[data-lane="task hold"]')).to_contain_text("2")
    page.wait_for_function(
        f"(ids) => ids.every((id) => ({BOX})(id)?.width > 20)", arg=ids
    )  # they have grown
    boxes = [page.evaluate(BOX, id) for id in ids]
    for one, two in combinations(boxes, 2):
        assert min(one["x"] + one["width"], two["x"] + two["width"]) > max(one["x"], two["x"]) + 8
        assert one["y"] + one["height"] <= two["y"] or two["y"] + two["height"] <= one["y"]
    # They are drawn there, at the same time of the axis.
    blue = page.evaluate(RUNNING)
    page.wait_for_function(
        f"""([ids, blue]) => {{
            const boxes = ids.map({BOX});
            const x = Math.max(...boxes.map((box) => box.x)) + 4;
            const drawn = (box) => ({PIXEL})(["{BARS}", x, box.y + box.height - 3]);
            return boxes.every((box) => drawn(box) === blue);
        }}""",
        arg=[ids[2:], blue],
    )  # the others tell of their progress, so their bars are not full
    expect(page.locator(".tl-corner")).to_contain_text("3 running")
    dashboard.gate("abreast")
    expect(page.locator(".tl-corner")).to_contain_text("0 running")
    assert stayed(page)


def test_started_with_parameters_cancelled_and_run_again(page: Page, dashboard: Dashboard) -> None:
    stay(page, "/tasks/hold")
    form = page.locator("section", has=page.get_by_role("heading", name="Run it"))
    form.get_by_label("gate").fill("never")
    form.get_by_text("Options").click()
    form.get_by_label("label").fill("by hand")
    form.get_by_role("button", name="Run").click()
    expect(form.get_by_role("status")).to_contain_text("Started run")
    row = page.locator("table.runs tbody tr", has_text="by hand")
    expect(row).to_contain_text("running")
    form.get_by_role("status").get_by_role("link").click()
    expect(page.locator("h1")).to_contain_text("by hand")
    first = int(page.url.rpartition("/")[2])
    kept = dashboard.get(f"/api/v1/runs/{first}")
    assert (kept["kwargs"], kept["label"]) == ({"gate": "never"}, "by hand")
    page.get_by_role("button", name="Cancel …").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    expect(state(page)).to_contain_text("cancelled (user)")
    dashboard.gate("never")
    page.get_by_role("button", name="Run again").click()
    expect(page).not_to_have_url(re.compile(f"/runs/{first}$"))
    expect(state(page)).to_contain_text("completed")
    again = dashboard.get(f"/api/v1/runs/{int(page.url.rpartition('/')[2])}")
    assert (again["kwargs"], again["retry_of"]) == ({"gate": "never"}, first)
    assert stayed(page)


def test_an_edited_schedule_shows_in_the_timeline(
    context: BrowserContext, dashboard: Dashboard
) -> None:
    asked = {"name": "often", "task": "add", "spec": "every 2h", "kwargs": {"a": 1}}
    assert dashboard.ask("POST", "/api/v1/schedules", asked).status == 201
    timeline, editor = context.new_page(), context.new_page()
    stay(timeline, "/")
    coming = f"{VIEW}.model.lanes.get('task add')?.ghosts.length ?? 0"
    timeline.wait_for_function(f"() => {VIEW}?.model.from < Infinity && ({coming}) === 0")
    stay(editor, "/schedules/often")
    editor.get_by_label("When", exact=True).fill("every 90s")
    expect(editor.locator(".preview tbody tr")).to_have_count(10)
    editor.get_by_role("button", name="Save").click()
    expect(editor.locator(".preview")).to_contain_text("every 90 seconds")
    timeline.wait_for_function(f"() => ({coming}) >= 2")  # the coming instants are drawn
    assert dashboard.get("/api/v1/schedules/often")["spec"] == "every 90s"
    assert stayed(timeline)
    assert stayed(editor)
    dashboard.ask("DELETE", "/api/v1/schedules/often")


# -- what goes wrong -----------------------------------------------------------------------------


def test_the_service_dies_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    """Killed with -9: pages say so, and show afterwards what happened meanwhile, nothing twice."""
    with looking(tmp_path / "service", browser) as service:
        context = service.context(viewport={"width": 1280, "height": 800})
        before = [service.run("add", a=number) for number in range(3)]
        cut = service.run("hold", gate="after")
        runs, timeline, run = (context.new_page() for _ in range(3))
        stay(runs, "/runs")
        stay(timeline, "/?span=300&table=1")
        stay(run, f"/runs/{cut}")
        expect(state(run)).to_contain_text("running")
        service.kill()
        for page in (runs, timeline, run):
            expect(page.locator(".live")).to_have_attribute("data-state", "offline")
            expect(page.locator("#banner")).to_contain_text("Not connected")
        with closing(App(service.store)) as app:  # somebody else fills the same store

            def add(a: int, b: int = 2) -> None: ...

            task = app.task(name="add")(add)
            meanwhile = [task.submit(number).id for number in range(3)]
        service.gate("after")
        service.start()
        for page in (runs, timeline, run):
            expect(page.locator("#banner")).to_be_empty()
            expect(page.locator(".live")).to_have_attribute("data-state", "live")
        expect(state(run)).to_contain_text("completed")  # after another attempt
        runs.get_by_role("button", name=re.compile("new")).click()
        every = sorted([*before, cut, *meanwhile], reverse=True)
        for page, rows in ((runs, "table.runs tbody tr"), (timeline, ".tl-table tbody tr")):
            for id in meanwhile:
                link = page.get_by_role("link", name=f"#{id}", exact=True)
                expect(page.locator(rows).filter(has=link)).to_contain_text("completed")
            found = page.locator(f"{rows} a").filter(has_text=re.compile(r"^#\d+$"))
            expect(found).to_have_text([f"#{id}" for id in every])
        for page in (runs, timeline, run):
            assert stayed(page)
        attempts = service.get(f"/api/v1/runs/{cut}")["attempts"]
        assert attempts == 2
        context.close()


def test_eight_tabs_have_one_stream(dashboard: Dashboard) -> None:
    """More than the six connections that browsers open to one host."""
    context = dashboard.context()
    watched = Watched(context, dashboard.url)
    paths = ["/?span=300", "/tasks", "/runs", "/schedules", "/limits", "/workers", "/tasks/add",
             "/runs?task=add"]  # fmt: skip
    tabs = [context.new_page() for _ in paths]
    for tab, path in zip(tabs, paths, strict=True):
        stay(tab, path)
    dashboard.until(lambda: clients(dashboard) == 1, "one stream for all of them")
    leader = tabs[0]
    for last in (False, True):
        id = dashboard.run("add", a=1)
        dashboard.ended(id)
        for tab in tabs:
            expect(tab.locator(".live")).to_have_attribute("data-state", "live")
        if not last:
            tabs[0].wait_for_function(STATE, arg=[id, COMPLETED])
        expect(tabs[-2].locator(f'tr[data-id="{id}"]')).to_contain_text("completed")
        assert clients(dashboard) == 1
        if not last:
            leader.close()  # another tab takes over
            tabs.remove(leader)
            dashboard.until(lambda: clients(dashboard) == 1, "another one leads")
    assert all(stayed(tab) for tab in tabs)
    context.close()
    assert not watched.wrong


# -- without a mouse -----------------------------------------------------------------------------


@pytest.fixture
def stranger(browser: Browser, tmp_path: Path) -> Iterator[tuple[Page, Dashboard]]:
    """Somebody who is not logged in yet."""
    with looking(tmp_path / "service", browser, users={"otto": "operator"}) as service:
        context = browser.new_context(base_url=service.url, viewport={"width": 1280, "height": 800})
        watched = Watched(context, service.url)
        yield context.new_page(), service
        context.close()
        assert not watched.wrong


MARKED = """() => {
    const one = document.activeElement;
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one);
    return (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none"
        || one.matches("main, body");
}"""


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until something has the focus; all on the way show that they have it."""
    wanted.wait_for()
    target = wanted.element_handle()
    assert target is not None
    for _ in range(80):
        page.keyboard.press("Tab")
        assert page.evaluate(MARKED), page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("(wanted) => document.activeElement === wanted", target):
            return
    raise AssertionError(f"the Tab key does not lead to {wanted}")


def test_from_logging_in_to_reading_a_log_by_keys(stranger: tuple[Page, Dashboard]) -> None:
    page, service = stranger
    page.goto("/")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("otto")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.locator("h1")).to_have_text("Tasks")
    page.keyboard.press("/")
    page.keyboard.type("talk")
    row = page.locator("table.tasks tbody tr")
    expect(row).to_have_count(1)
    tab_to(page, row.get_by_role("button", name="Run …"))
    page.keyboard.press("Enter")
    window = page.get_by_role("dialog", name="Run talk")
    expect(window.get_by_label("lines")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("400")
    page.keyboard.press("Control+Enter")
    expect(window).to_be_hidden()
    told = page.locator("#toasts").get_by_role("link", name="Show it")
    tab_to(page, told)
    page.keyboard.press("Enter")
    expect(state(page)).to_contain_text("completed")
    log = page.get_by_role("region", name="Log", exact=True).and_(page.locator(".log-view"))
    expect(log).to_contain_text("line 400 of 400")
    tab_to(page, log)
    page.keyboard.press("Home")
    expect(log).to_contain_text("line 1 of 400")
    page.keyboard.press("End")
    expect(log).to_contain_text("line 400 of 400")
    # The timeline: from the bar of the run to its drawer, and back.
    (id,) = (run["id"] for run in service.get("/api/v1/runs")["items"])
    page.keyboard.press("g")
    page.keyboard.press("h")
    chart = page.get_by_role("group", name="Timeline")
    expect(chart).to_be_visible()
    page.wait_for_function(SEEN, arg=[id])
    tab_to(page, chart)
    page.keyboard.press("ArrowDown")
    expect(page.locator(".tl-focus")).to_have_attribute("aria-label", re.compile(f"#{id}"))
    page.keyboard.press("Enter")
    drawer = page.get_by_role("complementary", name="Run")
    expect(drawer).to_contain_text(f"#{id}")
    expect(drawer).to_contain_text("line 400 of 400")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(page.locator(".tl-focus")).to_be_focused()
