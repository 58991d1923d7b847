"""What the figures were measured on."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path


def describe() -> dict[str, str | float | int]:
    """Return cores, processor, memory, Python, kernel, and how busy the machine is."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    found: dict[str, str | float | int] = {
        "cores": cores,
        "processor": field("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    memory = field("/proc/meminfo", "MemTotal")
    if memory:
        found["memory_gb"] = round(int(memory.split()[0]) / 2**20)
    if hasattr(os, "getloadavg"):
        found["load"] = round(os.getloadavg()[0], 2)
    return found


def field(path: str, name: str) -> str | None:
    """Return the first value of this name in a file of the kernel."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def as_text(found: dict[str, str | float | int]) -> str:
    """Return it as a line."""
    memory = f", {found['memory_gb']} GB" if "memory_gb" in found else ""
    load = found.get("load", 0)
    busy = f" – busy: load {load}, figures will spread" if float(load) > 0.5 else ""
    return (
        f"{found['cores']} cores of {found['processor']}{memory}, {found['python']}, "
        f"{found['kernel']}, {found['date']}{busy}"
    )
