"""The memory store passes the suite every store has to pass, and the simulation looks closely."""

import logging

import pytest

from abreast.domain import decide, flows, unique
from abreast.stores.lines import FairLane
from abreast.stores.memory import MemoryStore
from abreast.testing import InvariantBroken, Simulation
from abreast.testing.store_suite import StoreSuite


class TestMemoryStore(StoreSuite):
    def make_store(self, random):
        return MemoryStore(random)


# Each of these takes one rule away. If the simulation does not notice, it proves nothing.


@pytest.mark.parametrize(
    ("where", "name", "instead"),
    [
        (unique, "meet", lambda known, newcomer: None),
        (decide, "is_soft", lambda child, parent: True),
        (decide, "too_late", lambda run, now: None if run.attempt else decide._expired(run, now)),
        (flows, "counted", lambda flow, child: False),
        (flows, "started", lambda flow, child, now: None),
        (FairLane, "enter", lambda lane, run: setattr(run.extra, "turn", 1)),
    ],
)
def test_the_simulation_notices(monkeypatch, where, name, instead):
    monkeypatch.setattr(where, name, instead)
    monkeypatch.setattr(logging.getLogger("abreast"), "disabled", True)

    def live() -> None:
        for seed in range(600):
            Simulation(seed).run()

    with pytest.raises(InvariantBroken):
        live()
