"""Two real services on one store, their clocks set forward and back, each killed in turn: the
ledger shows every instant once."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from abreast import App
from abreast.domain.schedule import Schedule

NOON = 1_795_262_400.0
SPEED = 40.0  # seconds on the services' clocks in a second
PERIOD = 10.0
HERE = Path(__file__).parent


class Place:
    """A folder with a task, two clocks and services that go by them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tasks").mkdir()
        (folder / "tasks" / "beat.py").write_text(
            "from abreast import task\n\n\n"
            "@task(schedule='every 10s', overlap='allow(9999)')\n"
            "def beat():\n    pass\n"
        )
        (folder / "abreast.toml").write_text('[store]\nurl = "sqlite:///jobs.db"\n')
        self.services: dict[int, subprocess.Popen[str]] = {}
        for number in (0, 1):
            self.set_clock(number, NOON)

    def set_clock(self, number: int, at: float) -> None:
        part = self.folder / f"clock{number}.part"
        part.write_text(json.dumps({"at": at, "monotonic": time.monotonic(), "speed": SPEED}))
        os.replace(part, self.folder / f"clock{number}")

    def clock(self, number: int) -> float:
        said = json.loads((self.folder / f"clock{number}").read_text())
        return float(said["at"] + (time.monotonic() - said["monotonic"]) * said["speed"])

    def start(self, number: int) -> None:
        clock = self.folder / f"clock{number}"
        errors = self.folder / f"service{number}.err"
        with errors.open("a") as told:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "clocked.py"), str(self.folder), str(clock)],
                stdout=subprocess.PIPE,
                stderr=told,
                text=True,
            )
        self.services[number] = process
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == "ready\n", errors.read_text()

    def kill(self, number: int) -> None:
        self.services[number].kill()
        self.services[number].wait(30)

    def stop(self) -> None:
        for process in self.services.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.services.values():
            process.wait(60)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    for process in found.services.values():
        if process.poll() is None:
            process.kill()
            process.wait(30)


def wait_until(app: App, rows: int) -> int:
    """Wait until the ledger has that many more rows; returns how many there are."""
    deadline = time.monotonic() + 60
    pause = threading.Event()
    while True:
        found = len(app.schedules.ledger(limit=100_000))
        if found >= rows:
            return found
        assert time.monotonic() < deadline, f"{found} rows of the ledger, expected {rows}"
        pause.wait(0.05)


def test_every_instant_once(place: Place) -> None:
    place.start(0)
    place.start(1)
    app = App(f"sqlite:///{place.folder}/jobs.db")
    steps = [(0, 95.0), (1, -130.0), (0, -70.0), (1, 260.0), (0, 15.0), (1, -400.0)]
    rows = wait_until(app, 3)
    for turn, (number, step) in enumerate(steps):
        place.set_clock(number, place.clock(number) + step)
        rows = wait_until(app, rows + 2)
        place.kill(turn % 2)
        rows = wait_until(app, rows + 2)  # the other one goes on
        place.start(turn % 2)
        for other in (0, 1):  # neither may be left behind for good
            place.set_clock(other, max(place.clock(0), place.clock(1)))
    wait_until(app, rows + 3)
    place.stop()
    check_ledger(app)
    app.close()


def check_ledger(app: App) -> None:
    (row,) = app.file_store().schedules.list(name="beat")
    ledger = app.schedules.ledger(limit=100_000)
    found: list[float] = []
    for item in ledger:
        if item.count == 1:
            found.append(item.at)
        else:
            timing = Schedule.parse(row.spec, name="beat", zone=row.zone, anchor=row.anchor)
            assert item.until is not None
            between = [item.at, *timing.between(item.at, item.until)]
            assert len(between) == item.count
            found += between
    found.sort()
    assert not [at for at, times in Counter(found).items() if times > 1], "an instant came twice"
    gaps = [later - sooner for sooner, later in itertools.pairwise(found)]
    assert all(abs(gap - PERIOD) < 1e-3 for gap in gaps), f"an instant is lost: {gaps}"
    assert row.next is not None
    assert abs(row.next - found[-1] - PERIOD) < 1e-3
    ran = [item.run for item in ledger if item.outcome == "ran"]
    runs = app.search(tasks=["beat"], limit=100_000)
    assert sorted(ran) == sorted(run.id for run in runs), "a run without an instant, or vice versa"
    assert {item.outcome for item in ledger} <= {"ran", "missed"}
