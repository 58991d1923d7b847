"""Celery on Redis: settings pool (solo, threads, prefork), concurrency, prefetch, results."""

from __future__ import annotations

import json
import os
import sys

import race
import redis
from celery import Celery

STARTED_AS_WORKER = "BENCH_CELERY" in os.environ
if STARTED_AS_WORKER:
    address, options = os.environ["BENCH_CELERY"], json.loads(os.environ["BENCH_OPTIONS"])
else:
    count, address, options = race.settings()
app = Celery("bench", broker=address, backend=address if options["results"] else None)
app.conf.update(
    task_ignore_result=not options["results"],
    worker_prefetch_multiplier=options["prefetch"],
    worker_disable_rate_limits=True,
    broker_connection_retry_on_startup=True,
    worker_enable_remote_control=False,
)
ran = race.counter() if STARTED_AS_WORKER else None


@app.task(name="noop")
def noop() -> None:
    ran()


def drive() -> None:
    client = redis.from_url(address)
    client.flushall()

    def submit(runs: int) -> None:
        with app.producer_pool.acquire(block=True) as producer:
            for _ in range(runs):
                noop.apply_async(producer=producer)

    def recorded(runs: int) -> bool:
        return client.dbsize() >= runs and len(client.keys("celery-task-meta-*")) >= runs

    worker = [sys.executable, "-m", "celery", "-A", "drive_celery", "worker"]
    worker += ["--pool", options["pool"], "--concurrency", str(options["concurrency"])]
    worker += ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"]
    told = {"BENCH_CELERY": address, "BENCH_OPTIONS": json.dumps(options)}
    told["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
    race.race(count, worker, submit, recorded if options["results"] else None, **told)


if __name__ == "__main__":
    drive()
