"""Where things are in the timeline of a page, whatever its parts are called inside."""

from __future__ import annotations

from playwright.sync_api import Page

VIEW = 'document.querySelector(".tl")?.view'
SEEN = f"(ids) => ids.every((id) => {VIEW}?.model.runs.get(id)?.lane)"
STATE = f"([id, state]) => {VIEW}?.model.runs.get(id)?.state === state"
BARS, OVER = ".tl-stage canvas:nth-of-type(1)", ".tl-stage canvas:nth-of-type(2)"
RUNS, COMPLETED = 3, 4  # states as they are counted there
# The rectangle of a run: from the corner of the bars, as they are scrolled.
BOX = f"""(id) => {{
    const view = {VIEW};
    const run = view?.model.runs.get(id);
    const box = run?.lane && window.boxOf(view, run);
    return box ? {{ ...box, y: box.y - view.scroll.scrollTop }} : null;
}}"""
_LEARN = """async () => {
    const address = document.querySelector("script[type=module]").src;
    window.boxOf = (await import(new URL("./timeline/explain.js", address).pathname)).boxOf;
}"""


def wait_for(page: Page, *ids: int) -> None:
    """Wait until the timeline has these runs; afterwards BOX knows where they are."""
    page.wait_for_function(SEEN, arg=list(ids))
    page.evaluate(_LEARN)


def point_at(page: Page, id: int, x: float | None = None) -> None:
    """Put the mouse on a run: at its end, or so many pixels after its beginning."""
    box = page.evaluate(BOX, id)
    corner = page.locator(BARS).bounding_box()
    assert corner is not None
    across = box["x"] + (box["width"] - 6 if x is None else x)
    page.mouse.move(corner["x"] + across, corner["y"] + box["y"] + box["height"] / 2)
