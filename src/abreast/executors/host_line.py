"""How a pool of children talks to its host: reports, progress, loans of slots, marks."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from ..domain.model import Attempt, Outcome
from ..ports import Host
from .brood import Child
from .marks import Marks, Places


class HostLine:
    """The host, without keeping it alive: the I/O thread must not outlive its user."""

    def __init__(self, marks: Marks | None) -> None:
        self._host: Callable[[], Host | None] = _no_host
        self._places = None if marks is None else Places(marks)

    def bind(self, host: Host) -> None:
        try:
            self._host = weakref.ref(host)
        except TypeError:
            self._host = lambda: host

    def begun(self, child: Child, attempt: Attempt) -> None:
        """Mark an attempt that is about to be sent to its child."""
        if self._places is not None:
            child.slot = self._places.begin(attempt.run.id)

    def progress(self, attempt: Attempt, progress: tuple[Any, ...]) -> None:
        (self._host() or attempt.host).progress(attempt, *progress)

    def lend(self, child: Child, attempt: Attempt, lent: bool) -> None:
        """Let others use the slot of an attempt, or take it back."""
        child.lent = lent
        host: Any = self._host() or attempt.host
        (host.lend_slot if lent else host.take_slot_back)(attempt)

    def report(self, attempt: Attempt) -> Attempt | None:
        """Report an attempt that no child has executed."""
        host = self._host() or attempt.host
        attempt.ended = host.now()
        following: Attempt | None = host.report(attempt)
        return following

    def report_of(self, child: Child, attempt: Attempt) -> Attempt | None:
        """Report an attempt that a child has executed, to its end or until its own."""
        child.finish_output(attempt)
        if child.lent:
            self.lend(child, attempt, False)  # it ended, or was ended, while it waited
        slot, child.slot = child.slot, -1  # before the report: the child may get another at once
        following = self.report(attempt)
        if self._places is not None and slot >= 0:
            self._places.end(slot)
        return following

    def fail(self, attempt: Attempt, error: Exception) -> Attempt | None:
        """Report that an attempt could not begin."""
        attempt.outcome, attempt.error = Outcome.ERROR, error
        return self.report(attempt)


def _no_host() -> None:
    return None
