"""Tasks: calling one makes an invocation."""

from __future__ import annotations

import copyreg
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from abreast import AbreastError, current_run

from .exceptions import InvalidTaskOptionsError, InvocationConcurrencyWithDifferentArgumentsError
from .invocation import Invocation, InvocationGroup
from .options import translate

if TYPE_CHECKING:
    import logging

    from .app import Pynenc


class Arguments(NamedTuple):
    """The arguments of one call; see :meth:`Task.args`."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


class Task:
    """A function whose calls are executed by a runner. Made by :meth:`Pynenc.task`.

    Attributes
    ----------
    func : callable
        The function itself.
    task_id : str
        ``module.function``.
    options : dict
        Those it was declared with.
    """

    def __init__(self, app: Pynenc, func: Callable[..., Any], options: Mapping[str, Any]) -> None:
        if not callable(func):
            raise TypeError(f"a task must be a function, not {func!r}")
        functools.update_wrapper(self, func)
        self.app = app
        self.func = func
        self.options = dict(options)
        self.task_id = f"{_module(func)}.{func.__name__}"
        try:
            policy = translate(func, options)
            self._stored = app.abreast.task(name=self.task_id, **policy.task)(func)
        except (InvalidTaskOptionsError, AbreastError) as error:
            raise InvalidTaskOptionsError(f"task {self.task_id!r}: {error}") from None
        self._differing_raises = policy.differing_raises
        self._place = func.__module__, func.__qualname__
        if func.__module__ != "__main__" and "<locals>" not in func.__qualname__:
            func.__qualname__ += ".func"  # where other processes find it: the name is the task's

    # -- calling ------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Register a call and return its :class:`Invocation` at once."""
        return self._register([(args, kwargs)])[0]

    def parallelize(
        self,
        param_iter: Iterable[tuple[Any, ...] | Mapping[str, Any] | Arguments],
        common_args: Mapping[str, Any] | None = None,
    ) -> InvocationGroup:
        """Register many calls at once.

        Parameters
        ----------
        param_iter : iterable
            For every call a tuple of arguments, a dict of arguments by name, or ``task.args(…)``.
        common_args : mapping, optional
            Arguments by name that all calls share; then each item must be a dict.

        Raises
        ------
        ValueError
            When ``common_args`` meets something else than a dict.
        TypeError
            For an item that is none of these.
        """
        return InvocationGroup(self._register([_call(item, common_args) for item in param_iter]))

    def args(self, *args: Any, **kwargs: Any) -> Arguments:
        """Return the arguments of a call, for :meth:`parallelize`."""
        return Arguments(args, kwargs)

    def _register(self, calls: list[tuple[tuple[Any, ...], Mapping[str, Any]]]) -> list[Invocation]:
        if self.app.conf.dev_mode_force_sync_tasks:
            with self.app.abreast.testing():
                runs = [self._stored.submit(*args, **kwargs) for args, kwargs in calls]
        elif len(calls) > 1 and not any(args and kwargs for args, kwargs in calls):
            runs = self._stored.submit_many([dict(kwargs) or args for args, kwargs in calls])
        else:
            runs = [self._stored.submit(*args, **kwargs) for args, kwargs in calls]
        if self._differing_raises:
            for run, (args, kwargs) in zip(runs, calls, strict=True):
                self._check_same(run, args, kwargs)
        return [Invocation(self.app, run.id, run) for run in runs]

    def _check_same(self, run: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        known, called = self.named(run.args, run.kwargs), self.named(args, kwargs)
        differ = [name for name in called if _plain(called[name]) != _plain(known.get(name))]
        if differ:
            raise InvocationConcurrencyWithDifferentArgumentsError(
                f"task {self.task_id!r}: invocation {run.id} is registered with the same key "
                f"arguments, but differs in {', '.join(differ)}"
            )

    # -- looking ------------------------------------------------------------------------------

    @property
    def invocation(self) -> Invocation:
        """The invocation that the calling code is part of.

        Raises
        ------
        RuntimeError
            Outside of one.
        """
        run = current_run()
        if run is None:
            raise RuntimeError("Task has not been invoked yet")
        return Invocation(self.app, run.id)

    @property
    def logger(self) -> logging.Logger:
        """The logger of the app."""
        return self.app.logger

    def named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name, with the defaults of those that are left out."""
        bound = inspect.signature(self.func).bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.task_id!r}>"

    def __reduce__(self) -> Any:
        # A function that refers to its task takes it along into another process: by name.
        found: Any = sys.modules.get(self._place[0])
        for part in self._place[1].split("."):
            found = getattr(found, part, None)
        if found is self and self._place[0] != "__main__":
            return _task_at, self._place
        return copyreg.__newobj__, (type(self),), self.__dict__  # type: ignore[attr-defined]


class DirectTask(Task):
    """A task whose calls wait and return the result itself. Made by :meth:`Pynenc.direct_task`."""

    def __init__(
        self,
        app: Pynenc,
        func: Callable[..., Any],
        options: Mapping[str, Any],
        parallel_func: Callable[[dict[str, Any]], Any] | None = None,
        aggregate_func: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        if parallel_func is not None and aggregate_func is None:
            raise ValueError(
                "direct_task: parallel_func needs aggregate_func, which makes one result of many"
            )
        super().__init__(app, func, options)
        self._parallel_func = parallel_func
        self._aggregate_func = aggregate_func

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Execute a call and return its result; of an async function, an awaitable of it."""
        if self._parallel_func is None or self._aggregate_func is None:
            [invocation] = self._register([(args, kwargs)])
            is_async = inspect.iscoroutinefunction(self.func)
            return invocation.async_result() if is_async else invocation.result
        group = self.parallelize(*_parts(self._parallel_func(self.named(args, kwargs))))
        if inspect.iscoroutinefunction(self.func):
            return self._aggregated(group, self._aggregate_func)
        return self._aggregate_func(list(group.results))

    async def _aggregated(
        self, group: InvocationGroup, aggregate: Callable[[list[Any]], Any]
    ) -> Any:
        return aggregate([result async for result in group.async_results()])


def _parts(made: Any) -> tuple[Iterable[Any], Mapping[str, Any] | None]:
    """What a ``parallel_func`` returned: calls, or common arguments and calls."""
    if isinstance(made, Mapping) and set(made) == {"common_args", "param_iter"}:
        return made["param_iter"], made["common_args"]
    if isinstance(made, tuple) and len(made) == 2:
        common, calls = made
        if isinstance(common, Mapping) and not isinstance(calls, (Mapping, Arguments)):
            return calls, common
    calls = made
    return calls, None


def _call(item: Any, common: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if common is not None:
        if not isinstance(item, Mapping):
            raise ValueError("When using common_args, param_iter must contain only dictionaries")
        return (), {**common, **item}
    if isinstance(item, Arguments):
        return item.args, item.kwargs
    if isinstance(item, Mapping):
        return (), dict(item)
    if isinstance(item, tuple):
        return item, {}
    raise TypeError(
        f"parallelize: each item must be a tuple, a dict or task.args(...), not {item!r}"
    )


def _plain(value: Any) -> Any:
    """A value as it comes back from a store of text: tuples are lists there."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _module(func: Callable[..., Any]) -> str:
    """The module of a function; of a program's own file, as others would import it."""
    if func.__module__ != "__main__":
        return func.__module__
    file = getattr(sys.modules["__main__"], "__file__", None)
    return os.path.splitext(os.path.basename(file))[0] if file else "__main__"


def _task_at(module: str, path: str) -> Any:
    from importlib import import_module

    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found
