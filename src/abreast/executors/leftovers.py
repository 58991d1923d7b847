"""Ends what a run left behind in its child: background processes, whatever their session."""

from __future__ import annotations

import os
import signal
import sys
import time

from .. import platform

GRACE_S = 0.2  # between asking leftovers to end and killing them


def end() -> None:
    """Return when this process has no descendants left."""
    _stop_helpers()
    if _reap():
        return
    me = os.getpid()
    platform.send(signal.SIGTERM, platform.descendants(me, platform.processes()))
    kill_at = time.monotonic() + GRACE_S
    while not _reap():
        if time.monotonic() >= kill_at:
            kin = platform.descendants(me, platform.processes())
            platform.send(signal.SIGKILL, kin)
            if not kin and not platform.LINUX:
                return  # children we cannot list; the group is ended with this process
        time.sleep(0.002)


def _reap() -> bool:
    """Collect ended children; True if none is left."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return False
        except ChildProcessError:
            return True


def _stop_helpers() -> None:
    """Let multiprocessing end its own helper processes, so that it can start them again."""
    for module, name in (("forkserver", "_forkserver"), ("resource_tracker", "_resource_tracker")):
        helper = getattr(sys.modules.get(f"multiprocessing.{module}"), name, None)
        try:
            if helper is not None:
                helper._stop()
        except Exception:
            continue  # not as we know it; it is ended like any other leftover
