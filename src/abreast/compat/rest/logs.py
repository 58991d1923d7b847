"""``/api/logs``: the files with what runs printed."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response, StreamingResponse

from abreast.errors import UnknownRun

from . import answers, log_files
from .face import Face, Refused
from .log_files import LogFile

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": answers.Detail}}
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
    **_NOT_FOUND,
}
_DAY_S = 86_400.0


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes that begin with ``/api/logs``."""
    _add_looking(router, face)
    _add_acting(router, face)


def _add_looking(router: APIRouter, face: Face) -> None:
    looking: dict[str, Any] = {"tags": ["compat: logs"], "dependencies": [Depends(face.reader)]}

    @router.get("/api/logs/", response_model=answers.LogFiles, **looking)
    @router.get("/api/logs", include_in_schema=False, **looking)
    def list_logs(
        limit: Annotated[int, Query(ge=1, le=100_000)] = log_files.MOST_FILES,
    ) -> Any:
        """List the files, those of the newest submits first."""
        return {"logs": [file.described() for file in log_files.list_files(_folder(face), limit)]}

    @router.get("/api/logs/stats", response_model=answers.LogStats, **looking)
    def log_stats() -> Any:
        """Count the files and what they take up, by the day of their submit."""
        days: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for file in log_files.list_files(_folder(face)):
            day = days[time.strftime("%Y-%m-%d", time.gmtime(file.submitted))]
            day[0] += 1
            day[1] += file.size
        return {
            "total_files": sum(count for count, _ in days.values()),
            "total_size_mb": _mb(sum(size for _, size in days.values())),
            "daily_stats": {
                day: {"count": count, "size_mb": _mb(size)} for day, (count, size) in days.items()
            },
        }

    @router.get(
        "/api/logs/{log_id}/content",
        response_model=answers.LogContent,
        responses=_NOT_FOUND,
        **looking,
    )
    def log_content(
        log_id: str, lines: Annotated[int | None, Query(ge=0, le=10_000_000)] = None
    ) -> Any:
        """Read a file or its last lines, 8 MiB at most; a download has all of it."""
        file = _found(face, log_id)
        try:
            content = log_files.read_end(file.path, lines)
        except OSError:
            raise Refused(404, "Log file not found") from None
        return {"log_file": file.described(), "content": content, "lines_requested": lines}

    @router.get(
        "/api/logs/download/{log_id}",
        response_class=Response,
        responses=_TEXT,
        **looking,
    )
    def download_log(log_id: str) -> Response:
        """Download a file as it is now."""
        file = _found(face, log_id)
        try:
            size, pieces = log_files.pieces(file.path)
        except OSError:
            raise Refused(404, "Log file does not exist on disk") from None
        headers = {
            "Content-Length": str(size),
            "Content-Disposition": f'attachment; filename="{file.name}"',
            "X-Content-Type-Options": "nosniff",
        }
        return StreamingResponse(pieces, headers=headers, media_type="text/plain")


def _add_acting(router: APIRouter, face: Face) -> None:
    acting: dict[str, Any] = {"tags": ["compat: logs"], "dependencies": [Depends(face.operator)]}

    @router.delete(
        "/api/logs/{log_id}",
        response_model=answers.Message,
        responses={**_NOT_FOUND, 400: {"model": answers.Detail}},
        **acting,
    )
    def delete_log(log_id: str) -> Any:
        """Remove the file of a run that has ended."""
        file = _found(face, log_id)
        if not _ended(face, file):
            raise Refused(400, f"Run {file.run} has not ended and still writes to this file")
        log_files.remove(file.path)
        return {"message": "Log file deleted successfully"}

    @router.post("/api/logs/cleanup", response_model=answers.Message, **acting)
    def cleanup_logs(days: Annotated[float, Query(ge=0, le=100_000)] = 7) -> Any:
        """Remove the files of ended runs that nothing was written to for so many days."""
        before = time.time() - days * _DAY_S
        for file in log_files.list_files(_folder(face)):
            if file.modified < before and _ended(face, file):
                log_files.remove(file.path)
        return {"message": "Log cleanup completed"}


def _folder(face: Face) -> str | None:
    return face.app.log_folder


def _found(face: Face, id: str) -> LogFile:
    file = log_files.find(_folder(face), id)
    if file is None:
        raise Refused(404, "Log file not found")
    return file


def _ended(face: Face, file: LogFile) -> bool:
    try:
        return face.app.run(file.run).done
    except UnknownRun:
        return True  # and forgotten


def _mb(size: int) -> float:
    return round(size / (1 << 20), 2)
