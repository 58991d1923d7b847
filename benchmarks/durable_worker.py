"""One worker process for the durable benchmarks: EXECUTOR CONCURRENCY [one] [watch].

``one``: a claim takes one run. ``watch``: tell the longest transaction.
"""

from __future__ import annotations

import signal
import sys
import time

from durable_tasks import app, tell


def watch() -> None:
    """Tell the longest time for which this process held the lock of the store."""
    from abreast.stores.turnstile import Turnstile

    longest, began = 0.0, 0.0
    acquire, release = Turnstile.acquire, Turnstile.release

    def acquiring(self, *timeout):  # type: ignore[no-untyped-def]
        nonlocal began
        acquire(self, *timeout)
        began = time.perf_counter()

    def releasing(self):  # type: ignore[no-untyped-def]
        nonlocal longest, began
        taken = time.perf_counter() - began if began else 0.0
        began = 0.0
        release(self)
        if taken > longest:
            longest = taken
            tell("longest", longest)

    Turnstile.acquire, Turnstile.release = acquiring, releasing


def one_at_a_time() -> None:
    """Give a thread one run at a time: with one thread, a claim is then of one run."""
    from abreast.engine import hands

    hands._LARGEST = 1


def main() -> None:
    executor, concurrency, *more = sys.argv[1:]
    if "watch" in more:
        watch()
    if "one" in more:
        one_at_a_time()
    worker = app.worker(concurrency=int(concurrency), executor=executor)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    tell("up", time.monotonic())
    worker.run()


if __name__ == "__main__":
    main()
