"""Durable runs: abreast on SQLite, and the queues that are its peers, in turn."""

from __future__ import annotations

import signal
import sys

import durable_growth
import durable_race
import durable_rescue
import durable_submits
from common import main

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))  # ends what it has started
    main(
        "durable",
        __doc__,
        [
            *durable_race.benchmarks,
            *durable_submits.benchmarks,
            *durable_growth.benchmarks,
            *durable_rescue.benchmarks,
        ],
    )
