"""Runs commands, each below a child process of ours, so that it can be killed with all it started.

The child (see :mod:`abreast.executors.execute`) starts the program, reads what it writes and
waits for it. Killing, leftovers and the end of the parent need no code of their own here.
"""

from __future__ import annotations

import os

from ..domain.command import Command
from ..domain.model import Attempt
from ..errors import UsageError, WrongType
from .children import ChildExecutor
from .execute import Execution, execute
from .pool import Call


class CommandExecutor(ChildExecutor):
    """Executes :class:`~abreast.Command` values; arguments of the run are appended to them.

    Its parameters are those of :class:`~abreast.executors.children.ChildExecutor`.
    """

    name = "command"
    ok_after_stop = False  # a command that ends well because it was told to has not done its work

    @staticmethod
    def call_of(attempt: Attempt) -> Call:
        """Return what the child is to call, with everything taken from here and now."""
        return _call_of(attempt)


def _call_of(attempt: Attempt) -> Call:
    command = attempt.run.task.fn
    name = attempt.run.task.name
    if not isinstance(command, Command):
        raise WrongType(
            f"task {name!r}: the command executor executes a Command, not "
            f'{type(command).__name__}; use executor="process" for a function'
        )
    if attempt.kwargs:
        raise UsageError(
            f"task {name!r}: a command takes no keyword arguments, but got "
            f"{', '.join(attempt.kwargs)}; give them as further arguments, or with env="
        )
    argv = command.args
    if command.shell is not None:
        argv = ("/bin/sh", "-c", command.shell, "sh")  # arguments become $1, $2, ...
    execution = Execution(
        argv=argv,
        shell=command.shell,
        cwd=command.cwd if command.cwd is not None else _here(),
        folder=command.cwd,
        env={**os.environ, **(command.env or {})},
        ok=command.ok,
        capture=command.capture,
        text=command.text,
        stdin=command.stdin.encode() if isinstance(command.stdin, str) else command.stdin,
    )
    return execute, execute, (execution, *map(str, attempt.args)), {}


def _here() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None  # deleted meanwhile
