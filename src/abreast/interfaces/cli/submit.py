"""``abreast submit``: one run of a task, written down."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import TYPE_CHECKING, Any

from ...domain.states import NOT_STARTED
from . import arguments as values
from . import plan
from .described import details, ending, outcome_line, zoned
from .exits import INTERRUPTED, OK, Refused, code_of
from .found import opened
from .options import Where
from .out import document, line, note

if TYPE_CHECKING:
    from ..app import App
    from ..stored_run import StoredRun


def submit(
    where: Where,
    task: str,
    arguments: tuple[str, ...],
    delay: float | None,
    at: str | None,
    priority: float | None,
    label: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Carry out the command; returns the exit code."""
    if delay is not None and at is not None:
        raise Refused("give either --delay or --at, not both")
    options: dict[str, Any] = {"delay": delay, "priority": priority, "label": label}
    options["at"] = None if at is None else start_time(at, datetime.now())
    given = plan.read_values(arguments)
    with opened(where, tasks=True, create=True) as app:
        chosen = app.find_task(task)
        args, kwargs = values.bind(chosen, given)
        chosen = chosen.with_options(**{k: v for k, v in options.items() if v is not None})
        before = time.time()
        run = app.submit_one(chosen, args, kwargs)
        try:
            if not as_json:
                line(str(run.id))
                _say(app, run, run.created < before, wait)
            if wait:
                run.wait()
        except KeyboardInterrupt:
            note(f"\nRun {run.id} goes on. To end it: abreast cancel {run.id}")
            return INTERRUPTED
        if as_json:
            document(details(run))
        elif wait:
            note(outcome_line(run))
        return code_of([(run.state, run.reason)]) if wait else OK


def _say(app: App, run: StoredRun, known: bool, wait: bool) -> None:
    """Tell what became of it, and what keeps it from starting if that is nobody's work."""
    if known:
        note(f"Run {run.id} is the same work and was known already; it is {ending(run)}.")
    elif run.done:
        note(f"Run {run.id} of task {run.name!r} ended at once: {ending(run)}.")
    else:
        due = run.due
        when = "" if due is None else f", to start at {zoned(due)}"
        note(f"Run {run.id} of task {run.name!r} is written down{when}.")
    if run.state in NOT_STARTED and not app.workers():
        patience = "It waits for one" if wait else "It will wait for one"
        note(f"No worker is alive. {patience}: abreast worker")


def start_time(text: str, now: datetime) -> datetime:
    """Read a date with time, or a time of day: the next time it is that late.

    Parameters
    ----------
    now : datetime
        On the clock of this machine, without zone.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        late = time_of_day.fromisoformat(text)
    except ValueError:
        raise Refused(
            f"--at {text!r} is no time; write for example 2026-12-24T18:00, "
            "2026-12-24T18:00+01:00 or 18:00"
        ) from None
    if late.tzinfo is not None:
        now = now.astimezone(late.tzinfo)
    found = datetime.combine(now.date(), late)
    return found if found > now else found + timedelta(days=1)
