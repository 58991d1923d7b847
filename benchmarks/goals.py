"""What is measured, where, and what is to be reached. The order is that of all tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """One key: the script that measures it, what it means, and the bound it has to keep."""

    group: str
    what: str
    unit: str = "×"
    at_most: float | None = None
    at_least: float | None = None
    of: str | None = None  # the bound is this part of another key's median
    own: str | None = None  # the key in its script's own JSON; another script has the same

    @property
    def reach(self) -> str:
        """Return the bound as text."""
        if self.at_most is not None:
            return f"≤ {self.at_most:,g}"
        if self.at_least is not None:
            return f"≥ {self.at_least:,g}" + (f" of `{self.of}`" if self.of else "")
        return "report"

    def reached(self, median: float, medians: Mapping[str, float]) -> bool | None:
        """Return whether the bound is kept, or None when there is none.

        ``medians``: of the other keys.
        """
        if self.of is not None:
            if self.of not in medians:
                return None
            median /= medians[self.of]
        if self.at_most is not None:
            return median <= self.at_most
        if self.at_least is not None:
            return median >= self.at_least
        return None


GOALS = {
    "flat_vs_threadpool": Goal(
        "runner",
        "10,000 independent no-ops at 8 ÷ `ThreadPoolExecutor(8)`, submit and result",
        at_most=0.4,
    ),
    "dag_vs_graphlib": Goal(
        "runner",
        "layered random graph, 100 × 100 no-ops with 3 parents each, at 8 ÷ "
        "`graphlib.TopologicalSorter` and `ThreadPoolExecutor(8)`",
        at_most=0.6,
    ),
    "chain_vs_graphlib": Goal(
        "runner", "chain of 2,000 no-ops ÷ the same graphlib program", at_most=1.0
    ),
    "fan_vs_flat": Goal(
        "runner", "one root, 10,000 children, one join: time per run ÷ flat", at_most=2
    ),
    "fan_vs_flat_100k": Goal("runner", "the same with 100,000 children", at_most=2),
    "async_vs_gather": Goal(
        "runner",
        "10,000 × `asyncio.sleep(0)`, 100 at once ÷ `asyncio.gather` with a semaphore",
        at_most=1.5,
    ),
    "async_vs_gather_10k": Goal("runner", "the same, all 10,000 at once", at_most=1.5),
    "makespan_vs_bound": Goal(
        "runner",
        "3 fork-joins of 60 beside a chain of 60 added last, sleeps of 1 to 50 ms, at 8, "
        "durations not told: makespan ÷ max(critical path, work/8), 5 seeds",
        at_most=1.05,
    ),
    "limit_time": Goal(
        "runner", "10,000 no-ops under a limit ÷ without: the worse of the two below", at_most=1.3
    ),
    "limit_time_one_key": Goal("runner", "with `Limit(8)`", at_most=1.3),
    "limit_time_many_keys": Goal("runner", 'with `Limit(1, "{k}")` over 1,000 keys', at_most=1.3),
    "process_vs_processpool": Goal(
        "processes",
        "10,000 no-ops one by one in 2 processes ÷ `ProcessPoolExecutor(2)`, submit and result",
        at_most=0.3,
    ),
    "fresh_vs_forkserver": Goal(
        "processes",
        "100 runs one after another, each in a new process ÷ a bare `forkserver` process per call",
        at_most=0.5,
    ),
    "seed_speedup_5x2": Goal(
        "processes", "5 × 2 s of sleep in processes at 5: sequential ÷ parallel time", at_least=4.8
    ),
    "seed_speedup_10x1": Goal("processes", "10 × 1 s likewise", at_least=4.8),
    "seed_speedup_20x05": Goal("processes", "20 × 0.5 s likewise", at_least=4.8),
    "speedup_vs_concurra": Goal(
        "against_concurra",
        "1,000 no-ops in 8 threads: time of concurra 1.1.12, in its own environment ÷ ours",
        at_least=1000,
    ),
    "add_million_s": Goal("footprint", "adding 1,000,000 runs in a fresh process", "s"),
    "add_million_mb": Goal("footprint", "resident memory of that process afterwards", "MB"),
    "import_ms": Goal("footprint", "`import abreast` less a bare interpreter", "ms", at_most=35),
    "import_runner_ms": Goal(
        "footprint", "`from abreast import Runner` less a bare interpreter", "ms", at_most=35
    ),
    "e2e_per_s": Goal(
        "durable",
        "20,000 durable no-ops on SQLite, `synchronous=FULL`, one worker process, 8 threads, "
        "first submit to last recorded result",
        "/s",
    ),
    "e2e_vs_best_durable": Goal(
        "durable",
        "the same ÷ the best peer that syncs its commits too: huey, DBOS and persist-queue "
        "(SQLite), PgQueuer and Procrastinate (PostgreSQL)",
        at_least=4,
    ),
    "e2e_vs_best_any": Goal(
        "durable",
        "÷ the best peer of any durability: those, huey without fsync, and on Redis Dramatiq, "
        "saq, taskiq, Celery, RQ",
        at_least=2,
    ),
    "claim1_vs_huey": Goal(
        "durable", "one run per submit and per claim ÷ huey on SQLite, FULL", at_least=1.5
    ),
    "process_e2e_per_s": Goal(
        "durable",
        "`e2e_per_s` with the process executor, 2 children",
        "/s",
        at_least=0.4,
        of="e2e_per_s",
    ),
    "submit_vs_raw_sqlite": Goal(
        "durable",
        "p50 of one acknowledged submit ÷ one bare `INSERT` and commit of the same row at FULL",
        at_most=1.35,
    ),
    "submit_16_per_s": Goal("durable", "16 threads that submit", "/s", at_least=15_000),
    "submit_many_per_s": Goal("durable", "10,000 runs in one call", "/s", at_least=100_000),
    "submit_p99_under_drain_ms": Goal(
        "durable",
        "single submits of 3 processes, without a pause, while 2 workers drain flat out: p99",
        "ms",
        at_most=10,
    ),
    "latency_p50_ms": Goal(
        "durable",
        "submit in one process to start in a worker, idle system, FULL: p50",
        "ms",
        at_most=1,
    ),
    "latency_p99_ms": Goal("durable", "the same: p99", "ms", at_most=3),
    "backlog_growth": Goal(
        "durable", "claim-to-record rate at 1,000,000 pending ÷ at 1,000", at_least=0.8
    ),
    "history_growth": Goal(
        "durable", "the same with 2,000,000 ended runs ÷ with none", at_least=0.9
    ),
    "held_growth": Goal(
        "durable",
        "10,000 free runs beside 100,000 that wait for one `Limit(1, …)` ÷ without those",
        at_least=0.9,
    ),
    "held_max_ms": Goal(
        "durable",
        "longest transaction while 20,000 runs follow each other on two keys at once",
        "ms",
        at_most=10,
    ),
    "limit_cost": Goal("durable", "drain with a limit over 1,000 keys ÷ without", at_least=0.9),
    "rescue_child_s": Goal(
        "durable", "kill −9 of a child process: until its run is running again", "s", at_most=0.5
    ),
    "rescue_worker_s": Goal(
        "durable", "kill −9 of a worker beside another one: the same", "s", at_most=2
    ),
    "idle_cpu_percent": Goal(
        "durable", "an idle worker with the thread executor over 20 s", "%", at_most=0.2
    ),
    "idle_rss_mb": Goal("durable", "its resident memory", "MB", at_most=30),
    "start_per_s": Goal(
        "service",
        "acknowledged `POST …/runs` a second, 32 clients; the runs execute meanwhile",
        "/s",
        at_least=1_000,
    ),
    "start_bare_per_s": Goal(
        "service", "the same on a bare FastAPI route that only inserts one row, FULL", "/s"
    ),
    "start_vs_bare": Goal("service", "the one ÷ the other"),
    "start_p99_ms": Goal(
        "service",
        "at half of `start_per_s`, from when a request was due to its answer: p99",
        "ms",
        at_most=25,
    ),
    "list_p95_ms": Goal(
        "service",
        "first page of runs, 11 kinds of filters, with 1,000,000 runs stored: p95",
        "ms",
        at_most=50,
    ),
    "sse_clients": Goal(
        "service",
        "200 clients follow events while 200 runs/s end: from the end to its receipt, p99",
        "ms",
        at_most=500,
    ),
    "sse_dropped": Goal(
        "service", "how many of them were cut off, told to resync or missed an end", "", at_most=0
    ),
    "schedules_tick_ms": Goal(
        "service", "one turn of the scheduler with 10,000 schedules, none due: p99", "ms", at_most=5
    ),
    "fire_lag_p99_ms": Goal(
        "service",
        "500 schedules due in the same second: due to started, `max_workers` 64, thread executor",
        "ms",
        at_most=500,
    ),
    "service_idle_cpu_percent": Goal(
        "service",
        "a service with 100 schedules, none due, over 30 s, with its children",
        "%",
        at_most=0.5,
        own="idle_cpu_percent",
    ),
    "service_idle_rss_mb": Goal(
        "service", "their resident memory", "MB", at_most=120, own="idle_rss_mb"
    ),
    "page_kb_gz": Goal("dashboard", "all scripts, styles and icons, compressed", "kB", at_most=80),
    "paint_ms": Goal(
        "dashboard",
        "timeline with 5,000 runs in its window: from the last byte of the data to its picture",
        "ms",
        at_most=500,
    ),
    "pan_fps": Goal("dashboard", "frames a second while they are dragged about", "/s", at_least=50),
    "live_lag_ms": Goal(
        "dashboard",
        "1,000 changes of state a second for 10 s: age of the oldest when it is drawn, worst of "
        "each second",
        "ms",
        at_most=1_000,
    ),
}


def keys_of(group: str) -> list[str]:
    """Return the keys that the script of this name measures."""
    return [key for key, goal in GOALS.items() if goal.group == group]


def own(key: str) -> str:
    """Return what a key is called in the JSON of its own script."""
    return GOALS[key].own or key


def chosen(only: str | None, among: list[str]) -> list[str]:
    """Return the keys a user asked for with ``--only``, in the order of the tables."""
    if only is None:
        return among
    names = {own(key): key for key in among} | {key: key for key in among}
    wanted = [names.get(word.strip(), word.strip()) for word in only.split(",") if word.strip()]
    for word in wanted:
        if word not in among:
            raise SystemExit(f"no key {word!r} here; there are: {', '.join(among)}")
    return [key for key in among if key in wanted]
