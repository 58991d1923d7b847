"""A service with the same past hour every time: for pictures, and for looking at every page."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser
from tests.dashboard.dashboard_help import Dashboard

from abreast import App
from abreast.stores.run_logs import log_name

# Whoever has to wait goes on when its gate is opened; nothing of what is shown ends by itself.
TASKS = '''\
"""What a mail-order shop does all day."""

import time
from pathlib import Path
from typing import Literal

from abreast import Limit, Retry, progress, step, task

GATES = Path(__file__).resolve().parent.parent / "gates"


def work(gate: str) -> None:
    while not (GATES / gate).exists():
        time.sleep(0.1)  # the task sleeps


@task(schedule="every 5m", overlap="allow(3)", window="30m", tags=["orders"])
def import_orders(market: Literal["de", "fr", "it"] = "de", since: str | None = None,
                  limit: int = 500, dry_run: bool = False) -> int:
    """Read the orders of one marketplace.

    Orders that are known already are left alone.
    """
    for page in range(1, 13):
        progress(page, 20, f"page {page} of 20")
        print(f"page {page:2}: {40 + page * 7 % 13} orders, \\033[32m{page % 4} new\\033[0m")
        if page % 5 == 0:
            print("\\033[33mwarning\\033[0m: the marketplace answers slowly (2.4 s)")
    work("orders")
    return 12


@task(schedule="every 10m", tags=["prices"])
def fetch_prices() -> dict[str, float]:
    """Ask the suppliers for their prices."""
    work("prices")
    return {"screws": 9.5}


@task(schedule={"spec": "every 15m", "overlap": "skip"}, tags=["stock"])
def sync_stock(warehouse: str = "north") -> int:
    """Bring the numbers of a warehouse into step."""
    work("stock")
    return 1


@task(retry=Retry(3, backoff=900), tags=["mail"])
def send_invoices(customer: str) -> str:
    """Send what a customer owes."""
    raise ConnectionError("the mail server does not answer")


@task(limits=[Limit(1, "/press")], tags=["print"])
def print_labels(batch: int) -> int:
    """Labels for parcels. There is one press."""
    work("press")
    return 200


@task(limits=[Limit(1, "/press")], tags=["print"])
def print_catalogue(pages: int = 48) -> int:
    """The catalogue. There is one press."""
    work("press")
    return pages


@task(limits=[Limit(3, "/resize")], tags=["images"])
def resize_image(name: str, width: int = 800) -> str:
    """Three at a time, so that the others get a processor too."""
    work("images")
    return name


@task(tags=["report"])
def extract(table: str) -> str:
    """Read a table."""
    work(f"extract-{table}")
    return table


@task(tags=["report"])
def merge(*tables: str) -> str:
    """Put tables together."""
    work("merge")
    return "+".join(tables)


@task(tags=["report"])
def render(merged: str, form: str = "pdf") -> str:
    """Make a page of it."""
    return f"{merged}.{form}"


@task(schedule="0 2 * * *", timezone="Europe/Berlin", tags=["night"])
def backup(target: str = "vault") -> str:
    """Copy everything, every night."""
    return target


@task(schedule="30 6 * * 1-5", timezone="America/New_York", tags=["night"])
def tidy() -> int:
    """Remove what nobody needs any more."""
    steps = [step(f"shelf {number}", lambda number=number: number * 3) for number in range(3)]
    return sum(steps)
'''
CONFIG = """
[scheduler]
max_workers = 12
timezone = "Europe/Berlin"

