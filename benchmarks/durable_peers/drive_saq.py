"""saq on Redis: settings at_once (submits under way) and concurrency."""

from __future__ import annotations

import asyncio
import logging

import race
import redis
import uvloop
from saq import Queue, Worker

count, address, options = race.settings()


async def work() -> None:
    logging.disable(logging.INFO)
    ran = race.counter()

    async def noop(context: object) -> None:
        ran()

    queue = Queue.from_url(address)
    worker = Worker(queue, [("noop", noop)], concurrency=options["concurrency"])
    await worker.start()


def drive() -> None:
    client = redis.from_url(address)
    client.flushall()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    queue = Queue.from_url(address)

    async def enqueue(runs: int) -> None:
        for size in race.chunks(runs, options["at_once"]):
            await asyncio.gather(*[queue.enqueue("noop") for _ in range(size)])

    def submit(runs: int) -> None:
        loop.run_until_complete(enqueue(runs))

    def recorded(runs: int) -> bool:
        return client.llen(queue._active) == 0  # a run leaves it when its result is written

    race.race(count, race.worker_command(), submit, recorded)


if race.is_worker():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
else:
    drive()
