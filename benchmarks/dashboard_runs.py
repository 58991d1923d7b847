"""Made-up runs for the dashboard's benchmark: an answer of ``GET /timeline`` and live events."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

STATES = [
    "blocked",
    "scheduled",
    "pending",
    "running",
    "completed",
    "failed",
    "cancelled",
    "skipped",
]
WORKERS = 4


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def answer(runs: int, tasks: int, seconds: float, now: float, seed: int = 1) -> dict[str, Any]:
    """What the service would say of so many runs that were created in the seconds before now.

    Every task has from one to eight places, in which its runs follow each other; some run again
    after a failure, some fail, are cancelled or skipped, and some still wait or run.
    """
    chance = random.Random(seed)
    names = [f"task {number}" for number in range(tasks)]
    free = {task: [0.0] * chance.randint(1, 8) for task in range(tasks)}
    usual = seconds * sum(map(len, free.values())) / runs * 0.6
    rows: list[dict[str, Any]] = []
    for created in sorted(now - seconds * chance.random() for _ in range(runs)):
        task = chance.randrange(tasks)
        place = min(range(len(free[task])), key=free[task].__getitem__)
        begin = max(created + 0.01, free[task][place])
        took = usual * chance.lognormvariate(-0.5, 1)
        again = took * 0.3 if chance.random() < 0.05 else None
        started = begin if again is None else begin + 2 * again
        ended = free[task][place] = started + took
        row = {"task": task, "created": created, "started": started, "ended": ended}
        row["state"] = chance.choices(["completed", "failed", "cancelled"], [94, 4, 2])[0]
        if again is not None:
            row["tries"] = [[begin, begin + again]]
        if chance.random() < 0.01:
            row = {"task": task, "created": created, "started": None, "ended": created,
                   "state": "skipped"}  # fmt: skip
        elif started > now:
            row = {"task": task, "created": created, "started": None, "ended": None,
                   "state": "pending"}  # fmt: skip
        elif ended > now:
            row |= {"ended": None, "state": "running", "progress": [1, 2, "half of it"]}
        rows.append(row)
    about = {"tags": ["made up"], "limited": True, "seconds": usual, "p95_seconds": 3 * usual}
    return {
        "since": iso(now - seconds), "until": iso(now + seconds / 10), "now": iso(now),
        "group_by": "task", "states": STATES, "truncated": False,
        "runs": columns(rows, now - seconds),
        "instants": [
            {"schedule": names[0], "task": 0, "at": iso(now - seconds * part / 40), "until": None,
             "count": 1, "outcome": "skipped", "reason": "the run before it still ran", "run": None}
            for part in range(1, 40)
        ],
        "coming": [
            {"schedule": names[task], "task": task, "at": iso(now + seconds * part / 100),
             "seconds": usual, "p95_seconds": 3 * usual}
            for part in range(1, 10) for task in range(0, tasks, 3)
        ],
        "tasks": names, "groups": names, "labels": [], "about": [about] * tasks,
        "workers": [
            {"id": id, "name": f"worker {id}", "concurrency": 32} for id in range(1, WORKERS + 1)
        ],
    }  # fmt: skip


def columns(rows: list[dict[str, Any]], since: float) -> dict[str, Any]:
    """The runs as ``interfaces/timeline_data.py`` writes them."""
    names = ("id", "task", "group", "label", "state", "created", "ready", "started", "ended",
             "attempt", "flow", "worker")  # fmt: skip
    found: dict[str, Any] = {name: [] for name in names}
    reasons, tries, progress = {}, {}, {}
    last = round(since * 1000)
    for place, row in enumerate(rows):
        created = round(row["created"] * 1000)
        begin = created if row["started"] is None else round(row["started"] * 1000)
        started = row["started"] is not None
        values = (
            1, row["task"], row["task"], None, STATES.index(row["state"]), created - last, 0,
            begin - created if started else None,
            None if row["ended"] is None else round(row["ended"] * 1000) - begin,
            started + len(row.get("tries", ())), None, 1 + place % WORKERS if started else None,
        )  # fmt: skip
        for name, value in zip(names, values, strict=True):
            found[name].append(value)
        last = created
        if row["state"] in ("failed", "cancelled", "skipped"):
            reasons[place] = {"failed": "error", "cancelled": "user"}.get(row["state"], "limit")
        if "tries" in row:
            tries[place] = [
                [round(start * 1000) - created, round((end - start) * 1000)]
                for start, end in row["tries"]
            ]
        if "progress" in row:
            progress[place] = row["progress"]
    return {**found, "reasons": reasons, "tries": tries, "progress": progress}


# Put into the page before its own scripts: answers the request for events with a stream of
# `rate` changes a second, three of every run, from when `begin` is called.
STREAM = """
([rate, tasks]) => {
  const ask = window.fetch;
  const text = new TextEncoder();
  let hand = null;
  window.fetch = (target, options) => {
    const url = String(target);
    if (!url.includes("/api/v1/events")) return ask(target, options);
    if (url.includes("poll")) {
      return Promise.resolve(Response.json({ items: [], after: 1, resync: false }));
    }
    const body = new ReadableStream({ start: (control) => {
      control.enqueue(text.encode("retry: 2000\\n\\nid: 1\\n\\n"));
      hand = control;
    } });
    const headers = { "Content-Type": "text/event-stream" };
    return Promise.resolve(new Response(body, { headers }));
  };
  const iso = (at) => new Date(at).toISOString();
  window.begin = (seconds) => new Promise((resolve) => {
    const first = performance.timeOrigin + performance.now();
    const pending = [];
    const running = [];
    let [seq, id, sent] = [1, 1_000_000, 0];
    const timer = setInterval(() => {
      const now = performance.timeOrigin + performance.now();
      const due = Math.min(seconds * rate, Math.floor((now - first) / 1000 * rate));
      let part = "";
      for (; sent < due; sent++) {
        let run;
        if (sent % 3 === 0) {
          id++;
          run = { id, name: `task ${id % tasks}`, label: `task ${id % tasks}`, state: "pending",
            reason: null, created: iso(now), due: null, started: null, ended: null,
            wait_seconds: null, run_seconds: null, attempts: 0, progress: null, flow: null,
            worker: null, place: null, executor: "thread", trigger: "user bench", retry_of: null,
            error: null };
          pending.push(run);
        } else if (sent % 3 === 1 && pending.length > 20) {
          run = pending.shift();
          Object.assign(run, { state: "running", started: iso(now), attempts: 1, worker: 1,
            place: { host: "here", pid: 4242 } });
          running.push(run);
        } else if (running.length) {
          run = running.splice(Math.floor(Math.random() * running.length), 1)[0];
          Object.assign(run, { state: "completed", ended: iso(now) });
        } else {
          run = pending.at(-1);
        }
        part += `id: ${++seq}\\nevent: run\\ndata: ${JSON.stringify(run)}\\n\\n`;
      }
      if (part) hand.enqueue(text.encode(part));
      if (sent >= seconds * rate) {
        clearInterval(timer);
        resolve(sent);
      }
    }, 20);
  });
}
"""
