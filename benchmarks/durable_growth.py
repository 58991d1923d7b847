"""What a backlog, a history, held runs and limits cost a worker that drains."""

from __future__ import annotations

import itertools
import statistics
import time
from typing import Any

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


def small_batches(bench: Bench, count: int) -> float:
    """Return the median rate of batches that are drained while at most one is pending."""
    size = bench.tasks.BLOCK
    rates = []
    with bench.worker():
        done = bench.completed()
        for number in range(count + 2):
            bench.submit(size, bench.tasks.tick)
            start = float(bench.hear("block")[1])  # the first of this batch has begun
            done += size
            while bench.completed() < done:
                time.sleep(0.0005)
            if number >= 2:
                rates.append(size / (time.monotonic() - start))
    bench.heard()
    return statistics.median(rates)


@benchmarks.of("backlog_growth")
def backlog_growth(quick: bool) -> dict[str, Figure]:
    """At 1,000: batches of 1,000, each from its first start to its last result. At a million:
    from each thousandth start to the next."""
    backlog, count = (6_000, 2) if quick else (1_000_000, 30)
    with fresh() as few, fresh() as many:
        many.take()
        many.submit(backlog, many.tasks.tick)
        ratios, small, large = [], [], []
        for _ in range(1 if quick else 5):
            few.take()
            small.append(small_batches(few, count))
            many.take()
            large.append(drain(many, count))
            ratios.append(large[-1] / small[-1])
    return {"backlog_growth": compared(ratios, large, small)}


@benchmarks.of("history_growth")
def history_growth(quick: bool) -> dict[str, Figure]:
    history, count = (2_000, 2) if quick else (2_000_000, 20)
    size = 1_000
    with fresh() as old, fresh() as new:
        old.take()
        old.submit(history)
        with old.worker():
            old.await_completed(history, patience=600)
        ratios, before, after = [], [], []
        for _ in range(1 if quick else 5):
            for bench, found in ((new, before), (old, after)):
                bench.take()
                bench.submit((count + 4) * size, bench.tasks.tick)
                found.append(drain(bench, count))
                with bench.worker():
                    wait_for_all(bench)
            ratios.append(after[-1] / before[-1])
    return {"history_growth": compared(ratios, after, before)}


def wait_for_all(bench: Bench) -> None:
    deadline = time.monotonic() + 60
    while any(bench.app.counts().get(state, 0) for state in ("pending", "running")):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not drained: {bench.app.counts()}")
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
            wait_for_all(bench)
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
