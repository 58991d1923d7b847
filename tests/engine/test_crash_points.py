"""Kill -9 at every point: nothing acknowledged is lost, nothing ends twice."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from abreast.stores.leftovers import look_only
from abreast.stores.sql_check import Checker
from abreast.testing.crash_points import CrashLife

LIVES = int(os.environ.get("ABREAST_CRASH_LIVES", "30"))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def check(path: str) -> None:
    """The rows agree with one another."""
    with closing(look_only(path)) as look:
        found = Checker(look, path, path + ".d").check()
    assert not found, found


@pytest.mark.parametrize("part", range(6))
def test_killed_at_every_point(part: int) -> None:
    points = 0
    for seed in range(part, LIVES, 6):
        life = CrashLife(seed, runs=10, check=check)
        life.run()
        points += life.points
    assert points > 100
