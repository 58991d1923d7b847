"""``abreast worker`` and ``abreast execute``: runs of an app, executed."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from .exits import FAILED_RUNS, OK, Refused
from .found import find_run, opened
from .options import Where
from .out import note

if TYPE_CHECKING:
    from ..worker import Worker


def worker(
    where: Where,
    place: str | None,
    concurrency: int | str,
    executor: str | None,
    tasks: tuple[str, ...],
    once: bool,
    fresh: bool,
    drain: float,
    pools: tuple[str, ...] = (),
) -> int:
    """Carry out ``abreast worker``; returns the exit code."""
    if place is not None:
        if where.app is not None and where.app != place:
            raise Refused(f"two apps are named: {place!r} and --app {where.app!r}")
        where = replace(where, app=place)
    with opened(where, tasks=True, create=True, says=where.verbose or not once) as app:
        from ..worker import Worker

        made = Worker(
            app, concurrency, executor=executor, tasks=list(tasks) or None, fresh=fresh,
            drain=drain, pools=dict(map(_pool, pools)),
        )  # fmt: skip
        if not once:
            _say(made, tasks)
        return made.run(once=once)


def _pool(said: str) -> tuple[str, str | float]:
    name, found, size = said.partition("=")
    if not found or not name.strip():
        raise Refused(f"--pool {said!r}: write NAME=AMOUNT, for example gpu=2 or disk=500GB")
    try:
        return name.strip(), float(size)
    except ValueError:
        return name.strip(), size.strip()


def _say(worker: Worker, tasks: tuple[str, ...]) -> None:
    """One line on what has begun."""
    known = tasks or tuple(worker.app.tasks)
    if not known:
        note("abreast: the app has no tasks, so there is nothing to execute; declare one with "
             "@app.task")  # fmt: skip
    number = f"up to {worker.concurrency} (auto)" if worker.auto else str(worker.concurrency)
    shown = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
    note(f"abreast: worker {os.getpid()} executes {shown or 'nothing'}; at once: {number}; "
         "Ctrl-C ends it when what runs has ended")  # fmt: skip


def execute(where: Where, run: str) -> int:
    """Carry out ``abreast execute``; returns the exit code."""
    with opened(where, tasks=True) as app:
        found = find_run(app, run)
        if found.done:
            raise Refused(
                f"run {found.id} has ended already ({found.state}); to run it again: "
                f"abreast retry {found.id}"
            )
        from ..worker import Worker
        from .described import outcome_line

        made = Worker(app, concurrency=1)
        completed = made.execute(found.id)
        note(outcome_line(found))
        return OK if completed else FAILED_RUNS
