"""Whether a service is well: do its loops turn, can its store be written, are workers there?"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ...errors import StoreError

if TYPE_CHECKING:
    from .service import Service

_LATE_S = 5.0  # the scheduler turns once a second
_PATIENCE_S = 5.0  # how long a turn of the engine is waited for
_FRESH_S = 2.0  # how long an answer counts


class Health:
    """Looks at the parts of a service. May be asked from any thread, and often."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._beats = -1
        self._since = time.monotonic()
        self._asked = -_FRESH_S
        self._parts: dict[str, tuple[bool, str]] = {}

    def alive(self) -> bool:
        """Whether the engine and the scheduler turn; whatever the store says to them."""
        return self._engine()[0] and self._scheduler_turns()

    def parts(self) -> dict[str, tuple[bool, str]]:
        """``engine``, ``scheduler``, ``store``, ``workers``: well or not, and a word about it."""
        with self._lock:
            if time.monotonic() - self._asked >= _FRESH_S:
                self._parts = {
                    "engine": self._engine(),
                    "scheduler": self._scheduler(),
                    "store": self._store(),
                    "workers": self._workers(),
                }
                self._asked = time.monotonic()
            return dict(self._parts)

    def _scheduler_turns(self) -> bool:
        beats, now = self._service.scheduler.beats, time.monotonic()
        if beats != self._beats:
            self._beats, self._since = beats, now
        return now - self._since < _LATE_S or self._service.scheduler.trouble is not None

    def _scheduler(self) -> tuple[bool, str]:
        trouble = self._service.scheduler.trouble
        if trouble is not None:
            return False, trouble
        if not self._scheduler_turns():
            return False, f"it has not turned for {_LATE_S:g} seconds"
        return True, "turning"

    def _engine(self) -> tuple[bool, str]:
        """Have it take a turn, and do not wait for ever."""
        engine = self._service.worker.engine
        if engine.broken is not None:
            return False, f"it broke: {type(engine.broken).__name__}"
        done = threading.Event()

        def ask() -> None:
            engine.attend()
            done.set()

        threading.Thread(target=ask, name="abreast-health", daemon=True).start()
        if not done.wait(_PATIENCE_S):
            return False, f"a turn takes longer than {_PATIENCE_S:g} seconds"
        return True, "turning"

    def _store(self) -> tuple[bool, str]:
        """Write, because a full disk can still be read."""
        app = self._service.app
        store = app.file_store()

        def write(now: float) -> None:
            store.open(False)
            store.db.execute(
                "INSERT INTO counters (name, value) VALUES ('looked', ?) ON CONFLICT (name) "
                "DO UPDATE SET value=excluded.value",
                (int(now),),
            )

        try:
            app.node.post(write)
        except StoreError as error:
            return False, str(error)
        return True, "writable"

    def _workers(self) -> tuple[bool, str]:
        try:
            found = self._service.app.workers()
        except StoreError as error:
            return False, str(error)
        return bool(found), f"{len(found)} at work"
