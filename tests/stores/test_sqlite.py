"""The SQLite store keeps the promises every store makes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from abreast.stores.sqlite import SqliteStore
from abreast.testing.simulation import Simulation
from abreast.testing.store_suite import StoreSuite


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


@pytest.mark.parametrize("seed", range(40))
def test_the_trace_is_that_of_the_memory_store(seed: int, tmp_path: Path) -> None:
    stores = []

    def make(random: Callable[[], float]) -> SqliteStore:
        store = SqliteStore(str(tmp_path / "s.db"), random, durability="normal", keep=True)
        stores.append(store)
        return store

    expected = Simulation(seed)
    expected.run()
    got = Simulation(seed, store=make)
    got.run()
    stores[0].close()
    assert got.trace == expected.trace
