"""What the tests of the dashboard share: a real browser, and a service to look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.dashboard.dashboard_help import Dashboard, Watched, chromium, looking

expect.set_options(timeout=15_000)  # ms; machines that test much at once are slow


# Of a module and not of the whole session: as long as Playwright is there, an event loop runs in
# this thread, and the tests of other folders need it for theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def dashboard(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A real service with sample tasks; browsers log in by its one-time link."""
    with looking(tmp_path_factory.mktemp("dashboard") / "service", browser) as found:
        yield found


@pytest.fixture
def context(dashboard: Dashboard) -> Iterator[BrowserContext]:
    """A browser that has logged in; fails the test when something goes wrong in its pages."""
    found = dashboard.context(viewport={"width": 1280, "height": 800})
    watched = Watched(found, dashboard.url)
    yield found
    found.close()
    assert not watched.wrong, "\n".join(watched.wrong)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab of that browser."""
    return context.new_page()
