"""Add runs to a runner and print how long that took and how much memory is resident then."""

import gc
import json
import os
import sys
import time

import psutil

from abreast import Runner


def noop() -> None:
    pass


gc.collect()
runner = Runner(8, progress=False)
start = time.perf_counter()
for _ in range(int(sys.argv[1])):
    runner.add(noop)
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "mb": psutil.Process().memory_info().rss / 1e6}), flush=True)
os._exit(0)  # taking a million runs apart again is not what is measured
