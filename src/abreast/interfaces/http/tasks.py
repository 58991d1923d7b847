"""``/tasks``: what there is to run, and how it has gone lately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import Response

from ..report_dict import iso
from ..run_json import plain, row_of
from .query import NameInPath, Text, words
from .route import OPERATOR, PREFIX, VIEWER, Here, Route, There, answer, declared, pages
from .shapes_tasks import TaskDetails, TaskPaused, Tasks
from .starting import find

if TYPE_CHECKING:
    from ..app_schedules import ScheduleView
    from ..app_search import TaskStats
    from ..app_task import AppTask

routes = APIRouter(prefix=PREFIX + "/tasks", tags=["tasks"], route_class=Route)

_HIDDEN = "abreast:"  # abreast's own tasks


@routes.get(
    "",
    operation_id="list_tasks",
    summary="List tasks",
    dependencies=VIEWER,
    responses=declared(200, Tasks, "All tasks, by name."),
)
def list_tasks(here: There, tag: Text = None, q: Text = None) -> Response:
    """All tasks with their last run, next instant, success rate and usual duration; and the
    files of the tasks folder with their errors. ``tag`` and ``q`` choose."""
    chosen = {
        name: task
        for name, task in sorted(here.app.tasks.items())
        if not name.startswith(_HIDDEN)
        and (tag is None or set(words(tag) or ()) & set(task.tags))
        and (not q or q.lower() in name.lower())
    }
    stats = here.app.stats(chosen)
    by_task: dict[str, list[ScheduleView]] = {}
    for view in here.app.schedules.list():
        by_task.setdefault(view.task, []).append(view)
    items = [_row(here, task, stats[name], by_task.get(name, [])) for name, task in chosen.items()]
    return pages(items, None, files=_files(here.service.folder))


@routes.get(
    "/{name}",
    operation_id="show_task",
    summary="Show a task",
    dependencies=VIEWER,
    responses=declared(200, TaskDetails, "The task.", 404),
)
def show_task(here: There, name: NameInPath) -> Response:
    """A task with the options it was declared with."""
    task = find(here, name)
    row = _row(here, task, here.app.stats([name])[name], here.app.schedules.list(task=name))
    row["options"] = plain(task.declared)
    return answer(row)


def _row(
    here: Here, task: AppTask, stats: TaskStats, schedules: Iterable[ScheduleView]
) -> dict[str, Any]:
    views = sorted(schedules, key=lambda view: view.name)
    coming = [view for view in views if view.next is not None and view.paused is None]
    first = min(coming, key=lambda view: view.next or 0.0, default=None)
    return {
        "name": task.name,
        "doc": task.doc,
        "tags": list(task.tags),
        "parameters": [
            {
                "name": parameter.name,
                "kind": parameter.kind,
                "required": parameter.required,
                "default": plain(parameter.default),
                "annotation": parameter.annotation,
            }
            for parameter in task.parameters
        ],
        "origin": {"kind": task.origin[0], "path": task.origin[1]},
        "problem": here.service.problems.get(task.name),
        "paused": bool(views) and all(view.paused is not None for view in views),
        "schedules": [view.name for view in views],
        "next": None if first is None else {
            "schedule": first.name, "at": iso(first.next), "timezone": first.timezone,
        },
        "last": None if stats.last is None else row_of(stats.last),
        "success_rate": stats.success_rate,
        "median_seconds": stats.median,
        "p95_seconds": stats.p95,
        "recent": [
            {"id": id, "state": str(state), "seconds": seconds}
            for id, state, seconds in stats.recent
        ],
        "running": stats.active,
        "waiting": stats.waiting,
    }  # fmt: skip


def _files(folder: Any) -> list[Mapping[str, Any]]:
    """The files of the tasks folder."""
    return [
        {
            "path": str(file.path), "tasks": list(file.names), "error": file.error,
            "checked": iso(file.checked),
        }
        for file in getattr(folder, "files", None) or ()
    ]  # fmt: skip


@routes.post(
    "/{name}/pause",
    operation_id="pause_task",
    summary="Pause the schedules of a task",
    dependencies=OPERATOR,
    responses=declared(200, TaskPaused, "Which ones.", 404),
)
def pause_task(here: There, name: NameInPath) -> Response:
    """Let the instants of all its schedules pass; they are noted as paused. Started by hand it
    runs all the same."""
    return _pause(here, name, True)


@routes.post(
    "/{name}/resume",
    operation_id="resume_task",
    summary="Resume the schedules of a task",
    dependencies=OPERATOR,
    responses=declared(200, TaskPaused, "Which ones.", 404),
)
def resume_task(here: There, name: NameInPath) -> Response:
    """End the pause of all its schedules."""
    return _pause(here, name, False)


def _pause(here: Here, name: str, paused: bool) -> Response:
    find(here, name)
    changed = []
    for view in here.app.schedules.list(task=name):
        if (view.paused is not None) != paused:
            (here.app.schedules.pause if paused else here.app.schedules.resume)(view.name)
            changed.append(view.name)
    return answer({"name": name, "paused": paused, "schedules": changed})
