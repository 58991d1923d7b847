"""``abreast init``."""

from __future__ import annotations

import os
import shlex
from importlib.util import find_spec

from ...errors import UsageError
from ..importing.found import write_new
from ..settings_sections import local_zone
from .exits import OK
from .init_files import files
from .out import line


def init(folder: str) -> int:
    """Carry out ``abreast init``; returns the exit code."""
    full = os.path.abspath(os.path.expanduser(folder))
    if os.path.lexists(full) and not os.path.isdir(full):
        raise UsageError(f"{folder} is no folder")
    zone, _ = local_zone()
    tasks = os.path.isdir(os.path.join(full, "tasks"))
    for inner, text in files(zone).items():
        shown = os.path.join(folder, inner) if folder != "." else inner
        if tasks and inner.startswith("tasks/"):
            continue  # somebody's own tasks are there already
        path = os.path.join(full, inner)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_new(path, text)
        except FileExistsError:
            line(f"kept   {shown}, which was there")
        except OSError as error:
            raise UsageError(f"{shown} cannot be written: {error.strerror}") from None
        else:
            line(f"wrote  {shown}")
    if tasks:
        line("kept   tasks/, which was there, without samples")
    _next(folder)
    return OK


def _next(folder: str) -> None:
    line()
    line("Next:")
    if folder != ".":
        line(f"  cd {shlex.quote(folder)}")
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        line("  pip install 'abreast[server]'   what the service needs besides")
    line("  abreast config check            is everything as it should be?")
    line("  abreast serve                   API, scheduler and workers; Ctrl-C stops it")
