"""A stored run as values that JSON can hold: one shape for the command line and the HTTP API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..domain.model import NOTHING, Progress, Run
from .report_dict import iso
from .report_text import jsonable, said, traceback_text

if TYPE_CHECKING:
    from .app import App
    from .stored_run import StoredRun

SCHEMA = 1
_WAITERS = 100  # that are named
_MANY = 10_000  # workers whose places are remembered

# Where workers are, by id and whether it is their own process that executes. It never changes.
_PLACES: WeakKeyDictionary[App, dict[tuple[int, bool], tuple[str, int] | None]] = (
    WeakKeyDictionary()
)


def summary(run: StoredRun) -> dict[str, Any]:
    """What a list says about a run, as it is now."""
    run.state  # noqa: B018  # reads the record again, unless the run has ended
    return row_of(run)


def row_of(run: StoredRun) -> dict[str, Any]:
    """What a list says about a run, as it was when its record was read."""
    record = run.known
    extra = record.extra or NOTHING
    return {
        "id": record.id,
        "name": record.task.name,
        "label": record.label,
        "state": str(record.state),
        "reason": None if record.reason is None else str(record.reason),
        "created": iso(record.created),
        "due": iso(record.due),
        "started": iso(record.started),
        "ended": iso(record.ended),
        "wait_seconds": _seconds(record.created, record.started),
        "run_seconds": _seconds(record.started, record.ended),
        "attempts": record.attempt,
        "progress": _progress(progress_of(record)),
        "flow": run.flow,
        "worker": extra.worker,
        "place": _place(run),
        "executor": record.task.executor,
        "trigger": run.trigger,
        "retry_of": extra.retry_of,
        "error": error_of(record.error),
    }


def limit_rows(app: App, key: str | None = None) -> list[dict[str, Any]]:
    """The keys of limits in use, or one of them: who holds how much of what, and who waits."""
    return [
        {
            "key": row.key, "held": row.held, "n": row.n, "holders": list(row.holders),
            "waiting": row.waiting,
            "waiters": app.waiters(row.key, _WAITERS) if row.waiting else [],
        }
        for row in app.limits()
        if key is None or row.key == key
    ]  # fmt: skip


def details(run: StoredRun) -> dict[str, Any]:
    """All there is to say about a run, as it is now."""
    found = summary(run)
    record = run.known
    found["args"], found["kwargs"] = list(record.args), dict(record.kwargs)
    found["result"] = record.value
    if found["error"] is not None:
        found["error"]["traceback"] = traceback_text(run) or None  # type: ignore[arg-type]
    found["history"] = [
        {
            "started": iso(past.started),
            "ended": iso(past.ended),
            "reason": None if past.reason is None else str(past.reason),
            "error": error_of(past.error),
        }
        for past in record.history or ()
    ]
    found["pid"] = (record.extra or NOTHING).pid
    found["log"] = run.log_path
    return found


def progress_of(record: Run) -> Progress | None:
    """How far a run says it is; of a flow, how many of its runs have ended."""
    flow = None if record.extra is None else record.extra.flow
    if flow is not None:
        return Progress(flow.ended, flow.total, flow.message)
    return record.progress


def read_many(app: App, ids: Iterable[int]) -> dict[int, StoredRun]:
    """The runs with these ids that the store has, read at once."""
    return {id: app.handle(record) for id, record in app.node.store.read(ids).items()}


def _seconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)


def _place(run: StoredRun) -> dict[str, Any] | None:
    """Host and process of the last attempt."""
    record, store = run.known, run.app.node.store
    extra = record.extra or NOTHING
    if record.started is None:
        return None
    if extra.worker is None:
        found = store.executor_of(record)
    else:
        known, key = _PLACES.setdefault(run.app, {}), (extra.worker, extra.pid is None)
        if key not in known:
            if len(known) >= _MANY:
                known.clear()
            known[key] = store.executor_of(record)
        found = known[key]
    return None if found is None else {"host": found[0], "pid": extra.pid or found[1]}


def _progress(progress: Progress | None) -> dict[str, Any] | None:
    if progress is None:
        return None
    return {"done": progress.done, "total": progress.total, "message": progress.message}


def error_of(error: BaseException | None) -> dict[str, Any] | None:
    """Type and message of an error."""
    if error is None:
        return None
    name = getattr(error, "type_name", None) or type(error).__name__
    return {"type": name, "message": said(error)}


def steps_of(run: StoredRun) -> list[dict[str, Any]]:
    """The recorded steps of a run."""
    return [
        {
            "name": step.name,
            "attempt": step.attempt,
            "input": step.input,
            "output": step.output,
            "error": step.error,
            "started": iso(step.started),
            "ended": iso(step.ended),
            "seconds": _seconds(step.started, step.ended),
        }
        for step in run.steps()
    ]


def plain(value: Any) -> Any:
    """A value that was declared in Python (a default, an option) as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return jsonable(value)
