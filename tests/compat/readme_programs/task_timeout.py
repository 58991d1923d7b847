# From the README of Concurra; the import line is changed, the last lines are added.
# ruff: noqa: E402, I001
# fmt: off
import abreast.compat.concurra as concurra
import time

def slow():
    time.sleep(15)  # the task sleeps
    return "Done"

runner = concurra.TaskRunner(timeout=4)
runner.add_task(slow, label="timeout_task")
results = runner.run()
print(results["timeout_task"]["status"])  # Terminated

import json

print(json.dumps(results, indent=4))
