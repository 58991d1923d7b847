"""Dramatiq on Redis: settings threads and prefetch (messages taken at once)."""

from __future__ import annotations

import os
import sys

import dramatiq
import race
import redis
from dramatiq.brokers.redis import RedisBroker

STARTED_AS_WORKER = "BENCH_DRAMATIQ" in os.environ
if STARTED_AS_WORKER:
    address = os.environ["BENCH_DRAMATIQ"]
else:
    count, address, options = race.settings()
dramatiq.set_broker(RedisBroker(url=address))
ran = race.counter() if STARTED_AS_WORKER else None


@dramatiq.actor
def noop() -> None:
    ran()


def submit(runs: int) -> None:
    for _ in range(runs):
        noop.send()


if __name__ == "__main__":
    redis.from_url(address).flushall()
    worker = [sys.executable, "-m", "dramatiq", "drive_dramatiq", "--processes", "1"]
    worker += ["--threads", str(options["threads"])]
    told = {"BENCH_DRAMATIQ": address, "dramatiq_queue_prefetch": str(options["prefetch"])}
    told["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
    race.race(count, worker, submit, None, **told)
