"""Declaring tasks: from a function and options to the record the engine works with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, overload

from ..domain.command import Command
from ..domain.keys import Template
from ..domain.limits import Keys, Limit
from ..domain.model import Task
from ..domain.policy import Duration, Retry, amount, seconds
from ..domain.unique import Unique, template_of
from ..errors import UsageError, WrongType

EXECUTORS: Final = ("thread", "process", "coroutine", "command")
_IS_COROUTINE = 0x80  # CO_COROUTINE of inspect, which is costly to import

Limits = Limit | int | Iterable[Limit]


class _Default:
    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT: Final = _Default()  # take what the runner says


class TaskFunction:
    """A function declared with :func:`task`. Calling it calls the function."""

    def __init__(self, fn: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn  # after update_wrapper, which copies what the function carries
        self.options = options
        self.name: str = options.get("name") or name_of(fn)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<task {self.name!r}>"


@overload
def task(fn: Callable[..., Any], /) -> TaskFunction: ...
@overload
def task(**options: Any) -> Callable[[Callable[..., Any]], TaskFunction]: ...
def task(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Declare a function as a task, with its policy beside it.

    Use it as ``@task`` or ``@task(timeout="10m", retry=3, …)``. The options are those of
    :meth:`abreast.Runner.add`; ``after`` names the tasks that have to complete first and is
    followed by ``abreast run FILE`` and ``abreast serve``; a service also heeds ``schedule``,
    ``timezone``, ``overlap``, ``catch_up``, ``window``, ``jitter``, ``tags``, ``after_any``,
    ``notify``, ``description`` and ``concurrent``. Calling the result calls the function, as in
    plain Python.

    Raises
    ------
    UsageError, WrongType
        For an unknown option or one with an impossible value.
    """
    unknown = set(options) - OPTIONS
    if unknown:
        raise UsageError(_did_you_mean(sorted(unknown)[0], OPTIONS, "task: unknown option"))

    def declare(fn: Callable[..., Any]) -> TaskFunction:
        if not callable(fn):
            raise WrongType(f"task: {fn!r} is not callable")
        policy = {k: v for k, v in options.items() if k not in SERVICE and k != "name"}
        define(fn, options.get("name"), **policy)  # so that mistakes show where they are made
        return TaskFunction(fn, options)

    return declare if fn is None else declare(fn)


# What a service makes of a task: when its runs are made, and who hears of them.
SERVICE = frozenset(
    {"after", "after_any", "catch_up", "concurrent", "description", "jitter", "notify", "overlap",
     "schedule", "tags", "timezone", "window"}
)  # fmt: skip
OPTIONS = SERVICE | {
    "deadline", "executor", "expected", "expires", "fair_by", "fresh", "limits", "name",
    "needs", "nice", "on_crash", "priority", "retry", "timeout", "unique",
}  # fmt: skip


