"""Logs in a real browser: of any size, while they grow, searched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.dashboard.dashboard_help import SAMPLES, Dashboard, Watched, looking

TASKS = '''\
"""Tasks that print."""

import time
from pathlib import Path

from abreast import task

GATES = Path(__file__).resolve().parent.parent / "gates"


@task
def chat(gate: str) -> None:
    """Prints a line and waits."""
    print("hello from the task", flush=True)
    while not (GATES / gate).exists():
        time.sleep(0.02)  # the task sleeps
    print("goodbye", flush=True)


@task
def paint() -> None:
    """Prints colours."""
    print("\\x1b[1;31mred\\x1b[0m plain \\x1b[38;5;208morange\\x1b[39m", end=" ")
    print("\\x1b[48;2;1;2;3mdeep\\x1b[m")
    print("10 %\\r50 %\\r100 %")
    print("<b>no markup</b>\\x1b[2K\\x1b]0;title\\x07!")
    print("long " * 200)


@task
def silent() -> None:
    """Prints nothing."""
'''
LINE = (
    "2026-11-21T10:00:00.%03dZ row %07d: some text that is about eighty characters long, as usual\n"
)
LARGE = 100_000_000  # bytes
VIEW = """() => {
    const view = document.querySelector(".log-view");
    if (!view) return { seen: 0 };
    const box = view.getBoundingClientRect();
    const rows = [...view.querySelectorAll(".log-row")];
    const seen = rows.filter((row) => {
        const { top, bottom } = row.getBoundingClientRect();
        return bottom > box.top + 1 && top < box.bottom - 1;
    });
    const number = (row) => Number(/row (\\d+)/.exec(row?.textContent ?? "")?.[1] ?? -1);
    return { rows: rows.length, seen: seen.length,
        first: number(seen[0]), last: number(seen.at(-1)),
        gap: seen.length ? box.bottom - seen.at(-1).getBoundingClientRect().bottom : 0,
        share: view.scrollTop / (view.scrollHeight - view.clientHeight) };
}"""


@pytest.fixture(scope="module")
def dashboard(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A service with tasks that print."""
    folder = tmp_path_factory.mktemp("logs") / "service"
    with looking(folder, browser, tasks={"samples.py": SAMPLES, "prints.py": TASKS}) as found:
        yield found


@pytest.fixture
def context(dashboard: Dashboard) -> Iterator[BrowserContext]:
    """A browser in Berlin."""
    found = dashboard.context(viewport={"width": 1280, "height": 900}, timezone_id="Europe/Berlin")
    watched = Watched(found, dashboard.url)
    yield found
    found.close()
    assert not watched.wrong, "\n".join(watched.wrong)


def log_of(dashboard: Dashboard, run: int) -> Path:
    """The file of a run that has printed its first line."""

    def look() -> Path | None:
        path = dashboard.get(f"/api/v1/runs/{run}")["log"]
        return Path(path) if path and Path(path).exists() else None

    return Path(dashboard.until(look, "there is no log"))


def grow(path: Path, rows: range) -> None:
    """Write rows to a log."""
    with path.open("ab") as file:
        for start in range(rows.start, rows.stop, 50_000):
            part = range(start, min(start + 50_000, rows.stop))
            file.write("".join(LINE % (number % 1000, number) for number in part).encode())


def view(page: Page) -> dict[str, Any]:
    return dict(page.evaluate(VIEW))


def settled(page: Page, good: Any) -> dict[str, Any]:
    """What is seen, once it is as wanted."""
    for _ in range(100):
        found = view(page)
        if found["seen"] and good(found):
            return found
        page.wait_for_timeout(100)
    raise AssertionError(f"it stays {view(page)}")


def wheel(page: Page, by: int, times: int = 1) -> None:
    page.locator(".log-view").hover()
    for _ in range(times):
        page.mouse.wheel(0, by)
        page.wait_for_timeout(20)


