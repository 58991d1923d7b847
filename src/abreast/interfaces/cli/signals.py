"""Ctrl-C and its kin as events: nothing is ever raised in the middle of the bookkeeping."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

_SIGNALS = [
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None
]


class Signals:
    """While the block runs, signals become events instead of exceptions."""

    def __init__(self, put: Callable[[int], None]) -> None:
        self._put = put
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                self._before[number] = signal.signal(number, self._note)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: object) -> None:
        self._put(int(number))  # SimpleQueue.put may be called at any moment
