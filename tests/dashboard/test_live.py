"""Live events in real tabs: one stream for all of them, no gap, no repeat, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect
from tests.dashboard.dashboard_help import Dashboard, looking

LISTEN = """async () => {
    const address = document.querySelector('script[type=module]').src;
    const { live } = (await import(address)).parts["live.js"];
    window.live = live;
    window.seen = [];
    window.resyncs = [];
    live.on("run", (rows) => window.seen.push(...rows.map((row) => [row.id, row.state])));
    live.on("resync", (said) => window.resyncs.push(said.reason));
}"""
DONE = "(ids) => ids.every((id) => window.seen.some(([a, b]) => a === id && b === 'completed'))"
AGES = {"blocked": 0, "scheduled": 0, "pending": 0, "running": 1, "completed": 2}


class Streams:
    """The streams that a browser has open."""

    def __init__(self, context: BrowserContext) -> None:
        self._open: dict[Request, Page] = {}
        self.asked = 0
        context.on("request", self._begin)
        context.on("requestfinished", self._end)
        context.on("requestfailed", self._end)

    def _begin(self, request: Request) -> None:
        if request.url.endswith("/api/v1/events"):
            self.asked += 1
            self._open[request] = request.frame.page

    def _end(self, request: Request) -> None:
        self._open.pop(request, None)

    @property
    def leaders(self) -> list[Page]:
        return [page for page in self._open.values() if not page.is_closed()]


def tab(context: BrowserContext) -> Page:
    """A tab that writes down what it is told."""
    page = context.new_page()
    page.goto("/workers")
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    page.evaluate(LISTEN)
    return page


def wait_done(page: Page, ids: list[int]) -> None:
    """Wait until a tab was told that runs have completed; nothing must have come twice."""
    page.wait_for_function(DONE, arg=ids, polling=50)  # by time, not by frames
    check(page, ids)


def check(page: Page, ids: list[int], resyncs: int = 0) -> None:
    seen: list[tuple[int, str]] = [tuple(pair) for pair in page.evaluate("window.seen")]
    assert len(page.evaluate("window.resyncs")) == resyncs
    for id in ids:
        states = [state for number, state in seen if number == id]
        ages = [AGES[state] for state in states]
        assert ages == sorted(ages), f"{id}: {states}"
        # Pending, running, completed; each is told as the run is when it is told.
        assert len(states) <= 3, f"{id}: {states}"


@pytest.fixture
def tabs(dashboard: Dashboard) -> Iterator[BrowserContext]:
    found = dashboard.context()
    yield found
    found.close()


@pytest.fixture(params=["locks", "lease"])
def either(dashboard: Dashboard, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser with Web Locks, and one that has none because the page came over plain HTTP."""
    found = dashboard.context()
    if request.param == "lease":
        found.add_init_script("Object.defineProperty(navigator, 'locks', {value: undefined})")
    yield found
    found.close()


def test_one_stream_for_all_tabs_and_another_tab_takes_over(
    either: BrowserContext, dashboard: Dashboard
) -> None:
    streams = Streams(either)
    pages = [tab(either) for _ in range(3)]
    ids = [dashboard.run("add", a=number) for number in range(5)]
    for page in pages:
        wait_done(page, ids)
    while len(pages) > 1:
        (leader,) = streams.leaders
        pages.remove(leader)
        ids += [dashboard.run("add", a=number) for number in range(5)]
        leader.close()
        ids += [dashboard.run("add", a=number) for number in range(5)]
        for page in pages:
            wait_done(page, ids)
            expect(page.locator(".live")).to_have_attribute("data-state", "live")
    assert streams.leaders == pages
    assert streams.asked == 3


def test_a_lock_that_is_taken_away(tabs: BrowserContext, dashboard: Dashboard) -> None:
    """As another tab does when the leading one has been put to sleep."""
    streams = Streams(tabs)
    pages = [tab(tabs), tab(tabs)]
    (old,) = streams.leaders
    old.evaluate("""() => {
        navigator.locks.request("abreast-live-1", { steal: true }, () =>
            new Promise((resolve) => (window.letGo = resolve))).catch(() => {});
    }""")
    old.wait_for_function("!!window.letGo")
    ids = [dashboard.run("add", a=1)]
    dashboard.ended(ids[0])
    assert streams.leaders == []
    old.evaluate("window.letGo()")
    for page in pages:
        wait_done(page, ids)
    assert len(streams.leaders) == 1


