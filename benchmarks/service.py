"""The service: starts over HTTP, lists, events, schedules, and what it costs when idle."""

from __future__ import annotations

import signal
import sys

import service_clock
import service_events
import service_lists
import service_starts
from common import main

LONGEST = 360  # seconds for all of it

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))  # ends what it has started
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"not done after {LONGEST} s"))
    signal.alarm(LONGEST)
    main(
        "service",
        __doc__,
        [
            *service_starts.benchmarks,
            *service_lists.benchmarks,
            *service_events.benchmarks,
            *service_clock.benchmarks,
        ],
    )
