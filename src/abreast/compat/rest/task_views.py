"""Tasks as these clients see them."""

from __future__ import annotations

import json
import os
from typing import Any

from . import answers, environments, schedule_words
from .face import Face
from .reading import run_of_task, still_there, utc, utc_with_zone


def described(face: Face) -> list[dict[str, Any]]:
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
        "module_name": module_of(task),
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


def module_of(task: Any) -> str:
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
