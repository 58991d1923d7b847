# From the README of Concurra; the import line is changed, the last lines are added.
# ruff: noqa: E402, I001
# fmt: off
import abreast.compat.concurra as concurra
import time

def will_fail():
    raise RuntimeError("Oops!")

def will_succeed():
    time.sleep(2)  # the task sleeps
    return "Success"

runner = concurra.TaskRunner(fast_fail=True, max_concurrency=2)
runner.add_task(will_succeed, label="ok")
runner.add_task(will_fail, label="fail")
runner.run()

import json

print(json.dumps(dict(runner.results_registry), indent=4))
