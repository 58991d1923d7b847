"""``/api/tasks``: the tasks with their schedules and runs, and starting them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from pydantic import BaseModel

from . import answers, environments
from .face import Face, Refused
from .reading import job_status, run_of_task, still_there, task_status
from .schedule_words import MANUAL
from .task_changes import (
    Registration,
    Schedule,
    call_of,
    check_environment,
    delete,
    of_file,
    set_schedule,
)
from .task_views import described, module_of

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": answers.Detail}}
_REFUSED: dict[int | str, dict[str, Any]] = {**_NOT_FOUND, 400: {"model": answers.Detail}}


class EnvironmentPaths(BaseModel):
    """An environment and a file of requirements."""

    environment_path: str | None = None
    requirements_path: str | None = None


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes that begin with ``/api/tasks``."""
    _add_looking(router, face)
    _add_acting(router, face)
    _add_registering(router, face)


def _add_looking(router: APIRouter, face: Face) -> None:
    looking: dict[str, Any] = {"tags": ["compat: tasks"], "dependencies": [Depends(face.reader)]}

    @router.get("/api/tasks/", response_model=answers.Tasks, **looking)
    @router.get("/api/tasks", include_in_schema=False, **looking)
    def list_tasks() -> Any:
        """List the tasks with their newest run and their next instant."""
        return {"tasks": described(face)}

    @router.get("/api/tasks/discover", response_model=answers.Discovered, **looking)
    def discover_tasks() -> Any:
        """List the tasks; files of the folder are taken in without being asked for."""
        tasks = [task for _, task in face.tasks()]
        found = [
            {
                "name": task.name,
                "file_path": environments.file_of(task),
                "module_name": module_of(task),
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
    def put_schedule(task_id: int, said: Schedule) -> Any:
        """Change when a task runs, pause it or let it go on."""
        task = face.task(task_id)
        check_environment(task, said)
        set_schedule(face, task, said, said.model_fields_set)
        return {"message": "Task configuration updated successfully"}

    @router.delete(
        "/api/tasks/{task_id}", response_model=answers.Message, responses=_REFUSED, **acting
    )
    def delete_task(task_id: int) -> Any:
        """Pause the schedules of a task, or remove those added over HTTP.

        A task itself goes with its file or its declaration.
        """
        return {"message": delete(face, face.task(task_id))}


def _add_registering(router: APIRouter, face: Face) -> None:
    acting: dict[str, Any] = {"tags": ["compat: tasks"], "dependencies": [Depends(face.operator)]}

    @router.post(
        "/api/tasks/register", response_model=answers.Registered, responses=_REFUSED, **acting
    )
    def register_task(said: Registration) -> Any:
        """Return the task of a file, which the service has taken in already, and schedule it."""
        number, task = of_file(face, said)
        wanted = None if said.schedule_type == MANUAL else said.schedule_type
        schedule = Schedule(
            schedule_type=wanted,
            schedule_config=said.schedule_config if wanted is not None else None,
            is_active=said.is_active,
        )
        set_schedule(face, task, schedule, set())
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


def _only_tasks(face: Face) -> list[Any]:
    return [task for _, task in face.tasks()]
