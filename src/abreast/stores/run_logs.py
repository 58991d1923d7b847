"""Where what runs print is kept: one file per run, in a folder per day."""

from __future__ import annotations

import re
import time

_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def log_name(task: int, name: str, created: float, run: int) -> str:
    """``YYYY-mm-dd/task_<task id>_<name>_<YYYYmmdd_HHMMSS>_<run>.log``.

    The time is that of the submit, in UTC: known from the first moment and the same for all
    attempts, which write into one file.
    """
    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(created))
    plain = _ODD.sub("-", name)[:80]
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}/task_{task}_{plain}_{stamp}_{run}.log"
