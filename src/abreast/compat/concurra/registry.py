"""The tasks of one runner: labels are unique, and nothing waits for itself or for nobody."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .tasks import CommandTaskHandler, Entry, TaskHandler


class Registry:
    """Label to task, in order of adding.

    Attributes
    ----------
    tasks : dict
        What has been added.
    awaited : set
        Labels that were depended on before there was a task of that label.
    """

    def __init__(self) -> None:
        self.tasks: dict[Any, Entry] = {}
        self.awaited: set[Any] = set()

    def add(
        self,
        handler: TaskHandler | CommandTaskHandler,
        label: Any,
        depends_on: Collection[Any] | None,
        retries: int,
    ) -> None:
        """Add a task, or raise ``ValueError`` and leave everything as it was."""
        tasks = self.tasks
        if label is None:
            label = len(tasks)
            while label in tasks:  # given to another task by the user
                label += 1
        elif label in tasks:
            raise ValueError(f"Duplicate task key label: '{label}' already exists.")
        needed: tuple[Any, ...] = ()
        if depends_on:
            # A text is one label, not a list of letters.
            one = isinstance(depends_on, str)
            needed = (depends_on,) if one else tuple(dict.fromkeys(depends_on))
            if label in needed:
                raise ValueError(f"Task '{label}' cannot depend on itself.")
        if label in self.awaited:
            self._check_circle(label, needed)
        tasks[label] = Entry(handler, label, needed, retries)
        if needed:
            self.awaited.update(one for one in needed if one not in tasks)

    def _check_circle(self, label: Any, needed: tuple[Any, ...]) -> None:
        """Follow the dependencies of a new task; refuse it when they lead back to it."""
        came_from: dict[Any, Any] = {}
        todo = [(one, label) for one in reversed(needed)]
        while todo:
            here, child = todo.pop()
            if here in came_from:
                continue
            came_from[here] = child
            if here == label:
                path = [label]
                while (child := came_from[path[-1]]) != label:
                    path.append(child)
                text = " -> ".join(str(one) for one in (label, *reversed(path)))
                raise ValueError(f"Circular dependency detected: {text}.")
            if here in self.tasks:
                todo.extend((one, here) for one in reversed(self.tasks[here].depends_on))

    def check(self) -> None:
        """Raise ``ValueError`` when tasks depend on labels that no task has."""
        if self.awaited <= self.tasks.keys():
            return
        unknown = []
        for entry in self.tasks.values():
            missing = sorted((one for one in entry.depends_on if one not in self.tasks), key=str)
            if missing:
                unknown.append(f"{entry.label} depends on {missing}")
        raise ValueError(f"Unknown task dependency label(s): {', '.join(unknown)}.")