def _did_you_mean(word: str, known: Iterable[str], said: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
    return f"{said} {word!r}{hint}"


def unknown_label(word: str, known: Iterable[str], label: str) -> str:
    """The text of the error for a dependency that does not exist."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{label!r} comes after {word!r}, but there is no run with that label{hint}"


def name_of(fn: Callable[..., Any] | Command) -> str:
    """The name a task gets when none is given."""
    if isinstance(fn, Command):
        return fn.name
    while isinstance(fn, functools.partial):
        fn = fn.func
    return str(getattr(fn, "__name__", None) or type(fn).__name__)


def is_coroutine(fn: object) -> bool:
    """Whether calling ``fn`` gives a coroutine."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    fn = getattr(fn, "__func__", fn)
    code = getattr(fn, "__code__", None)
    if code is None:
        call = getattr(type(fn), "__call__", None)  # noqa: B004  # what it is, not whether
        code = getattr(call, "__code__", None)
    return bool(code is not None and code.co_flags & _IS_COROUTINE)


def define(
    fn: Callable[..., Any] | Command,
    name: str | None = None,
    *,
    executor: str | None = None,
    timeout: Duration | None = None,
    retry: Retry | int | None = None,
    priority: Duration | float | None = None,
    limits: Limits | None = None,
    needs: Mapping[str, float | str] | None = None,
    pools: Mapping[str, float] | None = None,
    expected: Duration | None = None,
    on_crash: str | None = None,
    fresh: bool | None = None,
    unique: Unique | bool | None = None,
    fair_by: str | None = None,
    expires: Duration | None = None,
    deadline: Duration | None = None,
    nice: int | None = None,
) -> Task:
    """Check a function and its options and return the task they make.

    Raises
    ------
    UsageError, WrongType
        Naming the option and what was expected.
    """
    if not callable(fn) and not isinstance(fn, Command):
        raise WrongType(
            f"a task must be a function, an async function or a Command, not {fn!r} "
            f"({type(fn).__name__})"
        )
    if name is not None and not isinstance(name, str):
        raise WrongType(f"name must be a str, not {name!r} ({type(name).__name__})")
    if fresh not in (None, True, False):
        raise WrongType(f"fresh must be True or False, not {fresh!r}")
    if on_crash not in (None, "retry", "fail"):
        raise UsageError(f"on_crash must be 'retry' or 'fail', not {on_crash!r}")
    if priority is not None and (
        isinstance(priority, bool) or not isinstance(priority, (int, float))
    ):
        raise WrongType(f"priority must be a number of seconds of head start, not {priority!r}")
    if nice is not None and (isinstance(nice, bool) or not isinstance(nice, int)):
        raise WrongType(f"nice must be a whole number from -20 to 19, not {nice!r}")
    if nice is not None and not -20 <= nice <= 19:
        raise UsageError(f"nice must be from -20 to 19, not {nice}")
    amounts = _amounts(needs)
    return Task(
        name or name_of(fn),
        fn,
        _executor(fn, executor),
        timeout=None if timeout is None else seconds(timeout, "timeout"),
        retry=as_retry(retry),
        priority=float(priority or 0),
        limits=(*_limits(limits), *_needs(amounts, pools)),
        expected=None if expected is None else seconds(expected, "expected"),
        on_crash=on_crash or "retry",
        fresh=bool(fresh),
        unique=as_unique(unique),
        fair_by=_fair_by(fair_by),
        expires=None if expires is None else seconds(expires, "expires"),
        deadline=None if deadline is None else seconds(deadline, "deadline"),
        nice=nice,
        needs=amounts,
    )


def as_unique(unique: Unique | bool | None) -> Unique | None:
    """``True`` is short for ``Unique()``: the same arguments are the same work until its end."""
    if unique is None or unique is False:
        return None
    if unique is True:
        return Unique()
    if isinstance(unique, Unique):
        return unique
    raise WrongType(f"unique must be True or a Unique, not {unique!r} ({type(unique).__name__})")


def _fair_by(template: str | None) -> str | None:
    if template is None:
        return None
    if not isinstance(template, str):
        raise WrongType(f"fair_by must be a str such as '{{tenant}}', not {template!r}")
    if "{" not in template:
        raise UsageError(
            f"fair_by {template!r} names no parameter, so that all runs would be alike; write for "
            "example '{tenant}'"
        )
    return template


def check_keys(task: Task) -> None:
    """Refuse a task whose keys cannot be made. Raises :class:`~abreast.errors.UsageError`."""
    if task.limits:
        Keys(task)
    if task.unique is not None:
        template_of(task)
    if task.fair_by is not None:
        Template(task.fair_by, task, "fair_by")


def as_retry(retry: Retry | int | None) -> Retry | None:
    """``3`` is short for ``Retry(3)``."""
    if retry is None or isinstance(retry, Retry):
        return retry
    if isinstance(retry, int):
        return Retry(int(retry)) if not isinstance(retry, bool) else Retry(retry)
    raise WrongType(f"retry must be a Retry or a number of tries after the first, not {retry!r}")


def _executor(fn: Callable[..., Any] | Command, executor: str | None) -> str:
    if isinstance(fn, Command):
        if executor not in (None, "command"):
            raise UsageError(f"a Command executes as 'command', not as {executor!r}")
        return "command"
    if executor is None:
        return "coroutine" if is_coroutine(fn) else "thread"
    if executor not in EXECUTORS:
        raise UsageError(_did_you_mean(str(executor), EXECUTORS, "unknown executor"))
    if executor == "command":
        raise UsageError("executor 'command' executes a Command; wrap the program in Command(…)")
    if executor == "coroutine" and not is_coroutine(fn):
        raise UsageError(
            f"executor 'coroutine' executes async functions, and {name_of(fn)!r} is not one; "
            "declare it with 'async def' or use executor='thread'"
        )
    if executor == "thread" and is_coroutine(fn):
        return "coroutine"
    return executor


def _limits(limits: Limits | None) -> tuple[Limit, ...]:
    if limits is None:
        return ()
    if isinstance(limits, Limit):
        return (limits,)
    if isinstance(limits, int):
        return (Limit(limits),)
    if not hasattr(limits, "__iter__"):
        raise WrongType(f"limits must be a Limit, an int or a list of Limit, not {limits!r}")
    found = tuple(limits)
    for limit in found:
        if not isinstance(limit, Limit):
            raise WrongType(f"limits must be Limit objects, not {limit!r} ({type(limit).__name__})")
    return found


def _amounts(needs: Mapping[str, float | str] | None) -> dict[str, float]:
    """What a task needs, as numbers."""
    if needs is not None and not isinstance(needs, Mapping):
        raise WrongType(f"needs must be a mapping such as {{'cpu': 1}}, not {needs!r}")
    return {name: amount(wanted, f"needs[{name!r}]") for name, wanted in (needs or {}).items()}


def _needs(needs: Mapping[str, float], pools: Mapping[str, float] | None) -> tuple[Limit, ...]:
    """What a task needs of the runner's pools, as limits shared by all tasks."""
    limits = []
    for name, units in needs.items():
        if pools is None:
            break  # declared beside a function; checked when a runner with pools gets it
        if name not in pools:
            said = "needs: the runner has no pool"
            raise UsageError(
                _did_you_mean(name, pools, said)
                if pools
                else f"{said} {name!r}; declare it with Runner(pools={{{name!r}: …}})"
            )
        if units > pools[name]:
            raise UsageError(
                f"needs: {units:g} of {name!r} wanted, but the pool has {pools[name]:g}"
            )
        limits.append(Limit.of_pool(name, pools[name], units))
    return tuple(limits)
