"""The benchmarks of processes.py."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import Future, ProcessPoolExecutor

from abreast import Run, Runner
from common import Benchmarks, Figure, pairs, rounds
from work import noop, send_noop

benchmarks = Benchmarks()


def in_processes(concurrency: int, count: int, *, fresh: bool = False) -> list[Run]:
    with Runner(concurrency, executor="process", progress=False) as runner:
        runs = [runner.add(noop, fresh=fresh) for _ in range(count)]
    for run in runs:
        run.result()
    return runs


# -- pool -----------------------------------------------------------------------------------


def process_pool(count: int) -> list[Future[None]]:
    with ProcessPoolExecutor(2) as pool:
        futures = [pool.submit(noop) for _ in range(count)]
        for future in futures:
            future.result()
    return futures


@benchmarks.of("process_vs_processpool")
def process_vs_processpool(quick: bool) -> dict[str, Figure]:
    count = 100 if quick else 10_000
    figure = pairs(lambda: in_processes(2, count), lambda: process_pool(count), count, quick=quick)
    return {"process_vs_processpool": figure}


# -- a new process each ---------------------------------------------------------------------


def process_each(count: int) -> None:
    """A process per call, with its result sent through a pipe."""
    context = multiprocessing.get_context("forkserver")
    for _ in range(count):
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=send_noop, args=(theirs,))
        process.start()
        theirs.close()
        mine.recv()
        process.join()
        mine.close()
        if process.exitcode != 0:
            raise RuntimeError(f"the process ended with {process.exitcode}")
        process.close()


@benchmarks.of("fresh_vs_forkserver")
def fresh_vs_forkserver(quick: bool) -> dict[str, Figure]:
    count = 5 if quick else 100
    multiprocessing.get_context("forkserver").set_forkserver_preload(["work"])
    process_each(1)  # the server itself is there before anything is timed
    figure = pairs(
        lambda: in_processes(1, count, fresh=True), lambda: process_each(count), count, quick=quick
    )
    return {"fresh_vs_forkserver": figure}


# -- the workflow scheduler's table -----------------------------------------------------------


def sleep_side_by_side(count: int, seconds: float) -> list[Run]:
    with Runner(5, executor="process", progress=False) as runner:
        runs = [runner.add(time.sleep, seconds) for _ in range(count)]
    for run in runs:
        run.result()
    return runs


def sleep_one_by_one(count: int, seconds: float) -> None:
    for _ in range(count):
        time.sleep(seconds)


@benchmarks.of("seed_speedup_5x2", "seed_speedup_10x1", "seed_speedup_20x05")
def seed_speedup(quick: bool) -> dict[str, Figure]:
    """Ten seconds of work each time; one after another is a plain loop, without any overhead."""
    table = {
        "seed_speedup_5x2": (5, 2.0),
        "seed_speedup_10x1": (10, 1.0),
        "seed_speedup_20x05": (20, 0.5),
    }
    figures = {}
    for key, (count, seconds) in table.items():
        length = seconds / 50 if quick else seconds
        sides = {
            "parallel": lambda count=count, length=length: sleep_side_by_side(count, length),
            "sequential": lambda count=count, length=length: sleep_one_by_one(count, length),
        }
        times = rounds(sides, 3, quick=quick)
        together, alone = times["parallel"], times["sequential"]
        figures[key] = Figure([b / a for a, b in zip(together, alone, strict=True)])
    return figures
