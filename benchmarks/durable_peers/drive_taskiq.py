"""taskiq on Redis: settings broker (list or stream), results (bool), at_once, tasks, prefetch."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import race
import redis
import uvloop
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

STARTED_AS_WORKER = "BENCH_TASKIQ" in os.environ
count, address, options = race.settings() if not STARTED_AS_WORKER else (
    0, os.environ["BENCH_TASKIQ"], json.loads(os.environ["BENCH_OPTIONS"])
)  # fmt: skip
kinds = {"list": ListQueueBroker, "stream": RedisStreamBroker}
broker = kinds[options["broker"]](address)
if options["results"]:
    broker = broker.with_result_backend(RedisAsyncResultBackend(address, result_ex_time=600))
ran = race.counter() if STARTED_AS_WORKER else None


@broker.task(task_name="noop")
async def noop() -> None:
    ran()


def drive() -> None:
    client = redis.from_url(address)
    client.flushall()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(broker.startup())

    async def enqueue(runs: int) -> None:
        for size in race.chunks(runs, options["at_once"]):
            await asyncio.gather(*[noop.kiq() for _ in range(size)])

    def submit(runs: int) -> None:
        loop.run_until_complete(enqueue(runs))

    def recorded(runs: int) -> bool:
        return client.dbsize() >= runs  # a key for each result

    worker = [sys.executable, "-m", "taskiq", "worker", "drive_taskiq:broker", "--workers", "1"]
    worker += ["--max-async-tasks", str(options["tasks"])]
    worker += ["--max-prefetch", str(options["prefetch"]), "--log-level", "ERROR"]
    told = {"BENCH_TASKIQ": address, "BENCH_OPTIONS": json.dumps(options)}
    told["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
    race.race(count, worker, submit, recorded if options["results"] else None, **told)


if __name__ == "__main__":
    drive()
