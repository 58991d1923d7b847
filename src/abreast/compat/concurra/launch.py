"""Hands the tasks of a runner over to an :class:`abreast.Runner`."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Collection, Mapping
from multiprocessing.reduction import ForkingPickler
from typing import Any

from abreast import Cancelled, Retry, Run, Runner, TimedOut, task
from abreast.errors import Crashed, NotPicklable

from .tasks import CommandTaskHandler, Entry, TaskHandler

NOT_PICKLABLE = "Task was not picklable and thread fallback is disabled"
FELL_BACK = "Task was not picklable; ran in thread fallback"


def call(handler: TaskHandler) -> Any:
    """What a thread or a process executes."""
    return handler.run()


async def call_async(handler: TaskHandler) -> Any:
    """What the event loop executes."""
    return await handler.run()


def refuse(error: BaseException) -> None:
    """Stands in for a task that cannot travel to a process."""
    raise error


def worth_retrying(error: BaseException) -> bool:
    """Whether Concurra tries again after this: exceptions of the task itself, nothing else."""
    ours = (TimedOut, Cancelled, Crashed, NotPicklable)
    return isinstance(error, Exception) and not isinstance(error, ours)


def _retry(retries: int) -> Retry | None:
    return Retry(retries, on=worth_retrying) if retries else None


@functools.cache
def _declared(mode: str, retries: int) -> Any:
    """The task as abreast knows it; one for all that execute alike."""
    options: dict[str, Any] = {"retry": _retry(retries), "on_crash": "fail"}
    if mode == "process":
        return task(executor="process", fresh=True, **options)(call)
    if mode == "coroutine":
        return task(executor="coroutine", **options)(call_async)
    return task(executor="thread", **options)(call)


class Launcher:
    """Enters tasks into a runner.

    Parameters
    ----------
    runner : abreast.Runner
        Gets the runs.
    processes : bool
        Whether functions execute in processes of their own.
    fall_back : bool
        Whether a function that cannot travel to a process executes in a thread instead.
    log : logging.Logger
        Gets the warnings.
    """

    def __init__(
        self, runner: Runner, processes: bool, fall_back: bool, log: logging.Logger
    ) -> None:
        self._runner = runner
        self._processes = processes
        self._fall_back = fall_back
        self._log = log

    def enter(self, tasks: Mapping[Any, Entry], awaited: Collection[Any]) -> None:
        """Enter all tasks. ``awaited`` are labels that were used before their task was added."""
        names = _names(tasks) if awaited else {}
        used: set[str] = set()
        linked = any(entry.depends_on for entry in tasks.values())
        for place, entry in enumerate(tasks.values()):
            after = [
                tasks[label].run or names[label] for label in entry.depends_on if label in tasks
            ]
            name = names.get(entry.label) or _name(entry.label, used)
            form: dict[str, Any] = {"label": name, "after": after}
            if linked and self._runner.concurrency == 1:
                # One at a time in order of adding. With more at once the longest chain is first.
                form["priority"] = -place
            entry.run = self._add(entry, form)

    def _add(self, entry: Entry, form: dict[str, Any]) -> Run:
        handler = entry.handler
        if isinstance(handler, CommandTaskHandler):
            entry.mode = "subprocess"
            return self._runner.add(
                handler.as_command(),
                retry=_retry(entry.retries),
                on_crash="fail",
                name=handler.name,
                **form,
            )
        entry.mode = mode = self._mode(entry, handler)
        if entry.refused is not None:
            return self._runner.add(refuse, entry.refused, **form)
        return self._runner.add(_declared(mode, entry.retries), handler, **form)

    def _mode(self, entry: Entry, handler: TaskHandler) -> str:
        if not self._processes:
            return "coroutine" if inspect.iscoroutinefunction(handler.task) else "thread"
        error = _pickling_error(handler)
        if error is None:
            return "process"
        if self._fall_back:
            self._log.warning(f"Task '{entry.label}' was not picklable; running in thread fallback")
            entry.warning = FELL_BACK
            return "thread_fallback"
        entry.warning = NOT_PICKLABLE
        entry.refused = error
        return "thread"


def _pickling_error(handler: TaskHandler) -> BaseException | None:
    try:
        ForkingPickler.dumps((handler.task, handler.args, handler.kwargs))
    except Exception as error:
        return error
    return None


def _names(tasks: Mapping[Any, Entry]) -> dict[Any, str]:
    used: set[str] = set()
    return {label: _name(label, used) for label in tasks}


def _name(label: Any, used: set[str]) -> str:
    """A name for messages: unique, although 1 and "1" are two labels and abreast has only text."""
    name = repr(label)
    while name in used:
        name += "'"
    used.add(name)
    return name
