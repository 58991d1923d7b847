"""A process dies at any of the statements with which it writes: what then?"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from abreast.domain.limits import Limit
from abreast.domain.model import ERROR, OK, Attempt, Run, Task
from abreast.domain.policy import Retry
from abreast.domain.states import COMPLETED, ENDED
from abreast.domain.unique import Unique
from abreast.stores.sqlite import SqliteStore

STEPS = 22
EVERY = 6  # every so many statements one death
TASKS = {
    task.name: task
    for task in (
        Task("plain", print),
        Task("keyed", print, limits=(Limit(1, "/k"),)),
        Task("rated", print, limits=(Limit(2, "/r", per=1.0),), retry=Retry(1, 0.5)),
        Task("known", print, unique=Unique("", until="start")),
    )
}


class Killed(BaseException):
    """What a process would not live to see."""


class Life:
    """One process with the store open, which dies at statement number ``dies_at``."""

    def __init__(self, path: Path, seed: int, dies_at: int | None, told: dict[int, str]) -> None:
        self.rng = Random(seed)
        self.store = SqliteStore(
            str(path), self.rng.random, durability="normal", task_of=lambda n, o: TASKS.get(n)
        )
        self.store.serve("thread")
        self.now = 1_000_000.0
        self.told = told  # what was acknowledged: the run, and how far it was known to be
        self.statements = 0
        self.running: list[Run] = []
        self.worker = self.turn(
            lambda: self.store.workers_here.enter("w", "h", 1, 4, None, self.now)
        )
        self.dies_at = dies_at
        self._watch()

    def _watch(self) -> None:
        db: Any = self.store.db
        for name in ("begin", "commit", "execute", "executemany"):
            setattr(db, name, self._counted(getattr(db, name)))

    def _counted(self, call: Any) -> Any:
        def counted(*args: Any) -> Any:
            self.statements += 1
            if self.statements == self.dies_at:
                raise Killed
            return call(*args)

        return counted

    def turn(self, what: Any) -> Any:
        answer = what()
        self.store.end_turn()
        return answer

    def live(self) -> None:
        for _ in range(STEPS):
            self.now += 0.3
            self.rng.choice((self.submit, self.submit, self.claim, self.settle, self.due))()

    def submit(self) -> None:
        runs = [
            Run(0, TASKS[self.rng.choice(list(TASKS))], (), {}, self.now)
            for _ in range(self.rng.randint(1, 3))
        ]
        if len(runs) > 1:
            runs[-1].after = (runs[0],)
        self.turn(lambda: self.store.submit(runs, self.now))
        joined = [run for run in runs if run.extra is not None and run.extra.joined is not None]
        self.told.update((run.id, "submitted") for run in runs if run not in joined)

    def claim(self) -> None:
        self.running += self.turn(lambda: self.store.claim(("thread",), 2, self.now))

    def settle(self) -> None:
        if not self.running:
            return
        run = self.running.pop(0)
        attempt = Attempt(run, run.attempt, (), {}, None)
        attempt.outcome = OK if self.rng.random() < 0.8 else ERROR
        attempt.error = None if attempt.outcome is OK else ValueError("no")
        attempt.ended = self.now
        self.turn(lambda: self.store.settle([attempt], self.now, []))
        if run.state in ENDED:
            self.told[run.id] = f"{run.state}"

    def due(self) -> None:
        self.turn(lambda: self.store.due(self.now))

    def die(self) -> None:
        """The kernel closes what it had open; an open transaction comes to nothing."""
        self.store.db.rollback()
        self.store.close()


def finish(path: Path, worker: int, now: float) -> dict[int, str]:
    """Let another process take over and do all that is left; return how every run ended."""
    life = Life(path, 7, None, {})
    store = life.store
    life.turn(lambda: store.workers_here.leave(worker, now, begun=range(1_000)))
    life.now = now
    for _ in range(400):
        life.now += 0.5
        life.due()
        store.look_again()
        life.claim()
        life.rng = Random(3)  # whose first number lets an attempt succeed
        life.settle()
    ends = {run.id: f"{run.state}" for run in store.find(limit=1_000)}
    held = [usage.key for usage in store.usages() if usage.held and usage.per is None]
    store.end_turn()
    assert held == [], f"units are held at the end: {held}"
    assert not store.db.read("SELECT 1 FROM runs WHERE state=3")
    store.close()
    return ends


def lived(path: Path, seed: int, dies_at: int | None) -> tuple[Life, dict[int, str]]:
    told: dict[int, str] = {}
    life = Life(path, seed, dies_at, told)
    try:
        life.live()
    except Killed:
        pass
    life.die()
    return life, told


@pytest.mark.parametrize("seed", range(6))
def test_nothing_acknowledged_is_lost_wherever_it_dies(seed: int, tmp_path: Path) -> None:
    """Every run that was acknowledged ends, what had ended stays as it was, units come back."""
    statements = lived(tmp_path / "whole.db", seed, None)[0].statements
    assert statements > 60
    for dies_at in range(1 + seed % EVERY, statements, EVERY):
        path = tmp_path / f"{dies_at}.db"
        life, told = lived(path, seed, dies_at)
        ends = finish(path, life.worker, life.now)
        where = f"seed {seed}, died at statement {dies_at}"
        for id, known in told.items():
            assert id in ends, f"{where}: run {id} is lost"
            if known != "submitted":
                assert ends[id] == known, f"{where}: run {id} was {known} and is {ends[id]}"
        unended = {id: end for id, end in ends.items() if end not in map(str, ENDED)}
        assert not unended, f"{where}: {unended}"
        assert not told or f"{COMPLETED}" in ends.values(), where


def test_it_notices_what_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the commit of an acknowledged turn the same life shows runs that are lost."""
    monkeypatch.setattr(SqliteStore, "end_turn", lambda store: store.db.rollback())
    told: dict[int, str] = {}
    life = Life(tmp_path / "t.db", 1, None, told)
    life.submit()
    life.die()
    monkeypatch.undo()
    assert set(told) - set(finish(tmp_path / "t.db", life.worker, life.now))
