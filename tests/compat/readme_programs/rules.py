# Completed from fragments in the README of Concurra.
# fmt: off
import abreast.compat.concurra as concurra


def work():
    return "done"


runner = concurra.TaskRunner()
runner.add_task(work, label="A", depends_on=["B"])

for label, depends_on in [("A", None), ("C", ["C"]), ("B", ["A"])]:
    try:
        runner.add_task(work, label=label, depends_on=depends_on)
    except ValueError as error:
        print(error)

runner.add_task(work, label="B")
runner.add_task(work)
print({label: result["status"] for label, result in runner.run().items()})

try:
    runner.run()
except RuntimeError as error:
    print(error)
