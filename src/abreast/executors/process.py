"""Runs attempts in child processes of our own, which can be killed with all they started."""

from __future__ import annotations

from ..domain.model import Attempt
from .children import ChildExecutor
from .pool import Call


class ProcessExecutor(ChildExecutor):
    """Executes each attempt in a child process.

    Children live on from run to run, are forked from a small nursery process when they are
    first needed, and end when this process does, however that ends. A run with
    ``task.fresh`` gets a child of its own. The parameters are those of
    :class:`~abreast.executors.children.ChildExecutor`.
    """

    name = "process"
    ok_after_stop = True

    @staticmethod
    def call_of(attempt: Attempt) -> Call:
        """Return what the child is to call: the function of the task."""
        task = attempt.run.task
        return task, task.fn, attempt.args, attempt.kwargs
