"""Which tasks of a file run, in which order, with which arguments."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..tasks import TaskFunction
from .exits import Refused


@dataclass(frozen=True, slots=True)
class Result:
    """Stands for the result of another task among arguments."""

    of: str


@dataclass(frozen=True, slots=True)
class Step:
    """One task that is going to run."""

    name: str
    task: TaskFunction
    after: tuple[str, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def make(
    tasks: Mapping[str, TaskFunction], wanted: Sequence[str], values: Mapping[str, str]
) -> list[Step]:
    """Return what is to run, dependencies first, otherwise in the order of declaration.

    Parameters
    ----------
    tasks : mapping
        What there is, by name.
    wanted : sequence of str
        Names of tasks; they come with all they come after. Empty: everything.
    values : mapping
        For parameters, by name, as text.

    Raises
    ------
    Refused
        Naming the task or the parameter.
    """
    known = dict(tasks)
    links: dict[str, tuple[str, ...]] = {}
    queue = [_known(name, known, f"there is no task {name!r}") for name in wanted or tasks]
    while queue:
        name = queue.pop()
        if name not in links:
            links[name] = tuple(dict.fromkeys(_after(known[name], known)))
            queue += links[name]
    order = _in_order(links, list(known))
    unused = set(values)
    steps = []
    for name in order:
        args, kwargs, used = _arguments(name, known[name], links[name], values)
        unused -= used
        steps.append(Step(name, known[name], links[name], args, kwargs))
    if unused:
        _refuse_unused(sorted(unused)[0], [known[name] for name in order])
    return steps


def read_values(pairs: Iterable[str]) -> dict[str, str]:
    """Read ``NAME=VALUE`` texts."""
    values: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip().isidentifier():
            raise Refused(f"-a {pair!r}: write NAME=VALUE, for example -a target=staging")
        if name.strip() in values:
            raise Refused(f"-a {name.strip()} is given twice")
        values[name.strip()] = value
    return values


# -- dependencies -----------------------------------------------------------------------------


def _after(task: TaskFunction, known: dict[str, TaskFunction]) -> list[str]:
    given = task.options.get("after") or ()
    items = [given] if isinstance(given, str) or callable(given) else given
    if not isinstance(items, Iterable):
        raise Refused(f"task {task.name!r}: after= must be tasks or names of tasks, not {items!r}")
    return [_name_of(item, task, known) for item in items]


def _name_of(item: object, task: TaskFunction, known: dict[str, TaskFunction]) -> str:
    if isinstance(item, str):
        return _known(item, known, f"task {task.name!r} comes after {item!r}, which does not exist")
    for name, other in known.items():
        if other is item or other.fn is item:
            return name
    if isinstance(item, TaskFunction):  # declared elsewhere and not imported by name
        if item.name in known:
            raise Refused(f"two tasks are named {item.name!r}; {task.name!r} comes after both")
        known[item.name] = item
        return item.name
    if callable(item):
        shown = getattr(item, "__name__", repr(item))
        raise Refused(
            f"task {task.name!r} comes after {shown}, which is no task: put @task above it"
        )
    raise Refused(f"task {task.name!r}: after= must be tasks or names of tasks, not {item!r}")


def _known(name: str, known: Mapping[str, TaskFunction], problem: str) -> str:
    if name in known:
        return name
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    raise Refused(f"{problem}; {hint}")


def _in_order(links: dict[str, tuple[str, ...]], declared: list[str]) -> list[str]:
    from graphlib import CycleError, TopologicalSorter

    sorter = TopologicalSorter({name: links[name] for name in declared if name in links})
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise Refused(
            f"these tasks come after one another in a circle, so none could start: {circle}"
        ) from None
    place = {name: number for number, name in enumerate(declared)}
    order: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready += sorter.get_ready()
        ready.sort(key=place.__getitem__)
        name = ready.pop(0)
        order.append(name)
        sorter.done(name)
    return order


# -- arguments --------------------------------------------------------------------------------


def _arguments(
    name: str, task: TaskFunction, after: tuple[str, ...], values: Mapping[str, str]
) -> tuple[tuple[Any, ...], dict[str, Any], set[str]]:
    """Return arguments by place, by name, and which of ``values`` they use."""
    try:
        parameters = inspect.signature(task.fn, eval_str=True).parameters.values()
    except (NameError, TypeError, SyntaxError):
        parameters = inspect.signature(task.fn).parameters.values()
    except ValueError:
        return (), {}, set()  # a built-in that does not say
    given: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in values:
            given[parameter.name] = _converted(values[parameter.name], parameter, name)
        elif parameter.name in after:
            given[parameter.name] = Result(parameter.name)
        elif parameter.default is parameter.empty:
            raise Refused(
                f"task {name!r} needs a value for its parameter {parameter.name!r}: give it with "
                f"-a {parameter.name}=VALUE, give the parameter a default, or name it like a task "
                "in its after= to get that task's result"
            )
    return *_placed(name, list(parameters), given), set(given) & set(values)


def _placed(
    name: str, parameters: list[inspect.Parameter], given: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Pass by place what can be, so that no name meets an option of ``Runner.add``."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    rest = dict(given)
    for parameter in parameters:
        by_place = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if by_place and rest.keys() & {other.name for other in parameters}:
            args.append(rest.pop(parameter.name, parameter.default))
        elif parameter.name in rest:
            if parameter.name in _TAKEN:
                raise Refused(
                    f"task {name!r}: its keyword-only parameter {parameter.name!r} cannot be given "
                    "from here; let it also be passed by place"
                )
            kwargs[parameter.name] = rest.pop(parameter.name)
    return tuple(args), kwargs


_TAKEN = frozenset(
    {"after", "executor", "expected", "fresh", "label", "limits", "name", "needs", "on_crash",
     "priority", "retry", "timeout"}
)  # fmt: skip
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def _converted(text: str, parameter: inspect.Parameter, task: str) -> Any:
    """Return a text as what the annotation asks for; text where it asks for nothing known."""
    kind = parameter.annotation
    if kind is parameter.empty and isinstance(parameter.default, (bool, int, float)):
        kind = type(parameter.default)
    kind = getattr(kind, "__name__", kind)
    try:
        if kind == "bool":
            if text.lower() not in _TRUE | _FALSE:
                raise ValueError
            return text.lower() in _TRUE
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError:
        wanted = {"bool": "yes or no", "int": "a whole number", "float": "a number"}[kind]
        raise Refused(f"-a {parameter.name}={text}: task {task!r} wants {wanted}") from None
    if kind == "Path":
        from pathlib import Path

        return Path(os.fspath(text))
    return text


def _refuse_unused(name: str, tasks: list[TaskFunction]) -> None:
    known: set[str] = set()
    for task in tasks:
        try:
            known |= set(inspect.signature(task.fn).parameters)
        except (TypeError, ValueError):
            continue
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        hint = f"; did you mean {near[0]!r}?"
    else:
        hint = f"; there are {', '.join(sorted(known))}" if known else ""
    raise Refused(f"-a {name}: no task that runs has a parameter of this name{hint}")
