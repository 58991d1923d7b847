"""Procrastinate on PostgreSQL: settings defer (runs per call) and concurrency."""

from __future__ import annotations

import asyncio
import logging

import procrastinate
import psycopg
import race

count, address, options = race.settings()
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(
        conninfo=address, min_size=1, max_size=options["connections"]
    )
)
ran = race.counter() if race.is_worker() else None


@app.task(name="noop")
async def noop() -> None:
    ran()


async def work() -> None:
    logging.disable(logging.INFO)
    async with app.open_async():
        await app.run_worker_async(
            concurrency=options["concurrency"],
            install_signal_handlers=False,
            fetch_job_polling_interval=1,
        )


def drive() -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    connection = psycopg.connect(address, autocommit=True)
    connection.execute("DROP SCHEMA public CASCADE")
    connection.execute("CREATE SCHEMA public")
    loop.run_until_complete(app.open_async().__aenter__())
    loop.run_until_complete(app.schema_manager.apply_schema_async())

    def submit(runs: int) -> None:
        for size in race.chunks(runs, options["defer"]):
            loop.run_until_complete(noop.batch_defer_async(*[{} for _ in range(size)]))

    def recorded(runs: int) -> bool:
        query = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
        return connection.execute(query).fetchone()[0] >= runs

    race.race(count, race.worker_command(), submit, recorded)


if race.is_worker():
    asyncio.run(work())
else:
    drive()
