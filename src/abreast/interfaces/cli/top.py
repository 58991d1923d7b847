"""``abreast top``: workers, tasks, limits and what runs, at one moment or live."""

from __future__ import annotations

import os
import time
from typing import Any

from ..report_text import count, duration, one_line, tally
from . import out
from .described import SCHEMA, progress_text, summary
from .exits import OK, quietly
from .found import opened
from .options import Where
from .top_state import Snapshot, Watcher

_MANY = 20  # rows of a table on a pipe


@quietly
def top(where: Where, once: bool, as_json: bool) -> int:
    """Carry out the command; returns the exit code."""
    live = not once and not as_json and _can_be_live()
    with opened(where, says=where.verbose) as app:
        watcher = Watcher(app)
        if live:
            from .top_screen import watch

            watch(watcher)
            return OK
        found = watcher.look(time.time())
        if as_json:
            out.document(document(found))
        else:
            for text in plain(found):
                out.line(text)
    return OK


def _can_be_live() -> bool:
    dumb = os.environ.get("TERM", "").lower() in ("", "dumb", "unknown")
    return out.on_terminal() and not dumb


# -- at one moment ------------------------------------------------------------------------------


def plain(found: Snapshot) -> list[str]:
    """The state as lines of text."""
    lines = [f"store  {found.store}", f"runs   {tally(found.counts) or 'none'}"]
    lines += ["", *_workers(found)]
    for part in (_tasks(found), _limits(found), _running(found)):
        if part:
            lines += ["", *part]
    return lines


def _workers(found: Snapshot) -> list[str]:
    if not found.workers:
        return ["No worker is alive; start one with: abreast worker"]
    rows = [
        [str(row.id), row.host, str(row.pid), duration(found.now - row.started),
         f"{row.running}/{row.concurrency}", row.state, row.tasks or "all tasks"]
        for row in found.workers
    ]  # fmt: skip
    heads = ["WORKER", "HOST", "PID", "SINCE", "RUNNING", "STATE", "TASKS"]
    return out.table(heads, rows, {"WORKER", "PID", "SINCE", "RUNNING"})


def _tasks(found: Snapshot) -> list[str]:
    rows = [
        [one_line(task.name, 60), f"{task.running:,}", f"{task.waiting:,}", f"{task.completed:,}",
         f"{task.failed:,}"]
        for task in found.tasks
    ]  # fmt: skip
    heads = ["TASK", "RUNNING", "WAITING", "COMPLETED", "FAILED"]
    return out.table(heads, _cut(rows), set(heads[1:])) if rows else []


def _limits(found: Snapshot) -> list[str]:
    rows = [
        [one_line(row.key, 60), f"{row.held:g}", "–" if row.n is None else f"{row.n:g}",
         f"{row.waiting:,}", ids(row.holders)]
        for row in found.limits
    ]  # fmt: skip
    heads = ["LIMIT", "HELD", "OF", "WAITING", "HELD BY"]
    return out.table(heads, _cut(rows), {"HELD", "OF", "WAITING"}) if rows else []


def _running(found: Snapshot) -> list[str]:
    rows = [
        [str(run.id), one_line(run.label, 60), str(run.known.attempt),
         duration(found.now - (run.known.started or found.now)), progress_text(run.progress)]
        for run in found.running
    ]  # fmt: skip
    heads = ["RUN", "RUNNING", "ATTEMPT", "FOR", ""]
    return out.table(heads, _cut(rows), {"RUN", "ATTEMPT", "FOR"}) if rows else []


def ids(holders: Any) -> str:
    """``12, 13, 14 and 5 more``."""
    shown = ", ".join(str(id) for id in holders[:5])
    return shown + (f" and {len(holders) - 5} more" if len(holders) > 5 else "")


def _cut(rows: list[list[str]]) -> list[list[str]]:
    if len(rows) <= _MANY:
        return rows
    rest = f"… {count(len(rows) - _MANY + 1, 'more')}".replace("mores", "more")
    return [*rows[: _MANY - 1], [rest, *[""] * (len(rows[0]) - 1)]]


def document(found: Snapshot) -> dict[str, Any]:
    """The state as values that JSON can hold."""
    from ..report_dict import iso

    return {
        "schema": SCHEMA,
        "store": found.store,
        "at": iso(found.now),
        "counts": {str(state): number for state, number in found.counts.items()},
        "workers": [
            {
                "id": row.id, "name": row.name, "host": row.host, "pid": row.pid,
                "started": iso(row.started), "concurrency": row.concurrency,
                "tasks": row.tasks.split(",") if row.tasks else None, "state": row.state,
                "running": row.running,
            }
            for row in found.workers
        ],
        "tasks": [
            {"name": task.name, "counts": {str(state): n for state, n in task.counts.items()}}
            for task in found.tasks
        ],
        "limits": [
            {"key": row.key, "held": row.held, "n": row.n, "holders": list(row.holders),
             "waiting": row.waiting}
            for row in found.limits
        ],
        "running": [summary(run) for run in found.running],
    }  # fmt: skip
