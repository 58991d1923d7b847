"""Tasks with different kinds of concurrency control."""

import time
from typing import NamedTuple

from abreast.compat.pynenc import ConcurrencyControlType, Pynenc

app = Pynenc()


@app.task(registration_concurrency=ConcurrencyControlType.DISABLED)
def get_own_invocation_id() -> str:
    """Every call is an invocation of its own."""
    return get_own_invocation_id.invocation.invocation_id


@app.task(registration_concurrency=ConcurrencyControlType.TASK)
def get_own_invocation_id_registration_concurrency() -> str:
    """While an invocation waits for its start, further calls return that one."""
    return get_own_invocation_id_registration_concurrency.invocation.invocation_id


class SleepResult(NamedTuple):
    start: float
    end: float


@app.task(running_concurrency=ConcurrencyControlType.DISABLED)
def sleep_without_running_concurrency(seconds: float) -> SleepResult:
    """Any number of invocations run at a time."""
    start = time.time()
    time.sleep(seconds)
    return SleepResult(start=start, end=time.time())


@app.task(running_concurrency=ConcurrencyControlType.TASK)
def sleep_with_running_concurrency(seconds: float) -> SleepResult:
    """One invocation runs at a time, the others wait."""
    start = time.time()
    time.sleep(seconds)
    return SleepResult(start=start, end=time.time())