def test_a_log_of_100_megabytes_is_followed(page: Page, dashboard: Dashboard) -> None:
    run = dashboard.run("chat", gate="large")
    path = log_of(dashboard, run)
    count = LARGE // len(LINE % (0, 0))
    grow(path, range(count))
    loaded: list[int] = []

    def heed(response: Any) -> None:
        if response.url.endswith("/log"):
            loaded.append(int(response.headers.get("content-length", 0)))

    page.on("response", heed)
    page.goto(f"/runs/{run}")
    found = settled(page, lambda now: now["last"] == count - 1)
    assert abs(found["gap"]) < 2
    # It follows: what comes is seen, and nothing but the end was fetched.
    grow(path, range(count, count + 500))
    settled(page, lambda now: now["last"] == count + 499)
    assert sum(loaded) < 1_000_000
    assert len(loaded) < 60

    # Scrolled up, it stays where it is, and says what came meanwhile.
    wheel(page, -400, 3)
    found = settled(page, lambda now: now["last"] < count + 490)
    back = page.get_by_role("button", name=re.compile("^Follow"))
    expect(back).to_be_visible()
    grow(path, range(count + 500, count + 1000))
    expect(back).to_contain_text("kB more")
    assert view(page)["first"] == found["first"]

    # The bar beside it reaches every place; lines are exact around it.
    for share in (0.5, 0.1, 0.9):
        page.locator(".log-view").evaluate(
            "(v, share) => { v.scrollTop = share * v.scrollHeight; }", share
        )
        found = settled(page, lambda now, at=share: abs(now["first"] / count - at) < 0.01)
        wheel(page, 180, 5)
        settled(page, lambda now, was=found["first"]: 30 < now["first"] - was < 70)
    page.locator(".log-view").press("Home")
    settled(page, lambda now: now["share"] == 0)
    expect(page.locator(".log-row").first).to_contain_text("hello from the task")
    wheel(page, 300, 20)
    settled(page, lambda now: now["first"] > 250)
    wheel(page, -300, 30)
    settled(page, lambda now: now["share"] == 0)

    # It is searched to its end, and few of it stay.
    page.get_by_label("Find in log").fill("ROW 0777777")
    expect(page.locator(".log-row.hit mark")).to_have_text("row 0777777", timeout=60_000)
    expect(page.locator(".log-search [role=status]")).to_have_text("1 of 1", timeout=60_000)
    found = view(page)
    assert found["first"] < 777_777 < found["last"]
    assert found["rows"] < 400
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    session.send("HeapProfiler.collectGarbage")
    figures = {
        item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]
    }
    assert figures["JSHeapUsedSize"] < 40_000_000

    back.click()
    settled(page, lambda now: now["last"] == count + 999)
    expect(back).to_be_hidden()
    dashboard.gate("large")
    expect(page.locator(".log-row").last).to_contain_text("goodbye")
    expect(page.locator(".big-state")).to_contain_text("completed")
    path.unlink()


def test_the_page_answers_while_a_large_log_is_searched(page: Page, dashboard: Dashboard) -> None:
    run = dashboard.run("chat", gate="busy")
    path = log_of(dashboard, run)
    grow(path, range(300_000))
    page.goto(f"/runs/{run}")
    settled(page, lambda now: now["last"] == 299_999)
    page.evaluate("""() => {
        window.longest = 0;
        let last = performance.now();
        const turn = (now) => {
            window.longest = Math.max(window.longest, now - last);
            last = now;
            requestAnimationFrame(turn);
        };
        requestAnimationFrame(turn);
    }""")
    page.get_by_label("Find in log").fill("nowhere in it")
    expect(page.locator(".log-search [role=status]")).to_have_text("not found", timeout=60_000)
    page.get_by_label("Find in log").fill("usual")
    status = page.locator(".log-search [role=status]")
    expect(status).to_contain_text("of 10,000", timeout=60_000)
    first = view(page)
    page.get_by_role("button", name="Next match").click()
    settled(page, lambda now: now["first"] != first["first"] or now["rows"])
    assert page.evaluate("window.longest") < 1000
    page.get_by_label("Find in log").press("Escape")
    expect(page.locator(".log-row mark")).to_have_count(0)
    dashboard.gate("busy")


def test_colours_times_and_wrapped_lines(page: Page, dashboard: Dashboard) -> None:
    run = dashboard.run("paint")
    started = dashboard.ended(run)["started"]
    page.goto(f"/runs/{run}")
    rows = page.locator(".log-row")
    expect(rows).to_have_count(4)
    expect(rows.nth(0)).to_have_text("red plain orange deep")
    expect(rows.nth(0).get_by_text("red", exact=True)).to_have_css("font-weight", "700")
    expect(rows.nth(0).get_by_text("orange")).to_have_css("color", "rgb(255, 135, 0)")
    expect(rows.nth(0).get_by_text("deep")).to_have_css("background-color", "rgb(1, 2, 3)")
    expect(rows.nth(1)).to_have_text("100 %")
    expect(rows.nth(2)).to_have_text("<b>no markup</b>!")
    time = rows.nth(0).locator("time")
    hour = (int(started[11:13]) + 1) % 24
    expect(time).to_have_attribute("data-text", re.compile(rf"^{hour:02}:\d\d:\d\d\.\d{{3}}$"))
    page.get_by_role("button", name="Times").click()
    expect(time).to_be_hidden()
    flat = rows.nth(3).bounding_box()
    page.get_by_role("button", name="Wrap lines").click()
    wrapped = rows.nth(3).bounding_box()
    assert flat is not None
    assert wrapped is not None
    assert flat["width"] > 1500
    assert wrapped["height"] > 2 * flat["height"]
    page.reload()  # both are remembered
    expect(page.get_by_role("button", name="Wrap lines")).to_have_attribute("aria-pressed", "true")
    expect(time).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == f"run-{run}.log"


def test_a_log_without_lines_and_a_log_without_anything(page: Page, dashboard: Dashboard) -> None:
    silent = dashboard.run("silent")
    dashboard.ended(silent)
    page.goto(f"/runs/{silent}")
    expect(page.locator(".log-none")).to_have_text("It has printed nothing.")
    run = dashboard.run("chat", gate="one")
    path = log_of(dashboard, run)
    with path.open("ab") as file:
        file.write("ä".encode() * 1_000_000)
    page.goto(f"/runs/{run}")
    expect(page.locator(".log-row").last).to_contain_text("ää")
    page.locator(".log-view").press("Home")
    expect(page.locator(".log-row").first).to_contain_text("hello")
    sizes = page.locator(".log-row").evaluate_all(
        "rows => rows.map((row) => row.textContent.length)"
    )
    assert max(sizes) <= 1 << 15
    dashboard.gate("one")
