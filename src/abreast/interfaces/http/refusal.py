"""What those get whose run a limit refuses: who holds it, and when to come again."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ...domain.states import ENDED
from ...errors import AbreastError, Busy
from ..run_json import read_many, row_of
from .problems import Problem
from .route import PREFIX, Here, answer

if TYPE_CHECKING:
    from ..app import App
    from ..stored_run import StoredRun

_USUAL_FOR_S = 5.0  # for how long it is believed what a task usually takes


def refused(here: Here, task: str, busy: Busy, on_conflict: str = "fail") -> Response:
    """The answer to a start that was refused: the run in its way, where that is asked for.

    Raises
    ------
    Problem
        ``already-running`` in all other cases.
    """
    running = in_the_way(here.app, busy)
    if running is not None and on_conflict == "return":
        location = f"{PREFIX}/runs/{running.id}"
        return answer(row_of(running), 200, {"Location": location})
    after = None
    if running is not None and running.known.started is not None:
        usual = _usual(here, task)
        if usual is not None:
            after = max(1, round(usual - (time.time() - running.known.started) + 0.5))
    raise Problem(
        "already-running", str(busy), headers={"Retry-After": str(after or 1)},
        running_run_id=None if running is None else running.id,
        policy=_policy(here, task, busy.key), limit=busy.key or None, retry_after=after,
    )  # fmt: skip


def in_the_way(app: App, busy: Busy) -> StoredRun | None:
    """The run that holds what another one was refused for; None when it has ended by now."""
    if busy.run is None:
        return None
    run = read_many(app, [busy.run]).get(busy.run)
    return None if run is None or run.known.state in ENDED else run


def _policy(here: Here, task: str, key: str) -> str:
    """What refused the run, in the words of its declaration."""
    try:
        options = here.app.find_task(task).options
    except AbreastError:
        return f"limit {key!r}"
    limits = options.get("limits")
    listed: Iterable[Any] = limits if isinstance(limits, (list, tuple)) else [limits]
    for limit in listed:
        if getattr(getattr(limit, "then", None), "name", "").lower() == "fail":
            return f"Limit({limit.n!r}, then='fail')"
    return "Unique(then='fail')" if options.get("unique") else f"limit {key!r}"


def _usual(here: Here, task: str) -> float | None:
    """What runs of a task usually take, as it was known some seconds ago."""
    known: dict[str, tuple[float | None, float]] = here.kept.usual
    now = time.monotonic()
    found, at = known.get(task, (None, now - _USUAL_FOR_S))
    if now - at >= _USUAL_FOR_S:
        found = here.app.stats([task])[task].median
        known[task] = found, now
    return found
