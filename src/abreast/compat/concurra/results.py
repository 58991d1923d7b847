"""From the end of a run to the result, the table and the lines that users of Concurra know."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import zip_longest
from typing import Any

from abreast import Reason, Run, State
from abreast.errors import CommandFailed, Crashed, NotPicklable, RemoteError

from .launch import worth_retrying
from .tasks import TERMINATED, CommandTaskHandler, Entry

SUCCESSFUL, FAILED, STOPPED = "Successful", "Failed", "Terminated"
LEFT_RUNNING = "Threads cannot be ended from outside; the task may still be running"

_WIDTH = 25  # of the progress bar
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


class Results(Mapping[Any, dict[str, Any]]):
    """Label to result, in order of adding. A task that has not ended has an empty one.

    Parameters
    ----------
    tasks : mapping of label to Entry
        The tasks, shared with the runner.
    timeout, fast_fail
        As given to the runner.
    """

    def __init__(self, tasks: Mapping[Any, Entry], timeout: float | None, fast_fail: bool) -> None:
        self._tasks = tasks
        self._timeout = timeout
        self._fast_fail = fast_fail

    def __getitem__(self, label: Any) -> dict[str, Any]:
        entry = self._tasks[label]
        run = entry.run
        return {} if run is None or not run.done else self._record(entry, run)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __repr__(self) -> str:
        return repr(dict(self))

    def _record(self, entry: Entry, run: Run) -> dict[str, Any]:
        status = status_of(run)
        started, ended = _times(run)
        took = ended - started
        value = _value(entry, run)
        error = self._error(entry, run)
        attempts = 0 if entry.refused is not None else run.attempts
        tried = attempts > 0 or entry.mode == "subprocess"
        return {
            "task_name": entry.handler.name,
            "start_time": f"{datetime.fromtimestamp(started):%Y-%m-%d %H:%M:%S}",
            "end_time": f"{datetime.fromtimestamp(ended):%Y-%m-%d %H:%M:%S}",
            "duration": f"{round(took / 60, 2)} min" if took > 60 else f"{round(took, 2)} sec",
            "duration_seconds": round(took, 2),
            "result": value,
            "error": error,
            "trace": _trace(entry, run) if status == FAILED else None,
            "status": status,
            "has_failed": status != SUCCESSFUL,
            "output": value,
            "execution_mode": entry.mode if tried else None,
            "warning": entry.warning or (LEFT_RUNNING if _left_running(run) else None),
            "attempts": attempts,
            "task_retries": entry.retries,
            "retried": attempts > 1,
            "retry_errors": _retry_errors(entry, run) if attempts else [],
        }

    def _error(self, entry: Entry, run: Run) -> str | None:
        if run.state is State.COMPLETED:
            return None
        if run.reason is Reason.TIMEOUT:
            return f"TimeoutError: Task exceeded timeout of {self._timeout} seconds"
        if run.state is State.FAILED and run.exception is not None:
            return say(_known(entry, run.exception))
        if run.state is State.SKIPPED and not entry.stopped and not self._fast_fail:
            failed = sorted(
                (
                    label
                    for label in entry.depends_on
                    if (parent := self._tasks[label].run) is not None
                    and parent.done
                    and not parent.ok
                ),
                key=str,
            )
            return f"RuntimeError: Skipped: dependency {failed} failed or was terminated"
        return f"RuntimeError: {TERMINATED}"


def status_of(run: Run) -> str:
    """One of the three statuses."""
    if run.state is State.COMPLETED:
        return SUCCESSFUL
    return FAILED if run.state is State.FAILED and run.reason is not Reason.TIMEOUT else STOPPED


def ran(run: Run) -> bool:
    """Whether a terminated task was executing when its end came."""
    return run.attempts > len(run.history or ())


def _left_running(run: Run) -> bool:
    return run.executor == "thread" and status_of(run) == STOPPED and ran(run)


def _times(run: Run) -> tuple[float, float]:
    """When the first attempt began and the last one ended. What never ran took no time."""
    assert run.ended is not None
    first = run.history[0].started if run.history else run.started
    return min(first or run.ended, run.ended), run.ended


def _value(entry: Entry, run: Run) -> Any:
    if not isinstance(entry.handler, CommandTaskHandler):
        return run.value
    ended = run.value
    if isinstance(run.exception, CommandFailed):
        ended = run.exception.result
    return None if ended is None else entry.handler.result(ended)


def _retry_errors(entry: Entry, run: Run) -> list[str]:
    """The errors of all failed attempts; ends that are never tried again do not count."""
    return [
        say(_known(entry, error))
        for error in run.errors
        if worth_retrying(error)
        or (run.reason is Reason.ERROR and not isinstance(error, Exception))
    ]


def _known(entry: Entry, error: BaseException) -> BaseException:
    """Return the exception Concurra reports for this."""
    if isinstance(error, CommandFailed) and isinstance(entry.handler, CommandTaskHandler):
        return entry.handler.failure(error)
    if isinstance(error, Crashed):
        return RuntimeError(f"Worker exited with {_code(error)} without recording a result")
    if isinstance(error, NotPicklable):
        found = re.search(r"its result .* cannot be pickled: (.*); return plain data", str(error))
        return TypeError(f"Could not record task result: {found[1] if found else error}")
    return error


def _code(error: Crashed) -> str:
    if found := re.search(r"exit code (\d+)", str(error)):
        return f"code {found[1]}"
    if found := re.search(r"signal \w+ \((\d+)\)", str(error)):
        return f"code -{found[1]}"
    return f"an unknown code ({error})"


def say(error: BaseException) -> str:
    """``Type: text``."""
    try:
        text = str(error)
    except Exception:
        text = "<exception str() failed>"
    if isinstance(error, RemoteError):  # stands in for one that could not leave its process
        text = text.removeprefix(error.type_name).removeprefix(": ")
        return f"{error.type_name.rpartition('.')[2]}: {text}"
    return f"{type(error).__name__}: {text}"


def _trace(entry: Entry, run: Run) -> str | None:
    error = run.exception
    if error is None:
        return None
    known = _known(entry, error)
    if known is not error:
        return "".join(traceback.format_exception_only(known))
    return run.traceback or "".join(traceback.format_exception(error))


def table(results: Mapping[Any, dict[str, Any]]) -> str:
    """The table of all tasks."""
    titles = ("label", "task", "status", "duration")
    rows = [
        (str(label), one["task_name"], one["status"], one["duration"])
        for label, one in results.items()
    ]
    right = bool(rows) and all(_NUMBER.fullmatch(row[0]) for row in rows)
    lines = [row for cells in rows for row in zip_longest(*map(_lines, cells), fillvalue="")]
    widths = [
        max(len(title) + 2, *(len(line[place]) for line in lines), 0)
        for place, title in enumerate(titles)
    ]

    def line(cells: Iterable[str]) -> str:
        first, *rest = [
            cell.rjust(width) if right and place == 0 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join((first, *rest))} |"

    bars = ["-" * (width + 2) for width in widths]
    edge = f"+{'+'.join(bars)}+"
    return "\n".join([edge, line(titles), f"|{'+'.join(bars)}|", *map(line, lines), edge])


def _lines(cell: str) -> list[str]:
    return cell.strip().splitlines() or [""]


def progress_line(name: object, done: int, total: int, seconds: float) -> str:
    """The line that says how far a runner is."""
    share = done / total if total else 1.0
    full = round(_WIDTH * share)
    bar = "#" * full + "." * (_WIDTH - full)
    took = f"{int(seconds // 60)} min {round(seconds % 60, 2)} sec"
    return f"{name} progress: [{bar}] {done}/{total} [{round(100 * share, 2)}%] in {took}"
