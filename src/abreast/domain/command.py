"""A command as a value: what to execute, where, and which endings count as success."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import UsageError, WrongType


class CommandResult(NamedTuple):
    """What a command left behind.

    ``stdout`` and ``stderr`` are text (bytes with ``text=False``), or None when not captured;
    ``returncode`` is negative when a signal ended the command.
    """

    command: tuple[str, ...] | str
    returncode: int
    stdout: str | bytes | None = None
    stderr: str | bytes | None = None
    cwd: str | None = None


class Command:
    """A program to execute as a task.

    ``Command("gzip", "-k", path)`` executes a program with exactly these arguments, without a
    shell. ``Command(shell="sort a | uniq > b")`` hands one line to ``/bin/sh``.

    The result of a run is a :class:`CommandResult`. Another exit code fails the run with
    :class:`abreast.errors.CommandFailed`, which carries the same result.

    Parameters
    ----------
    args : str or path
        The program and its arguments (exec form).
    shell : str
        One line for the shell (shell form); excludes ``args``.
    cwd : str or path, optional
        Folder in which the command starts.
    env : mapping of str to str, optional
        Variables added to those of this process.
    ok : int or iterable of int
        Exit codes that count as success, 0 by default. ``ok=None`` accepts every code.
    capture : bool
        Keep what the command writes (default). Otherwise it writes where this process writes.
    text : bool
        Decode captured output as UTF-8 (default); undecodable bytes are replaced.
    stdin : str or bytes, optional
        What the command reads on its standard input; nothing by default.
    """

    __slots__ = ("args", "capture", "cwd", "env", "ok", "shell", "stdin", "text")

    def __init__(
        self,
        *args: str | os.PathLike[str],
        shell: str | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        ok: int | Iterable[int] | None = 0,
        capture: bool = True,
        text: bool = True,
        stdin: str | bytes | None = None,
    ) -> None:
        if shell is not None and args:
            raise UsageError("Command: give either a program with arguments or shell=, not both")
        if shell is not None and not isinstance(shell, str):
            raise WrongType(f"Command: shell must be a str, not {type(shell).__name__}")
        if shell is None and not args:
            raise UsageError("Command: no program given; for example Command('ls', '-l')")
        if shell is not None and not shell.strip():
            raise UsageError("Command: shell is blank; give the line that the shell should execute")
        for number, arg in enumerate(args):
            if not isinstance(arg, (str, os.PathLike)):
                raise WrongType(
                    f"Command: argument {number} must be a str or a path, not "
                    f"{type(arg).__name__}: {arg!r}; wrap it in str()"
                )
        self.args: tuple[str, ...] = tuple(os.fspath(arg) for arg in args)
        self.shell = shell
        self.cwd = None if cwd is None else os.fspath(cwd)
        self.env: dict[str, str] | None = None if env is None else dict(env)
        self.ok: frozenset[int] | None = (
            None if ok is None else frozenset({ok} if isinstance(ok, int) else ok)
        )
        self.capture = capture
        self.text = text
        self.stdin = stdin

    @property
    def name(self) -> str:
        """The program's base name, or the shell line's first word."""
        first = self.args[0] if self.args else (self.shell or "").split()[0]
        return os.path.basename(first) or first

    def __repr__(self) -> str:
        what = (
            f"shell={self.shell!r}" if self.shell is not None else ", ".join(map(repr, self.args))
        )
        return f"Command({what})"
