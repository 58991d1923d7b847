# Completed from fragments in the README of Concurra.
# fmt: off
import logging

import abreast.compat.concurra as concurra

my_logger = logging.getLogger("my_logger")

runner = concurra.TaskRunner(
    max_concurrency=4,
    name="MyRunner",
    timeout=10,
    progress_stats=True,
    fast_fail=True,
    use_multiprocessing=False,
    logger=my_logger,
    log_errors=True
)


def some_function(arg1, arg2, kwarg1=None):
    return [arg1, arg2, kwarg1]


arg1, arg2, value1 = "one", "two", "three"

runner.add_task(some_function, arg1, arg2, label="task1", kwarg1=value1)
runner.add_task(some_function, arg1, arg2, label="task2", depends_on=["task1"], kwarg1=value1)

results = runner.run(
    verify=True,
    raise_exception=False,
    error_message="Custom failure message"
)
print({label: result["result"] for label, result in results.items()})
