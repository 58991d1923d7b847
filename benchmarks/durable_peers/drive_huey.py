"""huey on SQLite: settings fsync (bool), threads, delay (seconds between polls).

With its own 5 seconds of patience for the lock, submits beside a busy worker fail now and then.
"""

from __future__ import annotations

import logging

import race
from huey import SqliteHuey

count, folder, options = race.settings()
queue = SqliteHuey("bench", filename=f"{folder}/huey.db", fsync=options["fsync"], timeout=30)
ran = race.counter() if race.is_worker() else None


@queue.task()
def noop() -> None:
    if ran is not None:
        ran()


def submit(runs: int) -> None:
    for _ in range(runs):
        noop()


if race.is_worker():
    logging.disable(logging.INFO)
    queue.create_consumer(
        workers=options["threads"],
        worker_type="thread",
        initial_delay=options["delay"],
        max_delay=options["delay"],
        check_worker_health=False,
        periodic=False,
    ).run()
else:
    race.race(count, race.worker_command(), submit)
