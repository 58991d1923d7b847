"""Why a stored run is in the state it is in, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..domain.limits import Usage
from ..domain.model import Run
from ..domain.states import BLOCKED, ENDED, PENDING, RUNNING, Reason
from .run_view import at

if TYPE_CHECKING:
    from .app_node import Node

_SHOWN = 5  # runs named


def why(node: Node, run: Run) -> str:
    """Explain a run's state."""
    label, state = f"{run.label!r} (run {run.id})", run.state
    if state is BLOCKED and run.id == 0:
        return f"{run.label!r} waits: its flow has not been submitted"
    if state is BLOCKED:
        return f"{label} is blocked: it comes after {_parents(node, run)}"
    if state is PENDING and (flow := node.store.flow(run.id)) is not None:
        return f"{label} is pending: none of its {flow.total} runs has started"
    if state is PENDING:
        return f"{label} is pending: {_what_holds_it(node, run)}"
    if state is RUNNING:
        flow = node.store.flow(run.id)
        if flow is not None:
            return f"{label} is running: {flow.ended} of its {flow.total} runs have ended"
        asked = f", and was asked to stop ({run.asked})" if run.asked else ""
        return f"{label} is running on attempt {run.attempt}{asked}"
    if state not in ENDED:
        due = "" if run.due is None else f" {at(run.due):%Y-%m-%d %H:%M:%S} UTC"
        last = "" if run.error is None else f"; its last attempt met {run.error!r}"
        return f"{label} is scheduled: it waits for its time{due}{last}"
    reason = f"({run.reason})" if run.reason else ""
    said = f": {run.error}" if run.error is not None and run.reason is not Reason.USER else ""
    return f"{label} ended {state}{reason}{said}"


def _parents(node: Node, run: Run) -> str:
    missing = [
        f"{parent.label!r} (run {parent.id})"
        for parent in node.store.parents(run.id)
        if parent.state not in ENDED
    ]
    return _some(missing) if missing else "other runs"


def _what_holds_it(node: Node, run: Run) -> str:
    held: list[Usage | None] = []
    node.post(lambda now: held.append(node.store.held_by(run)))
    usage = held[0]
    if usage is not None:
        row: Any = next((row for row in node.store.limits() if row.key == usage.key), None)
        ids = list(row.holders) if row is not None else []
        records = node.store.read(ids[:_SHOWN])
        holders = [f"{records[id].label!r} (run {id})" for id in ids if id in records]
        holders += [str(id) for id in ids[_SHOWN:]]
        by = _some(holders) if holders else "nobody now"
        return f"limit {usage.key!r} has no room; held by {by}"
    if not node.live and not node.store.workers():
        return "it may start, but no worker is alive; start one with 'abreast worker'"
    if run.task.needs:
        needs = ", ".join(f"{amount:g} of {name!r}" for name, amount in run.task.needs.items())
        return f"it may start and waits for a worker with a free slot and {needs}"
    return "it may start and waits for a worker with a free slot"


def _some(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
