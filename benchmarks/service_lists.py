"""How soon the first page of a filtered list is there when a million runs are stored."""

from __future__ import annotations

import os
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from common import Benchmarks, Figure
from service_side import API, APP, folder_of_its_own, made, percentile, served
from service_tasks import TASKS

benchmarks = Benchmarks()

STORED = 1_000_000
DAYS = 30
RARE = 400  # runs between two whose label names a customer of their own
ERROR = (
    b'{"type":"ConnectionError","text":"the other side has gone","args":["the other side has '
    b'gone"],"trace":"Traceback (most recent call last):\\n  File \\"shop/jobs.py\\", line 42, in '
    b'work\\n    send(order)\\nConnectionError: the other side has gone\\n","notes":[]}'
)
COLUMNS = (
    "id, task, state, reason, rank, path, created, ready, started, ended, attempt, worker, label, "
    "args, value, error"
)


def rows(count: int, first_task: int, now: float) -> Iterator[tuple[Any, ...]]:
    """Ended runs of the last days, oldest first; some tasks have many, some few."""
    chance = random.Random(1)
    weights = [1 / (number + 1) ** 1.5 for number in range(len(TASKS))]
    tasks = chance.choices(range(len(TASKS)), weights, k=count)
    step = DAYS * 86_400 / count
    for id, task in enumerate(tasks, 1):
        created = now - DAYS * 86_400 + (id - 1) * step
        started = created + chance.expovariate(5)
        ended = started + chance.lognormvariate(0, 1.2)
        luck = chance.random()
        state, reason, error = 4, None, None
        if luck < 0.04:
            state, reason, error = 5, "error", ERROR
        elif luck < 0.045:
            state, reason = 5, "timeout"
        elif luck < 0.05:
            state, reason = 6, "user"
        value = b'{"rows":17}' if state == 4 else None
        label = None
        if id % RARE == 0:
            label = f"customer {id // RARE:05}"
        elif id % 3 == 0:
            label = f"{TASKS[task]} of day {int((id - 1) * step // 86_400)}"
        yield (
            id, first_task + task, state, reason, created, -1.0, created, created, started, ended,
            1, 1, label, b'[[%d],{"dry":false}]' % id, value, error,
        )  # fmt: skip


def fill(path: Path, count: int, now: float) -> None:
    """Put ended runs into a store that abreast has made; it is closed."""
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("PRAGMA synchronous = off")
    store.execute("BEGIN IMMEDIATE")
    (last,) = store.execute("SELECT coalesce(max(id), 0) FROM tasks").fetchone()
    named = [(last + 1 + number, name) for number, name in enumerate(TASKS)]
    store.executemany("INSERT INTO tasks (id, name) VALUES (?, ?)", named)
    store.executemany(
        f"INSERT INTO runs ({COLUMNS}) VALUES ({', '.join('?' * 16)})", rows(count, last + 1, now)
    )
    store.execute("COMMIT")
    store.close()
    with path.open("rb") as file:
        os.fsync(file.fileno())  # or the disk is still busy with it while we measure


def filters(count: int, now: float) -> dict[str, Callable[[random.Random], str]]:
    """What is asked for; each time about something else."""

    def period(chance: random.Random) -> str:
        since = now - chance.uniform(1, DAYS) * 86_400
        return f"since={since:.0f}&until={since + chance.uniform(0.1, 1) * 86_400:.0f}"

    def task(chance: random.Random) -> str:
        return f"task={chance.choice(TASKS)}"

    def customer(chance: random.Random) -> str:
        return quote(f"customer {chance.randint(1, count // RARE):05}")

    return {
        "state=failed": lambda chance: "state=failed",
        "task": task,
        "task, state": lambda chance: f"{task(chance)}&state=failed",
        "task, two states": lambda chance: f"{task(chance)}&state=failed,cancelled",
        "since, until": period,
        "since, until, state": lambda chance: f"{period(chance)}&state=failed",
        "since, until, task": lambda chance: f"{period(chance)}&{task(chance)}",
        "reason": lambda chance: "reason=timeout",
        "state=running": lambda chance: "state=running",
        "q of a task": lambda chance: f"q={chance.choice(TASKS).partition('.')[0]}",
        "q of one label": lambda chance: f"q={customer(chance)}",
    }


@benchmarks.of("list_p95_ms")
def lists(quick: bool) -> dict[str, Figure]:
    """The p95 is over all requests; each kind of filter has the same share of them."""
    count, each, turns = (5_000, 2, 1) if quick else (STORED, 20, 3)
    chance = random.Random(2)
    tails: list[float] = []
    with folder_of_its_own() as folder:
        app, token = made(folder)
        app.close()
        now, start = time.time(), time.monotonic()
        fill(folder / "jobs.db", count, now)
        filled_s = time.monotonic() - start
        (folder / "abreast.toml").write_text(
            "[retention]\nolder_than = 'never'\nfailed_older_than = 'never'\n", "utf-8"
        )
        kinds = filters(count, now)
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        with served(folder, "--app", APP, token=token) as service:
            for turn in range(turns + 1):
                asked = [kind for _ in range(each if turn else 1) for kind in kinds]
                paths = [f"{API}/runs?{kinds[kind](chance)}" for kind in asked]
                found = service.load("get", paths=paths, seconds=20.0)
                if found["wrong"]:
                    raise RuntimeError(found["wrong"][0])
                if not turn:
                    continue  # the first time what has been read comes from the disk
                for number, seconds in found["times"]:
                    times[asked[number]].append(seconds * 1e3)
                tails.append(percentile((s * 1e3 for _, s in found["times"]), 0.95))
    by = {kind: round(percentile(found, 0.95), 1) for kind, found in times.items() if found}
    middle = {kind: round(statistics.median(found), 1) for kind, found in times.items() if found}
    slowest = sorted(by, key=lambda kind: -by[kind])
    details = {"stored": count, "filled_s": round(filled_s, 1), "p95_ms": by, "p50_ms": middle}
    lines = ["p95 of each: " + ", ".join(f"{kind} {by[kind]:g}" for kind in slowest)]
    return {"list_p95_ms": Figure(tails, details=details, lines=lines)}
