"""Which concrete classes a runner uses, and how many slots they get."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ..domain.command import Command
from ..engine.pool import Pool
from .tasks import is_coroutine

if TYPE_CHECKING:
    from ..executors.marks import Marks
    from ..ports import Executor
    from .runner import Runner

_COROUTINES = 1000


def usable_cores() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def slots(executor: str, concurrency: int | None) -> int:
    """How many attempts of one executor may execute at once."""
    if concurrency is not None:
        return concurrency
    if executor == "thread":
        return min(32, usable_cores() + 4)
    return _COROUTINES if executor == "coroutine" else usable_cores()


def pool_for(executor: str, concurrency: int | None, pools: list[Pool]) -> Pool:
    """Return the pool an executor draws from: its own, or one for all with a given concurrency."""
    if concurrency is not None and pools:
        return pools[0]
    return Pool(slots(executor, concurrency))


def executor(
    name: str,
    concurrency: int | None,
    marks: Marks | None = None,
    titles: bool = False,
    heirloom: int | None = None,
) -> Executor:
    """Make the executor of this name. Imported here, because a script rarely needs them all."""
    size = slots(name, concurrency)
    if name == "thread":
        from ..executors.thread import ThreadExecutor

        return ThreadExecutor(size, marks)
    if name == "coroutine":
        from ..executors.coroutine import CoroutineExecutor

        return CoroutineExecutor(marks)
    if name == "process":
        from ..executors.process import ProcessExecutor

        return ProcessExecutor(size, titles, marks, heirloom)
    from ..executors.command import CommandExecutor

    return CommandExecutor(size, titles, marks, heirloom)


def jitter() -> float:
    """A random number in [0, 1) that spreads retries."""
    from random import random  # costly to import, and only failures need it

    return random()


def default_executor(fn: Any, wanted: str) -> str | None:
    """The runner's default executor, where it can execute ``fn``; None: look at ``fn``."""
    if isinstance(fn, Command) or (is_coroutine(fn) and wanted == "thread"):
        return None
    return wanted if wanted in ("thread", "process") else None


def open_display(runner: Runner) -> Any:
    """Begin to show a runner as its ``progress`` and ``logger`` ask; None: nothing to show."""
    if runner.logger is None and runner.progress is False:
        return None
    from .display import open_display

    return open_display(runner, runner.progress, runner.logger, sys.stderr)
