"""Ctrl-C: it must not hit the main thread in the middle of the engine's bookkeeping."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Deferred:
    """While the block runs, Ctrl-C in the main thread waits; it is raised at the end of the block.

    Does nothing in other threads, or when the program has its own handler for SIGINT.
    """

    __slots__ = ("_active", "_came")

    def __init__(self) -> None:
        self._active = False
        self._came = False

    def __enter__(self) -> None:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._note)
            self._active = True

    def __exit__(self, *_: object) -> None:
        if self._active:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self._came:
                raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True
