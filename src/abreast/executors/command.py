"""Runs commands, each below a child process of ours, so that it can be killed with all it started.

The child (see :mod:`abreast.executors.execute`) starts the program, reads what it writes and
waits for it. Killing, leftovers and the end of the parent need no code of their own here.
"""

from __future__ import annotations

import os
import weakref

from ..domain.command import Command
from ..domain.model import Attempt, Traits
from ..errors import UsageError, WrongType
from ..platform import require_posix
from ..ports import Host
from .execute import Execution, execute
from .loop import remember
from .pool import Call, Pool


class CommandExecutor:
    """Executes :class:`~abreast.Command` values; arguments of the run are appended to them.

    Parameters
    ----------
    size : int
        How many attempts may be started at once. The caller keeps to it; it is not enforced.

    Raises
    ------
    UsageError
        On Windows, where processes cannot be handled this way.
    """

    name = "command"
    traits = Traits(can_kill=True, keeps_objects=False)

    def __init__(self, size: int) -> None:
        require_posix("the command executor")
        self.size = size
        # A command that ends well because it was told to end has not done its work.
        self._pool = Pool(_call_of, ok_after_stop=False)
        remember(self._pool)
        weakref.finalize(self, self._pool.abandon).atexit = False
        self.start = self._pool.start
        self.stop = self._pool.stop

    def bind(self, host: Host) -> None:
        """Say to whom attempts are reported. Called once, first."""
        self._pool.bind(host)

    def abandon(self, attempt: Attempt) -> None:
        """Do nothing: a stopped attempt always ends."""

    def resize(self, by: int) -> None:
        """Do nothing: children are made as attempts are started."""

    def close(self, grace_s: float) -> None:
        """End every command (those that ignore SIGTERM after ``grace_s`` seconds)."""
        self._pool.close(grace_s)


def _call_of(attempt: Attempt) -> Call:
    """Return what the child is to call, with everything taken from here and now."""
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
