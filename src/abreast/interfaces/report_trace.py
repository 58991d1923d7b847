"""The report as Chrome trace events, for Perfetto and every other viewer of that format.

A process of the trace is a lane of the timeline, a thread is one of its rows. Runs are complete
events, their waits asynchronous ones (they overlap the runs that were executing in that row), and
an arrow leads from every run to those that came after it.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from .lanes import WAITS, Bar, Kind, Lane, lay_out, look
from .report_text import ending, message, one_line

if TYPE_CHECKING:
    from .report import Report
    from .run import Run

Event = dict[str, Any]
_COLOURS = {
    "succeeded": "good", "failed": "terrible", "cancelled": "grey", "skipped": "grey",
    "running": "thread_state_running", "retrying": "bad", "queued": "thread_state_runnable",
}  # fmt: skip
_WAIT_NAMES = {
    Kind.DEPENDENCY: "waits for dependencies",
    Kind.SLOT: "waits for a slot or limit",
    Kind.DELAY: "waits before the next attempt",
}


def trace(report: Report) -> str:
    """Return the events as JSON text. Time stamps are microseconds since the start."""
    timeline = lay_out(report.runs, report.started, time.time())
    critical = set(timeline.critical)
    place = {bar.run: bar for bar in timeline.bars}
    events: list[Event] = []
    for number, lane in enumerate(timeline.lanes):
        events += _names(number, lane)
    for bar in timeline.bars:
        events += _pieces(bar, bar.run in critical)
        events += _arrows(bar, place)
    return json.dumps(
        {
            "traceEvents": events,
            "displayTimeUnit": "ms",
            "otherData": {"name": report.name, "started": timeline.origin},
        },
        separators=(",", ":"),
    )


def _names(number: int, lane: Lane) -> list[Event]:
    def meta(kind: str, tid: int, **args: object) -> Event:
        return {"ph": "M", "name": kind, "pid": number + 1, "tid": tid, "args": args}

    name = one_line(lane.name or "runs")
    events = [meta("process_name", 0, name=name), meta("process_sort_index", 0, sort_index=number)]
    for row in range(lane.rows):
        events.append(meta("thread_name", row + 1, name=f"{name} {row + 1}"))
        events.append(meta("thread_sort_index", row + 1, sort_index=row))
    return events


def _pieces(bar: Bar, critical: bool) -> list[Event]:
    run, place = bar.run, {"pid": bar.lane + 1, "tid": bar.row + 1}
    label = one_line(run.label)
    events: list[Event] = []
    tried = 0
    for piece in bar.pieces:
        start, span = _us(piece.start), _us(piece.end) - _us(piece.start)
        if piece.kind in WAITS:
            wait = {"cat": f"wait,{piece.kind}", "name": f"{label}: {_WAIT_NAMES[piece.kind]}",
                    "id": run.id, **place}  # fmt: skip
            events += [{"ph": "b", "ts": start, **wait}, {"ph": "e", "ts": start + span, **wait}]
            continue
        tried += 1
        last = piece.kind is Kind.RUN
        state = look(run) if last else "retrying"
        events.append(
            {"ph": "X", "cat": f"run,{state}", "name": label, "ts": start, "dur": span,
             "cname": _COLOURS[state], "args": _facts(run, tried, last, critical), **place}
        )  # fmt: skip
    if bar.executed is None and run.ended is not None:
        at = _us(bar.pieces[-1].end) if bar.pieces else 0
        events.append(
            {"ph": "i", "s": "t", "cat": f"run,{look(run)}", "name": f"{label}: {ending(run)}",
             "ts": at, "args": _facts(run, 0, True, critical), **place}
        )  # fmt: skip
    return events


def _facts(run: Run, attempt: int, last: bool, critical: bool) -> Event:
    facts: Event = {"id": run.id, "attempt": attempt, "executor": run.executor}
    if last:
        facts["state"] = ending(run)
        if run.error is not None:
            facts["error"] = message(run)
    elif run.history:
        from .report_text import error_text

        facts["error"] = error_text(run.history[attempt - 1].error)
    if critical:
        facts["critical_path"] = True
    return facts


def _arrows(bar: Bar, place: dict[Run, Bar]) -> list[Event]:
    """One arrow from the end of every parent to the start of this run."""
    mine = bar.executed
    if mine is None:
        return []
    events: list[Event] = []
    for number, parent in enumerate(bar.run.after):
        source = place[parent].executed  # type: ignore[index]
        if source is None:
            continue
        arrow = {"cat": "dependency", "name": "after", "id": f"{bar.run.id}.{number}"}
        begin = place[parent]  # type: ignore[index]
        inside = max(_us(source[0]), _us(source[1]) - 1)  # the arrow is tied to the event around it
        events += [
            {"ph": "s", "ts": inside, "pid": begin.lane + 1, "tid": begin.row + 1, **arrow},
            {"ph": "f", "bp": "e", "ts": _us(mine[0]), "pid": bar.lane + 1, "tid": bar.row + 1,
             **arrow},
        ]  # fmt: skip
    return events


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
