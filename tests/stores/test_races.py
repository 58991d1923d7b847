"""Eight processes submit at the same moment: the store decides as if they had come in turn."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from abreast import App

PROCESSES = 8
ROUNDS = 34  # of each of six kinds: 204 in all

# One of the eight: for every line it is sent it submits once, and prints what came of it.
SUBMITTER = """
import json, sys
from abreast import App, Busy, Limit, Unique

app = App(sys.argv[1])

def declare(name, **options):
    app.task(name=name, **options)(lambda key: None)

declare("join", unique=Unique("{key}"))
for then in ("wait", "skip", "replace", "cancel", "fail"):
    declare(then, limits=Limit(1, "{key}", then=then))
app.counts()
print("ready", flush=True)
for line in sys.stdin:
    name, key = json.loads(line)
    try:
        answer = app.submit(name, key).id
    except Busy:
        answer = "busy"
    print(json.dumps(answer), flush=True)
"""


class Racers:
    """The eight processes, and the store they share."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder}/race.db"
        self.app = App(url)
        self.app.counts()
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", SUBMITTER, url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
            for _ in range(PROCESSES)
        ]
        for process in self.processes:
            assert self._line(process) == "ready"

    def _line(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def race(self, name: str, key: str) -> list[Any]:
        """Have all submit the same at once; return what each was told."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(json.dumps([name, key]) + "\n")
        return [json.loads(self._line(process)) for process in self.processes]

    def close(self) -> None:
        for process in self.processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.wait(20)
            process.stdout.close()
        self.app.close()


@pytest.fixture(scope="module")
def racers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Racers]:
    racers = Racers(tmp_path_factory.mktemp("race"))
    yield racers
    racers.close()


# What may come of eight submits at once: how many are pending, and how many are skipped.
# Under "replace" one run has the unit and the newest the waiting place behind it; under
# "cancel" the newest stands alone, for none of the others runs.
ENDS = {"join": (1, 0), "wait": (8, 0), "skip": (1, 7), "replace": (2, 6), "cancel": (1, 7),
        "fail": (1, 0)}  # fmt: skip


@pytest.mark.parametrize("name", list(ENDS))
def test_eight_at_once_are_judged_in_turn(racers: Racers, name: str) -> None:
    pending, skipped = ENDS[name]
    for number in range(ROUNDS):
        answers = racers.race(name, f"{name}-{number}")
        ids = {answer for answer in answers if answer != "busy"}
        runs = [racers.app.run(id) for id in ids]
        states = Counter(f"{run.state}" for run in runs)
        seen = f"round {number}: {answers}, {states}"
        assert (states["pending"], states["skipped"]) == (pending, skipped), seen
        assert len(ids) == pending + skipped, seen
        assert answers.count("busy") == (PROCESSES - 1 if name == "fail" else 0), seen
        assert all(run.reason == "limit" for run in runs if run.state == "skipped"), seen
