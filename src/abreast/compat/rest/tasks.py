"""``/api/tasks``: the tasks with their schedules and runs, and starting them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from pydantic import BaseModel

from abreast.errors import UsageError

from . import answers, environments, schedule_words
from .face import Face, Refused
from .reading import job_status, run_of_task, still_there, task_status, utc, utc_with_zone

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": answers.Detail}}
_REFUSED: dict[int | str, dict[str, Any]] = {**_NOT_FOUND, 400: {"model": answers.Detail}}


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


class EnvironmentPaths(BaseModel):
    """An environment and a file of requirements."""

    environment_path: str | None = None
    requirements_path: str | None = None


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes that begin with ``/api/tasks``."""
    _add_looking(router, face)
    _add_acting(router, face)


def _add_looking(router: APIRouter, face: Face) -> None:
    looking: dict[str, Any] = {"tags": ["compat: tasks"], "dependencies": [Depends(face.reader)]}

    @router.get("/api/tasks/", response_model=answers.Tasks, **looking)
    @router.get("/api/tasks", include_in_schema=False, **looking)
    def list_tasks() -> Any:
        """List the tasks with their newest run and their next instant."""
        return {"tasks": _described(face)}

    @router.get("/api/tasks/discover", response_model=answers.Discovered, **looking)
    def discover_tasks() -> Any:
        """List the tasks; files of the folder are taken in without being asked for."""
        tasks = [task for _, task in face.tasks()]
        found = [
            {
                "name": task.name,
                "file_path": environments.file_of(task),
                "module_name": _module(task),
                "description": task.doc or "",
            }
            for task in tasks
        ]
        return {
            "discovered_tasks": found,
            "new_tasks": [],
            "existing_tasks": [task.name for task in tasks],
        }

    @router.get("/api/tasks/environments", response_model=answers.Environments, **looking)
    def list_environments() -> Any:
        """List the virtual environments that tasks name."""
        return {"environments": environments.environments(_only_tasks(face))}

    @router.get("/api/tasks/requirements", response_model=answers.RequirementsFiles, **looking)
    def list_requirements() -> Any:
        """List the files of requirements that tasks name."""
        return {"requirements_files": environments.requirements_files(_only_tasks(face))}

    @router.get("/api/tasks/projects", response_model=answers.Projects, **looking)
    def list_projects() -> Any:
        """List the packages with tasks."""
        return {"task_projects": environments.projects(_only_tasks(face))}

    @router.get(
        "/api/tasks/{task_id}/runs",
        response_model=answers.TaskRuns,
        responses=_NOT_FOUND,
        **looking,
    )
    def list_runs(task_id: int, limit: Annotated[int, Query(ge=0, le=1000)] = 10) -> Any:
        """List the runs of a task, the newest first."""
        task = face.task(task_id)
        runs = face.app.search(tasks=[task.name], limit=limit) if limit else []
        return {"task_runs": still_there(runs, run_of_task)}


def _add_acting(router: APIRouter, face: Face) -> None:
    acting: dict[str, Any] = {"tags": ["compat: tasks"], "dependencies": [Depends(face.operator)]}

    @router.post(
        "/api/tasks/{task_id}/run", response_model=answers.Started, responses=_REFUSED, **acting
    )
    def run_task(
        request: Request,
        task_id: int,
        config: Annotated[dict[str, Any] | None, Body()] = None,
    ) -> Any:
        """Start a task and return at once."""
        task = face.task(task_id).with_options(**face.said_by(request))
        run = task.submit(**call_of(task, config))
        return {
            "message": "Task execution started",
            "task_run_id": run.id,
            "status": task_status(job_status(run)),
        }

    @router.put(
        "/api/tasks/{task_id}/schedule",
        response_model=answers.Message,
        responses=_REFUSED,
        **acting,
    )
    def set_schedule(task_id: int, said: Schedule) -> Any:
        """Change when a task runs, pause it or let it go on."""
        task = face.task(task_id)
        _check_environment(face, task, said)
        _set_schedule(face, task, said, said.model_fields_set)
        return {"message": "Task configuration updated successfully"}

    @router.delete(
        "/api/tasks/{task_id}", response_model=answers.Message, responses=_REFUSED, **acting
    )
    def delete_task(task_id: int) -> Any:
        """Pause the schedules of a task, or remove those added over HTTP.

        A task itself goes with its file or its declaration.
        """
        return {"message": _delete(face, face.task(task_id))}

    @router.post(
        "/api/tasks/register", response_model=answers.Registered, responses=_REFUSED, **acting
    )
    def register_task(said: Registration) -> Any:
        """Return the task of a file, which the service has taken in already, and schedule it."""
        number, task = _of_file(face, said)
        if said.schedule_type is not None or said.is_active is not None:
            schedule = Schedule(
                schedule_type=said.schedule_type,
                schedule_config=said.schedule_config,
                is_active=said.is_active,
            )
            _set_schedule(face, task, schedule, {"schedule_type", "schedule_config", "is_active"})
        return {"message": "Task registered successfully", "task_id": number}

    @router.post(
        "/api/tasks/validate-environment",
        response_model=answers.Validation,
        response_model_exclude_none=True,
        responses={400: {"model": answers.Detail}},
        **acting,
    )
    def validate_environment(said: EnvironmentPaths) -> Any:
        """Look whether an environment could be used; nothing is executed or installed."""
        if not said.environment_path:
            raise Refused(400, "Environment path is required")
        return environments.validate(
            _only_tasks(face), said.environment_path, said.requirements_path
        )


