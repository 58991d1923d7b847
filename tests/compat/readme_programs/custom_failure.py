# Completed from fragments in the README of Concurra.
# fmt: off
import abreast.compat.concurra as concurra


def broken():
    raise LookupError("nothing there")


for raise_exception in (False, True):
    runner = concurra.TaskRunner()
    runner.add_task(broken, label="broken")
    try:
        results = runner.run(
            verify=True,
            raise_exception=raise_exception,
            error_message="Custom failure message"
        )
        print(results["broken"]["status"])
    except Exception as error:
        print(type(error).__name__, str(error).splitlines()[0])
