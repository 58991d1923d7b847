"""Threads, coroutines, graphs and limits, beside their peers in one process."""

from __future__ import annotations

import asyncio
import graphlib
import queue
import random
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from abreast import Limit, Run, Runner
from common import Benchmarks, Figure, main, pairs, ratio, rounds

THREADS = 8
Graph = Mapping[int, list[int]]  # node -> the nodes it comes after; in an order that can be added
benchmarks = Benchmarks()


def noop() -> None:
    pass


# -- flat -----------------------------------------------------------------------------------


def flat(count: int) -> list[Run]:
    with Runner(THREADS, progress=False) as runner:
        runs = [runner.add(noop) for _ in range(count)]
    for run in runs:
        run.result()
    return runs


def thread_pool(count: int) -> list[Future[None]]:
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(noop) for _ in range(count)]
        for future in futures:
            future.result()
    return futures


@benchmarks.of("flat_vs_threadpool")
def flat_vs_threadpool(quick: bool) -> dict[str, Figure]:
    count = 200 if quick else 10_000
    figure = pairs(lambda: flat(count), lambda: thread_pool(count), count, quick=quick, count=21)
    return {"flat_vs_threadpool": figure}


# -- graphs ---------------------------------------------------------------------------------


def layered(layers: int, width: int, parents: int) -> Graph:
    chance = random.Random(1)
    graph: dict[int, list[int]] = {}
    for layer in range(layers):
        above = range((layer - 1) * width, layer * width)
        for node in range(layer * width, (layer + 1) * width):
            graph[node] = chance.sample(above, parents) if layer else []
    return graph


def chain(length: int) -> Graph:
    return {node: [node - 1] if node else [] for node in range(length)}


def graph_ours(graph: Graph) -> dict[int, Run]:
    runs: dict[int, Run] = {}
    with Runner(THREADS, progress=False) as runner:
        for node, before in graph.items():
            runs[node] = runner.add(noop, after=[runs[other] for other in before])
    for run in runs.values():
        run.result()
    return runs


def graph_graphlib(graph: Graph) -> object:
    """As the documentation of graphlib does it: workers put what they finished into a queue.

    A future's done callback that does the same takes a tenth longer.
    """
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()
    finished: queue.SimpleQueue[tuple[int, None, BaseException | None]] = queue.SimpleQueue()
    results: dict[int, None] = {}

    def work(node: int) -> None:
        try:
            finished.put((node, noop(), None))
        except BaseException as error:
            finished.put((node, None, error))

    with ThreadPoolExecutor(THREADS) as pool:
        while sorter.is_active():
            for node in sorter.get_ready():
                pool.submit(work, node)
            node, result, error = finished.get()
            while True:
                if error is not None:
                    raise error
                results[node] = result
                sorter.done(node)
                if finished.empty():
                    break
                node, result, error = finished.get()
    return sorter, results


@benchmarks.of("dag_vs_graphlib")
def dag_vs_graphlib(quick: bool) -> dict[str, Figure]:
    graph = layered(5, 10, 3) if quick else layered(100, 100, 3)
    figure = pairs(
        lambda: graph_ours(graph), lambda: graph_graphlib(graph), len(graph), quick=quick, count=21
    )
    return {"dag_vs_graphlib": figure}


@benchmarks.of("chain_vs_graphlib")
def chain_vs_graphlib(quick: bool) -> dict[str, Figure]:
    graph = chain(20 if quick else 2_000)
    figure = pairs(
        lambda: graph_ours(graph), lambda: graph_graphlib(graph), len(graph), quick=quick, count=31
    )
    return {"chain_vs_graphlib": figure}


def fan(count: int) -> list[Run]:
    with Runner(THREADS, progress=False) as runner:
        root = runner.add(noop)
        children = [runner.add(noop, after=root) for _ in range(count)]
        join = runner.add(noop, after=children)
    runs = [root, *children, join]
    for run in runs:
        run.result()
    return runs


def fan_beside_flat(count: int, times: int, quick: bool) -> Figure:
    return pairs(
        lambda: fan(count), lambda: flat(count), count + 2,
        quick=quick, count=times, peer_runs=count,
    )  # fmt: skip


@benchmarks.of("fan_vs_flat")
def fan_vs_flat(quick: bool) -> dict[str, Figure]:
    return {"fan_vs_flat": fan_beside_flat(200 if quick else 10_000, 21, quick)}


# -- coroutines -----------------------------------------------------------------------------


async def give_way() -> None:
    await asyncio.sleep(0)


