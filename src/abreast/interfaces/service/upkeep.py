"""What a service does now and then: forget old events and rows of the ledger, tell of what is late,
say to systemd how it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...errors import AbreastError
from . import sd_notify

if TYPE_CHECKING:
    from .service import Service

_log = logging.getLogger("abreast")
_PACE_S = 5.0
_EVERY = 12  # paces between two times of tidying up
_EVENTS_S = 3600.0  # events younger than this are kept in any case
_LEDGER_S = 90 * 86_400.0  # rows of the ledger are kept, when nothing else is said
_PAGE = 5000


class Upkeep:
    """A thread that does this."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._keep, name="abreast-upkeep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _keep(self) -> None:
        paces = 0
        while not self._stop.wait(_PACE_S):
            paces += 1
            try:
                self.say_how_it_is()
                self._service.notices.tell_of_waiting(self._service.wall())
                if paces % _EVERY == 0:
                    self.tidy()
            except AbreastError as error:
                _log.warning("upkeep is put off: %s", error)

    def tidy(self) -> None:
        """Forget what is old, in small turns."""
        service = self._service
        store = service.app.file_store()
        retention = service.settings.retention
        kept_s = retention.older_than or _LEDGER_S
        wall = service.wall()
        jobs: tuple[Callable[[float], int], ...] = (
            lambda now: store.events.prune(wall - _EVENTS_S, retention.events, _PAGE),
            lambda now: store.schedules.forget(wall - kept_s, _PAGE),
        )
        for job in jobs:
            while service.app.node.post(job) == _PAGE and not self._stop.is_set():
                pass

    def say_how_it_is(self) -> None:
        """One line for ``systemctl status``."""
        if not sd_notify.manager().listens:
            return
        live = self._service.app.live().values()
        words = [f"{sum(n for n, _ in live)} running, {sum(n for _, n in live)} queued"]
        following = [view for view in self._service.app.schedules.list() if view.next is not None]
        if following:
            first = min(following, key=lambda view: view.next or 0.0)
            words.append(f"next {first.name}")
        sd_notify.status(", ".join(words))