[notify.channels.ops]
type = "command"
command = "true"
"""
ERRORS = {
    "send_invoices": ("ConnectionError", "the mail server does not answer"),
    "import_orders": ("TimeoutError", "the marketplace has not answered within 30 s"),
}
TRACE = (
    'Traceback (most recent call last):\n  File "tasks/shop.py", line 61, in send_invoices\n'
    "    raise ConnectionError({0!r})\n{1}: {0}\n"
)
COLUMNS = (
    "id, task, state, reason, rank, path, created, ready, started, ended, attempt, worker, label, "
    "args, value, error, extra"
)
Row = tuple[float, str, int, str | None, float, float, str | None, list[Any], str | None]
COMPLETED, FAILED, CANCELLED, SKIPPED = 4, 5, 6, 7
GATES = ("orders", "prices", "stock", "press", "images", "merge", "extract-orders", "extract-stock")
PAST = 110 * 60  # seconds that are filled


def past() -> Iterator[Row]:
    """What has ended: seconds ago, task, state, reason, wait, length, label, arguments, maker."""
    chance = random.Random(5)
    for ago in range(130, PAST, 300):
        for market in ("de", "fr", "it")[: 1 + (ago // 300) % 3]:
            took = chance.uniform(90, 280)
            bad = (FAILED, "error") if market == "it" and ago % 900 < 300 else (COMPLETED, None)
            yield (ago + took, "import_orders", *bad, chance.uniform(0.2, 6), took, None,
                   [[market], {}], "schedule import_orders")  # fmt: skip
    for ago in range(240, PAST, 600):
        yield (ago + 60, "fetch_prices", COMPLETED, None, 0.3, chance.uniform(35, 60), None,
               [[], {}], "schedule fetch_prices")  # fmt: skip
    for ago in (1500, 2400, 4200, 5100):
        yield (ago, "sync_stock", COMPLETED, None, 0.5, chance.uniform(640, 780), None,
               [["north"], {}], "schedule sync_stock")  # fmt: skip
    free = PAST  # when the press has nothing to do: seconds ago
    for ago in range(PAST, 500, -145):
        name = chance.choice(("print_labels", "print_labels", "print_catalogue"))
        made = ago + chance.uniform(-60, 60)
        took, start = chance.uniform(40, 190), min(made - 0.4, free)
        if start - took < 290:
            break
        yield made, name, COMPLETED, None, made - start, took, None, [[ago % 97], {}], None
        free = start - took
    for ago in (5000, 4990, 4980, 3300, 3290, 3280, 3270, 1620, 1600, 1580, 1560, 1540):
        yield (ago, "resize_image", COMPLETED, None, chance.uniform(0.2, 40),
               chance.uniform(30, 140), None, [[f"photo-{ago}.jpg"], {}], "user anna")  # fmt: skip
    for ago in range(200, PAST, 520):
        customer = f"customer {ago % 97}"
        bad = (FAILED, "error") if ago in (1240, 2800) else (COMPLETED, None)
        yield (ago + 8, "send_invoices", *bad, 0.3, chance.uniform(3, 14), customer,
               [[customer], {}], "after import_orders")  # fmt: skip
    yield 2000, "import_orders", CANCELLED, "user", 0.3, 220, "the whole of March", [["fr"], {}], ""
    yield 1100, "print_catalogue", SKIPPED, "expired", 600, 0, None, [[48], {}], None
    for days in range(1, 15):
        yield (days * 86_400 - 3_000, "backup", COMPLETED, None, 0.4, chance.uniform(600, 900),
               None, [[], {}], "schedule backup")  # fmt: skip


def fill(folder: Path, now: float) -> None:
    """Put what has ended into a store."""
    with App(f"sqlite:///{folder}/jobs.db") as app:
        app.counts()  # makes it
    rows = sorted(past(), key=lambda row: -row[0])
    names = dict.fromkeys(row[1] for row in rows)
    with closing(sqlite3.connect(folder / "jobs.db")) as store, store:
        for name in names:
            store.execute("INSERT INTO tasks (name) VALUES (?)", (name,))
        known = dict(store.execute("SELECT name, id FROM tasks"))
        for id, (ago, name, state, reason, wait, took, label, args, by) in enumerate(rows, 1):
            created = now - ago
            started = None if state == SKIPPED else created + wait
            error = None
            if state == FAILED:
                kind, text = ERRORS[name]
                trace = TRACE.format(text, kind)
                error = {"type": kind, "text": text, "args": [text], "trace": trace, "notes": []}
            store.execute(
                f"INSERT INTO runs ({COLUMNS}) VALUES ({', '.join('?' * 17)})",
                (id, known[name], state, reason, created, -1.0, created, created, started,
                 created + wait + took, int(started is not None), 1, label,
                 json.dumps(args).encode(), b"12" if state == COMPLETED else None,
                 json.dumps(error).encode() if error else None,
                 json.dumps({"by": by}).encode() if by else None),
            )  # fmt: skip


def tell_instants(store: sqlite3.Connection, now: float) -> None:
    """What became of past instants: those of runs, and those that made none."""
    schedules = dict(store.execute("SELECT name, id FROM schedules"))
    rows: list[tuple[Any, ...]] = [
        (schedules[name], at, None, 1, "ran", None, id, at)
        for id, name, at in store.execute(
            "SELECT r.id, t.name, r.created FROM runs r JOIN tasks t ON t.id = r.task "
            "WHERE t.name IN ('import_orders', 'fetch_prices', 'sync_stock', 'backup')"
        )
    ]
    for ago in (600, 1300, 3700):
        rows.append((schedules["sync_stock"], now - ago, None, 1, "skipped",
                     "the run of the instant before goes on", None, now - ago))  # fmt: skip
    rows.append((schedules["fetch_prices"], now - 3300, now - 2850, 3, "missed",
                 "the service did not run", None, now - 2800))  # fmt: skip
    store.executemany(
        "INSERT OR IGNORE INTO instants (schedule, at, until, count, outcome, reason, run, decided)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        sorted(rows, key=lambda row: row[1]),
    )


def go_back(store: sqlite3.Connection, id: int, seconds: float, wait: float = 0.4) -> None:
    """Have a run begin earlier than it really did."""
    store.execute(
        "UPDATE runs SET created=created-?1, ready=ready-?1, "
        "started=CASE WHEN started IS NULL THEN NULL ELSE created-?1+?2 END WHERE id=?3",
        (seconds, wait, id),
    )


def stamp_log(folder: Path, store: sqlite3.Connection, id: int) -> None:
    """Have the log of a run be the one of the time at which the run is shown to have begun."""
    task, name, created, started = store.execute(
        "SELECT r.task, t.name, r.created, r.started FROM runs r JOIN tasks t ON t.id=r.task "
        "WHERE r.id=?", (id,),
    ).fetchone()  # fmt: skip
    (path,) = folder.rglob(f"*_{id}.log")
    made = []
    for number, line in enumerate(path.read_text().splitlines()):
        at = started + 0.4 + number * 2.37
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03}Z"
        made.append(f"{stamp} {line.partition(' ')[2]}\n")
    path.write_text("".join(made))
    there = path.parent.parent / log_name(task, name, created, id)
    there.parent.mkdir(exist_ok=True)
    path.rename(there)


class Shop(Dashboard):
    """The service; ``ids``: runs by what they show."""

    ids: dict[str, int]

    def begin(self) -> None:
        """Start it, and what goes on in it."""
        fill(self.folder, time.time())
        self.start()
        self.ids = live(self)
        with closing(sqlite3.connect(self.folder / "jobs.db")) as store:
            (self.ids["failed"],) = store.execute(
                "SELECT max(id) FROM runs WHERE state=5"
            ).fetchone()


@contextmanager
def shop(folder: Path, browser: Browser, **users: str) -> Iterator[Shop]:
    """The service, ended with the block; ``users``: their roles by name."""
    found = Shop(folder, browser, {"shop.py": TASKS}, CONFIG, users)
    try:
        found.begin()
        yield found
    finally:
        if found.process is not None:
            for gate in GATES:
                found.gate(gate)
            found.kill()


def live(shop: Dashboard) -> dict[str, int]:
    """Start what goes on, and have it begin some minutes ago."""
    ids = {
        "log": shop.run("import_orders", market="de"),
        "orders": shop.run("import_orders", market="fr", limit=200),
        "orders 2": shop.run("import_orders", market="it"),
        "stock": shop.run("sync_stock", warehouse="south"),
        "press": shop.run("print_labels", batch=12),
        "images": shop.run("resize_image", name="a.jpg"),
        "images 2": shop.run("resize_image", name="b.jpg"),
        "mail": shop.run("send_invoices", customer="customer 81"),
    }
    ids["blocked"] = shop.run("print_catalogue", pages=96)
    ids["blocked 2"] = shop.run("print_labels", batch=13)
    graph = [
        *({"task": "extract", "label": table, "kwargs": {"table": table}}
          for table in ("orders", "stock", "mail")),
        {"task": "merge", "args": [{"$run": table} for table in ("orders", "stock", "mail")]},
        {"task": "render", "label": "pdf", "args": [{"$run": "merge"}]},
        {"task": "render", "label": "html", "args": [{"$run": "merge"}, "html"]},
    ]  # fmt: skip
    shop.gate("extract-mail")
    ids["flow"] = shop.ask("POST", "/api/v1/flows", {"name": "report", "runs": graph}).json["id"]
    often = {"name": "tidy-late", "task": "tidy", "spec": "every 2h", "timezone": "Europe/Berlin"}
    assert shop.ask("POST", "/api/v1/schedules", often).status == 201
    running = [ids[name] for name in ("log", "orders", "orders 2", "stock", "press", "images",
                                      "images 2")]  # fmt: skip

    def began() -> bool:
        states = {run["id"]: run for run in shop.get("/api/v1/runs?limit=30")["items"]}
        progress = states[ids["log"]]["progress"]
        return (
            all(states[id]["state"] == "running" for id in [*running, ids["flow"] + 1])
            and states[ids["mail"]]["attempts"] == 1
            and states[ids["mail"]]["state"] == "scheduled"
            and states[ids["flow"] + 3]["state"] == "completed"
            and progress is not None
            and progress["done"] == 12
        )

    shop.until(began, "what goes on has begun")
    with closing(sqlite3.connect(shop.folder / "jobs.db", timeout=30)) as store, store:
        back = {"log": 72, "orders": 330, "orders 2": 150, "stock": 560, "press": 265,
                "images": 300, "images 2": 95, "mail": 200, "blocked": 215,
                "blocked 2": 120}  # fmt: skip
        for name, seconds in back.items():
            go_back(store, ids[name], seconds)
        for child, (seconds, wait) in enumerate([(210, 0), *[(208, 1)] * 6]):
            go_back(store, ids["flow"] + child, seconds, wait)
        store.execute("UPDATE runs SET ended=started+64 WHERE id=?", (ids["flow"] + 3,))
        tell_instants(store, time.time())
        stamp_log(shop.folder, store, ids["log"])
    return ids