def test_a_tab_in_the_background_is_told_too(tabs: BrowserContext, dashboard: Dashboard) -> None:
    page = tab(tabs)
    page.evaluate("""() => {
        window.requestAnimationFrame = () => 0;
        Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    ids = [dashboard.run("add", a=number) for number in range(5)]
    wait_done(page, ids)
    page.evaluate('Object.defineProperty(document, "hidden", { get: () => false })')
    ids += [dashboard.run("add", a=number) for number in range(5)]  # frames were lost on the way
    wait_done(page, ids)


def test_pause_and_go_on_without_a_gap(tabs: BrowserContext, dashboard: Dashboard) -> None:
    leading, following = tab(tabs), tab(tabs)
    for page in (leading, following):
        page.keyboard.press("r")
        expect(page.locator(".live")).to_have_attribute("data-state", "paused")
        expect(page.locator("#banner")).to_contain_text("Paused")
    ids = [dashboard.run("add", a=number) for number in range(20)]
    for id in ids:
        dashboard.ended(id)
    for page in (leading, following):  # what tests before this one did may still come in before
        seen = {id for id, _ in page.evaluate("window.seen")}
        assert not seen & set(ids), "told while it was paused"
    leading.keyboard.press("r")
    following.get_by_role("button", name="Go on").last.click()
    for page in (leading, following):
        expect(page.locator("#banner")).to_be_empty()
        wait_done(page, ids)
    ids += [dashboard.run("add", a=number) for number in range(5)]
    for page in (leading, following):
        wait_done(page, ids)


def test_what_cannot_be_told_any_more_is_read_again(
    tabs: BrowserContext, dashboard: Dashboard
) -> None:
    page = tab(tabs)
    page.evaluate("window.live.pause()")
    newest = dashboard.get("/api/v1/events?poll=1")["after"]
    gone = {"items": [], "after": newest, "resync": True}
    page.route("**/api/v1/events?poll=1*", lambda route: route.fulfill(json=gone))
    page.evaluate("window.live.resume()")
    assert page.evaluate("window.resyncs") == ["behind"]
    page.unroute("**/api/v1/events?poll=1*")
    ids = [dashboard.run("add", a=1)]
    page.wait_for_function(DONE, arg=ids, polling=50)  # by time, not by frames
    check(page, ids, resyncs=1)


def test_many_changes_are_few_calls(tabs: BrowserContext, dashboard: Dashboard) -> None:
    page = tab(tabs)
    page.evaluate("""() => {
        window.calls = 0;
        window.live.on("run", () => window.calls++);
        window.live.pause();
    }""")
    ids = [dashboard.run("add", a=number) for number in range(60)]
    for id in ids:
        dashboard.ended(id)
    page.evaluate("window.live.resume()")
    wait_done(page, ids)
    assert page.evaluate("window.calls") <= 5  # and not one for each event


def test_the_service_is_started_again(browser: Browser, tmp_path: Path) -> None:
    with looking(tmp_path / "service", browser) as service:
        context = service.context()
        pages = [tab(context), tab(context)]
        service.kill()
        for page in pages:
            expect(page.locator(".live")).to_have_attribute("data-state", "offline")
            expect(page.locator("#banner")).to_contain_text("Not connected", timeout=10_000)
            assert page.evaluate("location.pathname") == "/workers"
        service.start()
        ids = [run(service, pages[0], number) for number in range(5)]
        for page in pages:
            wait_done(page, ids)
            expect(page.locator(".live")).to_have_attribute("data-state", "live")
            expect(page.locator("#banner")).to_be_empty()
        context.close()


def run(service: Dashboard, page: Page, number: int) -> int:
    """Start a run as a page does."""
    found: Any = page.evaluate(
        """async (number) => {
            const address = document.querySelector('script[type=module]').src;
            const { post } = (await import(address)).parts["api.js"];
            return post("/tasks/add/runs", { kwargs: { a: number } });
        }""",
        number,
    )
    return int(found["id"])
