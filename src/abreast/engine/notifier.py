"""Tells those who asked what has happened, after it has been recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..domain.model import Change, Run
from ..domain.states import ENDED
from ..ports import Listener


class Notifier:
    """Listeners, and callbacks for the end of a run or of all runs.

    Called with the engine's lock held. A callback must return quickly; what it raises is logged
    and harms nobody else.
    """

    def __init__(self) -> None:
        self.raised: Exception | None = None  # the last error of a listener, for tests
        self.wanted = False  # whether anybody listens: spares the engine the calls
        self._listeners: list[Listener] = []
        self._ended: dict[Run, list[Callable[[], None]]] = {}
        self._idle: list[Callable[[], None]] = []
        self._busy: list[Callable[[], None]] = []
        self._idle_once: list[Callable[[], None]] = []

    def add(self, listener: Listener) -> None:
        self._listeners.append(listener)
        self.wanted = True

    def remove(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
        self._look()

    def when_ended(self, run: Run, call: Callable[[], None]) -> None:
        """Call once when the run has ended; at once when it already has."""
        if run.state in ENDED:
            call()
            return
        self._ended.setdefault(run, []).append(call)
        self.wanted = True

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call whenever no run is left that has not ended."""
        self._idle.append(call)

    def when_busy(self, call: Callable[[], None]) -> None:
        """Call whenever there are runs that have not ended after new ones came."""
        self._busy.append(call)

    def when_idle_once(self, call: Callable[[], None]) -> None:
        """Call the next time that no run is left that has not ended."""
        self._idle_once.append(call)

    def forget(self, run: Run, call: Callable[[], None]) -> None:
        """Take back what :meth:`when_ended` noted."""
        calls = self._ended.get(run, [])
        if call in calls:
            calls.remove(call)
            if not calls:
                del self._ended[run]
        self._look()

    def tell(self, changes: Sequence[Change]) -> None:
        for listener in self._listeners:
            self._safely(lambda listener=listener: listener.on_changes(changes))  # type: ignore[misc]
        if self._ended:
            for change in changes:
                if change.target in ENDED:
                    for call in self._ended.pop(change.run, ()):
                        self._safely(call)
            self._look()

    def idle(self) -> None:
        once, self._idle_once = self._idle_once, []
        for call in (*self._idle, *once):
            self._safely(call)

    def busy(self) -> None:
        for call in self._busy:
            self._safely(call)

    def _look(self) -> None:
        self.wanted = bool(self._listeners or self._ended)

    def _safely(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            self.raised = error
            import logging

            logging.getLogger("abreast").exception("a listener raised; the runs are not affected")
