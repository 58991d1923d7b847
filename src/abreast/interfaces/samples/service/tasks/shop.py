"""Tasks as one would write them: a schedule beside the function, progress while it works."""

import time

from abreast import Limit, Retry, current_run, progress, task


@task(schedule="every 4s", tags=["shop"])
def fetch_prices() -> dict[str, float]:
    """Ask five suppliers for their prices."""
    prices = {}
    for number in range(5):
        progress(number, 5, f"supplier {number + 1}")
        time.sleep(0.4)
        prices[f"supplier {number + 1}"] = 9.5 + number / 4
        print(f"supplier {number + 1}: {prices[f'supplier {number + 1}']:.2f}")
    return prices


@task(after=["fetch_prices"], tags=["shop"])
def cheapest(fetch_prices: dict[str, float]) -> str:
    """Starts whenever fetch_prices has completed, with its result."""
    best = min(fetch_prices, key=fetch_prices.__getitem__)
    print("the cheapest is", best)
    return best


@task(schedule="every 6s", overlap="skip", tags=["shop"])
def import_orders() -> int:
    """Takes longer than its period: every other instant is skipped, and the ledger says so."""
    for number in range(9):
        progress(number, 9, "importing")
        time.sleep(0.9)
    return 9


@task(schedule="every 7s", retry=Retry(2, backoff=1), tags=["shop"])
def send_invoices() -> str:
    """Fails at its first try, completes at the second."""
    run = current_run()
    if run is not None and run.attempt == 1:
        raise ConnectionError("the mail server does not answer")
    return "sent"


@task(schedule="every 8s", limits=[Limit(1, "/press")], tags=["shop"])
def print_labels() -> int:
    """Shares one press with print_catalogue: only one of them at a time."""
    time.sleep(2)
    return 200


@task(schedule="every 8s", limits=[Limit(1, "/press")], tags=["shop"])
def print_catalogue() -> int:
    """Waits for the press as long as print_labels has it."""
    time.sleep(1.5)
    return 1
