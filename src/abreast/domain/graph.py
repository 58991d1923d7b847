"""Dependencies: what a value refers to, circles, and the longest path still to go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .model import Run
from .states import ENDED

_CONTAINERS = (list, tuple, set, frozenset, dict)
ANCESTORS_AT_MOST = 64  # how far one addition to a running graph corrects paths upward


def runs_in(value: Any) -> Iterator[Run]:
    """Yield the runs inside a value: itself, or anywhere in plain lists, tuples, sets, dicts.

    Only the built-in containers themselves are looked into, not their subclasses and not other
    objects, so that arguments of every other kind pass through untouched.
    """
    stack = [value]
    seen: set[int] = set()  # containers, because one may contain itself
    while stack:
        value = stack.pop()
        if isinstance(value, Run):
            yield value
            continue
        kind = type(value)
        if kind not in _CONTAINERS or not value or id(value) in seen:
            continue
        seen.add(id(value))
        items: list[Any] = [*value.keys(), *value.values()] if kind is dict else list(value)
        if _worth_a_look(items):
            stack += reversed(items)


def _worth_a_look(items: Iterable[Any]) -> bool:
    # A long list of numbers has one type: this loop then runs once instead of a million times.
    return any(kind in _CONTAINERS or issubclass(kind, Run) for kind in set(map(type, items)))


def present(run: Run) -> Run:
    """Return the run that stands for this one: itself, or the known one it has joined."""
    while run.extra is not None and run.extra.joined is not None:
        run = run.extra.joined
    return run


def follow_joined(run: Run) -> None:
    """Let a run come after the known runs instead of those that have joined them."""
    after = tuple(dict.fromkeys(map(present, run.after)))
    if after != run.after:
        run.after = after
        if run.extra is not None:
            run.extra.soft = tuple(map(present, run.extra.soft))


def with_results(value: Any) -> Any:
    """Return ``value`` with every run inside replaced by its result; unchanged parts stay the same
    objects."""
    if isinstance(value, Run):
        return present(value).value
    kind = type(value)
    if kind not in _CONTAINERS or next(runs_in(value), None) is None:
        return value
    if kind is dict:
        return {with_results(key): with_results(item) for key, item in value.items()}
    return kind(with_results(item) for item in value)


def find_cycle(start: Run, parents: Callable[[Run], Iterable[Run]]) -> list[Run] | None:
    """Return the runs of a circle through ``start`` in the order of waiting, or None.

    ``parents(run)`` lists what a run waits for. The circle begins and ends with ``start``.
    Iterative, so that its length is not bounded by the interpreter's stack.
    """
    came_from: dict[Run, Run] = {}
    stack = [start]
    while stack:
        run = stack.pop()
        for parent in parents(run):
            if parent is start:
                path = [run]
                while path[-1] is not start:
                    path.append(came_from[path[-1]])
                return [*reversed(path), start]
            if parent not in came_from:
                came_from[parent] = run
                stack.append(parent)
    return None


def in_order(runs: Sequence[Run]) -> list[Run]:
    """Return the runs with parents before children (Kahn 1962), otherwise in the given order.

    The runs must be free of circles; parents outside ``runs`` are ignored.
    """
    inside = set(runs)
    missing = {run: sum(parent in inside for parent in run.after) for run in runs}
    children: dict[Run, list[Run]] = {}
    for run in runs:
        for parent in run.after:
            if parent in inside:
                children.setdefault(parent, []).append(run)
    ordered = [run for run in runs if not missing[run]]
    for run in ordered:  # grows while it is read
        for child in children.get(run, ()):
            missing[child] -= 1
            if not missing[child]:
                ordered.append(child)
    return ordered


def measure_paths(runs: Sequence[Run]) -> None:
    """Set ``path``, the longest remaining path, for new runs given with parents before children.

    The unit is hops, or the seconds a task is ``expected`` to take when it says so. Starting the
    longest first is critical-path list scheduling (Graham 1969; Kohler 1975).
    """
    for run in reversed(runs):
        path = run.path
        for parent in run.after:
            if parent.path < path + (parent.task.expected or 1.0):
                parent.path = path + (parent.task.expected or 1.0)


def correct_ancestors(runs: Sequence[Run]) -> list[Run]:
    """Lengthen the paths of runs that were there before, at most so many per new run.

    Returns the runs whose path has grown.
    """
    grown = [parent for run in runs for parent in run.after if parent.state not in ENDED]
    left = ANCESTORS_AT_MOST * len(runs)
    stack = list(grown)
    while stack and left:
        left -= 1
        run = stack.pop()
        for parent in run.after:
            path = run.path + (parent.task.expected or 1.0)
            if parent.path < path and parent.state not in ENDED:
                parent.path = path
                stack.append(parent)
                grown.append(parent)
    return grown
