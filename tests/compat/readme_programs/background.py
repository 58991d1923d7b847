# Completed from fragments in the README of Concurra.
# fmt: off
import threading

import abreast.compat.concurra as concurra

go_on = threading.Event()


def func1():
    go_on.wait()
    return 1


def func2():
    return 2


def report():
    if runner.is_running():
        print("Tasks are still running...")
    else:
        print("All tasks are done!")


runner = concurra.TaskRunner()
runner.add_task(func1, label="t1")
runner.add_task(func2, label="t2")

runner.execute_in_background()

report()
go_on.set()

# No need to poll using is_running() method, just call get_background_results it will
results = runner.get_background_results(
    verify=True,
    raise_exception=False,
    error_message="Something went wrong"
)
report()
print({label: result["result"] for label, result in results.items()})

try:
    runner.add_task(func2, label="t3")
except RuntimeError as error:
    print(error)

try:
    concurra.TaskRunner().get_background_results()
except Exception:
    print("an error, as nothing was started")
