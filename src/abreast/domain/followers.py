"""Tasks that start when others have completed: ``after=["extract"]`` of a task in a service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Follower(NamedTuple):
    """A task that comes after others: when all of ``after`` have completed since its last start,
    or with ``any`` whenever one of them has."""

    task: str
    after: tuple[str, ...]
    any: bool = False


def completed(
    follower: Follower, upstream: str, run: int, kept: Mapping[str, int]
) -> tuple[dict[str, int] | None, dict[str, int]]:
    """Say what the completion of a run of ``upstream`` means for a follower.

    Parameters
    ----------
    kept : mapping
        Tasks it comes after that have completed since its last start, with the newest such run.

    Returns
    -------
    tuple
        The runs it starts after, by task, or None: it does not start yet; and what to keep.
    """
    if follower.any:
        return {upstream: run}, {}
    now = {**kept, upstream: run}
    if all(task in now for task in follower.after):
        return {task: now[task] for task in follower.after}, {}
    return None, now


def circle(followers: Sequence[Follower]) -> list[str] | None:
    """Return tasks that would start one another for ever, first and last the same, or None."""
    after = {follower.task: follower.after for follower in followers}
    for first in after:
        path, seen = [first], set()
        stack = [iter(after[first])]
        while stack:
            task = next(stack[-1], None)
            if task is None:
                stack.pop()
                path.pop()
            elif task == first:
                return [*path, first][::-1]
            elif task in after and task not in seen:
                seen.add(task)
                path.append(task)
                stack.append(iter(after[task]))
    return None
