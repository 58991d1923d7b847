"""What schedules cost: a turn of the scheduler, many that are due at once, and none for long."""

from __future__ import annotations

import datetime
import math
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from abreast.interfaces.service.service import Service
from abreast.interfaces.settings import load
from abreast.stores.sql_schedules import Declared
from common import Benchmarks, Figure
from service_side import APP, Served, folder_of_its_own, percentile, served, store_in
from service_starts import shown
from service_tasks import FIRED

benchmarks = Benchmarks()


def far_off() -> int:
    """A month in which we are not, nor the day after tomorrow."""
    return (datetime.datetime.now(datetime.UTC).month + 5) % 12 + 1


# -- a turn of the scheduler --------------------------------------------------------------------


@contextmanager
def scheduled(folder: Path, count: int) -> Iterator[Service]:
    """A service of this process, not started, with so many schedules in its store."""
    service = Service(load(str(folder), flags={"app": APP, "store": store_in(folder)}))
    month, app = far_off(), service.app
    said = {"overlap": "skip", "catch_up": "latest", "window": None, "jitter": 0.0}
    declared = [
        Declared(
            f"nightly-{number}", FIRED[number % len(FIRED)],
            f"{number % 60} {number // 60 % 24} {number % 28 + 1} {month} *", "UTC",
            {**said, "args": [], "kwargs": {}},
        )
        for number in range(count)
    ]  # fmt: skip
    rows = app.file_store().schedules
    try:
        app.node.post(lambda now: rows.declare(app.name, declared, "api", time.time()))
        yield service
    finally:
        app.close()


@benchmarks.of("schedules_tick_ms")
def tick(quick: bool) -> dict[str, Figure]:
    """The figure of a round is the p99 of its turns."""
    count, rounds, turns = (200, 1, 20) if quick else (10_000, 5, 400)
    tails, middle = [], []
    with folder_of_its_own() as folder, scheduled(folder, count) as service:
        service.scheduler.look()
        for _ in range(rounds):
            found = []
            for _ in range(turns):
                start = time.perf_counter()
                service.scheduler.look()
                found.append((time.perf_counter() - start) * 1e3)
            tails.append(percentile(found, 0.99))
            middle.append(statistics.median(found))
        if len(service.app.schedules.list()) != count or service.app.schedules.ledger():
            raise RuntimeError("schedules are lacking, or were due")
    details: dict[str, object] = {"p50_ms": round(statistics.median(middle), 4)}
    return {"schedules_tick_ms": Figure(tails, details=details, lines=[shown(details)])}


# -- many at once -------------------------------------------------------------------------------


@benchmarks.of("fire_lag_p99_ms")
def fire(quick: bool) -> dict[str, Figure]:
    """Every schedule has a task of its own, and its run a row that says when it started."""
    count, turns = (20, 1) if quick else (len(FIRED), 3)
    tails, middle, most = [], [], 0.0
    with (
        folder_of_its_own() as folder,
        served(folder, "--app", APP, "--max-workers", "64") as service,
    ):
        for turn in range(turns):
            lags = fire_once(service, FIRED[:count], turn, 2 if quick else 5)
            tails.append(percentile(lags, 0.99) * 1e3)
            middle.append(percentile(lags, 0.5) * 1e3)
            most = max(most, max(lags) * 1e3)
    details = {"p50_ms": round(statistics.median(middle), 1), "max_ms": round(most, 1)}
    return {"fire_lag_p99_ms": Figure(tails, details=details, lines=[shown(details)])}


def fire_once(service: Served, tasks: list[str], turn: int, ahead: float) -> list[float]:
    """Have one run of each task start at the same second; return how late each was."""
    at = math.ceil(time.time() + ahead)
    spec = datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat()
    for name in tasks:
        service.app.schedules.add(f"{name}-{turn}", name, spec, timezone="UTC")
    if time.time() > at - 0.5:
        raise RuntimeError(f"it took more than {ahead:g} s to add {len(tasks)} schedules")
    asked = (
        "SELECT r.started, r.ended FROM instants i JOIN runs r ON r.id = i.run "
        "WHERE i.at = ? AND i.outcome = 'ran'"
    )
    deadline = at + 20.0
    while time.time() < deadline:
        time.sleep(max(0.1, at + 1 - time.time()))  # while it fires we are quiet
        found = service.rows(asked, at)
        if len(found) == len(tasks) and all(ended is not None for _, ended in found):
            return [started - at for started, _ in found]
    raise TimeoutError(f"{len(found)} of {len(tasks)} runs were made")


# -- none due -----------------------------------------------------------------------------------

FILE = """
from abreast import task
"""
TASK = """
@task(schedule="{minute} {hour} 1 {month} *")
def {name}() -> None:
    "Nothing."
"""


def write_tasks(folder: Path, files: int, each: int) -> None:
    (folder / "tasks").mkdir()
    month = far_off()
    for number in range(files):
        text = FILE
        for k in range(each):
            text += TASK.format(minute=number, hour=k, month=month, name=f"nightly_{number}_{k}")
        (folder / "tasks" / f"group{number}.py").write_text(text, "utf-8")


@benchmarks.of("service_idle_cpu_percent", "service_idle_rss_mb")
def idle(quick: bool) -> dict[str, Figure]:
    """The whole process tree of a service on a folder of 20 files, as it is by default."""
    seconds, settle, turns = (1.0, 0.3, 1) if quick else (30.0, 5.0, 3)
    percents: list[float] = []
    sizes: list[float] = []
    with folder_of_its_own() as folder:
        write_tasks(folder, 20, 5)
        with served(folder) as service:
            time.sleep(settle)  # until everything has been started
            root = psutil.Process(service.process.pid)
            for _ in range(turns):
                before, switched = cpu_seconds(root), switches(root)
                time.sleep(seconds)
                percents.append((cpu_seconds(root) - before) / seconds * 100)
                wakes = (switches(root) - switched) / seconds
                tree = [root, *root.children(recursive=True)]
                sizes.append(sum(each.memory_info().rss for each in tree) / 2**20)
            pss = mb(sum(each.memory_full_info().pss for each in tree))
            lines = [f"{mb(each.memory_info().rss):g} MB {title(each)}" for each in tree]
            listed = service.app.schedules.list()
            if len(listed) != 100 or service.app.schedules.ledger():
                raise RuntimeError(f"{len(listed)} schedules of 100, or one was due")
    about = {"wakes_per_s": round(wakes, 1)}
    return {
        "service_idle_cpu_percent": Figure(percents, details=about, lines=[shown(about)]),
        "service_idle_rss_mb": Figure(
            sizes,
            details={"pss_mb": pss, "processes": lines},
            lines=[*lines, f"{pss:g} MB of them in proportion (PSS)"],
        ),
    }


def title(process: psutil.Process) -> str:
    """What a process is, without the names of folders."""
    return " ".join(Path(word).name for word in process.cmdline())[:60]


def cpu_seconds(root: psutil.Process) -> float:
    """What a tree has used, with children that are gone."""
    times = [each.cpu_times() for each in [root, *root.children(recursive=True)]]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


def switches(root: psutil.Process) -> int:
    """How often threads of a tree went to sleep of themselves; they are woken as often."""
    found = 0
    for each in [root, *root.children(recursive=True)]:
        for status in Path(f"/proc/{each.pid}/task").glob("*/status"):
            for line in status.read_text("ascii").splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    found += int(line.split()[1])
    return found


def mb(size: int) -> float:
    return round(size / 2**20, 1)
