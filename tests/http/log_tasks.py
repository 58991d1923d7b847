"""What the tests of logs run in processes: a thread's output would meet that of pytest."""

from __future__ import annotations

import os
import time

from abreast import App


def speak() -> None:
    for number in range(1, 6):
        print(f"line {number} ä")


def wait(path: str) -> None:
    """Print, wait for a file, print again."""
    print("waiting ä", flush=True)
    for _ in range(3000):
        if os.path.exists(path):
            break
        time.sleep(0.01)  # the task sleeps
    print("done waiting")


def add_tasks(app: App) -> None:
    app.task(name="speak", executor="process")(speak)
    app.task(name="wait_for", executor="process")(wait)
