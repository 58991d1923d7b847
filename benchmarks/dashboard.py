"""The dashboard in a real browser: its weight, its first picture, panning, keeping up."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from abreast.interfaces.dashboard import pages
from common import Benchmarks, Figure, main
from dashboard_runs import STREAM, answer
from service_side import APP, folder_of_its_own, served

RUNS, TASKS, WINDOW_S = 5000, 40, 3600.0
TIMES = 5
PAN_S = 3.0
RATE, LIVE_S = 1000, 10
LONGEST_MS = 60_000.0
NAMES = ("chromium", "chromium-browser", "google-chrome")

benchmarks = Benchmarks()

# From the last byte of the answer to the frame after the one that was drawn.
PAINT = """
async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const asked = performance.getEntriesByType("resource")
    .filter((one) => one.name.includes("/api/v1/timeline"));
  const [painted] = performance.getEntriesByName("timeline-painted");
  return painted.startTime - asked[0].responseEnd;
}
"""
# Moves the picture as a hand does, once per frame; the frames of a second.
PAN = """
(ms) => new Promise((done) => {
  const chart = document.querySelector(".tl-chart");
  const box = chart.getBoundingClientRect();
  const [y, middle] = [box.top + 200, box.left + box.width / 2];
  const tell = (kind, clientX) => chart.dispatchEvent(new PointerEvent(kind,
    { pointerId: 1, clientX, clientY: y, buttons: 1, bubbles: true, isPrimary: true }));
  chart.setPointerCapture = () => {};
  tell("pointerdown", middle);
  let frames = 0;
  let first;
  const step = (now) => {
    first ??= now;
    if (now - first >= ms) {
      tell("pointerup", middle);
      done(frames / (now - first) * 1000);
      return;
    }
    frames++;
    tell("pointermove", middle + 260 * Math.sin((now - first) / 400));
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})
"""
# How old the oldest change is when it is drawn, by second.
LAG = """
async (seconds) => {
  const { view } = document.querySelector(".tl");
  const now = () => performance.timeOrigin + performance.now();
  const [take, draw] = [view.model.take, view.draw];
  let oldest = Infinity;
  const worst = [];
  const first = now();
  view.model.take = function (rows, at) {
    for (const { created, started, ended } of rows) {
      oldest = Math.min(oldest, Date.parse(ended ?? started ?? created));
    }
    return take.call(this, rows, at);
  };
  view.draw = function (parts) {
    draw.call(this, parts);
    if (oldest === Infinity) return;
    const second = Math.floor((now() - first) / 1000);
    worst[second] = Math.max(worst[second] ?? 0, now() - oldest);
    oldest = Infinity;
  };
  const sent = await window.begin(seconds);
  await new Promise((done) => setTimeout(done, 500));
  return { worst: worst.filter((value) => value !== undefined).slice(0, seconds), sent,
    runs: view.model.runs.size };
}
"""


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise RuntimeError("this needs playwright, see CONTRIBUTING.md") from None
    path = next(filter(None, map(shutil.which, NAMES)), None)
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=options, timeout=LONGEST_MS)
        try:
            yield found
        finally:
            found.close()


@contextlib.contextmanager
def looking(runs: int, stream: bool = False) -> Iterator[Any]:
    """A service, and a function that opens its first page anew with so many made-up runs."""
    with folder_of_its_own() as folder, served(folder, "--app", APP) as service, browser() as found:
        host, port = service.address
        context = found.new_context(
            base_url=f"http://{host}:{port}", viewport={"width": 1400, "height": 850}
        )
        context.set_default_timeout(LONGEST_MS)
        page = context.new_page()
        page.goto("/login")
        page.fill("#name", "bench")
        page.fill("#password", "correct-horse-battery-7")
        page.click("button")
        page.wait_for_selector("#top nav")
        body = ""

        def reply(route: Any) -> None:
            route.fulfill(body=body, content_type="application/json")

        context.route("**/api/v1/timeline?*", reply)
        if stream:
            context.add_init_script(f"({STREAM})([{RATE}, {TASKS}])")

        def opened() -> Any:
            nonlocal body
            body = json.dumps(answer(runs, TASKS, WINDOW_S, time.time()))
            page.goto("/")
            page.wait_for_selector(".tl[data-ready]")
            return page

        yield opened


@benchmarks.of("page_kb_gz")
def weight(quick: bool) -> dict[str, Figure]:
    sizes = {name: len(pages.assets()[name].packed) / 1000 for name in pages.LOADED}
    sizes["index.html"] = len(pages.page().packed) / 1000
    return {"page_kb_gz": Figure([sum(sizes.values())], details={"kb": sizes})}


@benchmarks.of("paint_ms", "pan_fps")
def picture(quick: bool) -> dict[str, Figure]:
    paint, pan = [], []
    with looking(200 if quick else RUNS) as opened:
        opened()  # fills the browser's cache
        for _ in range(1 if quick else TIMES):
            page = opened()
            paint.append(page.evaluate(PAINT))
            page.wait_for_timeout(0 if quick else 500)
            pan.append(page.evaluate(PAN, 200 if quick else PAN_S * 1000))
    details = {"runs": 200 if quick else RUNS}
    return {"paint_ms": Figure(paint, details=details), "pan_fps": Figure(pan, details=details)}


@benchmarks.of("live_lag_ms")
def lag(quick: bool) -> dict[str, Figure]:
    with looking(200 if quick else RUNS, stream=True) as opened:
        page = opened()
        page.wait_for_selector(".live[data-state=live]")
        found = page.evaluate(LAG, 1 if quick else LIVE_S)
    if found["sent"] < RATE * (1 if quick else LIVE_S):
        raise RuntimeError(f"only {found['sent']} changes were sent")
    return {"live_lag_ms": Figure(found["worst"], details={"changes": found["sent"]})}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))  # ends what it has started
    main("dashboard", __doc__, benchmarks)
