"""Waiting for the end of a run without holding a thread meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio

from ...domain.states import ENDED
from .route import Here, in_thread

if TYPE_CHECKING:
    from ..stored_run import StoredRun


class Ending:
    """Tells of the end of a run, between ``watch`` and ``forget``.

    ``over`` is set when it has ended; for streams it is also looked at from outside.
    """

    def __init__(self, run: StoredRun) -> None:
        self.over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._node, self._record = run.app.node, run.known

    async def watch(self) -> None:
        """Begin. A run that has ended is noticed at once."""
        if self._record.state in ENDED:
            self.over.set()
        else:
            await in_thread(self._node.when_ended, self._record, self._ended)

    async def forget(self) -> None:
        """End, also in a request that is being cancelled."""
        if not self.over.is_set():
            with anyio.CancelScope(shield=True):
                await in_thread(self._node.forget, self._record, self._ended)

    def _ended(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self.over.set)
        except RuntimeError:
            pass  # the loop has ended: nobody waits any more


async def ended_within(here: Here, run: StoredRun, seconds: float) -> bool:
    """Whether a run ends within so many seconds. A service that stops waits no longer."""
    ending = Ending(run)
    stopping = here.hub.stopping
    waits = [asyncio.ensure_future(event.wait()) for event in (ending.over, stopping)]
    try:
        await ending.watch()
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return ending.over.is_set()
    finally:
        for wait in waits:
            wait.cancel()
        await ending.forget()
