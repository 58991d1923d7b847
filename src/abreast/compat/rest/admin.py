"""``/health`` and the numbers of an overview."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Depends

import abreast
from abreast import State

from . import answers, log_files
from .face import Face
from .reading import UNENDED, job_status, still_there, task_status, utc


def add_routes(router: APIRouter, face: Face) -> None:
    """Add ``/health`` and ``/api/admin/stats``."""

    @router.get("/health", response_model=answers.Health, tags=["compat"])
    async def health() -> Any:
        """Say that the service answers; for everyone."""
        return {
            "status": "healthy",
            "version": abreast.__version__,
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    @router.get(
        "/api/admin/stats",
        response_model=answers.Stats,
        tags=["compat"],
        dependencies=[Depends(face.reader)],
    )
    def stats() -> Any:
        """Count tasks, runs and logs, and list the ten newest runs."""
        counts = face.app.counts()
        files = list(log_files.list_files(face.app.log_folder))
        return {
            "tasks": _tasks(face),
            "runs": {
                "total": sum(counts.values()),
                "successful": counts.get(State.COMPLETED, 0),
                "failed": counts.get(State.FAILED, 0),
                "running": counts.get(State.RUNNING, 0),
            },
            "logs": {
                "total_files": len(files),
                "total_size_mb": round(sum(file.size for file in files) / (1 << 20), 2),
            },
            "email": {"configured": None, "total_task_emails": None},
            "recent_activity": still_there(face.app.search(limit=10), _activity),
        }


def _tasks(face: Face) -> dict[str, int]:
    names = [task.name for _, task in face.tasks()]
    paused: dict[str, bool] = {}
    for view in face.app.schedules.list():
        paused[view.task] = paused.get(view.task, True) and view.paused is not None
    scheduled = sum(name in paused for name in names)
    return {
        "total": len(names),
        "active": sum(not paused.get(name, False) for name in names),
        "manual": len(names) - scheduled,
        "scheduled": scheduled,
    }


def _activity(run: Any) -> dict[str, Any]:
    status = job_status(run)
    return {
        "task_name": run.name,
        "status": task_status(status),
        "started_at": utc(run.started),
        "duration": None if status in UNENDED else run.run_seconds,
    }
