# Completed from fragments in the README of Concurra.
# fmt: off
import threading

import abreast.compat.concurra as concurra

started, never = threading.Event(), threading.Event()


def quick():
    return "quick"


def endless():
    started.set()
    never.wait()


runner = concurra.TaskRunner(max_concurrency=1)
runner.add_task(quick, label="quick")
runner.add_task(endless, label="endless")
runner.add_task(quick, label="late")
runner.execute_in_background()
started.wait()

results = runner.abort()
print({label: result["status"] for label, result in results.items()})
print(runner.is_running())
