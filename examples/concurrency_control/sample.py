"""What concurrency control does to the calls of tasks: ``python sample.py``."""

import itertools
import logging
import threading

import tasks

logging.basicConfig(level=logging.INFO, format="%(message)s")
logger = logging.getLogger(__name__)


def run_without_concurrency_control() -> None:
    """Without control every call makes an invocation with an id of its own."""
    invocations = [tasks.get_own_invocation_id() for _ in range(10)]
    logger.info("Invocation ids: " + ", ".join(i.invocation_id for i in invocations))
    if len({i.invocation_id for i in invocations}) != len(invocations):
        raise ValueError(f"Expected an id for each call, got {invocations}")


def run_with_registration_concurrency_control() -> None:
    """Under registration control there is one invocation that has not started."""
    invocations = [tasks.get_own_invocation_id_registration_concurrency() for _ in range(3)]
    invocation_ids = {i.invocation_id for i in invocations}
    logger.info(f"Unique invocation_id: {set(invocation_ids)}")
    if len(invocation_ids) != 1:
        raise ValueError(f"Expected one id, got {invocation_ids}")


def any_run_in_parallel(results: list[tasks.SleepResult]) -> bool:
    """Whether one of these began before another one had ended."""
    in_order = sorted(results, key=lambda result: result.start)
    return any(later.start < earlier.end for earlier, later in itertools.pairwise(in_order))


def run_with_running_concurrency_control() -> None:
    """Under running control one invocation runs at a time; the runner is a thread of ours."""
    tasks.app.purge()  # what was called above waits still, and shall not run

    tasks.app.conf.runner_cls = "ThreadRunner"
    thread = threading.Thread(target=tasks.app.runner.run, daemon=True)
    thread.start()

    # check that without control runs in parallel
    no_control_invocations = [tasks.sleep_without_running_concurrency(0.1) for _ in range(10)]
    no_control_results = [i.result for i in no_control_invocations]
    if not any_run_in_parallel(no_control_results):
        raise ValueError(f"Expected parallel execution, got {no_control_results}")
    logger.info("Without running control they ran in parallel")

    # check that with control does not run in parallel
    controlled_invocations = [tasks.sleep_with_running_concurrency(0.1) for _ in range(10)]
    controlled_results = [i.result for i in controlled_invocations]
    if any_run_in_parallel(controlled_results):
        raise ValueError(f"Expected sequential execution, got {controlled_results}")
    logger.info("With running control they ran one after the other")

    tasks.app.runner.stop_runner_loop()
    thread.join()


if __name__ == "__main__":
    run_without_concurrency_control()
    run_with_registration_concurrency_control()
    run_with_running_concurrency_control()
