"""Pretend to make a backup."""

import time


def run_task(config: dict[str, float]) -> dict[str, str]:
    """Take as many seconds as the config says."""
    time.sleep(config.get("seconds", 3))
    return {"status": "success", "message": "Backup made"}
