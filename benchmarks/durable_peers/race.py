"""What the drivers of all peers share: the clock from the first submit to the last result.

A driver is called with the number of runs, the address or folder of its store, and its settings
as JSON; it starts one worker process, submits, waits, prints one line of JSON and stops the
worker. The worker calls `ran()` in every task body; nothing else is done there.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM = 100  # runs before the clock starts: connections, caches and pools are there then
PATIENCE = float(os.environ.get("BENCH_PATIENCE", "90"))  # seconds one measurement may take
ADDRESS, COUNT = "BENCH_ADDRESS", "BENCH_COUNT"


def settings() -> tuple[int, str, dict[str, Any]]:
    """Return what a driver was called with: runs, address of the store, settings."""
    count, address, options = sys.argv[-3:]
    return int(count), address, json.loads(options)


def is_worker() -> bool:
    return sys.argv[1:2] == ["worker"]


def worker_command(*more: str) -> list[str]:
    """Return the command that runs this same file as the worker."""
    return [sys.executable, sys.argv[0], "worker", *more, *sys.argv[-3:]]


# -- in the worker ----------------------------------------------------------------------------


def counter() -> Callable[[], None]:
    """Return what a task body calls: it tells the driver of the last warm run and the last run."""
    numbers = itertools.count(1)
    last = WARM + int(os.environ[COUNT])
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def ran() -> None:
        number = next(numbers)
        if number in (WARM, last):
            bell.sendto(str(time.monotonic()).encode(), os.environ[ADDRESS])

    return ran


# -- in the driver ----------------------------------------------------------------------------


def race(
    count: int,
    worker: list[str],
    submit: Callable[[int], object],
    recorded: Callable[[int], bool] | None = None,
    **environment: str,
) -> None:
    """Measure and print. ``recorded`` tells whether that many runs have their result in the store;
    without it the clock stops when the last body has run."""
    with tempfile.TemporaryDirectory() as folder:
        bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        bell.bind(f"{folder}/bell")
        bell.settimeout(PATIENCE)
        told = {ADDRESS: f"{folder}/bell", COUNT: str(count), **environment}
        log = Path(folder, "worker.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                worker,
                stdout=output,
                stderr=output,
                env={**os.environ, **told},
                start_new_session=True,
            )
        try:
            submit(WARM)
            bell.recv(64)
            settle(recorded, WARM)
            start = time.monotonic()
            submit(count)
            submitted = time.monotonic()
            end = float(bell.recv(64))
            if recorded is not None:
                settle(recorded, WARM + count)
                end = time.monotonic()
        except TimeoutError:
            tail = log.read_text("utf-8", "replace")[-1500:]
            raise SystemExit(f"not done after {PATIENCE:.0f} s; the worker said: {tail}") from None
        finally:
            stop(process)
    seconds = end - start
    found = {"runs": count, "seconds": seconds, "per_s": count / seconds}
    found["submit_per_s"] = count / (submitted - start)
    print(json.dumps(found), flush=True)
    os._exit(0)  # some clients leave threads behind


def settle(recorded: Callable[[int], bool] | None, count: int) -> None:
    """Wait until that many results are in the store; called only once the bodies have run."""
    deadline = time.monotonic() + PATIENCE
    while recorded is not None and not recorded(count):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.001)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the worker leads a session of its own
        process.wait(5)


def chunks(count: int, size: int) -> list[int]:
    """Return the sizes of the batches that make up ``count``."""
    return [min(size, count - start) for start in range(0, count, size)]
