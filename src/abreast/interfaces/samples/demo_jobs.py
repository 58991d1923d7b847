"""The durable part of ``abreast demo``: an app whose runs outlive the workers that execute them.

How it is used is in ``abreast/interfaces/cli/demo_durable.py``.
"""

from __future__ import annotations

import time

from abreast import App, progress

PARTS = 5
PART_S = 0.04

app = App()  # the store is named by whoever uses it


@app.task
def import_file(number: int) -> int:
    """Import a file part by part. It may be killed at any time, and is then started again."""
    for part in range(PARTS):
        progress(part, PARTS, f"part {part + 1}")
        time.sleep(PART_S)  # what a real import takes
    return number * number
