"""Run no-ops in 8 threads, some times over, and print the seconds each time took.

Usage: noops.py COUNT TIMES. The peer's half is peers/concurra/measure.py.
"""

import gc
import json
import sys
import time

from abreast import Runner


def noop() -> None:
    pass


def measure(count: int) -> float:
    gc.collect()
    start = time.perf_counter()
    with Runner(8, progress=False) as runner:
        runs = [runner.add(noop) for _ in range(count)]
    for run in runs:
        run.result()
    return time.perf_counter() - start


measure(1)
print(json.dumps([measure(int(sys.argv[1])) for _ in range(int(sys.argv[2]))]))
