"""The service: starts over HTTP, lists, events, schedules, and what it costs when idle."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

import service_clock
import service_events
import service_lists
import service_starts
from common import Benchmark, Figure, main

LONGEST = 360  # seconds for all of it


def within(benchmark: Benchmark, until: float) -> Benchmark:
    """Return the benchmark, which gives up at a time; what was measured before is written."""

    def measure(quick: bool) -> Mapping[str, Figure]:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{LONGEST} s are over")
        signal.setitimer(signal.ITIMER_REAL, left)
        try:
            return benchmark.measure(quick)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    return Benchmark(benchmark.keys, measure)


def give_up(*_: Any) -> None:
    raise TimeoutError(f"not done after {LONGEST} s")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))  # ends what it has started
    signal.signal(signal.SIGALRM, give_up)
    end = time.monotonic() + LONGEST
    every = [
        *service_starts.benchmarks,
        *service_lists.benchmarks,
        *service_events.benchmarks,
        *service_clock.benchmarks,
    ]
    main("service", __doc__, [within(benchmark, end) for benchmark in every])
