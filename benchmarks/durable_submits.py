"""What one submit costs, alone and among others, and how soon its run starts."""

from __future__ import annotations

import json
import random
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from common import Benchmarks, Figure
from durable_side import HERE, Bench, fresh

benchmarks = Benchmarks()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def times_of(call: Callable[[], object], count: int) -> list[float]:
    found = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return found


# -- one submit ---------------------------------------------------------------------------------


def bare(bench: Bench) -> Callable[[], object]:
    """Return what inserts a copy of the run that is in the store into a bare table of its kind.

    The table has the columns and indexes of ours; journal and durability are the same.
    """
    path = bench.folder / "bare.db"
    with sqlite3.connect(f"{bench.folder}/jobs.db") as ours:
        made = ours.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'runs' AND sql IS NOT NULL "
            "ORDER BY type = 'index'"
        ).fetchall()
        row = ours.execute("SELECT * FROM runs LIMIT 1").fetchone()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA synchronous = full")
    for (statement,) in made:
        connection.execute(statement)
    insert = f"INSERT INTO runs VALUES ({', '.join('?' * len(row))})"
    rest = row[1:]

    def one() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(insert, (None, *rest))
        connection.execute("COMMIT")

    return one


@benchmarks.of("submit_vs_raw_sqlite")
def submit_vs_raw_sqlite(quick: bool) -> dict[str, Figure]:
    """Blocks of 100 in turn; the figure of a round is p50 ÷ p50 of its 1,000 on either side."""
    block, blocks, rounds = (10, 1, 1) if quick else (100, 10, 5)
    ratios, ours, raw = [], [], []
    for _ in range(rounds):
        with fresh() as bench:
            submit = bench.tasks.noop.submit
            submit()
            insert = bare(bench)
            mine: list[float] = []
            theirs: list[float] = []
            for _ in range(blocks):
                mine += times_of(submit, block)
                theirs += times_of(insert, block)
            ours.append(statistics.median(mine))
            raw.append(statistics.median(theirs))
            ratios.append(ours[-1] / raw[-1])
    return {"submit_vs_raw_sqlite": Figure(ratios, statistics.median(ours), statistics.median(raw))}


# -- many submits -------------------------------------------------------------------------------


def side_by_side(callers: int, each: int) -> float:
    """Return how many submits a second this many threads get acknowledged together."""
    with fresh() as bench:
        submit = bench.tasks.noop.submit
        submit()
        start_all = threading.Barrier(callers + 1)

        def work() -> None:
            start_all.wait()
            for _ in range(each):
                submit()

        threads = [threading.Thread(target=work) for _ in range(callers)]
        for thread in threads:
            thread.start()
        start_all.wait()
        start = time.perf_counter()
        for thread in threads:
            thread.join()
        return callers * each / (time.perf_counter() - start)


@benchmarks.of("submit_16_per_s")
def submit_16_per_s(quick: bool) -> dict[str, Figure]:
    rates = [side_by_side(16, 5 if quick else 1_000) for _ in range(1 if quick else 5)]
    return {"submit_16_per_s": Figure(rates)}


@benchmarks.of("submit_many_per_s")
def submit_many_per_s(quick: bool) -> dict[str, Figure]:
    count = 100 if quick else 10_000
    rates = []
    for _ in range(1 if quick else 7):
        with fresh() as bench:
            bench.tasks.noop.submit()
            calls = [()] * count
            start = time.perf_counter()
            runs = bench.tasks.noop.submit_many(calls)
            rates.append(count / (time.perf_counter() - start))
            del runs
    return {"submit_many_per_s": Figure(rates)}


# -- submits beside a drain ---------------------------------------------------------------------

SUBMITTER = """
import json, sys, time
from durable_tasks import app, noop
until, pause = float(sys.argv[1]), float(sys.argv[2])
noop.submit()
found = []
while time.monotonic() < until:
    start = time.perf_counter()
    noop.submit()
    found.append(time.perf_counter() - start)
    if pause:
        time.sleep(pause)
print(json.dumps(found))
"""


def submits_under_drain(seconds: float, backlog: int, pause: float) -> list[float]:
    """Return how long single submits of three processes took while two workers drained."""
    with fresh() as bench:
        bench.submit(backlog)
        with bench.worker(), bench.worker():
            until = str(time.monotonic() + seconds)
            command = [sys.executable, "-c", SUBMITTER, until, str(pause)]
            submitters = [
                subprocess.Popen(command, stdout=subprocess.PIPE, env=bench.environment, cwd=HERE)
                for _ in range(3)
            ]
            found: list[float] = []
            for process in submitters:
                output, _ = process.communicate(timeout=seconds + 60)
                found += json.loads(output)
            left = backlog - bench.completed()
        if left <= 0:
            raise RuntimeError(f"the backlog of {backlog} was drained before the submits ended")
    return found


@benchmarks.of("submit_p99_under_drain_ms")
def submit_p99_under_drain_ms(quick: bool) -> dict[str, Figure]:
    """Submits without a pause: the key. With a pause of 5 ms: beside it in the JSON."""
    seconds, backlog = (0.5, 20_000) if quick else (2.0, 400_000)
    found: dict[float, list[float]] = {0: [], 0.005: []}
    most, several = 0.0, []
    for _ in range(1 if quick else 3):
        for pause, values in found.items():
            if quick and pause:
                continue
            times = submits_under_drain(seconds, backlog, pause)
            values.append(percentile(times, 0.99) * 1e3)
            if not pause:
                most = max(most, max(times) * 1e3)
                several.append(len(times))
    details: dict[str, object] = {"max_ms": round(most, 2), "submits": several}
    if found[0.005]:
        details["p99_with_pauses_ms"] = round(statistics.median(found[0.005]), 3)
    lines = [", ".join(f"{name}: {value}" for name, value in details.items())]
    return {"submit_p99_under_drain_ms": Figure(found[0], details=details, lines=lines)}


# -- from submit to start -----------------------------------------------------------------------


@benchmarks.of("latency_p50_ms", "latency_p99_ms")
def latency(quick: bool) -> dict[str, Figure]:
    """From the call of submit to the first line of the body, in another process."""
    count = 20 if quick else 400
    chance = random.Random(1)
    middles, ends = [], []
    for _ in range(1 if quick else 5):
        with fresh() as bench, bench.worker():
            found = []
            for number in range(count + 20):
                time.sleep(chance.uniform(0.005, 0.020))  # the system is idle in between
                start = time.monotonic()
                bench.tasks.stamp.submit()
                began = float(bench.hear("began")[0])
                if number >= 20:
                    found.append((began - start) * 1e3)
            middles.append(percentile(found, 0.5))
            ends.append(percentile(found, 0.99))
    return {"latency_p50_ms": Figure(middles), "latency_p99_ms": Figure(ends)}