def call_of(task: Any, config: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments by name for a task that is started with a config, or with none.

    A task with a parameter ``config`` gets it as a whole, others get its keys as arguments.
    """
    given = dict(config or {})
    for parameter in task.parameters:
        if parameter.name == "config":
            return {"config": given} if given or parameter.required else {}
    return given


def _only_tasks(face: Face) -> list[Any]:
    return [task for _, task in face.tasks()]


# -- describing ---------------------------------------------------------------------------------


def _described(face: Face) -> list[dict[str, Any]]:
    tasks = face.tasks()
    stats = face.app.stats([task.name for _, task in tasks])
    schedules: dict[str, list[Any]] = {}
    for view in face.app.schedules.list():
        schedules.setdefault(view.task, []).append(view)
    return [
        _one(number, task, stats[task.name].last, schedules.get(task.name, []))
        for number, task in tasks
    ]


def _one(number: int, task: Any, last: Any, schedules: list[Any]) -> dict[str, Any]:
    path = environments.file_of(task)
    written = _written(path)
    kind, config = schedule_words.words_of(schedules[0].spec if schedules else None)
    live = [view for view in schedules if view.paused is None]
    coming = [view.next for view in live if view.next is not None]
    next_run = utc_with_zone(min(coming)) if coming else None
    return {
        "id": number,
        "name": task.name,
        "module_name": _module(task),
        "description": task.doc or "",
        "file_path": path,
        "schedule_type": kind,
        "schedule_config": None if config is None else json.dumps(config),
        "is_active": bool(live) or not schedules,
        "created_at": written,
        "updated_at": written,
        "latest_run": next(iter(still_there([last] if last else [], _latest)), None),
        "next_run": next_run,
        "job_status": {
            "scheduled": next_run is not None,
            "next_run": next_run,
            "status": "scheduled" if next_run is not None else "not_scheduled",
        },
    }


def _latest(run: Any) -> dict[str, Any]:
    found = run_of_task(run)
    return {key: found[key] for key in answers.LatestRun.model_fields}


def _module(task: Any) -> str:
    """The module of a task; of a command its name."""
    kind, path = task.origin
    if kind == "toml" and path is not None and not path.endswith(".py"):
        return str(task.name)
    if path is not None:
        return str(os.path.basename(path).removesuffix(".py"))
    return str(getattr(task.fn, "__module__", None) or task.name)


def _written(path: str | None) -> str | None:
    """When the file of a task was last changed."""
    if path is None:
        return None
    try:
        return utc(os.stat(path).st_mtime)
    except OSError:
        return None


# -- schedules ----------------------------------------------------------------------------------


def _set_schedule(face: Face, task: Any, said: Schedule, given: set[str]) -> None:
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


def _check_environment(face: Face, task: Any, said: Schedule) -> None:
    """Refuse an environment that is not the task's own: that is said where the task is said."""
    named = (said.environment_path, said.requirements_path)
    if not any(named):
        return
    python, requirements = environments.environment_of(task)
    folder = None if python is None else environments.folder_of(python)
    for wanted, known in zip(named, (folder, requirements), strict=True):
        if wanted and (known is None or os.path.realpath(wanted) != os.path.realpath(known)):
            raise Refused(
                400,
                f"Environment validation failed: {wanted!r} is not what task {task.name!r} uses; "
                "say python = … or requirements = … for it in abreast.toml",
            )


def _delete(face: Face, task: Any) -> str:
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


# -- registering --------------------------------------------------------------------------------


def _of_file(face: Face, said: Registration) -> tuple[int, Any]:
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
    if known is None or "\0" in said:
        return False
    if os.path.isabs(said):
        return os.path.realpath(known) == os.path.realpath(said)
    wanted = os.path.normpath(said).split(os.sep)
    return known.split(os.sep)[-len(wanted) :] == wanted
