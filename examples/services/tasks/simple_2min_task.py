"""A task of two minutes."""

import time


def run_task(config: dict[str, float]) -> dict[str, str]:
    """Take as many seconds as the config says; 120 without one."""
    seconds = config.get("seconds", 120)
    print(f"working for {seconds:g} s")
    time.sleep(seconds)
    return {"status": "success", "message": "Two minutes are over"}
