"""Starting tasks, and changing when they run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from abreast.errors import UsageError

from . import environments, schedule_words
from .face import Face, Refused


class Registration(BaseModel):
    """A task file to be registered."""

    name: str
    file_path: str
    description: str | None = None
    schedule_type: str | None = None
    schedule_config: dict[str, Any] | str | None = None
    is_active: bool | None = None


class Schedule(BaseModel):
    """When a task is to run. What is left out stays as it is."""

    schedule_type: str | None = None
    schedule_config: dict[str, Any] | str | None = None
    is_active: bool | None = None
    environment_path: str | None = None
    requirements_path: str | None = None


def call_of(task: Any, config: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments by name for a task that is started with a config, or with none.

    A task with a parameter ``config`` gets it as a whole, others get its keys as arguments.
    """
    given = dict(config or {})
    for parameter in task.parameters:
        if parameter.name == "config":
            return {"config": given} if given or parameter.required else {}
    return given


def set_schedule(face: Face, task: Any, said: Schedule, given: set[str]) -> None:
    """Make, change, remove, pause or resume the schedule of a task; ``given``: which fields were.

    Raises
    ------
    UsageError
        When a field is impossible, the schedule is declared elsewhere, or there are several.
    """
    schedules = face.app.schedules
    known = schedules.list(task=task.name)
    if said.schedule_type is not None or "schedule_config" in given:
        if len(known) > 1:
            names = ", ".join(view.name for view in known)
            raise UsageError(
                f"task {task.name!r} has several schedules ({names}), which cannot be told apart "
                "here; change them with /api/v1/schedules or 'abreast schedule'"
            )
        known = _retimed(face, task, said, known[0] if known else None)
    for view in known:
        if said.is_active is True and view.paused is not None:
            schedules.resume(view.name)
        elif said.is_active is False and view.paused is None:
            schedules.pause(view.name)


def _retimed(face: Face, task: Any, said: Schedule, now: Any) -> list[Any]:
    """Make the one schedule of a task what is said; returns it, if there is one then."""
    schedules = face.app.schedules
    spec = _wanted_spec(said, None if now is None else now.spec)
    if now is None:
        if spec is None:
            return []
        return [schedules.add(task.name, task.name, spec, kwargs=call_of(task, None))]
    if spec is None:
        schedules.remove(now.name)
        return []
    if schedule_words.words_of(spec) == schedule_words.words_of(now.spec):
        return [now]
    return [schedules.change(now.name, spec=spec)]


def _wanted_spec(said: Schedule, now: str | None) -> str | None:
    """What the schedule is to be; None: no schedule."""
    config = schedule_words.settings_of(said.schedule_config)
    kind = said.schedule_type
    if kind is None:
        kind, settings = schedule_words.words_of(now)
        config = config or settings or {}
    return schedule_words.spec_of(kind, config)


def check_environment(task: Any, said: Schedule) -> None:
    """Refuse (400) an environment that is not the task's own: it is said where the task is."""
    named = (said.environment_path, said.requirements_path)
    if not any(named):
        return
    python, requirements = environments.environment_of(task)
    folder = None if python is None else environments.folder_of(python)
    for wanted, known in zip(named, (folder, requirements), strict=True):
        if wanted and (known is None or not environments.same_place(wanted, known)):
            raise Refused(
                400,
                f"Environment validation failed: {wanted!r} is not what task {task.name!r} uses; "
                "say python = … or requirements = … for it in abreast.toml",
            )


def delete(face: Face, task: Any) -> str:
    """Keep a task from running by itself; returns what was done and what is left to do."""
    schedules = face.app.schedules
    done = []
    for view in schedules.list(task=task.name):
        if view.source == "api":
            schedules.remove(view.name)
            done.append(f"schedule {view.name} removed")
        elif view.paused is None:
            schedules.pause(view.name)
            done.append(f"schedule {view.name} paused")
    path = environments.file_of(task)
    if path is None:
        where = "remove its declaration"
    elif task.origin[0] == "toml":
        where = f"remove [tasks.{task.name}] from {path}"
    else:
        where = f"remove {path}"
    said = "; ".join(done) if done else "no schedule starts it"
    return f"Task {task.name} will not run by itself: {said}. To get rid of the task, {where}"


def of_file(face: Face, said: Registration) -> tuple[int, Any]:
    """The task that was read from a file."""
    tasks = face.tasks()
    here = [pair for pair in tasks if _same_file(environments.file_of(pair[1]), said.file_path)]
    for number, task in here:
        if task.name == said.name:
            return number, task
    if any(task.name == said.name for _, task in tasks):
        raise Refused(400, "Task with this name already exists")
    if here:
        names = ", ".join(task.name for _, task in here)
        raise Refused(400, f"Invalid task file: its task is named {names}")
    raise Refused(
        400,
        "Invalid task file: the service has no task from it; put the file into its folder of "
        "tasks, where it is found within a second",
    )


def _same_file(known: str | None, said: str) -> bool:
    if known is None:
        return False
    if os.path.isabs(said):
        return environments.same_place(said, known)
    wanted = os.path.normpath(said).split(os.sep)
    return known.split(os.sep)[-len(wanted) :] == wanted
