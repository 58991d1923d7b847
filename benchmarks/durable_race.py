"""No-ops from the first submit to the last recorded result: abreast and its peers in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from common import Benchmarks, Figure
from durable_queues import PEERS, Measured, Peer, addresses, one_turn, told
from durable_side import fresh

WARM = 100  # runs before the clock starts, for the peers too
RUNS = 20_000
benchmarks = Benchmarks()


def end_to_end(count: int, executor: str = "thread", concurrency: int = 8) -> float:
    """Return runs a second, submitted in batches, through one worker process."""
    with fresh() as bench, bench.worker(executor, concurrency):
        bench.submit(WARM)
        bench.await_completed(WARM)
        start = time.monotonic()
        last = bench.submit(count)
        last.wait(120)
        bench.await_completed(WARM + count)
        return count / (time.monotonic() - start)


def one_by_one(count: int) -> float:
    """The same with a submit and a claim for every single run."""
    with fresh() as bench, bench.worker("thread", 1, "one"):
        bench.submit(WARM)
        bench.await_completed(WARM)
        start = time.monotonic()
        for _ in range(count):
            last = bench.tasks.noop.submit()
        last.wait(120)
        bench.await_completed(WARM + count)
        return count / (time.monotonic() - start)


def turns(
    ours: Callable[[], float], peers: list[Peer], quick: bool
) -> tuple[list[float], dict[str, Measured]]:
    """Measure our side and every peer three times in turn."""
    mine: list[float] = []
    found: dict[str, Measured] = {}
    with addresses({peer.server for peer in peers}) as where:
        for turn in range(1 if quick else 3):
            if turn % 2:
                one_turn(peers, found, where, quick)
            mine.append(ours())
            if not turn % 2:
                one_turn(peers, found, where, quick)
    return mine, found


def against_best(mine: list[float], peers: list[Peer], found: dict[str, Measured]) -> Figure:
    """Return our rate ÷ that of the best peer by median, turn by turn."""
    worked = [peer for peer in peers if found[peer.name].rates]
    if not worked:
        broke = "; ".join(f"{peer.name}: {found[peer.name].broke}" for peer in peers)
        raise RuntimeError(f"no peer could be measured: {broke}")
    best = max(worked, key=lambda peer: found[peer.name].median)
    theirs = found[best.name].rates
    values = [a / b for a, b in zip(mine, found[best.name].turns, strict=True) if b]
    return Figure(
        values,
        1 / statistics.median(mine),
        1 / statistics.median(theirs),
        details={"best": best.name, "peers": {p.name: found[p.name].shown(p) for p in peers}},
        lines=list(told(peers, found)),
    )


@benchmarks.of("e2e_per_s", "e2e_vs_best_durable", "e2e_vs_best_any", "process_e2e_per_s")
def e2e(quick: bool) -> dict[str, Figure]:
    count = 200 if quick else RUNS
    in_processes: list[float] = []

    def ours() -> float:
        in_processes.append(end_to_end(count, "process", 2))
        return end_to_end(count)

    chosen = [peer for peer in PEERS if not quick or peer.driver == "persistqueue"]
    mine, found = turns(ours, chosen, quick)
    durable = [peer for peer in chosen if peer.durable]
    return {
        "e2e_per_s": Figure(mine),
        "e2e_vs_best_durable": against_best(mine, durable, found),
        "e2e_vs_best_any": against_best(mine, chosen, found),
        "process_e2e_per_s": Figure(in_processes),
    }


@benchmarks.of("claim1_vs_huey")
def claim1_vs_huey(quick: bool) -> dict[str, Figure]:
    """Neither side submits or claims more than one run in a transaction."""
    huey = [peer for peer in PEERS if peer.driver == "huey" and peer.durable]
    mine, found = turns(lambda: one_by_one(200 if quick else 10_000), huey, quick)
    return {"claim1_vs_huey": against_best(mine, huey, found)}
