"""The timeline in a real browser: what lies where, what is said of it, and every key."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.dashboard.dashboard_help import Dashboard, looking

from abreast.interfaces.bundle import bundle

# Where the bar of a run is in the window, and in which row.
WHERE = """
(id) => {
  const { view } = document.querySelector(".tl");
  const run = view.model.runs.get(id);
  const box = run && view.box(run);
  if (!box) return null;
  const at = view.canvas.getBoundingClientRect();
  return { ...box, x: at.left + box.x, y: at.top + box.y - view.scroll.scrollTop, row: run.row,
    lane: run.lane.name, state: run.state };
}
"""
CLOSE_TO = """
(id) => {
  const { view } = document.querySelector(".tl");
  const { begin, over } = view.model.runs.get(id);
  view.period(begin - 50, over + 50);
}
"""
ALONE = """
(id) => {
  const { view } = document.querySelector(".tl");
  return !view.look.chipOf(view.model.runs.get(id));
}
"""
VIEW = "document.querySelector('.tl').view"


def opened(page: Page, query: str = "?span=60") -> Page:
    page.goto(f"/{query}")
    page.wait_for_selector(".tl[data-ready]")
    return page


def bar(dashboard: Dashboard, page: Page, id: int, state: int | None = None) -> dict[str, Any]:
    """Wait until a run is shown (in this state, 3 is running); return where."""

    def look() -> Any:
        found = page.evaluate(WHERE, id)
        return found if found and state in (None, found["state"]) else None

    return dict(dashboard.until(look, f"run {id} is not shown in state {state}"))


def hover(page: Page, box: dict[str, Any]) -> None:
    page.mouse.move(box["x"] + max(1, box["width"] / 2), box["y"] + box["height"] / 2)


def look_at(dashboard: Dashboard, page: Page, id: int) -> None:
    """Have the pointer on a run, which moves on with time."""

    def look() -> bool:
        hover(page, page.evaluate(WHERE, id))
        return f"#{id}" in page.locator(".tl-tip").inner_text()

    dashboard.until(look, f"run {id} is not explained")


def query(page: Page) -> dict[str, str]:
    return query_of(page.evaluate("location.href"))


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_three_runs_side_by_side_until_they_end(dashboard: Dashboard, page: Page) -> None:
    opened(page)
    ids = [dashboard.run("hold", gate="three") for _ in range(3)]
    boxes = [bar(dashboard, page, id, 3) for id in ids]
    assert {box["lane"] for box in boxes} == {"hold"}
    assert len({box["row"] for box in boxes}) == 3
    ends = [(box["x"], box["x"] + box["width"]) for box in boxes]
    assert max(start for start, _ in ends) < min(end for _, end in ends)
    expect(page.locator(".tl-corner")).to_contain_text("3 running")
    expect(page.locator(".tl-lane[data-lane='task hold'] .tl-load")).to_contain_text("3")
    dashboard.gate("three")
    for id in ids:
        assert bar(dashboard, page, id, 4)["row"] in range(3)
    expect(page.locator(".tl-corner")).to_contain_text("0 running")


def test_what_waits_names_who_holds_it(dashboard: Dashboard, page: Page) -> None:
    holder = dashboard.run("press", gate="holder")
    opened(page)
    bar(dashboard, page, holder, 3)
    waiting = dashboard.run("press", gate="holder")
    bar(dashboard, page, waiting, 2)
    look_at(dashboard, page, waiting)
    tip = page.locator(".tl-tip")
    expect(tip).to_contain_text(f"limit '/press' has no room; held by 'press' (run {holder})")
    assert page.evaluate(f"{VIEW}.look.lit.map((run) => run.id)") == [holder]
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()
    assert page.evaluate(f"{VIEW}.look.lit.length") == 0
    dashboard.gate("holder")
    dashboard.ended(waiting)


def test_keys_zoom_and_pan_and_the_address_says_so(dashboard: Dashboard, page: Page) -> None:
    opened(page, "")
    chart = page.locator(".tl-chart")
    chart.focus()
    chart.press("+")
    expect(page).to_have_url(f"{dashboard.url}/?span=2400")
    chart.press("-")
    expect(page).to_have_url(f"{dashboard.url}/")
    chart.press("ArrowLeft")
    page.wait_for_url("**/?from=*")
    earlier = query(page)["from"]
    assert page.get_by_role("button", name="Now").get_attribute("aria-pressed") == "false"
    chart.press("ArrowRight")
    dashboard.until(lambda: query(page)["from"] > earlier, "it does not move back")
    again = page.url
    opened(page, "?" + urlsplit(again).query)
    assert query(page) == query_of(again)
    page.locator(".tl-chart").press("End")
    page.wait_for_url(lambda url: "from=" not in url)
    assert page.get_by_role("button", name="Now").get_attribute("aria-pressed") == "true"
    page.locator(".tl-chart").press("0")
    expect(page).to_have_url(f"{dashboard.url}/")


def test_the_wheel_comes_closer_where_the_pointer_is(dashboard: Dashboard, page: Page) -> None:
    opened(page, "")
    box = page.locator(".tl-stage").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.5, box["y"] + 60
    page.mouse.move(x, y)
    at = (
        f"() => {{ const v = {VIEW}; const left = v.canvas.getBoundingClientRect().left; "
        f"return [v.scale.time({x} - left), v.scale.per]; }}"
    )
    time, per = page.evaluate(at)
    page.mouse.wheel(0, -300)
    page.wait_for_url("**/?from=*")
    closer_time, closer = page.evaluate(at)
    assert closer < per * 0.7
    assert abs(closer_time - time) < per * 3
    start = page.evaluate(f"{VIEW}.scale.start")
    page.keyboard.down("Shift")
    page.mouse.wheel(0, 200)
    page.keyboard.up("Shift")
    dashboard.until(lambda: page.evaluate(f"{VIEW}.scale.start") > start + closer * 100, "no pan")
    start = page.evaluate(f"{VIEW}.scale.start")
    page.mouse.down()
    page.mouse.move(x + 150, y, steps=3)
    page.mouse.up()
    moved = start - page.evaluate(f"{VIEW}.scale.start")
    assert abs(moved / closer - 150) < 2
    mini = page.locator(".tl-mini").bounding_box()
    assert mini is not None
    page.mouse.click(mini["x"] + 40, mini["y"] + 10)
    assert page.evaluate(f"{VIEW}.scale.start") < start - moved


def test_presets_and_choices_are_in_the_address(dashboard: Dashboard, page: Page) -> None:
    dashboard.ended(dashboard.run("add", a=1))
    dashboard.ended(dashboard.run("fail"))
    opened(page)
    page.get_by_role("button", name="6 h").click()
    page.wait_for_url("**/?span=21600")
    page.get_by_role("button", name="tag", exact=True).click()
    expect(page.locator(".tl-section", has_text="sums")).to_be_visible()
    page.get_by_label("Filter runs").fill("task:fail")
    expect(page.locator(".tl-lane")).to_have_count(1)
    page.locator(".tl-state[data-state=completed]").click()
    expect(page.locator(".tl-lane")).to_have_count(0)
    assert query(page) == {"span": "21600", "by": "tag", "q": "task:fail", "state": "completed"}
    page.reload()
    page.wait_for_selector(".tl[data-ready]")
    expect(page.locator(".tl-lane")).to_have_count(0)
    page.locator(".tl-state[data-state=completed]").click()
    expect(page.locator(".tl-lane")).to_have_count(1)
    page.get_by_label("Filter runs").fill("tag:sums")
    expect(page.locator(".tl-lane")).to_have_attribute("data-lane", "task add")
    page.get_by_role("button", name="worker", exact=True).click()
    page.get_by_label("Filter runs").fill("")
    expect(page.locator(".tl-lane").first).to_have_attribute("data-lane", "worker 1")


def test_the_table_has_the_same_runs(dashboard: Dashboard, page: Page) -> None:
    done = dashboard.ended(dashboard.run("add", a=20))["id"]
    opened(page, "?span=600")
    rows = page.locator(".tl-table tbody tr")
    expect(rows.filter(has_text=f"#{done}")).to_have_count(1)  # also while nobody sees it
    page.get_by_role("button", name="Table").click()
    assert query(page)["table"] == "1"
    ids = page.evaluate(
        f"[...{VIEW}.model.runs.values()].map((run) => run.id).sort((a, b) => b - a)"
    )
    expect(rows).to_have_count(min(100, len(ids)))
    texts = rows.locator("td:first-child").all_inner_texts()
    assert texts == [f"#{id}" for id in ids[: len(texts)]]
    first = rows.filter(has_text=f"#{done}").locator("td")
    assert first.nth(1).inner_text() == "add"
    assert first.nth(2).inner_text() == "completed"
    new = dashboard.run("add", a=21)
    expect(rows.filter(has_text=f"#{new}")).to_have_count(1)
    rows.filter(has_text=f"#{done}").get_by_role("link").click()
    expect(page.locator(".tl-drawer h2")).to_contain_text(f"#{done}")


def test_with_keys_from_bar_to_bar_and_into_the_drawer(dashboard: Dashboard, page: Page) -> None:
    ids = [dashboard.ended(dashboard.run("steps"))["id"] for _ in range(3)]
    opened(page, "?span=300&q=task:steps")
    dashboard.until(lambda: all(page.evaluate(WHERE, id) for id in ids), "not all are shown")
    page.locator(".tl-chart").focus()
    page.keyboard.press("ArrowDown")
    focused = page.locator(".tl-focus")
    expect(focused).to_be_focused()
    assert f"steps #{ids[2]}, completed" in (focused.get_attribute("aria-label") or "")
    page.keyboard.press("ArrowLeft")
    assert f"#{ids[1]}" in (focused.get_attribute("aria-label") or "")
    expect(page.locator(".tl-tip")).to_contain_text(f"#{ids[1]}")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.evaluate(CLOSE_TO, ids[1])
    dashboard.until(lambda: page.evaluate(ALONE, ids[1]), "it cannot be told apart")
    page.keyboard.press("Enter")
    drawer = page.locator("aside.tl-drawer")
    expect(drawer.locator("h2")).to_be_focused()
    assert query(page)["run"] == str(ids[1])
    expect(drawer).to_contain_text("halve")
    expect(drawer).to_contain_text("double")
    expect(drawer.get_by_role("link", name="All about it")).to_have_attribute(
        "href", f"/runs/{ids[1]}"
    )
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(focused).to_be_focused()
    assert "run" not in query(page)
    page.keyboard.press("Escape")
    expect(page.locator(".tl-chart")).to_be_focused()


def test_the_drawer_follows_the_log_and_cancels(dashboard: Dashboard, page: Page) -> None:
    talk = dashboard.run("talk", lines=3)
    dashboard.ended(talk)
    opened(page, f"?span=300&run={talk}")
    log = page.locator(".tl-log")
    expect(log).to_contain_text("line 3 of 3")
    held = dashboard.run("hold", gate="never")
    bar(dashboard, page, held, 3)
    look_at(dashboard, page, held)
    page.mouse.down()
    page.mouse.up()
    drawer = page.locator("aside.tl-drawer")
    expect(drawer.locator("h2")).to_contain_text(f"#{held}")
    expect(drawer).to_contain_text("waiting for the gate")
    drawer.get_by_role("button", name="Cancel").click()
    expect(drawer.locator(".tl-drawer-state")).to_have_text("cancelled (user)")
    drawer.get_by_role("button", name="Close").click()
    expect(page.locator(".tl-focus")).to_be_focused()


def test_attempts_are_told_apart(dashboard: Dashboard, page: Page) -> None:
    id = dashboard.run("second_try")
    dashboard.ended(id)
    opened(page)
    bar(dashboard, page, id, 4)
    begin, tries, started = page.evaluate(
        f"(id) => {{ const run = {VIEW}.model.runs.get(id); "
        "return [run.begin, run.tries, run.started]; }",
        id,
    )
    assert [begin] == [start for start, _ in tries]
    assert tries[0][1] < started
    page.evaluate(CLOSE_TO, id)
    look_at(dashboard, page, id)
    expect(page.locator(".tl-tip")).to_contain_text("attempt")


def test_the_critical_path_of_a_flow(dashboard: Dashboard, page: Page) -> None:
    runs = [
        {"task": "talk", "label": "short"},
        {"task": "steps", "label": "first"},
        {"task": "hold", "kwargs": {"gate": "flow"}, "label": "long", "after": ["first"]},
        {"task": "add", "args": [1], "label": "last", "after": ["long", "short"]},
    ]
    flow = dashboard.ask("POST", "/api/v1/flows", {"name": "the flow", "runs": runs}).json["id"]
    opened(page, "?span=120&by=flow")
    bar(dashboard, page, flow + 3, 3)
    dashboard.gate("flow")
    bar(dashboard, page, flow + 4, 4)
    expect(page.locator(f".tl-lane[data-lane='flow {flow}']")).to_contain_text("the flow")
    critical = f"[...{VIEW}.model.runs.values()].filter((run) => run.critical).map((run) => run.id)"
    dashboard.until(lambda: page.evaluate(critical) == [flow + 2, flow + 3, flow + 4], "no path")
    page.evaluate(CLOSE_TO, flow + 3)
    look_at(dashboard, page, flow + 3)
    expect(page.locator(".tl-tip")).to_contain_text("critical path")


SCHEDULED = {
    "ticks.py": '''\
from pathlib import Path
import time
from abreast import task

@task(schedule="every 1s", overlap="skip", tags=["clock"])
def tick():
    """Runs until its gate is opened, so that later instants are skipped."""
    while not (Path(__file__).resolve().parent.parent / "gates" / "tick").exists():
        time.sleep(0.02)  # the task sleeps
'''
}


@pytest.fixture(scope="module")
def ticking(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with looking(
        tmp_path_factory.mktemp("ticking") / "service", browser, tasks=SCHEDULED,
        users={"eve": "viewer"},
    ) as found:  # fmt: skip
        yield found


def test_skipped_instants_say_why_and_coming_ones_when(ticking: Dashboard) -> None:
    context = ticking.context("eve", viewport={"width": 1200, "height": 700})
    page = opened(context.new_page())
    points = f"{VIEW}.model.lanes.get('task tick')?.points.length ?? 0"
    ticking.until(lambda: page.evaluate(points) > 1, "no instant was skipped")
    where = f"""() => {{ const v = {VIEW}; const one = v.model.lanes.get("task tick").points[0];
      const box = v.box(one); const at = v.canvas.getBoundingClientRect();
      return {{ ...box, x: at.left + box.x, y: at.top + box.y, outcome: one.outcome }}; }}"""
    box = page.evaluate(where)
    assert box["outcome"] == "skipped"
    hover(page, box)
    tip = page.locator(".tl-tip")
    expect(tip).to_contain_text("skipped: made no run")
    expect(tip).to_contain_text("why")
    ghost = page.evaluate(where.replace("points[0]", "ghosts.find((one) => one.at > v.now + 1500)"))
    hover(page, {**ghost, "width": 4})
    expect(tip).to_contain_text("schedule tick")
    expect(tip).to_contain_text("due")
    # who may only look has nothing to press
    run = page.evaluate(f"[...{VIEW}.model.runs.keys()][0]")
    opened(page, f"?span=60&run={run}")
    expect(page.locator(".tl-drawer h2")).to_contain_text(f"#{run}")
    expect(page.locator(".tl-actions button")).to_have_count(0)
    ticking.gate("tick")
    context.close()


def made_up(now: float, runs: int) -> dict[str, Any]:
    """An answer of ``GET /timeline`` with so many short runs of one task in an hour."""
    chance = random.Random(7)
    since = round((now - 3600) * 1000)
    created = sorted(since + chance.randrange(3_000_000) for _ in range(runs))
    steps = [at - before for before, at in zip([since, *created], created, strict=False)]
    states = ["completed", "failed"]
    said = {"since": since / 1000, "until": now + 600, "now": now}
    return {
        **{name: datetime.fromtimestamp(at, UTC).isoformat() for name, at in said.items()},
        "group_by": "task", "states": states, "truncated": False, "tasks": ["tiny"], "groups": [""],
        "labels": [], "instants": [], "coming": [], "about": [], "workers": [],
        "runs": {
            "id": [1] * runs, "task": [0] * runs, "group": [0] * runs, "label": [None] * runs,
            "state": [int(number == 10) for number in range(runs)], "created": steps,
            "ready": [0] * runs, "started": [5] * runs, "ended": [40] * runs, "attempt": [1] * runs,
            "flow": [None] * runs, "worker": [1] * runs, "reasons": {"10": "error"}, "tries": {},
            "progress": {},
        },
    }  # fmt: skip


def test_what_is_too_short_is_counted_and_comes_closer(dashboard: Dashboard, page: Page) -> None:
    body = json.dumps(made_up(datetime.now(UTC).timestamp(), 3000))
    page.route("**/api/v1/timeline?*", lambda route: route.fulfill(body=body))
    opened(page, "")
    chips = page.evaluate(
        f"{VIEW}.bars.chips.map(({{ left, right, y, state, from, to }}) => "
        "({ left, right, y, state, from, to }))"
    )
    assert sum(chip["to"] - chip["from"] + 1 for chip in chips) > 2000
    bad = next(chip for chip in chips if chip["state"] == 5)  # the worst one gives the colour
    left, top = page.evaluate(
        f"(() => {{ const at = {VIEW}.canvas.getBoundingClientRect(); "
        "return [at.left, at.top]; })()"
    )
    page.mouse.move(left + (bad["left"] + bad["right"]) / 2, top + bad["y"] + 4)
    tip = page.locator(".tl-tip")
    expect(tip).to_contain_text(f"{bad['to'] - bad['from'] + 1} runs")
    expect(tip).to_contain_text("failed")
    per = page.evaluate(f"{VIEW}.scale.per")
    page.mouse.down()
    page.mouse.up()
    dashboard.until(lambda: page.evaluate(f"{VIEW}.scale.per") < per / 3, "it came no closer")


def test_idle_stretches_are_cut_short(dashboard: Dashboard, page: Page) -> None:
    found = made_up(datetime.now(UTC).timestamp(), 100)
    found["runs"]["created"][50] += 1_800_000
    found["runs"]["created"][:50] = [1000] * 50
    found["runs"]["created"][51:] = [1000] * 49
    body = json.dumps(found)
    page.route("**/api/v1/timeline?*", lambda route: route.fulfill(body=body))
    opened(page, "")
    assert page.evaluate(f"{VIEW}.scale.cuts.length") >= 1
    page.get_by_role("button", name="Idle time").click()
    assert page.evaluate(f"{VIEW}.scale.cuts.length") == 0
    assert query(page)["idle"] == "1"


def test_where_nothing_is_it_says_what_to_do(dashboard: Dashboard, page: Page) -> None:
    opened(page, "?from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00Z")
    expect(page.locator(".tl-empty")).to_contain_text("start a task")
    page.get_by_label("Filter runs").fill("no such thing")
    expect(page.locator(".tl-empty")).to_have_text("Nothing matches the filter in this time.")


def test_on_a_small_screen(dashboard: Dashboard) -> None:
    id = dashboard.ended(dashboard.run("add", a=3))["id"]
    context = dashboard.context(viewport={"width": 390, "height": 800})
    page = opened(context.new_page(), f"?span=300&run={id}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator(".tl-lane[data-lane='task add']")).to_be_visible()
    drawer = page.locator("aside.tl-drawer").bounding_box()
    assert drawer is not None
    assert (drawer["x"], drawer["width"]) == (0, 390)
    assert drawer["y"] > 150
    context.close()


# -- the scale by itself ------------------------------------------------------------------------

ROUND_TRIP = """
([cuts, from, to]) => {
  const scale = new Scale();
  scale.width = 1000;
  scale.fit(from, to);
  scale.cut(cuts.map(([from, to]) => ({ from, to })), 0);
  scale.fit(from, to);
  const found = [[scale.start, scale.end]];
  for (let x = -200; x <= 1200; x += 7) found.push([x, scale.x(scale.time(x))]);
  const before = scale.time(300);
  scale.zoom(0.5, 300);
  found.push([before, scale.time(300)]);
  for (let x = 1; x < 1000; x += 13) if (scale.time(x) < scale.time(x - 1)) found.push([0, 1e9]);
  return found;
}
"""


@pytest.mark.parametrize(
    "cuts", [[], [[200e3, 300e3]], [[-50e3, 100e3], [200e3, 300e3], [301e3, 900e3]]]
)
def test_time_and_place_are_the_same_both_ways(browser: Browser, cuts: list[list[float]]) -> None:
    with browser.new_page() as page:
        page.add_script_tag(
            content=f"{{{bundle('timeline/scale.js', 'Scale')}window.Scale = Scale}}"
        )
        start, *pairs = page.evaluate(ROUND_TRIP, [cuts, 0, 1000e3])
    assert abs(start[0]) < 1
    assert abs(start[1] - 1000e3) < 5
    for one, other in pairs:
        assert abs(one - other) < 0.01 * max(1, abs(one) / 1000)


def test_idle_is_what_lies_between(browser: Browser) -> None:
    with browser.new_page() as page:
        page.add_script_tag(
            content=f"{{{bundle('timeline/scale.js', 'idleOf')}window.idleOf = idleOf}}"
        )
        found = page.evaluate("idleOf([10, 20, 0, 5, 12, 30, 90, 95, 33, 34], 4)")
    assert found == [{"from": 5, "to": 10}, {"from": 34, "to": 90}]