def coroutines(count: int, at_once: int) -> list[Run]:
    with Runner(at_once, progress=False) as runner:
        runs = [runner.add(give_way) for _ in range(count)]
    for run in runs:
        run.result()
    return runs


def gather(count: int, at_once: int) -> list[None]:
    async def everything() -> list[None]:
        places = asyncio.Semaphore(at_once)

        async def one() -> None:
            async with places:
                await give_way()

        return await asyncio.gather(*[one() for _ in range(count)])

    return asyncio.run(everything())


def beside_gather(count: int, at_once: int, quick: bool) -> Figure:
    """A semaphore with many places taken is slow in itself: with 100 it is at its best."""
    return pairs(
        lambda: coroutines(count, at_once), lambda: gather(count, at_once), count,
        quick=quick, count=21,
    )  # fmt: skip


@benchmarks.of("async_vs_gather")
def async_vs_gather(quick: bool) -> dict[str, Figure]:
    return {"async_vs_gather": beside_gather(200 if quick else 10_000, 100, quick)}


@benchmarks.of("async_vs_gather_10k")
def async_vs_gather_10k(quick: bool) -> dict[str, Figure]:
    count = 200 if quick else 10_000
    return {"async_vs_gather_10k": beside_gather(count, count, quick)}


# -- limits ---------------------------------------------------------------------------------


def numbered(k: int) -> None:
    pass


def limited(limit: Limit | None, count: int, keys: int) -> list[Run]:
    with Runner(THREADS, progress=False) as runner:
        runs = [runner.add(numbered, i % keys, limits=limit) for i in range(count)]
    for run in runs:
        run.result()
    return runs


@benchmarks.of("limit_time", "limit_time_one_key", "limit_time_many_keys")
def limit_time(quick: bool) -> dict[str, Figure]:
    count, keys = (200, 20) if quick else (10_000, 1_000)
    one, many = Limit(8), Limit(1, "{k}")
    sides = {
        "none": lambda: limited(None, count, keys),
        "one": lambda: limited(one, count, keys),
        "many": lambda: limited(many, count, keys),
    }
    times = rounds(sides, 21, quick=quick)
    figures = {
        "limit_time_one_key": ratio(times, "one", "none", count),
        "limit_time_many_keys": ratio(times, "many", "none", count),
    }
    worse = max(figures.values(), key=lambda figure: figure.median)
    return {"limit_time": worse, **figures}


# -- makespan -------------------------------------------------------------------------------


def fork_joins_and_chain(seed: int, width: int) -> tuple[Graph, list[float]]:
    """Three fork-joins, and beside them a chain that is added last and takes longest."""
    chance = random.Random(seed)
    graph: dict[int, list[int]] = {}
    for _ in range(3):
        root = len(graph)
        graph[root] = []
        children = range(root + 1, root + 1 + width)
        graph.update((child, [root]) for child in children)
        graph[len(graph)] = list(children)
    start = len(graph)
    graph.update((node, [node - 1] if node > start else []) for node in range(start, start + width))
    return graph, [chance.uniform(0.001, 0.050) for _ in graph]


def least_time(graph: Graph, durations: list[float]) -> float:
    """Return the time that no schedule can beat."""
    ends: dict[int, float] = {}
    for node, before in graph.items():
        ends[node] = durations[node] + max((ends[other] for other in before), default=0.0)
    return max(max(ends.values()), sum(durations) / THREADS)


@benchmarks.of("makespan_vs_bound")
def makespan_vs_bound(quick: bool) -> dict[str, Figure]:
    ratios = []
    for seed in range(1 if quick else 5):
        graph, durations = fork_joins_and_chain(seed, 6 if quick else 60)
        runs: dict[int, Run] = {}
        start = time.perf_counter()
        with Runner(THREADS, progress=False) as runner:
            for node, before in graph.items():
                after = [runs[other] for other in before]
                runs[node] = runner.add(time.sleep, durations[node], after=after)
        taken = time.perf_counter() - start
        for run in runs.values():
            run.result()
        ratios.append(taken / least_time(graph, durations))
    return {"makespan_vs_bound": Figure(ratios)}


@benchmarks.of("fan_vs_flat_100k")  # last: it leaves a large heap behind
def fan_vs_flat_100k(quick: bool) -> dict[str, Figure]:
    return {"fan_vs_flat_100k": fan_beside_flat(500 if quick else 100_000, 7, quick)}


if __name__ == "__main__":
    main("runner", __doc__, benchmarks)
