"""Waiting for a run, or for all of them: in a thread, in a task, and on an event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..context import attempt_here
from ..domain.model import Attempt, Run
from ..engine.engine import Engine
from ..errors import UsageError

if TYPE_CHECKING:
    import asyncio


def wait_for(engine: Engine, run: Run, timeout: float | None) -> None:
    """Block until a run has ended.

    A task that waits for a run of its own runner gives its slot back meanwhile.

    Raises
    ------
    TimeoutError
        After ``timeout`` seconds.
    UsageError
        When a run waits for itself.
    """
    here = _lender(run)
    ended = threading.Event()
    if here is not None:
        engine.lend_slot(here)
    try:
        engine.when_ended(run, ended.set)
        if not ended.wait(timeout):
            engine.forget(run, ended.set)
            raise TimeoutError(
                f"{run.label!r} has not ended within {timeout:g} seconds; it goes on"
            )
    finally:
        if here is not None:
            engine.take_slot_back(here)


def _lender(run: Run) -> Attempt | None:
    """The attempt that asks, if it is one of the same runner and so has a slot to give."""
    here = attempt_here.get()
    if here is None or here.run.flow is not run.flow or run.flow is None:
        return None
    if here.run is run:
        raise UsageError(f"{run.label!r} waits for its own result")
    return here if here.hand is not None or here.run.task.executor == "coroutine" else None


async def until_ended(engine: Engine, run: Run) -> None:
    """Wait for the end of a run without blocking the event loop; lends the slot of a task."""
    here = _lender(run)
    if here is not None:
        engine.lend_slot(here)
    try:
        await _until(lambda call: engine.when_ended(run, call))
    finally:
        if here is not None:
            engine.take_slot_back(here)


async def until_idle(engine: Engine, cancel: Callable[[], None]) -> None:
    """Wait until no run is left. When the waiting task is cancelled, ``cancel`` is called and the
    runs' end is awaited all the same."""
    import asyncio

    try:
        await _until(engine.when_idle)
    except asyncio.CancelledError:
        cancel()
        await asyncio.shield(_until(engine.when_idle))
        raise


async def _until(ask: Callable[[Callable[[], None]], None]) -> None:
    future, call = landing()
    ask(call)
    await future


def landing() -> tuple[asyncio.Future[None], Callable[[], None]]:
    """A future of the running event loop, and what any thread calls to complete it."""
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def arrived() -> None:
        if not future.done():
            future.set_result(None)

    def call() -> None:
        try:
            loop.call_soon_threadsafe(arrived)
        except RuntimeError:
            pass  # the loop was closed meanwhile: nobody waits any more

    return future, call
