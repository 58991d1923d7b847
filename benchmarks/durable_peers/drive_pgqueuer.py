"""PgQueuer on PostgreSQL: settings enqueue (runs per call) and batch (runs per dequeue)."""

from __future__ import annotations

import asyncio
import datetime

import asyncpg
import race
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.queries import Queries

count, address, options = race.settings()


async def work() -> None:
    ran = race.counter()
    manager = PgQueuer.from_asyncpg_connection(await asyncpg.connect(address))

    @manager.entrypoint("noop")
    async def noop(job: object) -> None:
        ran()

    await manager.run(batch_size=options["batch"], dequeue_timeout=datetime.timedelta(seconds=1))


def drive() -> None:
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    connection = loop.run_until_complete(asyncpg.connect(address))
    queries = Queries.from_asyncpg_connection(connection)
    loop.run_until_complete(queries.uninstall())
    loop.run_until_complete(queries.install())

    def submit(runs: int) -> None:
        for size in race.chunks(runs, options["enqueue"]):
            calls = ["noop"] * size, [None] * size, [0] * size
            loop.run_until_complete(queries.enqueue(*calls))

    def recorded(runs: int) -> bool:
        # A run that ended leaves the queue for the log in one statement.
        left = loop.run_until_complete(connection.fetchval("SELECT count(*) FROM pgqueuer"))
        return left == 0

    race.race(count, race.worker_command(), submit, recorded)


if race.is_worker():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
else:
    drive()
