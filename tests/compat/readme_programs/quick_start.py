# From the README of Concurra; only the import line is changed.
# fmt: off
import abreast.compat.concurra as concurra

runner = concurra.TaskRunner(max_concurrency=2)

def say_hello():
    return "Hello World"

def say_universe():
    return "Hello Universe"

runner.add_task(say_hello, label="greet_world")
runner.add_task(say_universe, label="greet_universe")

results = runner.run()
print(results)
