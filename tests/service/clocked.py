"""A service that goes by a clock the test sets: ``python clocked.py DIR CLOCK``.

The file CLOCK holds where the clock stood at a moment of the machine's monotonic clock, and how
fast it goes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from abreast.interfaces.service.service import Service
from abreast.interfaces.settings import load


class FileClock:
    """Reads the file whenever it is asked."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def __call__(self) -> float:
        said = json.loads(self._path.read_text())
        return float(said["at"] + (time.monotonic() - said["monotonic"]) * said["speed"])


def main() -> None:
    """Serve until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    service = Service(load(sys.argv[1]), wall=FileClock(sys.argv[2]))
    service.start()
    os.write(1, b"ready\n")
    stop.wait(120)
    service.stop_starting()
    service.drain()
    service.leave()


if __name__ == "__main__":
    main()
