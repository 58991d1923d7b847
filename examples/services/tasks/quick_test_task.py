"""A task of half a minute."""

import time


def run_task(config: dict[str, float]) -> dict[str, str]:
    """Take as many seconds as the config says; 30 without one."""
    seconds = config.get("seconds", 30)
    print(f"working for {seconds:g} s")
    time.sleep(seconds)
    return {"status": "success", "message": "Quick test completed"}
