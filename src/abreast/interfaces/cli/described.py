"""A stored run in words; as values that JSON can hold: see ``interfaces/run_json.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.model import NOTHING, Progress, Run
from ..report_text import duration, message, one_line, said, short_repr, traceback_text
from ..run_json import SCHEMA as SCHEMA
from ..run_json import details as details
from ..run_json import steps_of as steps_of
from ..run_json import summary as summary

if TYPE_CHECKING:
    from ..stored_run import StoredRun

HEADS = ["RUN", "TASK", "STATE", "CREATED", "WAITED", "TOOK", ""]
RIGHT = frozenset({"RUN", "WAITED", "TOOK"})
_MANY = 20  # children and steps that are shown


def ending(run: StoredRun) -> str:
    """``failed(timeout)``."""
    reason = run.reason
    return f"{run.state}({reason})" if reason else str(run.state)


def outcome_line(run: StoredRun) -> str:
    """``run 12 'send' failed(error) after 0.42 s: ValueError: no such address``."""
    took = "" if run.run_seconds is None else f" after {duration(run.run_seconds)}"
    problem = message(run.known) if run.done else ""  # type: ignore[arg-type]
    return f"run {run.id} {run.label!r} {ending(run)}{took}" + (f": {problem}" if problem else "")


def row(run: StoredRun, now: float) -> list[str]:
    """The run as a row of :data:`HEADS`."""
    record = run.known
    name = record.task.name
    label = name if run.label == name else f"{name}  {one_line(run.label, 60)}"
    waited = run.wait_seconds
    if waited is None and record.ended is None:
        waited = now - record.created
    took = run.run_seconds
    if took is None and record.started is not None and record.ended is None:
        took = max(0.0, now - record.started)
    return [
        str(run.id), one_line(label, 100), state_of(record), local(record.created),
        duration(waited), duration(took), remark(run, record, now),
    ]  # fmt: skip


def state_of(record: Run) -> str:
    """``failed(timeout)``, of a record as it was read."""
    return f"{record.state}({record.reason})" if record.reason else str(record.state)


def remark(run: StoredRun, record: Run, now: float) -> str:
    """What a list adds to a run: when it starts, how far it is, why it failed."""
    if record.error is not None and record.ended is not None:
        return message(record, 100)  # type: ignore[arg-type]
    if record.ended is not None:
        return ""
    if record.state == "scheduled" and record.due is not None:
        return f"in {duration(record.due - now)}"
    return progress_text(run.progress)


def progress_text(progress: Progress | None) -> str:
    """``40/100 importing``; empty when there is none."""
    if progress is None:
        return ""
    total = "" if progress.total is None else f"/{progress.total:,g}"
    return f"{progress.done:,g}{total} {one_line(progress.message, 60)}".strip()


def local(at: float | None) -> str:
    """A time on the clock of this machine; ``–`` for None."""
    if at is None:
        return "–"
    from datetime import datetime

    return f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}"


def zoned(at: float) -> str:
    """A time on the clock of this machine, with its zone."""
    from datetime import datetime

    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S %Z}"


# -- one run, at length -------------------------------------------------------------------------


def page(run: StoredRun) -> list[str]:
    """All there is to say about a run, as lines."""
    run.state  # noqa: B018  # read once
    record = run.known
    extra = record.extra or NOTHING
    call = ", ".join(
        [short_repr(value, 200) for value in record.args]
        + [f"{key}={short_repr(value, 200)}" for key, value in record.kwargs.items()]
    )
    facts = [
        ("run", str(run.id)),
        ("task", f"{record.task.name}({call})"),
        ("label", run.label if run.label != record.task.name else ""),
        ("state", state_of(record)),
        ("why", "" if run.done else run.why()),
        ("flow", "" if run.flow is None else str(run.flow)),
        ("retry of", "" if extra.retry_of is None else str(extra.retry_of)),
        ("created", zoned(record.created)),
        ("due", "" if record.due is None or run.done else zoned(record.due)),
        ("started", "" if record.started is None
         else f"{zoned(record.started)}, having waited {duration(run.wait_seconds)}"),
        ("ended", "" if record.ended is None else zoned(record.ended)
         + ("" if run.run_seconds is None else f", after {duration(run.run_seconds)}")),
        ("attempts", str(record.attempt) if record.attempt > 1 else ""),
        ("worker", "" if extra.worker is None or run.done else str(extra.worker)),
        ("process", "" if extra.pid is None else str(extra.pid)),
        ("progress", progress_text(run.progress)),
        ("log", run.log_path or ""),
        ("result", "" if record.value is None else short_repr(record.value, 2000)),
    ]  # fmt: skip
    lines = [f"{name:<9} {one_line(text, 4000)}" for name, text in facts if text]
    lines += _earlier(record) + _step_lines(run) + _children(run)
    if record.error is not None:
        name = getattr(record.error, "type_name", None) or type(record.error).__name__
        trace = traceback_text(run).rstrip()  # type: ignore[arg-type]
        lines += ["", trace or f"{name}: {said(record.error)}"]
    return lines


def _earlier(record: Run) -> list[str]:
    found = [
        f"  {number}. {local(past.started)}, {duration(past.ended - past.started)}: "
        + (one_line(f"{type(past.error).__name__}: {said(past.error)}") if past.error
           else str(past.reason or "given back"))
        for number, past in enumerate(record.history or (), 1)
    ]  # fmt: skip
    return ["", "earlier attempts", *found] if found else []


def _step_lines(run: StoredRun) -> list[str]:
    found = run.steps()
    lines = []
    for step in found[:_MANY]:
        took = None if step.ended is None else max(0.0, step.ended - step.started)
        how = "under way" if step.ended is None else duration(took)
        lines.append(f"  {step.name}  {how}" + (f"  {one_line(step.error)}" if step.error else ""))
    return ["", "steps", *lines, *_rest(len(found))] if found else []


def _children(run: StoredRun) -> list[str]:
    found = run.children()
    lines = [f"  {child.id}  {one_line(child.label, 60)}  {state_of(child.known)}"
             for child in found[:_MANY]]  # fmt: skip
    return ["", "runs", *lines, *_rest(len(found))] if found else []


def _rest(number: int) -> list[str]:
    return [f"  … and {number - _MANY:,} more"] if number > _MANY else []
