"""Where what runs print is kept: one file per run, in a folder per day."""

from __future__ import annotations

import os
import re
import time
from typing import Any

from ..domain.model import NOTHING, Run

_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def log_name(task: int, name: str, started: float, run: int) -> str:
    """``YYYY-mm-dd/task_<task id>_<name>_<YYYYmmdd_HHMMSS>_<run>.log``; the time is UTC."""
    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(started))
    plain = _ODD.sub("-", name)[:80]
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}/task_{task}_{plain}_{stamp}_{run}.log"


def log_for(store: Any, run: Run) -> Any:
    """What an attempt prints to. Its file is made with the first byte."""
    from ..executors.runlog import RunLog

    started, task = run.started or 0.0, store.rows.task_id(run.task)
    folder, known = store.log_folder, (run.extra or NOTHING).log

    def path() -> str:
        return os.path.join(folder, known or log_name(task, run.task.name, started, run.id))

    return RunLog(path)
