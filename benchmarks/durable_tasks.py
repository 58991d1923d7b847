"""The app that the durable benchmarks submit to; workers import it too.

``BENCH_STORE`` is its store, ``BENCH_BELL`` the socket that tells the benchmark what runs.
"""

from __future__ import annotations

import itertools
import os
import socket
import time

from abreast import App, Limit

BLOCK = 1_000  # runs between two messages of ``tick``

app = App(os.environ["BENCH_STORE"])
_bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
_bell.setblocking(False)  # a message that nobody reads is dropped; no run waits for it
_numbers = itertools.count()


def tell(*words: object) -> None:
    """Send a message to the benchmark."""
    try:
        _bell.sendto(" ".join(map(str, words)).encode(), os.environ["BENCH_BELL"])
    except OSError:
        pass  # it has gone, or does not listen now


def _tick() -> None:
    number = next(_numbers)
    if number % BLOCK == 0:
        tell("block", number // BLOCK, time.monotonic())


@app.task
def noop() -> None:
    pass


@app.task
def tick() -> None:
    """Do nothing, and tell the time of every BLOCK-th call of this process."""
    _tick()


@app.task(limits=Limit(1, "{k}"))
def keyed(k: int) -> None:
    _tick()


@app.task(limits=Limit(1, "/held"))
def held() -> None:
    pass


@app.task(limits=[Limit(1, "/first"), Limit(1, "/second")])
def on_two_keys() -> None:
    _tick()


@app.task(limits=Limit(1, "/held"))
def hold(path: str) -> None:
    """Keep the key until the file is there."""
    tell("holding", os.getpid(), time.monotonic())
    while not os.path.exists(path):
        time.sleep(0.05)


@app.task
def stamp() -> None:
    tell("began", time.monotonic())


@app.task
def linger() -> None:
    """Tell who runs this, and stay."""
    tell("lingers", os.getpid(), time.monotonic())
    time.sleep(60)
