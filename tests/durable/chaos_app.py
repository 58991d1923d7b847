"""The tasks of the kill -9 test. They themselves prove what the limits promise.

A unit of a limit stands for a file lock: of a limit of n there are n lock files, and a run that
finds all of them taken has caught the limit broken. What happens is noted in one file, a line each.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.durable.slots import FLAGS, take

from abreast import App, Limit, current_run, step

KEYS = ["a", "b", "c"]
PER_KEY, SHARED, SINGLE = 2, 3, 1  # units

app = App()  # ABREAST_STORE names the store
_HERE = os.environ.get("CHAOS_FOLDER", "")


def note(*words: object) -> None:
    """Write a line that outlives this process. A line is written in one piece."""
    fd = os.open(f"{_HERE}/notes", FLAGS | os.O_APPEND, 0o600)
    try:
        os.write(fd, (" ".join(map(str, words)) + "\n").encode())
    finally:
        os.close(fd)


@contextmanager
def holding(**limits: int) -> Iterator[None]:
    """Be at work, under these limits (name and units)."""
    run = current_run()
    assert run is not None
    note("begin", run.id, run.attempt, os.getpid())
    held = []
    try:
        for name, units in {f"run-{run.id}": 1, **limits}.items():
            fd = take(f"{_HERE}/locks/{name}", units)
            if fd is None:
                note("broken", run.id, run.attempt, f"more than {units} of {name!r} at once")
            else:
                held.append(fd)
        time.sleep(random.uniform(0.0, 0.04))  # the task sleeps
        yield
        note("done", run.id, run.attempt)
    finally:
        for fd in held:
            os.close(fd)


@app.task
def plain(value: int) -> int:
    with holding():
        return value + 1


@app.task(limits=[Limit(PER_KEY, "{key}")])
def keyed(key: str) -> str:
    with holding(**{f"keyed-{key}": PER_KEY}):
        return key


@app.task(limits=[Limit(SINGLE, "{key}"), Limit(SHARED, "/shared")])
def shared(key: str) -> str:
    with holding(**{f"shared-{key}": SINGLE, "shared": SHARED}):
        return key


@app.task(limits=[Limit(SHARED, "/shared")])
def also_shared() -> None:
    with holding(shared=SHARED):
        pass


@app.task(retry=1)
def flaky() -> str:
    """Fails once for its own reasons, which is something else than a crash."""
    run = current_run()
    assert run is not None
    with holding():
        try:
            os.close(os.open(f"{_HERE}/steps/failed-{run.id}", FLAGS | os.O_EXCL, 0o600))
        except FileExistsError:
            return "well"
    raise ValueError("as it was meant")


@app.task
def stepped() -> int:
    run = current_run()
    assert run is not None
    recorded = f"{_HERE}/steps/recorded-{run.id}"

    def once(id: int) -> int:
        if os.path.exists(recorded):
            note("broken", id, 0, "a recorded step was called again")
        return id

    with holding():
        found = step("once", once, run.id)
        os.close(os.open(recorded, FLAGS, 0o600))
        return found


@app.task
def parent(value: int) -> int:
    """Submits another run and waits for it."""
    with holding():
        return plain.submit(value).result(60) + 1
