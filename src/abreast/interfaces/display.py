"""Shows what the runs of a runner are doing: on a terminal, line by line, or to a logger.

The engine calls :meth:`Display.on_changes` with its lock held, so nothing is done there but to
note the changes. A thread of the display takes them, at most ten times a second, and hands them to
one of three views. It sleeps without a time limit when nothing is to be shown.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..domain.model import Change
    from .runner import Runner

log = logging.getLogger("abreast")

_PACE = 0.1  # seconds between two looks


class View(Protocol):
    """What becomes of the changes. Called on the display's thread only."""

    def show(self, changes: list[Change], now: float) -> float | None:
        """Take in changes (may be none); return the seconds until it wants to be called again.

        None: with the next change. ``now`` is in seconds since 1970 UTC.
        """
        ...

    def finish(self) -> None:
        """Write what is left and the last line."""
        ...


class Display:
    """Brings changes from the engine to a view, on a thread of its own."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._changes: deque[Change] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._broken = False
        self._thread = threading.Thread(target=self._attend, name="abreast-display", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # a runner that nobody closed still gets its last line

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Note changes. Quick, and never raises."""
        if not self._broken:
            self._changes.extend(changes)
            if not self._wake.is_set():
                self._wake.set()

    def close(self) -> None:
        """Show what is left and end. A second call does nothing."""
        atexit.unregister(self.close)
        self._closing.set()
        self._wake.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _attend(self) -> None:
        try:
            wait: float | None = None
            while not self._closing.is_set():
                self._wake.wait(None if wait is None else max(0.0, wait - _PACE))
                self._wake.clear()
                wait = self._view.show(self._take(), time.time())
                self._closing.wait(_PACE)
            self._view.show(self._take(), time.time())
            self._view.finish()
        except Exception as error:
            if not _is_gone(error):
                log.exception("the display failed; the runs are not affected")
        finally:
            self._broken = True
            self._changes.clear()

    def _take(self) -> list[Change]:
        take = self._changes.popleft
        return [take() for _ in range(len(self._changes))]


def _is_gone(error: Exception) -> bool:
    """Whether the reader has gone or the stream was closed: then nobody misses anything."""
    return isinstance(error, OSError) or (isinstance(error, ValueError) and "closed" in str(error))


def open_display(
    runner: Runner, mode: bool | str, logger: logging.Logger | None, stream: IO[str] | None
) -> Display | None:
    """Begin to show a runner; close what is returned when it has ended.

    Parameters
    ----------
    mode : bool or str
        ``"live"``, ``"plain"``, or ``"auto"`` (same as True): live when ``stream`` is a terminal
        that can move its cursor. Without effect when there is a logger.
    logger : logging.Logger, optional
        Gets a record per end instead of ``stream``.
    stream : text file, optional
        Where to write; None: nowhere.
    """
    view: View
    if logger is not None:
        from .display_plain import LoggerView

        view = LoggerView(runner, logger)
    elif stream is None or mode is False:
        return None
    elif mode == "live" or (mode in ("auto", True) and can_be_live(stream)):
        from .display_live import LiveView

        view = LiveView(runner, stream)
    else:
        from .display_plain import PlainView

        view = PlainView(runner, stream)
    display = Display(view)
    runner.listen(display)
    return display


def can_be_live(stream: IO[str]) -> bool:
    """Whether a stream is a terminal whose lines can be written over."""
    try:
        terminal = stream.isatty()
    except (AttributeError, ValueError):
        return False
    return terminal and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
