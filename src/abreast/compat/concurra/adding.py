"""The ways to add a task to a runner."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from .tasks import CommandTaskHandler, TaskHandler, check_callable, check_work


class Adding:
    """The part of :class:`TaskRunner` that takes tasks in."""

    def add_task(
        self,
        task: Callable[..., Any],
        *args: Any,
        label: Any = None,
        depends_on: Collection[Any] | None = None,
        task_retries: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Add a function with its arguments.

        Parameters
        ----------
        task : callable
            The function.
        *args, **kwargs
            Its arguments.
        label : optional
            Key of its result; its position if not given.
        depends_on : collection of labels, optional
            Tasks that have to succeed first. They may be added later.
        task_retries : int, optional
            Overrides that of the runner.

        Raises
        ------
        TypeError, ValueError
            When it cannot be run as described; nothing is added.
        RuntimeError
            When the runner has started.
        """
        check_callable(task)
        self._register(TaskHandler(task, *args, **kwargs), label, depends_on, task_retries)

    def add_func(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Add a function. ``key=`` is its label; everything else goes to the function."""
        label = kwargs.pop("key", None)
        check_callable(func)
        self._register(TaskHandler(func, *args, **kwargs), label)

    def add_function(
        self,
        func: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        key: Any = None,
        log_exception: bool = True,
        depends_on: Collection[Any] | None = None,
        task_retries: int | None = None,
    ) -> None:
        """Add a function with its arguments as a sequence and a mapping; ``key`` is its label."""
        check_callable(func)
        handler = TaskHandler(
            func, *(() if args is None else args), **({} if kwargs is None else kwargs)
        )
        self._register(handler, key, depends_on, task_retries)

    def add_work(self, workload: Iterable[tuple[Any, ...]]) -> None:
        """Add many functions: tuples of function, arguments, keyword arguments, label.

        Raises
        ------
        TypeError, ValueError
            For the first item of another form; those before it stay added.
        """
        for number, item in enumerate(workload):
            check_work(number, item)
            self.add_function(*item)

    def add_command(
        self,
        command: Sequence[str],
        label: Any = None,
        depends_on: Collection[Any] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        capture_output: bool = True,
        text: bool = True,
        task_retries: int | None = None,
    ) -> None:
        """Add a program with its arguments, executed without a shell."""
        handler = CommandTaskHandler(command, False, cwd, env, check, capture_output, text)
        self._register(handler, label, depends_on, task_retries)

    def add_shell_command(
        self,
        command: str,
        label: Any = None,
        depends_on: Collection[Any] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        capture_output: bool = True,
        text: bool = True,
        task_retries: int | None = None,
    ) -> None:
        """Add one line for the shell."""
        handler = CommandTaskHandler(command, True, cwd, env, check, capture_output, text)
        self._register(handler, label, depends_on, task_retries)

    def _register(
        self,
        handler: TaskHandler | CommandTaskHandler,
        label: Any,
        depends_on: Collection[Any] | None = None,
        task_retries: int | None = None,
    ) -> None:
        raise NotImplementedError
