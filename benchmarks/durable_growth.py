"""What a backlog, a history, held runs and limits cost a worker that drains."""

from __future__ import annotations

import itertools
import statistics
import time
from typing import Any

from abreast import State
from common import Benchmarks, Figure
from durable_side import Bench, fresh

benchmarks = Benchmarks()


def blocks(bench: Bench, count: int) -> list[float]:
    """Return the rates between the messages of the next ``count`` blocks of a draining worker."""
    size = bench.tasks.BLOCK
    times = [float(bench.hear("block")[1]) for _ in range(count + 1)]
    return [size / (b - a) for a, b in itertools.pairwise(times)]


def drain(bench: Bench, count: int, skip: int = 2) -> float:
    """Return the median rate of ``count`` blocks, once a worker is at work."""
    with bench.worker():
        blocks(bench, skip)
        rate = statistics.median(blocks(bench, count))
    bench.heard()
    return rate


def starts(bench: Bench, times: int, refill: int = 0) -> float:
    """Return the median rate of the second and third block after a worker has started.

    ``refill``: runs that are submitted before each start, and all done after it.
    """
    bench.take()
    rates = []
    for _ in range(times):
        bench.submit(refill, bench.tasks.tick)
        with bench.worker():
            bench.hear("block")
            rates += blocks(bench, 2)
            if refill:
                wait_for_all(bench)
        bench.heard()
    return statistics.median(rates)


@benchmarks.of("backlog_growth")
def backlog_growth(quick: bool) -> dict[str, Figure]:
    """Small: 4,000 are pending as a worker starts, and 1,000 when the clock stops."""
    backlog, times = (6_000, 1) if quick else (1_000_000, 10)
    with fresh() as few, fresh() as many:
        many.submit(backlog, many.tasks.tick)
        ratios, small, large = [], [], []
        for _ in range(1 if quick else 5):
            small.append(starts(few, times, 4 * few.tasks.BLOCK))
            large.append(starts(many, times))
            ratios.append(large[-1] / small[-1])
    return {"backlog_growth": compared(ratios, large, small)}


@benchmarks.of("history_growth")
def history_growth(quick: bool) -> dict[str, Figure]:
    history, times = (2_000, 1) if quick else (2_000_000, 10)
    with fresh() as new, fresh() as old:
        old.submit(history)
        with old.worker():
            old.await_completed(history, patience=600)
        ratios, before, after = [], [], []
        for _ in range(1 if quick else 5):
            before.append(starts(new, times, 4 * new.tasks.BLOCK))
            after.append(starts(old, times, 4 * old.tasks.BLOCK))
            ratios.append(after[-1] / before[-1])
    return {"history_growth": compared(ratios, after, before)}


def wait_for_all(bench: Bench, at_most: float = 60) -> None:
    """Wait until every run has ended; after ``at_most`` seconds go on all the same."""
    deadline = time.monotonic() + at_most
    while time.monotonic() < deadline:
        counts = bench.app.counts()
        if not counts[State.PENDING] and not counts[State.RUNNING]:
            return
        time.sleep(0.01)


def compared(ratios: list[float], ours: list[float], others: list[float]) -> Figure:
    return Figure(ratios, 1 / statistics.median(ours), 1 / statistics.median(others))


# -- held runs ----------------------------------------------------------------------------------


def free_beside(held: int, free: int) -> float:
    """Return the rate of runs without a limit beside runs that wait for a key that is kept."""
    with fresh() as bench, bench.worker():
        bench.tasks.hold.submit(str(bench.folder / "let go"))
        bench.hear("holding")
        bench.submit(held, bench.tasks.held)
        bench.tasks.tick.submit_many([()] * free)  # at once, so that all of it is there
        rate = statistics.median(blocks(bench, free // bench.tasks.BLOCK - 1))
        (bench.folder / "let go").touch()
        return rate


def longest_transaction(count: int) -> float:
    """Return the longest transaction in ms while runs that take two keys each follow each other."""
    with fresh() as bench:
        bench.submit(count, bench.tasks.on_two_keys)
        with bench.worker("thread", 8, "watch"):
            wait_for_all(bench, at_most=20)  # they turn over one by one: that is long enough
        told = [float(words[1]) for words in bench.heard() if words[0] == "longest"]
        return max(told) * 1e3


@benchmarks.of("held_growth", "held_max_ms")
def held_growth(quick: bool) -> dict[str, Figure]:
    held, free, both = (1_000, 3_000, 200) if quick else (100_000, 10_000, 20_000)
    ratios, beside, alone, longest = [], [], [], []
    for _ in range(1 if quick else 5):
        alone.append(free_beside(0, free))
        beside.append(free_beside(held, free))
        ratios.append(beside[-1] / alone[-1])
    for _ in range(1 if quick else 3):
        longest.append(longest_transaction(both))
    return {"held_growth": compared(ratios, beside, alone), "held_max_ms": Figure(longest)}


@benchmarks.of("limit_cost")
def limit_cost(quick: bool) -> dict[str, Figure]:
    count, keys = (6_000, 50) if quick else (24_000, 1_000)

    def rate(task: str, calls: Any) -> float:
        with fresh() as bench:
            bench.submit(count, getattr(bench.tasks, task), calls)
            return drain(bench, count // bench.tasks.BLOCK - 4)

    ratios, limited, plain = [], [], []
    for _ in range(1 if quick else 7):
        plain.append(rate("tick", None))
        limited.append(rate("keyed", lambda i: (i % keys,)))
        ratios.append(limited[-1] / plain[-1])
    return {"limit_cost": compared(ratios, limited, plain)}
