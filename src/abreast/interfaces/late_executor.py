"""An executor that is made when it is first needed: a worker has all, and rarely uses all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..domain.model import Attempt, Traits
from ..ports import Executor

_TRAITS = {
    "thread": Traits(can_kill=False, keeps_objects=True),
    "coroutine": Traits(can_kill=False, keeps_objects=True),
    "process": Traits(can_kill=True, keeps_objects=False),
    "command": Traits(can_kill=True, keeps_objects=False),
}


class LateExecutor:
    """Stands for the executor ``make`` makes.

    Parameters
    ----------
    name : str
        Of the executor; its traits are known before it is there.
    """

    def __init__(self, name: str, make: Callable[[], Executor]) -> None:
        self.name = name
        self.traits = _TRAITS[name]
        self._make = make
        self._made: Executor | None = None
        self._host: Any = None
        self._resized = 0

    def bind(self, host: Any) -> None:
        """Remember the engine."""
        self._host = host

    def _executor(self) -> Executor:
        if self._made is None:
            self._made = self._make()
            self._made.bind(self._host)
            if self._resized:
                self._made.resize(self._resized)
        return self._made

    def start(self, given: Any) -> None:
        """Begin an attempt."""
        self._executor().start(given)

    def stop(self, attempt: Attempt, grace_s: float) -> bool:
        """Ask an attempt to end."""
        return self._executor().stop(attempt, grace_s)

    def abandon(self, attempt: Attempt) -> None:
        """Refill the place of an attempt that was given up."""
        self._executor().abandon(attempt)

    def resize(self, by: int) -> None:
        """Make room for more or fewer attempts at once."""
        if self._made is None:
            self._resized += by
        else:
            self._made.resize(by)

    def close(self, grace_s: float) -> None:
        """End everything, if there is anything."""
        if self._made is not None:
            self._made.close(grace_s)
