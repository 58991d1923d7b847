"""Pretend to clean up data."""

import time


def run_task(config: dict[str, float]) -> dict[str, str]:
    """Take as many seconds as the config says."""
    for table in ("users", "orders", "events"):
        print(f"cleaning {table}")
        time.sleep(config.get("seconds", 3) / 3)
    return {"status": "success", "message": "3 tables cleaned"}
