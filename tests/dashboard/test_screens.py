"""The pictures of the documentation: they can be made, are small, and are all there.

``SCREENS=write`` makes them anew in docs/screens; look at each of them afterwards.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.dashboard.sample_shop import Shop, shop
from tests.dashboard.timeline_help import point_at, wait_for

ROOT = Path(__file__).resolve().parents[2]
SCREENS = ROOT / "docs" / "screens"
PAGES = (ROOT / "README.md", ROOT / "docs" / "dashboard.md")
WRITE = os.environ.get("SCREENS") == "write"
LARGEST, ALL = 150_000, 800_000  # bytes
ZONE = "Europe/Berlin"


@pytest.fixture(scope="module")
def service(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A service with a past hour, at work."""
    with shop(tmp_path_factory.mktemp("screens") / "shop", browser, anna="admin") as found:
        yield found


def timeline(page: Page, service: Shop) -> None:
    page.goto("/")
    expect(page.locator('[data-lane="task print_labels"]')).to_contain_text("1")
    expect(page.locator(".tl-corner")).to_contain_text("running")


def explained(page: Page, service: Shop) -> None:
    """Somebody asks why a run waits."""
    timeline(page, service)
    wait_for(page, service.ids["blocked"], service.ids["press"])
    point_at(page, service.ids["blocked"])
    expect(page.locator(".tl-tip")).to_contain_text(f"(run {service.ids['press']})")


def tasks(page: Page, service: Shop) -> None:
    page.goto("/tasks")
    expect(page.locator(".tasks tbody tr")).to_have_count(12)


def run(page: Page, service: Shop) -> None:
    page.goto(f"/runs/{service.ids['log']}")
    expect(page.locator(".log-view")).to_contain_text("page 12")


def flow(page: Page, service: Shop) -> None:
    page.goto(f"/flows/{service.ids['flow']}")
    expect(page.locator(".node")).to_have_count(6)


def schedule(page: Page, service: Shop) -> None:
    page.goto("/schedules/tidy-late")
    page.get_by_label("When", exact=True).fill("30 2 * * *")
    expect(page.locator(".preview")).to_contain_text("at 02:30")
    expect(page.locator(".preview")).to_contain_text("clocks go forward")


def limits(page: Page, service: Shop) -> None:
    page.goto("/limits?key=/press&n=2")
    expect(page.locator("figure").first).to_be_visible()


SHOTS: dict[str, tuple[Callable[[Page, Shop], None], dict[str, Any]]] = {
    "timeline": (explained, {"viewport": {"width": 1280, "height": 860}}),
    "timeline-dark": (timeline, {"viewport": {"width": 1280, "height": 860},
                                 "color_scheme": "dark"}),
    "timeline-narrow": (timeline, {"viewport": {"width": 390, "height": 780}}),
    "tasks": (tasks, {"viewport": {"width": 1180, "height": 745}}),
    "run": (run, {"viewport": {"width": 1180, "height": 770}}),
    "flow": (flow, {"viewport": {"width": 1180, "height": 720}, "color_scheme": "dark"}),
    "schedule": (schedule, {"viewport": {"width": 1180, "height": 720}}),
    "limits": (limits, {"viewport": {"width": 1180, "height": 610}}),
}  # fmt: skip


@pytest.mark.parametrize("name", SHOTS)
def test_the_picture_can_be_made(service: Shop, name: str, tmp_path: Path) -> None:
    show, options = SHOTS[name]
    context = service.context("anna", timezone_id=ZONE, locale="en-GB", reduced_motion="reduce",
                              **options)  # fmt: skip
    page = context.new_page()
    show(page, service)
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    expect(page.locator("main[aria-busy]")).to_have_count(0)
    expect(page.locator("#top .count")).to_be_visible()  # the bar has counted, too
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    path = (SCREENS if WRITE else tmp_path) / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    made = page.screenshot(path=path)
    context.close()
    assert 10_000 < len(made) <= LARGEST
    size = options["viewport"]
    assert struct.unpack(">II", made[16:24]) == (size["width"], size["height"])


def test_pictures_are_there_and_shown() -> None:
    found = {path.name: path.stat().st_size for path in SCREENS.iterdir()}
    assert set(found) == {f"{name}.png" for name in SHOTS}
    assert max(found.values()) <= LARGEST
    assert sum(found.values()) <= ALL
    shown = set()
    for page in PAGES:
        for alt, link in re.findall(r"!\[([^\]]*)\]\(([^)\s]*screens/[^)\s]+)\)", page.read_text()):
            assert len(alt) > 10, f"{page.name}: {link} needs words for who cannot see it"
            assert (page.parent / link).is_file(), f"{page.name}: {link}"
            shown.add(link.rpartition("/")[2])
    assert shown == set(found), "every picture is shown, and nothing else"
