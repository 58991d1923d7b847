"""What abreast costs before anything runs: time to import it, time and memory to add runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from common import Benchmarks, Figure, main

PARTS = Path(__file__).resolve().parent / "parts"
benchmarks = Benchmarks()


@benchmarks.of("add_million_s", "add_million_mb")
def add_million(quick: bool) -> dict[str, Figure]:
    count = 2_000 if quick else 1_000_000
    found = []
    for _ in range(1 if quick else 5):
        command = [sys.executable, str(PARTS / "add_runs.py"), str(count)]
        found.append(json.loads(subprocess.check_output(command, text=True)))
    return {
        "add_million_s": Figure([each["seconds"] for each in found]),
        "add_million_mb": Figure([each["mb"] for each in found]),
    }


def interpreter(code: str) -> float:
    """Return how many milliseconds a fresh interpreter takes for this."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - start) * 1e3


@benchmarks.of("import_ms", "import_runner_ms")
def import_ms(quick: bool) -> dict[str, Figure]:
    lines = {
        "bare": "pass",
        "import_ms": "import abreast",
        "import_runner_ms": "from abreast import Runner",
    }
    times: dict[str, list[float]] = {name: [] for name in lines}
    for line in lines.values():  # the first import also compiles
        interpreter(line)
    names = list(lines)
    for turn in range(2 if quick else 45):
        first = turn % 3
        for name in names[first:] + names[:first]:
            times[name].append(interpreter(lines[name]))
    bare = times.pop("bare")
    return {
        name: Figure([a - b for a, b in zip(found, bare, strict=True)])
        for name, found in times.items()
    }


if __name__ == "__main__":
    main("footprint", __doc__, benchmarks)
