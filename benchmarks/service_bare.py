"""What ``start_per_s`` is held against: a bare route that inserts one row, and nothing else.

It takes what the API takes and answers 202 when the row is on the disk. The insert is made in the
loop itself: handing it to a thread, as a plain ``def`` would, was slower. Usage: FOLDER; it prints
its port, and ends when its standard input does.
"""

from __future__ import annotations

import socket
import sqlite3
import sys
import threading
import time
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
connection = sqlite3.connect(
    f"{sys.argv[1]}/bare.db", isolation_level=None, check_same_thread=False
)
connection.execute("PRAGMA journal_mode = wal")
connection.execute("PRAGMA synchronous = full")
connection.execute(
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, task TEXT NOT NULL, state INTEGER NOT NULL, "
    "created REAL NOT NULL, args TEXT NOT NULL)"
)


class Start(BaseModel):
    args: list[Any] = []
    kwargs: dict[str, Any] = {}


@app.post("/api/v1/tasks/{name}/runs", status_code=202)
async def start(name: str, given: Start) -> dict[str, Any]:
    cursor = connection.execute(
        "INSERT INTO runs (task, state, created, args) VALUES (?, 2, ?, ?)",
        (name, time.time(), given.model_dump_json()),
    )
    return {"id": cursor.lastrowid, "name": name, "state": "pending"}


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))

    def wait_for_the_end() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    print(listening.getsockname()[1], flush=True)
    server.run([listening])


if __name__ == "__main__":
    main()
