"""The frame around all pages, in a real browser: ways to pages, keys, themes, what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from tests.dashboard.dashboard_help import PASSWORD, Dashboard, Watched, looking

PAGES = ("/", "/tasks", "/runs", "/schedules", "/limits", "/workers", "/settings")
NAMES = ("Timeline", "Tasks", "Runs", "Schedules", "Limits", "Workers", "Settings")


def place(page: Page) -> str:
    return str(page.evaluate("location.pathname + location.search"))


def module(page: Page, name: str, code: str, *given: Any) -> Any:
    """What some code makes of a module: ``(module, ...given) => …``."""
    call = f"""async ([name, given]) => {{
        const address = document.querySelector('script[type=module]').src;
        const {{ parts }} = await import(address);
        const found = parts[name.slice(2)] ?? await import(new URL(name, address).pathname);
        return ({code})(found, ...given);
    }}"""
    return page.evaluate(call, [name, list(given)])


# -- in and around ----------------------------------------------------------------------------


def test_the_link_leads_to_the_timeline(page: Page) -> None:
    page.goto("/")
    expect(page.locator("#top nav a")).to_have_text([re.compile(name) for name in NAMES])
    expect(page.locator("#top nav a[aria-current=page]")).to_contain_text("Timeline")
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    expect(page.locator(".live")).to_have_attribute("aria-label", "Live: pause")


def test_a_stranger_logs_in_and_lands_where_they_were_going(
    browser: Browser, tmp_path: Path
) -> None:
    with looking(tmp_path / "service", browser, users={"vera": "viewer"}) as service:
        context = browser.new_context(base_url=service.url)
        page = context.new_page()
        page.goto("/limits?a=1")
        assert place(page) == "/login?next=%2Flimits%3Fa%3D1"
        page.fill("#name", "vera")
        page.fill("#password", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("[role=alert]")).to_have_text("Name or password is wrong.")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/limits?a=1")
        page.click(".account")
        expect(page.locator("#menu")).to_contain_text("vera")
        expect(page.locator("#menu")).to_contain_text("viewer")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto("/runs")
        assert place(page).startswith("/login?next=")
        context.close()


def test_who_is_logged_out_elsewhere_is_asked_to_log_in(dashboard: Dashboard) -> None:
    context = dashboard.context()
    page = context.new_page()
    page.goto("/runs?state=failed")
    page.wait_for_selector("#top nav")
    context.clear_cookies()
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.wait_for_url("**/login?next=*")
    context.close()


def test_who_may_look_without_a_name(browser: Browser, tmp_path: Path) -> None:
    more = {"config": '[server]\nanonymous = "viewer"\n', "users": {"vera": "viewer"}}
    with looking(tmp_path / "service", browser, **more) as service:
        context = browser.new_context(base_url=service.url)
        watched = Watched(context, service.url)
        page = context.new_page()
        page.goto("/workers")
        expect(page.locator(".live")).to_have_attribute("data-state", "live")
        page.click(".account")
        expect(page.locator("#menu")).to_contain_text("viewer")
        page.locator("#menu").get_by_role("link", name="Log in").click()
        page.wait_for_url("**/login")
        context.close()
        assert not watched.wrong


def test_pages_are_told_apart(page: Page) -> None:
    for path in PAGES:
        page.goto(path)
        expect(page.locator("#top nav a[aria-current=page]")).to_have_attribute("href", path)
        expect(page).to_have_title(re.compile(r"^.+ – abreast$"))
    page.goto("/flows/1")
    expect(page.locator("#top nav a[aria-current=page]")).to_have_attribute("href", "/runs")


def test_links_stay_in_the_page_and_back_goes_back(page: Page) -> None:
    page.goto("/workers")
    page.wait_for_selector("#top nav")
    page.evaluate("window.here = true")
    for name, path in zip(NAMES, PAGES, strict=True):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.locator("#top nav a[aria-current=page]")).to_have_attribute("href", path)
        assert place(page).startswith(path)
        expect(page.locator("#main")).to_be_focused()
    page.go_back()
    expect(page.locator("#top nav a[aria-current=page]")).to_have_attribute("href", "/workers")
    assert page.evaluate("window.here")


def test_there_is_no_such_page(page: Page) -> None:
    page.goto("/tasks/a/b/c")
    expect(page.locator("main h2")).to_have_text("There is no such page")
    page.locator("main").get_by_role("link", name="Runs").click()
    expect(page.locator("#top nav a[aria-current=page]")).to_have_attribute("href", "/runs")


@pytest.fixture
def broken(dashboard: Dashboard) -> Iterator[BrowserContext]:
    """A browser in which something is about to go wrong."""
    found = dashboard.context()
    yield found
    found.close()


def test_what_a_page_asks_for_fails(broken: BrowserContext) -> None:
    page = broken.new_page()
    trouble = {"title": "Not now", "detail": "the store cannot be read", "status": 503}
    said = "application/problem+json"

    def refuse(route: Route) -> None:
        route.fulfill(status=503, json=trouble, headers={"Content-Type": said})

    page.goto("/workers")
    page.wait_for_selector("main h1")
    page.route("**/api/v1/limits*", refuse)
    page.route("**/api/v1/tasks*", refuse)
    page.get_by_role("navigation").get_by_role("link", name="Limits").click()
    expect(page.locator("[role=alert]")).to_contain_text("the store cannot be read")


def test_what_nobody_has_waited_for_fails(broken: BrowserContext) -> None:
    page = broken.new_page()
    page.goto("/workers")
    page.wait_for_selector("main h1")
    code = "(m) => { Promise.reject(new m.Problem(409, { detail: 'the run has ended' })); }"
    module(page, "./api.js", code)
    toast = page.locator(".toast.error")
    expect(toast).to_contain_text("the run has ended")
    toast.get_by_role("button", name="Close").click()
    expect(toast).to_be_hidden()


# -- keys -------------------------------------------------------------------------------------


def test_letters_lead_to_pages(page: Page) -> None:
    page.goto("/")
    page.wait_for_selector("#top nav")
    for letter, path in zip("trslweh", (*PAGES[1:], "/"), strict=True):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page.locator("#top nav a[aria-current=page]")).to_have_attribute("href", path)


def test_help_lists_the_keys(page: Page) -> None:
    page.goto("/workers")
    page.wait_for_selector("#top nav")
    page.keyboard.press("?")
    window = page.get_by_role("dialog", name="Keys")
    expect(window).to_contain_text("Everywhere")
    expect(window).to_contain_text("search")
    page.keyboard.press("g")  # nothing else happens behind it
    page.keyboard.press("t")
    assert page.evaluate("location.pathname") == "/workers"
    page.keyboard.press("Escape")
    expect(window).to_be_hidden()


def test_search(page: Page, dashboard: Dashboard) -> None:
    id = dashboard.run("add", a=1)
    page.goto("/settings")
    page.wait_for_selector("#top nav")
    for text, there in ((str(id), f"/runs/{id}"), (f"#{id}", f"/runs/{id}"),
                        ("add", "/tasks/add"), ("two words", "/runs?q=two%20words")):  # fmt: skip
        with page.expect_response("**/api/v1/tasks"):
            page.locator("#top input[type=search]").focus()
        page.keyboard.type(text)  # letters are letters in a field
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url, there=there: url.startswith(dashboard.url + there))


def test_the_first_stop_of_the_tab_key_skips_the_bar(page: Page) -> None:
    page.goto("/workers")
    page.wait_for_selector("main h1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    assert page.evaluate("location.hash") == "#main"
    page.evaluate("document.querySelector('main h1').dataset.same = 'yes'")
    page.go_back()
    assert page.evaluate("location.hash") == ""
    expect(page.locator("main h1")).to_have_attribute("data-same", "yes")


def test_the_theme_is_kept(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/workers")
    page.wait_for_selector("#top nav")

    def ground() -> Any:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    white, dark = "rgb(255, 255, 255)", "rgb(20, 23, 28)"
    assert ground() == white
    page.keyboard.press("t")  # light
    page.emulate_media(color_scheme="dark")
    assert ground() == white
    page.keyboard.press("t")  # dark
    page.emulate_media(color_scheme="light")
    assert ground() == dark
    page.reload(wait_until="commit")
    page.wait_for_function("document.body")
    assert ground() == dark  # before any module has run
    page.wait_for_selector("#top nav")
    page.keyboard.press("t")  # the system's again
    assert ground() == white
    page.emulate_media(color_scheme="dark")
    assert ground() == dark


# -- narrow windows, quiet pages ----------------------------------------------------------------


@pytest.mark.parametrize("width", [360, 390, 768, 1024])
def test_nothing_is_wider_than_the_window(dashboard: Dashboard, width: int) -> None:
    context = dashboard.context(viewport={"width": width, "height": 780})
    watched = Watched(context, dashboard.url)
    page = context.new_page()
    for path in PAGES:
        page.goto(path)
        page.wait_for_selector("main h1, main h2, main canvas")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    nav = page.locator("#top nav").bounding_box()
    assert nav is not None
    assert (nav["y"] > 600) == (width < 760)  # at the bottom, where thumbs are
    context.close()
    assert not watched.wrong


def test_the_bar_does_not_jump_when_runs_begin(page: Page, dashboard: Dashboard) -> None:
    page.goto("/workers")
    page.wait_for_selector("main h1")
    before = [page.locator("#top nav a").nth(i).bounding_box() for i in range(len(PAGES))]
    ids = [dashboard.run("hold", gate="jump") for _ in range(3)]
    expect(page.locator("#top .count")).to_contain_text("3", timeout=10_000)
    assert before == [page.locator("#top nav a").nth(i).bounding_box() for i in range(len(PAGES))]
    dashboard.gate("jump")
    for id in ids:
        dashboard.ended(id)
    expect(page.locator("#top .count")).to_be_hidden(timeout=10_000)


# -- the modules all pages use ------------------------------------------------------------------


def test_lengths_of_time(page: Page) -> None:
    page.goto("/workers")
    cases = {0: "0 ms", 0.42: "420 ms", 0.9996: "1.0 s", 3.44: "3.4 s", 9.96: "10 s", 60: "1 min",
             92: "1 min 32 s", 3600: "1 h", 7500: "2 h 5 min", 273600: "3 d 4 h",
             59.7: "1 min"}  # fmt: skip
    assert module(page, "./time.js", "(m, list) => list.map(m.span)", list(cases)) == list(
        cases.values()
    )
    said = module(page, "./time.js", "(m, list) => list.map((at) => m.ago(at, 1000))",
                  [1000, 995, 880, 8200, None])  # fmt: skip
    assert said == ["just now", "5 s ago", "2 min ago", "in 2 h", "–"]


def test_marks_of_an_axis_when_the_clocks_change(dashboard: Dashboard) -> None:
    context = dashboard.context(timezone_id="Europe/Berlin")
    page = context.new_page()
    page.goto("/workers")
    day = 1792879200  # Sunday 25 Oct 2026 in Berlin: 25 hours
    code = "(m, a, b, width) => m.ticks(a, b, width).map(({at, text}) => [at, text])"
    marks = module(page, "./time.js", code, day, day + 25 * 3600, 900)
    assert marks[0] == [day, "Sun 25 Oct"]
    assert marks[1] == [day + 4 * 3600, "03:00"]
    assert marks[-1] == [day + 25 * 3600, "Mon 26 Oct"]
    steps = {later[0] - sooner[0] for sooner, later in pairwise(marks)}
    assert steps == {10800, 14400}
    week = module(page, "./time.js", code, day, day + 60 * 86400, 900)
    assert {text[:3] for _, text in week} == {"Mon"}
    fine = module(page, "./time.js", code, day + 0.5, day + 0.6, 900)
    assert [text for _, text in fine][:2] == ["00:00.50", "00:00.51"]
    told = module(page, "./time.js", "(m, at) => m.both(at, 'America/New_York')", day)
    assert told == ("Sun 25 Oct 00:00:00 Europe/Berlin (GMT+2)\n"
                    "Sat 24 Oct 18:00:00 America/New_York (GMT-4)")  # fmt: skip
    context.close()


def test_lists_keep_what_stays(page: Page) -> None:
    page.goto("/workers")
    code = """(m) => {
        const list = m.h("ul");
        document.body.append(list);
        let made = 0;
        const show = (text) => m.keyed(list, [...text], (sign) => sign,
            (sign) => (made++, m.h("li", null, m.h("button", null, sign))),
            (item, sign) => (item.dataset.sign = sign));
        show("abcd");
        list.children[2].firstChild.focus();
        const said = [];
        for (const text of ["dcba", "xc", "c", "abc", "cc", ""]) {
            show(text);
            said.push([list.textContent, made, document.activeElement.textContent.length === 1]);
        }
        return said;
    }"""
    assert module(page, "./dom.js", code) == [
        ["dcba", 4, True], ["xc", 5, True], ["c", 5, True], ["abc", 7, True], ["c", 7, True],
        ["", 7, False],
    ]  # fmt: skip


def test_windows_ask_and_stay_when_something_is_wrong(page: Page) -> None:
    page.goto("/workers")
    page.wait_for_selector("main h1")
    code = """(m) => {
        let times = 0;
        window.answer = m.dialog({ title: "Sure?", body: "It <b>is</b> text.", actions: [
            { text: "Do it", kind: "danger", value: async () => {
                if (++times < 2) throw new Error("not yet");
                return { times };
            } }, { text: "Or that", value: "that" }] });
    }"""
    module(page, "./dom.js", code)
    window = page.get_by_role("dialog", name="Sure?")
    expect(window).to_contain_text("It <b>is</b> text.")
    window.get_by_role("button", name="Do it").click()
    expect(window.get_by_role("alert")).to_have_text("not yet")
    window.get_by_role("button", name="Do it").click()
    expect(window).to_be_hidden()
    assert page.evaluate("window.answer") == {"times": 2}
    for leave, answer in (("Or that", "that"), ("Cancel", None)):
        module(page, "./dom.js", code)
        window.get_by_role("button", name=leave).click()
        assert page.evaluate("window.answer") == answer
    module(page, "./dom.js", code)
    page.keyboard.press("Escape")
    assert page.evaluate("window.answer") is None


def test_a_bulk_change_says_first_what_it_would_do(page: Page) -> None:
    page.goto("/workers")
    page.wait_for_selector("main h1")
    code = """(m, matched) => {
        window.answer = m.confirmDry({ title: "Cancel runs", verb: "Cancel them", act: () => "done",
            dry: async () => ({ matched }), describe: (found) => `${found.matched} runs match` });
    }"""
    window = page.get_by_role("dialog", name="Cancel runs")
    module(page, "./dom.js", code, 0)
    expect(window).to_contain_text("0 runs match")
    expect(window.get_by_role("button", name="Cancel them")).to_be_disabled()
    window.get_by_role("button", name="Cancel", exact=True).click()
    module(page, "./dom.js", code, 3)
    window.get_by_role("button", name="Cancel them").click()
    assert page.evaluate("window.answer") == "done"


def test_a_token_that_has_become_old_is_renewed(dashboard: Dashboard) -> None:
    context = dashboard.context()
    page = context.new_page()
    page.goto("/workers")
    page.wait_for_selector("main h1")
    code = """async (m) => {
        (await m.session()).csrf = "old";
        const given = { timezone: "UTC", spec: "@daily" };
        await m.post("/schedules/preview", given);
        return (await m.session()).csrf.length > 10;
    }"""
    assert module(page, "./api.js", code)
    context.close()


def test_the_clock_of_the_service_counts(dashboard: Dashboard) -> None:
    context = dashboard.context()
    page = context.new_page()
    page.add_init_script(
        "const now = Date.now.bind(Date); Date.now = () => now() + 7200_000;"  # two hours fast
    )
    page.goto("/workers")
    page.wait_for_selector("main h1")
    wrong = page.evaluate("Date.now() / 1000")
    right = module(page, "./api.js", "(m) => m.serverNow()")
    assert abs(wrong - right - 7200) < 10
    context.close()
