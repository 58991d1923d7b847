"""The SQLite store keeps the promises every store makes."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import pytest

from abreast.domain.limits import Limit
from abreast.stores.leftovers import Files, look_only
from abreast.stores.sql_care import Pruner, Rule
from abreast.stores.sqlite import SqliteStore
from abreast.testing.simulation import Simulation
from abreast.testing.store_bench import NOW, task_with
from abreast.testing.store_suite import StoreSuite

SEEDS = int(os.environ.get("ABREAST_SEEDS", "150"))
FAST = "/dev/shm" if os.path.isdir("/dev/shm") else None


class TestSqliteStore(StoreSuite):
    """The conformance suite, on a file of its own for every test."""

    stores: ClassVar[list[SqliteStore]] = []

    def make_store(self, random: Callable[[], float]) -> SqliteStore:
        path = os.path.join(tempfile.mkdtemp(), "t.db")
        store = SqliteStore(path, random, durability="normal", keep=True)
        self.stores.append(store)
        return store

    def teardown_method(self) -> None:
        while self.stores:
            store = self.stores.pop()
            store.close()
            shutil.rmtree(os.path.dirname(store.path))

    def test_pruning_leaves_turns_alone(self) -> None:
        """Who has had a turn in the round under way has had it, whatever is forgotten."""
        task = task_with(Limit(1), fair_by="{key}")
        a, b, c = self.run_of(task, "a"), self.run_of(task, "b"), self.run_of(task, "c")
        self.submit(a, b)
        assert self.claim() == [a]
        self.store.end_turn()
        with closing(look_only(self.store.path)) as look:

            def post(what: Callable[[float], int]) -> int:
                found = what(NOW)
                self.store.end_turn()
                return found

            files = Files(self.store.folder, None, False)
            Pruner(self.store, post, look, files, False).prune(Rule(NOW, None, None, False), NOW)
        another_b = self.run_of(task, "b")
        self.submit(another_b)
        self.submit(c)
        order = []
        running = a
        for _ in range(3):
            self.settle(running)
            (running,) = self.claim()
            order.append(running)
        assert order == [b, c, another_b]


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("part", range(10))
def test_the_trace_is_that_of_the_memory_store(part: int) -> None:
    """Equal seeds, equal lives; ABREAST_SEEDS=2000 looks at more of them."""
    for seed in range(part, SEEDS, 10):
        expected = Simulation(seed)
        expected.run()
        trace = life_on_a_file(seed)
        for number, (mine, wish) in enumerate(zip(trace, expected.trace, strict=False)):
            assert mine == wish, f"seed {seed}, change {number}: {mine}, not {wish}"
        assert len(trace) == len(expected.trace), f"seed {seed}"


def life_on_a_file(seed: int) -> list[str]:
    """The trace of a simulated life whose store is a file."""
    folder = Path(tempfile.mkdtemp(dir=FAST))
    stores = []

    def make(random: Callable[[], float]) -> SqliteStore:
        stores.append(SqliteStore(str(folder / "s.db"), random, durability="normal", keep=True))
        return stores[0]

    life = Simulation(seed, store=make)
    try:
        life.run()
    finally:
        stores[0].close()
        shutil.rmtree(folder)
    return life.trace
