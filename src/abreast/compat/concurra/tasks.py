"""What a runner is given: functions and commands, checked when they are added."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from abreast import Command, CommandResult, Run, Runner, State
from abreast.errors import CommandFailed

_SHOWN = 500  # characters of output in the text of an error
TERMINATED = "Execution terminated before completion"


class CommandExecutionError(RuntimeError):
    """A command ended with an exit code other than 0. ``result`` is the structured result."""

    def __init__(self, result: dict[str, Any]) -> None:
        said = _text(result.get("stderr")) or _text(result.get("stdout"))
        if len(said) > _SHOWN:
            said = said[:_SHOWN] + "..."
        code = f"Command exited with return code {result['returncode']}"
        super().__init__(f"{code}: {said}" if said else code)
        self.result = result

    def __reduce__(self) -> tuple[type[CommandExecutionError], tuple[dict[str, Any]]]:
        return type(self), (self.result,)


def _text(output: str | bytes | None) -> str:
    """What a command wrote, fit for the text of an error."""
    if not output:
        return ""
    return output.strip() if isinstance(output, str) else str(output)


class TaskHandler:
    """A function with its arguments.

    Parameters
    ----------
    task : callable
        What to call.
    *args, **kwargs
        With what. They reach it unchanged and uncopied.
    """

    __slots__ = ("args", "kwargs", "task")

    def __init__(self, task: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        self.task = task
        self.args = args
        self.kwargs = kwargs

    @property
    def name(self) -> str:
        """Name of the function, or how the object describes itself if it has none."""
        return getattr(self.task, "__name__", None) or str(self.task)

    def run(self) -> Any:
        """Call it and return what it returns."""
        return self.task(*self.args, **self.kwargs)


class CommandTaskHandler:
    """A command to execute, with or without a shell.

    Parameters
    ----------
    command : list or tuple of str, or str
        The program with its arguments; with ``shell=True`` one line for the shell.
    shell : bool
        Which of the two it is.
    cwd : str or path, optional
        Folder to execute it in.
    env : mapping, optional
        Variables added to those of this process.
    check : bool
        Whether an exit code other than 0 is a failure.
    capture_output, text : bool
        Whether to keep what it writes, and whether as text or as bytes.

    Raises
    ------
    TypeError, ValueError
        When the command is not of the form that ``shell`` asks for, or is empty.
    """

    def __init__(
        self,
        command: str | Sequence[str],
        shell: bool = False,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        capture_output: bool = True,
        text: bool = True,
    ) -> None:
        self.command = _checked(command, shell)
        self.shell = shell
        self.cwd = None if cwd is None else os.fspath(cwd)
        self.env = None if env is None else dict(env)
        self.check = check
        self.capture_output = capture_output
        self.text = text
        self.name = "shell_command" if shell else "command"
        self._run: Run | None = None

    def as_command(self) -> Command:
        """Return the same as an :class:`abreast.Command`."""
        form: dict[str, Any] = {
            "cwd": self.cwd,
            "env": self.env,
            "ok": 0 if self.check else None,
            "capture": self.capture_output,
            "text": self.text,
        }
        if isinstance(self.command, str):
            return Command(shell=self.command, **form)
        return Command(*self.command, **form)

    def run(self) -> dict[str, Any]:
        """Execute it and return its result.

        Raises
        ------
        CommandExecutionError
            When it failed and ``check`` is set.
        RuntimeError
            When :meth:`terminate` ended it.
        """
        with Runner(1, progress=False) as runner:
            run = self._run = runner.add(self.as_command(), on_crash="fail")
        if run.state is State.COMPLETED:
            return self.result(run.value)
        error = run.exception
        if isinstance(error, CommandFailed):
            raise self.failure(error)
        raise RuntimeError(TERMINATED) from error

    def terminate(self) -> None:
        """End it if it runs."""
        if self._run is not None:
            self._run.cancel()

    def result(self, ended: CommandResult) -> dict[str, Any]:
        """Return what a command left behind as the dictionary that users get."""
        return {
            "command": self.command,
            "shell": self.shell,
            "returncode": ended.returncode,
            "stdout": _one_newline(ended.stdout),
            "stderr": _one_newline(ended.stderr),
            "cwd": self.cwd,
        }

    def failure(self, error: CommandFailed) -> Exception:
        """Return the exception that users know for a failed command."""
        if isinstance(error.result, CommandResult):
            return CommandExecutionError(self.result(error.result))
        if error.returncode != 127:
            return OSError(str(error))
        missing = self.command[0]
        if self.cwd is not None and not os.path.isdir(self.cwd):
            missing = self.cwd
        return FileNotFoundError(2, os.strerror(2), missing)


def _checked(command: Any, shell: bool) -> str | list[str]:
    if shell:
        if not isinstance(command, str):
            raise TypeError("add_shell_command requires command to be a string.")
        if not command.strip():
            raise ValueError("add_shell_command requires a non-empty command string.")
        return command
    if not isinstance(command, (list, tuple)):
        raise TypeError("add_command requires command to be a list or tuple of strings.")
    if not command:
        raise ValueError("add_command requires at least one command element.")
    if not all(isinstance(part, str) for part in command):
        raise TypeError("add_command requires every command element to be a string.")
    return list(command)


def _one_newline(output: str | bytes | None) -> str | bytes | None:
    """Text has ``\\n`` at the end of every line, whatever the program wrote."""
    if isinstance(output, str) and "\r" in output:
        return output.replace("\r\n", "\n").replace("\r", "\n")
    return output


def checked_retries(number: Any) -> int:
    """Return a number of retries if it is one."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError("task_retries must be a non-negative integer.")
    if number < 0:
        raise ValueError("task_retries must be a non-negative integer.")
    return number


