"""Coroutines: thousands at once on one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from ..context import attempt_here
from ..domain.model import ERROR, OK, STOPPED, Attempt, Traits
from ..ports import Host
from .marks import Marks, Places
from .runlog import RunLog
from .streams import Routing


class CoroutineExecutor:
    """Executes ``async def`` tasks. The loop is made when first needed.

    An attempt is stopped by cancelling it at its next ``await``; one that never awaits holds up
    the loop and is abandoned together with it, and later attempts get a new loop.

    Parameters
    ----------
    marks : Marks, optional
        Where it is noted which runs have begun.
    """

    name = "coroutine"
    traits = Traits(can_kill=False, keeps_objects=True)

    def __init__(self, marks: Marks | None = None) -> None:
        self._host: Host
        self._places = None if marks is None else Places(marks)
        self._routing = Routing()
        self._lock = threading.Lock()
        self._loop: _Loop | None = None

    def bind(self, host: Host) -> None:
        self._host = host

    def start(self, attempt: Attempt) -> None:
        with self._lock:
            if self._loop is None:
                self._loop = _Loop(self._host, self._routing, self._places)
            attempt.handle = self._loop
            self._loop.give(attempt)

    def stop(self, attempt: Attempt, grace_s: float) -> bool:
        loop = attempt.handle if attempt.handle is not None else self._loop
        if loop is None:
            return False
        loop.cancel(attempt)
        return True

    def abandon(self, attempt: Attempt) -> None:
        """It did not end at an ``await``: its loop may hang, so later attempts get another."""
        with self._lock:
            hung: _Loop | None = attempt.handle
            if hung is None or self._loop is not hung:
                return
            self._loop = None
            stranded = hung.take_given()
        hung.leave()
        for other in stranded:  # they have not begun, so another loop may have them
            self.start(other)

    def resize(self, by: int) -> None:
        """There is room for any number."""

    def close(self, grace_s: float) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.leave()
            loop.thread.join(grace_s)
        self._routing.end()


class _Loop:
    """One event loop and the slots on it.

    A slot is a task of the loop that executes attempt after attempt, because making a task for
    every run would cost more than many a run.
    """

    def __init__(self, host: Host, routing: Routing, places: Places | None) -> None:
        self._host = host
        self._routing = routing
        self._places = places
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._given: list[Attempt] = []
        self._unbegun: dict[Attempt, None] = {}  # given; another loop may have them if this hangs
        self._tasks: set[asyncio.Task[None]] = set()
        self._executing: dict[Attempt, asyncio.Task[None]] = {}
        self._idle: list[asyncio.Future[Attempt | None]] = []
        self._leaving = False
        self.thread = threading.Thread(target=self._turn, name="abreast-loop", daemon=True)
        self.thread.start()

    def give(self, attempt: Attempt) -> None:
        with self._lock:
            self._unbegun[attempt] = None
            self._given.append(attempt)
            first = len(self._given) == 1
        if first:  # later ones are picked up by the same call
            self._loop.call_soon_threadsafe(self._pick_up)

    def take_given(self) -> list[Attempt]:
        """Take back what has not begun on this loop."""
        taken = []
        for attempt in list(self._unbegun):
            if self._unbegun.pop(attempt, self) is None:  # atomic: either we or the loop get it
                taken.append(attempt)
        return taken

    def cancel(self, attempt: Attempt) -> None:
        self._loop.call_soon_threadsafe(self._cancel, attempt)

    def leave(self) -> None:
        """End the loop once nothing executes on it."""
        self._loop.call_soon_threadsafe(self._leave)

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    def _pick_up(self) -> None:
        with self._lock:
            given, self._given = self._given, []
        for attempt in given:
            while self._idle:
                gate = self._idle.pop()
                if not gate.done():
                    gate.set_result(attempt)
                    break
            else:
                self._tasks.add(self._loop.create_task(self._slot(attempt)))

    def _cancel(self, attempt: Attempt) -> None:
        task = self._executing.get(attempt)
        if task is not None:  # else it has not begun, and looks before it does, or has ended
            task.cancel()

    def _leave(self) -> None:
        self._leaving = True
        for gate in self._idle:
            if not gate.done():
                gate.set_result(None)
        self._idle.clear()
        if not self._tasks:
            self._loop.stop()

    async def _slot(self, first: Attempt) -> None:
        attempt: Attempt | None = first if self._begin(first) else await self._next()
        here = asyncio.current_task()
        assert here is not None
        report, executing = self._host.report, self._executing
        while attempt is not None:
            executing[attempt] = here
            slot = None if self._places is None else self._places.begin(attempt.run.id)
            await self._execute(attempt, here)
            del executing[attempt]
            following = report(attempt)
            if self._places is not None and slot is not None:
                self._places.end(slot)
            if attempt.abandoned:
                break
            attempt = following if following is not None else await self._next()
        self._tasks.discard(here)
        if self._leaving and not self._tasks:
            self._loop.stop()

    async def _execute(self, attempt: Attempt, here: asyncio.Task[None]) -> None:
        attempt_here.set(attempt)
        log: Any = attempt.log  # a RunLog, or of no concern to us
        if type(log) is RunLog:
            self._routing.begin()
        try:
            if attempt.stop is None:
                fn: Any = attempt.run.task.fn
                attempt.value = await fn(*attempt.args, **attempt.kwargs)
                attempt.outcome = OK
            else:
                attempt.outcome = STOPPED
        except asyncio.CancelledError as error:
            attempt.error = error
            attempt.outcome = STOPPED if attempt.stop is not None else ERROR
            while here.uncancel():
                pass
        except BaseException as error:
            attempt.error = error
            attempt.outcome = ERROR
        if type(log) is RunLog:
            log.end()
        attempt.ended = self._host.now()

    async def _next(self) -> Attempt | None:
        while not self._leaving:
            gate: asyncio.Future[Attempt | None] = self._loop.create_future()
            self._idle.append(gate)
            attempt = await gate
            if attempt is None or self._begin(attempt):
                return attempt
        return None

    def _begin(self, attempt: Attempt) -> bool:
        """Make an attempt this loop's for good; False: it was taken back."""
        return self._unbegun.pop(attempt, self) is None
