"""``abreast runs``, ``show``, ``cancel``, ``retry``, ``wait`` and ``why``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...domain.states import ENDED, FAILED, Reason, State
from ...errors import UsageError
from .described import (
    HEADS,
    RIGHT,
    SCHEMA,
    details,
    ending,
    outcome_line,
    page,
    row,
    steps_of,
    summary,
)
from .exits import OK, Refused, code_of, quietly
from .found import find_run, find_runs, opened
from .options import Where
from .out import document, line, note, state_colours, table

if TYPE_CHECKING:
    from ..app import App
    from ..stored_run import StoredRun


def runs(
    where: Where,
    task: str | None,
    states: tuple[str, ...],
    flow: str | None,
    limit: int,
    before: str | None,
    as_json: bool,
) -> int:
    """Carry out ``abreast runs``; returns the exit code."""
    wanted = [_state(text) for text in states] or None
    older = None if before is None else _number(before, "--before")
    with opened(where) as app:
        parent = None if flow is None else find_run(app, flow)
        found = app.runs(task=task, state=wanted, flow=parent, before=older, limit=limit)
        if not found and task is not None:
            check_task(app, task)
        more = found[-1].id if len(found) == limit else None
        if as_json:
            document({"schema": SCHEMA, "runs": [summary(run) for run in found], "before": more})
            return OK
        if not found:
            note("There are no such runs.")
            return OK
        now = time.time()
        for text in table(HEADS, [row(run, now) for run in found], RIGHT, state_colours):
            line(text)
        if more is not None:
            note(f"There may be more: --before {more}")
    return OK


def _state(text: str) -> State:
    try:
        return State(text.lower())
    except ValueError:
        import difflib

        near = difflib.get_close_matches(text.lower(), list(State), n=1)
        hint = f"did you mean {str(near[0])!r}?" if near else f"states are {', '.join(State)}"
        raise Refused(f"--state {text!r} is no state; {hint}") from None


def _number(text: str, option: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Refused(f"{option} {text!r} is not the id of a run, which is a whole number")
    return int(text)


def check_task(app: App, name: str) -> None:
    """Nothing was found for a task: refuse the name when nothing has it."""
    if name not in app.tasks and not app.runs(task=name, limit=1):
        import difflib

        known = {run.name for run in app.runs(limit=1000)} | set(app.tasks)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
        raise Refused(f"there is no task {name!r}" + (f"; {hint}" if known else ""))


def show(where: Where, run: str, as_json: bool) -> int:
    """Carry out ``abreast show``; returns the exit code."""
    with opened(where) as app:
        found = find_run(app, run)
        if as_json:
            children = [summary(child) for child in found.children()]
            document({"schema": SCHEMA, **details(found), "why": found.why(),
                      "steps": steps_of(found), "children": children})  # fmt: skip
        else:
            for text in page(found):
                line(text)
    return OK


def cancel(where: Where, runs: tuple[str, ...], as_json: bool) -> int:
    """Carry out ``abreast cancel``; returns the exit code."""
    with opened(where, tasks=None) as app:
        found = find_runs(app, runs)
        over = {run.id for run in found if run.done}
        for run in found:
            run.cancel()
        if as_json:
            document({"schema": SCHEMA, "runs": [summary(run) for run in found]})
            return OK
        for run in found:
            if run.id in over:
                line(f"run {run.id} {run.label!r} had ended already: {ending(run)}")
            elif run.done:
                line(f"run {run.id} {run.label!r} {ending(run)}")
            else:
                line(f"run {run.id} {run.label!r} was asked to end; it is {ending(run)}")
    return OK


def retry(where: Where, runs: tuple[str, ...], as_json: bool) -> int:
    """Carry out ``abreast retry``; returns the exit code."""
    with opened(where, tasks=True) as app:
        found = find_runs(app, runs)
        for run in found:
            if not run.done:
                raise UsageError(f"run {run.id} is {run.state}; only what has ended is repeated")
        again = []
        for run in found:
            again.append(run.retry())
            if not as_json:
                line(str(again[-1].id))
                note(f"Run {again[-1].id} repeats run {run.id} {run.label!r} ({ending(run)}).")
        if as_json:
            document({"schema": SCHEMA, "runs": [summary(run) for run in again]})
    return OK


@quietly
def wait(where: Where, runs: tuple[str, ...], timeout: float | None, as_json: bool) -> int:
    """Carry out ``abreast wait``; returns the exit code."""
    with opened(where) as app:
        found = find_runs(app, runs)
        left = _wait(found, timeout, quiet=as_json)
        if as_json:
            document({"schema": SCHEMA, "runs": [details(run) for run in found]})
        elif left:
            note("Not ended in time, and going on: " + ", ".join(str(run.id) for run in left))
    endings: Any = [(run.known.state, run.known.reason) for run in found if run not in left]
    return code_of([*endings, *[(FAILED, Reason.TIMEOUT) for _ in left]])


def _wait(runs: list[StoredRun], timeout: float | None, quiet: bool) -> list[StoredRun]:
    """Wait for all; say how each ended, and return those that have not."""
    until = None if timeout is None else time.monotonic() + timeout
    left = []
    for run in runs:
        if not run.wait(None if until is None else max(0.0, until - time.monotonic())):
            left.append(run)
        elif not quiet:
            line(outcome_line(run))
    return left


def why(where: Where, run: str, as_json: bool) -> int:
    """Carry out ``abreast why``; returns the exit code."""
    with opened(where) as app:
        found = find_run(app, run)
        said = found.why()
        if as_json:
            state = found.known.state
            document({"schema": SCHEMA, "id": found.id, "state": str(state), "why": said,
                      "ended": state in ENDED})  # fmt: skip
        else:
            line(said)
    return OK
