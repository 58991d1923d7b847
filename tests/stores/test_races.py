"""Eight processes at the same door at the same time: what is made and started is as the rule says.

This file is also the program of the processes: ``python test_races.py URL``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from abreast import App, Limit, Unique
from abreast.domain.model import OK, Attempt
from abreast.errors import Busy

PROCESSES = 8
ROUNDS = 20  # of each of ten rules

UNIQUES = {
    "join": Unique("{number}"),
    "skip": Unique("{number}", then="skip"),
    "fail": Unique("{number}", then="fail"),
    "replace": Unique("{number}", then="replace"),
    "delay": Unique("{number}", then="delay", delay="1h"),
}
LIMITS = ("wait", "skip", "fail", "replace", "cancel")


def make_app(url: str) -> App:
    """The app that all of them have."""
    app = App(url, durability="normal")
    for then, unique in UNIQUES.items():
        app.task(name=f"unique_{then}", unique=unique)(work)
    for then in LIMITS:
        app.task(name=f"limit_{then}", limits=[Limit(1, "{number}", then=then)])(work)
    return app


def work(number: int, who: int) -> int:
    return who


class Racer:
    """What one process does."""

    def __init__(self, url: str) -> None:
        self.app = make_app(url)
        self.store = self.app.node.store
        self.store.serve("thread")
        enter = self.store.workers_here.enter
        self.app.node.post(lambda now: enter("racer", "here", os.getpid(), 20, None, now))
        self.runs: list[Any] = []

    def submit(self, task: str, number: int, who: int) -> Any:
        try:
            return self.app.tasks[task].submit(number, who).id
        except Busy:
            return "busy"

    def claim(self) -> list[int]:
        def what(now: float) -> list[int]:
            self.store.look_again()
            started = self.store.claim(("thread",), 20, now)
            self.runs += started
            return [run.id for run in started]

        return self.app.node.post(what)

    def settle(self) -> list[int]:
        """Returns those that were asked to end before that."""
        asked = []

        def what(now: float) -> None:
            for run in self.runs:
                attempt = Attempt(run, run.attempt, (), {}, None)
                attempt.outcome, attempt.ended = OK, now
                self.store.settle([attempt], now, [])
                asked.extend([run.id] if run.asked is not None else [])
            self.runs.clear()

        self.app.node.post(what)
        return asked


def main(url: str) -> None:
    racer = Racer(url)
    print(flush=True)  # ready
    for line in sys.stdin:
        verb, *given = json.loads(line)
        print(json.dumps(getattr(racer, verb)(*given)), flush=True)
    racer.app.close()


class Field:
    """Eight processes that start when they are told to, all at once."""

    def __init__(self, url: str) -> None:
        self.racers = [
            subprocess.Popen(
                [sys.executable, __file__, url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(PROCESSES)
        ]
        for racer in self.racers:
            self.answer(racer)

    def answer(self, racer: subprocess.Popen[str]) -> str:
        assert racer.stdout is not None
        line = racer.stdout.readline()
        assert line, f"a process ended with {racer.wait()}"
        return line

    def race(self, given: Callable[[int], list[Any]]) -> list[Any]:
        """Send each its command, then collect what they answer."""
        for number, racer in enumerate(self.racers):
            assert racer.stdin is not None
            racer.stdin.write(json.dumps(given(number)) + "\n")
        for racer in self.racers:
            racer.stdin.flush()  # type: ignore[union-attr]
        return [json.loads(self.answer(racer)) for racer in self.racers]

    def claim(self) -> list[int]:
        """All claim at once; returns what was started."""
        return [id for ids in self.race(lambda _: ["claim"]) for id in ids]

    def settle(self) -> list[int]:
        return [id for ids in self.race(lambda _: ["settle"]) for id in ids]

    def close(self) -> None:
        for racer in self.racers:
            assert racer.stdin is not None
            assert racer.stdout is not None
            racer.stdin.close()
            racer.wait(30)
            racer.stdout.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('races') / 's.db'}"


@pytest.fixture(scope="module")
def app(url: str) -> Iterator[App]:
    app = make_app(url)
    app.counts()
    yield app
    app.close()


@pytest.fixture(scope="module")
def field(app: App, url: str) -> Iterator[Field]:
    field = Field(url)
    yield field
    field.close()


def ends(app: App, ids: list[int]) -> list[str]:
    """The states of these runs, sorted."""
    runs = [app.run(id) for id in ids]
    return sorted(f"{run.state}({run.reason})" if run.reason else str(run.state) for run in runs)


@pytest.mark.needs("posix")
@pytest.mark.parametrize("then", list(UNIQUES))
def test_the_same_registration_key(app: App, field: Field, then: str) -> None:
    for number in range(ROUNDS):
        answers = field.race(lambda who: ["submit", f"unique_{then}", number, who])  # noqa: B023
        ids = sorted({id for id in answers if id != "busy"})
        if then == "fail":
            assert answers.count("busy") == PROCESSES - 1
        if then == "skip":
            assert ends(app, ids) == ["pending"] + ["skipped(duplicate)"] * (PROCESSES - 1)
        else:
            assert len(ids) == 1
        if then == "delay":
            assert ends(app, ids) == ["scheduled"]
            assert field.claim() == []
            continue
        started = field.claim()
        assert len(started) == 1, f"round {number}: {started} were started"
        if then == "replace":
            assert app.run(ids[0]).args[0] == number
        field.settle()
        assert field.claim() == []


@pytest.mark.needs("posix")
@pytest.mark.parametrize("then", LIMITS)
def test_the_same_limit(app: App, field: Field, then: str) -> None:
    left = {
        "wait": ["pending"] * PROCESSES,
        "skip": ["pending"] + ["skipped(limit)"] * (PROCESSES - 1),
        "fail": ["pending"],
        "replace": ["pending"] * 2 + ["skipped(limit)"] * (PROCESSES - 2),
        "cancel": ["pending"] + ["skipped(limit)"] * (PROCESSES - 1),
    }[then]
    for number in range(ROUNDS):
        holder = None
        if then == "cancel":  # somebody runs already, and is asked to end by one of the eight
            holder = app.tasks[f"limit_{then}"].submit(number, -1).id
            assert field.claim() == [holder]
        answers = field.race(lambda who: ["submit", f"limit_{then}", number, who])  # noqa: B023
        ids = [id for id in answers if id != "busy"]
        assert ends(app, ids) == left
        if holder is not None:
            assert field.claim() == []
            assert field.settle() == [holder]
        for _ in range(left.count("pending")):
            started = field.claim()
            assert len(started) == 1, f"round {number}: {started} were started"
            field.settle()
        assert field.claim() == []


if __name__ == "__main__":
    main(sys.argv[1])
