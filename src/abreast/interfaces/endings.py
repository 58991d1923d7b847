"""Runs one after the other, as they end."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..domain.model import Change
from ..domain.states import ENDED
from .run import Run

if TYPE_CHECKING:
    from ..engine.engine import Engine


class Endings:
    """Listens for ends. Runs that had ended before come first, each run comes once."""

    def __init__(self, engine: Engine, runs: Sequence[Run]) -> None:
        self._engine = engine
        self._ended: deque[Run] = deque()
        self._wake: Callable[[], None] = lambda: None
        self._seen = 0
        self._known: set[Run] = set()  # an end may be told that was there before
        self._runs = runs
        engine.watch(self, self._catch_up)

    def _catch_up(self) -> None:
        ended = [run for run in self._runs if run.state in ENDED]
        self._note(sorted(ended, key=lambda run: run.ended or 0.0))

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Called by the engine."""
        ended: list[Any] = [change.run for change in changes if change.target in ENDED]
        if ended:
            self._note(ended)
            self._wake()

    def _note(self, ended: Iterable[Run]) -> None:
        fresh = [run for run in ended if run not in self._known]
        self._known.update(fresh)
        self._ended.extend(fresh)

    def _next(self) -> Run | None:
        if not self._ended:
            return None
        self._seen += 1
        return self._ended.popleft()

    def _over(self) -> bool:
        return self._seen >= len(self._runs)

    def iterate(self, timeout: float | None) -> Iterator[Run]:
        """Yield runs until all that were added have ended."""
        gate = threading.Event()
        self._wake = gate.set
        try:
            while not self._over():
                gate.clear()
                run = self._next()
                if run is not None:
                    yield run
                elif not gate.wait(timeout):
                    raise TimeoutError(f"no run has ended within {timeout:g} seconds")
        finally:
            self._engine.unwatch(self)

    async def iterate_async(self) -> AsyncIterator[Run]:
        """Like :meth:`iterate`, without blocking the event loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        gate = asyncio.Event()
        self._wake = lambda: _call(loop, gate.set)
        try:
            while not self._over():
                gate.clear()
                run = self._next()
                if run is not None:
                    yield run
                else:
                    await gate.wait()
        finally:
            self._engine.unwatch(self)


def _call(loop: Any, call: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(call)
