"""The lanes on the screen of ``abreast top``."""

from __future__ import annotations

import time
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from rich.console import Console
from tests.interfaces.app_help import working

from abreast import App
from abreast.interfaces.cli.top_screen import Page
from abreast.interfaces.cli.top_state import AHEAD_S, Snapshot, Watcher


@pytest.fixture
def found(tmp_path: Path) -> Snapshot:
    """A task with a run and a schedule, one that was skipped at an instant, and one that is yet to
    run for the first time."""
    with App(f"sqlite:///{tmp_path}/jobs.db") as app:

        @app.task
        def work() -> None:
            pass

        @app.task
        def late() -> None:
            pass

        with working(app):
            assert work.submit().wait(30)
        app.schedules.add("work", "work", "every 5s")
        app.schedules.add("late", "late", "every 8s")
        return Watcher(app).look(time.time())


def screen(found: Snapshot, width: int, encoding: str = "utf-8") -> list[str]:
    raw = BytesIO()
    file = TextIOWrapper(raw, encoding=encoding)
    Console(file=file, width=width, height=30, legacy_windows=False).print(Page(found))
    file.flush()
    return raw.getvalue().decode(encoding).splitlines()


def lane(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.startswith(f"{name} "))


def test_what_is_to_come(found: Snapshot) -> None:
    assert set(found.points) == {"work", "late"}
    assert all(point.coming for points in found.points.values() for point in points)
    lines = screen(found, 120)
    head = lane(lines, "task")
    assert head.rstrip().endswith(f"+{AHEAD_S:g} s")
    now = head.index("now")
    for name, least in (("work", 4), ("late", 2)):
        text = lane(lines, name)
        assert text[now + 1 :].count("○") >= least, text
        assert "○" not in text[: now - 1]
    assert "█" in lane(lines, "work")
    assert "█" not in lane(lines, "late")


def test_narrow_terminals(found: Snapshot) -> None:
    for width in (20, 40, 60, 69, 70, 75, 80, 100, 300):
        lines = screen(found, width)
        assert max(map(len, lines)) <= width
        assert any("○" in line for line in lines) == (width >= 100)
        assert any("now" in line for line in lines) == (width >= 70)


def test_in_ascii(found: Snapshot) -> None:
    assert "\n".join(screen(found, 120, "ascii")).isascii()


def test_no_schedules(tmp_path: Path) -> None:
    with App(f"sqlite:///{tmp_path}/jobs.db") as app:

        @app.task
        def work() -> None:
            pass

        work.submit()
        head = lane(screen(Watcher(app).look(time.time()), 120), "task")
    assert head.rstrip().endswith("now"), "it ends now"
