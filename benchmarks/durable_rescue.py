"""How soon a run runs again after its process died, and what a worker costs that has no work."""

from __future__ import annotations

import os
import signal
import time

import psutil

from common import Benchmarks, Figure
from durable_side import fresh

benchmarks = Benchmarks()


@benchmarks.of("rescue_child_s")
def rescue_child_s(quick: bool) -> dict[str, Figure]:
    found = []
    with fresh() as bench, bench.worker("process", 2):
        for _ in range(1 if quick else 5):
            run = bench.tasks.linger.submit()
            child = int(bench.hear("lingers")[0])
            start = time.monotonic()
            os.kill(child, signal.SIGKILL)
            found.append(float(bench.hear("lingers")[1]) - start)
            run.cancel()
            run.wait(30)
            bench.heard()
    return {"rescue_child_s": Figure(found)}


@benchmarks.of("rescue_worker_s")
def rescue_worker_s(quick: bool) -> dict[str, Figure]:
    found = []
    for _ in range(1 if quick else 5):
        with fresh() as bench, bench.worker() as one, bench.worker() as other:
            bench.tasks.linger.submit()
            pid = int(bench.hear("lingers")[0])
            victim = one if pid == one.pid else other
            assert victim.pid == pid, "a thread of a worker executes the run"
            start = time.monotonic()
            victim.kill()
            found.append(float(bench.hear("lingers")[1]) - start)
            (other if victim is one else one).kill()  # it would wait for the run
    return {"rescue_worker_s": Figure(found)}


@benchmarks.of("idle_cpu_percent", "idle_rss_mb")
def idle(quick: bool) -> dict[str, Figure]:
    seconds = 0.5 if quick else 20.0
    percents, sizes = [], []
    for _ in range(1 if quick else 3):
        with fresh() as bench, bench.worker() as process:
            bench.tasks.stamp.submit()
            bench.hear("began")
            time.sleep(0.2 if quick else 3.0)  # until everything has been started
            every = [psutil.Process(process.pid)]
            every += every[0].children(recursive=True)
            before = sum(cpu_seconds(each) for each in every)
            time.sleep(seconds)
            percents.append((sum(cpu_seconds(each) for each in every) - before) / seconds * 100)
            sizes.append(sum(each.memory_info().rss for each in every) / 2**20)
    return {"idle_cpu_percent": Figure(percents), "idle_rss_mb": Figure(sizes)}


def cpu_seconds(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)
