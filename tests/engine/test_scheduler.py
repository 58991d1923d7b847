"""The thread that goes by the clock on the wall."""

from __future__ import annotations

import threading
from math import inf

from abreast.engine.scheduler import Scheduler
from abreast.errors import StoreError


class Wall:
    """A clock that somebody sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_it_acts_when_something_is_due() -> None:
    wall = Wall()
    turns: list[float] = []
    due = [1010.0]

    def turn(now: float) -> bool:
        turns.append(now)
        due[0] = inf
        return False

    scheduler = Scheduler(wall, lambda: due[0], turn)
    assert scheduler.look() == 1.0, "never longer than a second, because clocks are set"
    wall.now = 1009.75
    assert scheduler.look() == 0.25
    wall.now = 1010.0
    scheduler.look()
    assert turns == [1010.0]
    assert scheduler.beats == 3


def test_more_to_do_is_done_soon() -> None:
    left = [3]

    def turn(now: float) -> bool:
        left[0] -= 1
        return left[0] > 0

    scheduler = Scheduler(lambda: 0.0, lambda: -1.0 if left[0] else inf, turn)
    waits = [scheduler.look() for _ in range(3)]
    assert waits[:2] == [0.005, 0.005]
    assert waits[2] == 1.0


def test_trouble_of_the_store_is_told_once_and_is_no_beat() -> None:
    def due() -> float:
        raise StoreError("the disk is full")

    beats: list[int] = []
    scheduler = Scheduler(lambda: 0.0, due, lambda now: False, lambda: beats.append(1))
    assert scheduler.look() == scheduler.look() == 1.0
    assert (scheduler.trouble, scheduler.beats, beats) == ("the disk is full", 0, [])


def test_the_thread_notices_a_clock_that_was_set_and_ends() -> None:
    wall = Wall()
    acted, due = threading.Event(), [5000.0]

    def turn(now: float) -> bool:
        due[0] = inf
        acted.set()
        return False

    scheduler = Scheduler(wall, lambda: due[0], turn)
    scheduler.start()
    wall.now = 5000.0  # nobody wakes it
    assert acted.wait(10)
    scheduler.stop()
    assert not any(thread.name == "abreast-scheduler" for thread in threading.enumerate())


def test_waking_it() -> None:
    looked = threading.Semaphore(0)

    def due() -> float:
        looked.release()
        return inf

    scheduler = Scheduler(lambda: 0.0, due, lambda now: False)
    scheduler.start()
    assert looked.acquire(timeout=10)
    scheduler.wake()
    assert looked.acquire(timeout=10)
    scheduler.stop()
