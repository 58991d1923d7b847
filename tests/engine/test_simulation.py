"""The engine under the simulation: a thousand seeds, and proof that it would notice."""

import logging

import pytest

from abreast.domain import decide
from abreast.domain.model import Change
from abreast.domain.states import RUNNING
from abreast.engine.hands import Hands
from abreast.stores import lanes
from abreast.stores.lanes import Lanes
from abreast.stores.memory import MemoryStore
from abreast.testing import InvariantBroken, Simulation


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, 1500, 100))
def test_a_hundred_lives(first):
    for seed in range(first, first + 100):
        Simulation(seed).run()


def test_larger_lives():
    for seed in range(5000, 5020):
        Simulation(seed, runs=200).run()


def test_equal_seeds_give_equal_traces():
    for seed in range(30):
        one, two = Simulation(seed), Simulation(seed)
        one.run()
        two.run()
        assert one.trace == two.trace
        assert one.trace


def broken_by(seeds=400):
    """Return the first seed whose life breaks an invariant, or None."""
    for seed in range(seeds):
        try:
            Simulation(seed).run()
        except InvariantBroken:
            return seed
    return None


# Each of these takes one guard away. If the simulation does not notice, it proves nothing.


def test_it_notices_a_limit_that_does_not_hold(monkeypatch):
    monkeypatch.setattr(lanes, "blocked_on", lambda pairs: None)
    assert broken_by() is not None


def test_it_notices_a_unit_that_is_not_given_back(monkeypatch):
    monkeypatch.setattr(Lanes, "give_back", lambda self, run: None)
    assert broken_by() is not None


def test_it_notices_a_freed_key_that_wakes_nobody(monkeypatch):
    monkeypatch.setattr(Lanes, "wake", lambda self, usage: None)
    assert broken_by() is not None


def test_it_notices_a_missing_fence(monkeypatch):
    original = MemoryStore.apply

    def without_fence(self, change, changes):
        change.attempt = change.run.attempt
        change.source = change.run.state
        return original(self, change, changes)

    monkeypatch.setattr(MemoryStore, "apply", without_fence)
    assert broken_by() is not None


def test_it_notices_a_start_before_the_dependencies(monkeypatch):
    monkeypatch.setattr(
        decide,
        "first_state",
        lambda run, now: decide.PENDING if run.due is None else decide.SCHEDULED,
    )
    assert broken_by() is not None


def test_it_notices_a_retry_too_many(monkeypatch):
    original = decide.settle

    def settle(run, attempt, now, jitter):
        change = original(run, attempt, now, jitter)
        if change.target is decide.FAILED and run.task.retry is not None:
            return Change(run, RUNNING, decide.SCHEDULED, now, attempt.number, due=now)
        return change

    monkeypatch.setattr(decide, "settle", settle)
    assert broken_by() is not None


def test_it_notices_runs_left_in_a_hand(monkeypatch):
    monkeypatch.setattr(Hands, "recall", lambda self, now: [])
    monkeypatch.setattr(Hands, "look_again", lambda self: None)
    assert broken_by() is not None
