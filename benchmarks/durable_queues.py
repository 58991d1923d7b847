"""The peers of durable runs: what each is installed from, how it is set, and how fast it is.

Every peer gets what its documentation offers for many small tasks: submits in batches where it
has them, claims in batches or a large prefetch, asynchronous bodies where it is asynchronous, a
short poll. Several settings were tried; here stands the fastest of them for this work, no-ops
through one worker process on two cores.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from durable_peers import servers
from peers import NotInstalled, made

HOME = Path(__file__).resolve().parent / "durable_peers"
PATIENCE = 90  # seconds for one measurement of one peer


@dataclass(frozen=True, slots=True)
class Peer:
    """One system, its settings, and how many no-ops it is given."""

    name: str
    driver: str
    requires: str
    settings: dict[str, Any]
    durable: bool = False  # a commit is synced before it is acknowledged
    server: str = ""  # "redis", "postgres" or none: a folder
    runs: int = 20_000  # fewer for slow peers: what counts is runs per second
    records: str = "status"


@dataclass(slots=True)
class Measured:
    """What came of one peer, turn by turn; None: it broke."""

    turns: list[float | None] = field(default_factory=list)
    broke: str = ""  # how, the last time

    @property
    def rates(self) -> list[float]:
        return [rate for rate in self.turns if rate is not None]

    @property
    def median(self) -> float:
        return statistics.median(self.rates) if self.rates else 0.0

    def shown(self, peer: Peer) -> dict[str, object]:
        """Return what goes into the JSON beside the figures."""
        found: dict[str, object] = {"requires": peer.requires, "runs": peer.runs}
        found["settings"] = peer.settings
        found["records"] = peer.records
        found["durable"] = peer.durable
        if self.rates:
            found["per_s"] = round(self.median)
            found["spread"] = [round(min(self.rates)), round(max(self.rates))]
        if self.broke:
            found["broke"] = self.broke
        return found


PEERS = [
    Peer(
        "huey, SQLite, FULL", "huey", "huey==3.5.4",
        {"fsync": True, "threads": 1, "delay": 0.001},
        durable=True, runs=10_000, records="nothing of a result that is None",
    ),
    Peer(
        "DBOS, SQLite", "dbos", "dbos==3.4.0",
        {"enqueue": 100, "poll": 0.02, "wal": True, "limit": None},
        durable=True, runs=2_000, records="status and result",
    ),
    Peer(
        "persist-queue, SQLiteQueue", "persistqueue", "persist-queue==1.1.0",
        {"kind": "batch", "threads": 1, "batch": 1_000},
        durable=True, runs=10_000, records="nothing: the row goes",
    ),
    Peer(
        "persist-queue, SQLiteAckQueue", "persistqueue", "persist-queue==1.1.0",
        {"kind": "ack", "threads": 1},
        durable=True, runs=5_000,
    ),
    Peer(
        "PgQueuer, PostgreSQL", "pgqueuer", "pgqueuer[asyncpg]==1.6.0 uvloop",
        {"enqueue": 1_000, "batch": 200},
        durable=True, server="postgres", records="status, in a log",
    ),
    Peer(
        "Procrastinate, PostgreSQL", "procrastinate",
        "procrastinate==3.10.0 psycopg[binary,pool]",
        {"defer": 1_000, "concurrency": 10, "connections": 10},
        durable=True, server="postgres", runs=3_000,
    ),
    Peer(
        "huey, SQLite, no fsync", "huey", "huey==3.5.4",
        {"fsync": False, "threads": 1, "delay": 0.01},
        records="nothing of a result that is None",
    ),
    Peer(
        "Dramatiq, Redis", "dramatiq", "dramatiq[redis]==2.2.1 hiredis",
        {"threads": 2, "prefetch": 1_000},
        server="redis", records="nothing",
    ),
    Peer(
        "saq, Redis", "saq", "saq[redis,hiredis]==0.26.4 typing_extensions uvloop",
        {"at_once": 100, "concurrency": 50},
        server="redis", runs=10_000, records="status and result",
    ),
    Peer(
        "taskiq, Redis stream", "taskiq", "taskiq==0.13.0 taskiq-redis==1.2.4 hiredis uvloop",
        {"broker": "stream", "results": False, "at_once": 100, "tasks": 100, "prefetch": 100},
        server="redis", runs=10_000, records="nothing",
    ),
    Peer(
        "Celery, Redis", "celery", "celery[redis]==5.7.0 hiredis",
        {"pool": "solo", "concurrency": 1, "prefetch": 64, "results": False},
        server="redis", runs=5_000, records="nothing",
    ),
    Peer(
        "RQ, Redis", "rq", "rq==2.12.0 hiredis",
        {"enqueue": 500},
        server="redis", runs=1_500, records="status and result",
    ),
]  # fmt: skip


def measure(peer: Peer, address: str, quick: bool) -> float:
    """Return how many runs a second the peer does, or raise ``Broke``."""
    python = made(peer.driver, HOME / ".venv" / peer.driver, peer.requires)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                python, f"drive_{peer.driver}.py", str(200 if quick else peer.runs),
                address or folder, json.dumps(peer.settings),
            ],
            cwd=HOME, capture_output=True, text=True, timeout=2 * PATIENCE,
            env={**os.environ, "BENCH_PATIENCE": str(PATIENCE)},
        )  # fmt: skip
    if done.returncode:
        raise Broke(last_lines(done.stderr))
    return float(json.loads(done.stdout.splitlines()[-1])["per_s"])


class Broke(Exception):
    """A peer did not do its work."""


def last_lines(text: str) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[-3:])[-400:]


@contextlib.contextmanager
def addresses(wanted: set[str]) -> Iterator[dict[str, str]]:
    """Yield the addresses of the servers that could be started; ``""`` is for those without."""
    found = {"": ""}
    with contextlib.ExitStack() as stack:
        for name, start in (("redis", servers.redis), ("postgres", servers.postgres)):
            if name not in wanted:
                continue
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            try:
                found[name] = stack.enter_context(start(folder))
            except (servers.Missing, RuntimeError, OSError, subprocess.SubprocessError) as error:
                print(f"no {name}: {error}", file=sys.stderr)
        yield found


def one_turn(
    peers: list[Peer], found: dict[str, Measured], where: dict[str, str], quick: bool
) -> None:
    """Measure every peer once."""
    for peer in peers:
        measured = found.setdefault(peer.name, Measured())
        rate = None
        if peer.server not in where:
            measured.broke = f"{peer.server} is not installed or did not start"
        else:
            try:
                rate = measure(peer, where[peer.server], quick)
            except (Broke, NotInstalled, subprocess.TimeoutExpired, OSError, ValueError) as error:
                measured.broke = str(error)
        measured.turns.append(rate)


def told(peers: list[Peer], found: dict[str, Measured]) -> Iterator[str]:
    """Yield a line for each peer."""
    for peer in peers:
        measured = found[peer.name]
        kind = "synced" if peer.durable else "not synced"
        if not measured.rates:
            yield f"{peer.name:30} left out, it broke: {measured.broke}"
            continue
        low, high = min(measured.rates), max(measured.rates)
        yield (
            f"{peer.name:30} {measured.median:>9,.0f} a second [{low:,.0f} – {high:,.0f}], "
            f"{peer.runs:,} runs, {kind}, records {peer.records}"
        )
        if measured.broke:
            count = measured.turns.count(None)
            yield f"{'':30} broke in {count} of {len(measured.turns)} turns: {measured.broke}"