def check_callable(task: object) -> None:
    """Raise ``TypeError`` for what cannot be called."""
    if not callable(task):
        raise TypeError(f"The provided task '{task}' is not callable.")


def check_work(number: int, item: Any) -> None:
    """Raise for an item of ``add_work`` that has not the right form."""
    where = f"orkload item at index {number}"
    if not isinstance(item, tuple):
        raise TypeError(f"W{where} is not a tuple")
    if not 1 <= len(item) <= 4:
        raise ValueError(
            f"Invalid w{where}: expected a tuple with 1 to 4 elements in the format:\n"
            "(function: callable, args: tuple, kwargs: dict, label: str)\n"
            f"But got {len(item)} element(s): {item}"
        )
    if len(item) > 1 and not isinstance(item[1], Iterable):
        name = getattr(item[0], "__name__", item[0])
        raise TypeError(
            f"W{where}: 'args' must be an iterable such as a tuple or list, "
            f"got {type(item[1]).__name__}. Did you mean ('{name}', ({item[1]!r},))?"
        )
    if len(item) > 2 and not isinstance(item[2], Mapping):
        raise TypeError(
            f"W{where}: 'kwargs' must be a mapping such as a dict, got {type(item[2]).__name__}."
        )


class Entry:
    """One task of a runner: what was asked for, and its run once the runner has started."""

    __slots__ = ("depends_on", "handler", "label", "mode", "refused", "retries", "run", "stopped",
                 "warning")  # fmt: skip

    def __init__(
        self,
        handler: TaskHandler | CommandTaskHandler,
        label: Any,
        depends_on: tuple[Any, ...] = (),
        retries: int = 0,
    ) -> None:
        self.handler = handler
        self.label = label
        self.depends_on = depends_on
        self.retries = retries
        self.run: Run | None = None
        self.mode: str | None = None  # how it executes
        self.warning: str | None = None
        self.refused: BaseException | None = None  # why it cannot execute in a process
        self.stopped = False  # had not ended when the runner was aborted
