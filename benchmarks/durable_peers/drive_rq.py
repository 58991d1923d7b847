"""RQ on Redis: settings enqueue (runs per pipeline). SimpleWorker: no new process for each run."""

from __future__ import annotations

import logging

import race
import redis
from rq import Queue, SimpleWorker
from rq.registry import FinishedJobRegistry

count, address, options = race.settings()
connection = redis.from_url(address)
queue = Queue("bench", connection=connection)


def submit(runs: int) -> None:
    for size in race.chunks(runs, options["enqueue"]):
        queue.enqueue_many([Queue.prepare_data("rq_noop.noop") for _ in range(size)])


def recorded(runs: int) -> bool:
    return connection.zcard(FinishedJobRegistry(queue=queue).key) >= runs


if race.is_worker():
    SimpleWorker([queue], connection=connection).work(logging_level=logging.ERROR)
else:
    connection.flushall()
    race.race(count, race.worker_command(), submit, recorded)
