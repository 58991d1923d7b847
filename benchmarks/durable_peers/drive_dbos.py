"""DBOS on SQLite: settings enqueue (runs per transaction), poll (seconds), wal (bool), limit
(runs at once, or null)."""

from __future__ import annotations

import sqlite3
import time

import race
import sqlalchemy
from dbos import DBOS, DBOSClient

count, folder, options = race.settings()
path = f"{folder}/dbos.db"
url = f"sqlite:///{path}"


def work() -> None:
    ran = race.counter()
    DBOS(
        config={
            "name": "bench",
            "system_database_url": url,
            "application_version": "1",
            "log_level": "ERROR",
            "run_admin_server": False,
        }
    )

    @DBOS.workflow(name="noop")
    def noop() -> None:
        ran()

    DBOS.launch()
    DBOS.register_queue(
        "queue", worker_concurrency=options["limit"], polling_interval_sec=options["poll"]
    )
    while True:
        time.sleep(60)


def drive() -> None:
    if options["wal"]:
        sqlite3.connect(path).execute("PRAGMA journal_mode = wal").close()
    client = None
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": 30})

    def submit(runs: int) -> None:
        nonlocal client
        if client is None:
            wait_for_tables()
            client = DBOSClient(system_database_url=url)
        call = {"queue_name": "queue", "workflow_name": "noop", "app_version": "1"}
        for size in race.chunks(runs, options["enqueue"]):
            with engine.begin() as connection:
                for _ in range(size):
                    client.enqueue_in_transaction(connection, call)

    def wait_for_tables() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if sqlite3.connect(path).execute("SELECT count(*) FROM queues").fetchone()[0]:
                    return
            except sqlite3.OperationalError:
                pass
            time.sleep(0.1)

    def recorded(runs: int) -> bool:
        query = "SELECT count(*) FROM workflow_status WHERE status = 'SUCCESS'"
        return sqlite3.connect(path, timeout=30).execute(query).fetchone()[0] >= runs

    race.race(count, race.worker_command(), submit, recorded)


if race.is_worker():
    work()
else:
    drive()
