"""Run no-ops in 8 threads with concurra, some times over, and print the seconds each time took.

Usage: measure.py COUNT TIMES, with the Python of concurra's environment. Our half is
parts/noops.py.
"""

import gc
import json
import sys
import time

import concurra  # type: ignore[import-not-found]


def noop() -> None:
    pass


def measure(count: int) -> float:
    gc.collect()
    start = time.perf_counter()
    runner = concurra.TaskRunner(max_concurrency=8, progress_stats=False)
    for _ in range(count):
        runner.add_task(noop)
    report = runner.run(verify=False)
    for entry in report.values():
        if entry["has_failed"]:
            raise RuntimeError(entry["error"])
        entry["result"]
    seconds = time.perf_counter() - start
    if len(report) != count:
        raise RuntimeError(f"{len(report)} of {count} tasks are reported")
    return seconds


measure(1)
print(json.dumps([measure(int(sys.argv[1])) for _ in range(int(sys.argv[2]))]))
