"""Adds runs while others run: for arguments that come one by one, and may never end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable


class Feeder:
    """Adds runs while others run, a bounded number ahead, until told to stop.

    Parameters
    ----------
    items : iterable of callables
        Each adds one run. Taken one by one, on a thread of its own.
    ahead : int
        How many runs may have been added and not ended.
    """

    def __init__(self, items: Iterable[Callable[[], object]], ahead: int) -> None:
        self._items = items
        self._room = threading.Semaphore(ahead)
        self._lock = threading.Lock()
        self._stopped = False
        self.over = threading.Event()
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._feed, name="cli-feeder", daemon=True).start()

    def stop(self) -> None:
        """Add nothing after this."""
        with self._lock:
            self._stopped = True
        self.over.set()

    def ended(self) -> None:
        """One of the runs has ended."""
        self._room.release()

    def _feed(self) -> None:
        try:
            for add in self._items:
                self._room.acquire()
                with self._lock:
                    if self._stopped:
                        return
                    add()
        except BaseException as error:
            self.error = error
        finally:
            self.over.set()
