# From the README of Concurra; only the import line is changed.
# ruff: noqa: I001
# fmt: off
import abreast.compat.concurra as concurra
import time
import json

def square(x):
    time.sleep(1)  # the task sleeps
    return x * x

def divide(x, y):
    return x / y

runner = concurra.TaskRunner(max_concurrency=4)

runner.add_task(square, 4, label="square_4")
runner.add_task(square, 5, label="square_5")
runner.add_task(divide, 10, 2, label="divide_10_2")
runner.add_task(divide, 10, 0, label="divide_by_zero")  # This will fail

results = runner.run()

print(json.dumps(results, indent=4))
