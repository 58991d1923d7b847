"""One reader of what happens, for all who follow it.

While somebody follows, the store is asked every 50 ms whether anything was written, which takes
microseconds. What happened is read once, framed once, and handed to every client as one piece of
bytes. Several events of one run between two looks are one event with the number of the last: its
data is the whole row, so the earlier ones would say the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ...errors import UnknownSchedule
from ..run_json import read_many, row_of
from ..schedule_json import instant_row, schedule_row
from .problems import Problem
from .route import encode
from .streams import LONGEST_S, PING, PING_S, frame

if TYPE_CHECKING:
    from ..app import App
    from ..app_schedules import Instant
    from ..app_search import Event

T = TypeVar("T")

_PACE_S = 0.05
_PAGE = 500
_MOST_BEHIND = 10_000  # events that are told again to who was away
_MOST_BYTES = 1 << 20  # that wait for one client
_MOST_CLIENTS = 1000

_log = logging.getLogger("abreast")


class Wanted(NamedTuple):
    """Which events a client wants: of these tasks, of runs in these states. None: all."""

    tasks: frozenset[str] | None = None
    states: frozenset[str] | None = None


class Told(NamedTuple):
    """One event, ready to be sent."""

    seq: int
    at: float
    kind: str
    id: int
    task: str
    state: str | None  # of a run
    row: dict[str, Any]
    frame: bytes

    def suits(self, wanted: Wanted) -> bool:
        """Whether a client wants it."""
        if wanted.tasks is not None and self.task not in wanted.tasks:
            return False
        return wanted.states is None or self.state in wanted.states


def resync(seq: int, reason: str) -> bytes:
    """Tells a client that events are missing: look at the lists again, go on from ``seq``."""
    return frame("resync", seq, encode({"reason": reason, "after": seq}))


class Client:
    """Somebody who follows: what waits to be sent to them.

    ``start``: the number of the last event they do not get from the hub; ``until``: when they have
    to come again.
    """

    __slots__ = ("_behind", "_closed", "_parts", "_size", "_waiter", "start", "until", "wanted")

    def __init__(self, wanted: Wanted, start: int) -> None:
        self.wanted = wanted
        self.start = start
        self.until = time.monotonic() + LONGEST_S
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._behind: int | None = None  # up to where events were dropped
        self._closed = False

    def push(self, data: bytes, seq: int) -> None:
        """Have bytes sent; when too many wait, nothing of them is sent but that they are missing.

        ``seq``: the last event among them.
        """
        if self._size + len(data) > _MOST_BYTES:
            self._parts.clear()
            self._size = 0
            self._behind = seq
        else:
            self._parts.append(data)
            self._size += len(data)
        self._wake()

    def close(self) -> None:
        """Let them go."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def next(self) -> bytes | None:
        """What is to be sent now; None: no more."""
        while not self._closed:
            if self._behind is not None or self._parts:
                data = b"".join(self._parts)
                if self._behind is not None:
                    data = resync(self._behind, "behind") + data
                    self._behind = None
                self._parts.clear()
                self._size = 0
                return data
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return None


class Hub:
    """Where those who follow events meet. Belongs to one event loop.

    ``stopping`` is set when the service stops: every stream ends then.
    """

    def __init__(self, app: App) -> None:
        self.stopping = asyncio.Event()
        self._app = app
        self._clients: set[Client] = set()
        self._position = 0  # the last event that was handed out
        self._version: int | None = None  # of the store when it was last read
        self._joining = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        # A thread of its own: asking for the version must not wait behind those who read lists.
        self._thread = ThreadPoolExecutor(1, "abreast-events")

    @property
    def clients(self) -> int:
        """How many follow now."""
        return len(self._clients)

    def close(self) -> None:
        """Let all clients go; to be called in the loop."""
        self.stopping.set()
        for client in list(self._clients):
            client.close()
        if self._reader is not None:
            self._reader.cancel()
        self._thread.shutdown(wait=False)

    async def _ask(self, call: Callable[..., T], *given: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *given)

    # -- clients ----------------------------------------------------------------------------

    async def follow(self, wanted: Wanted, after: int | None) -> AsyncIterator[bytes]:
        """Yield what a client is to be sent: what came after the event ``after``, then all that
        happens."""
        client = await self._join(wanted)
        try:
            yield b"retry: 2000\n\n"
            if after is not None and after != client.start:
                async for data in self._replay(wanted, after, client.start):
                    yield data
            # an id without data is no event, and yet where a client goes on that is cut off now
            yield b"id: %d\n\n" % client.start
            while (found := await client.next()) is not None:
                yield found
        finally:
            self._clients.discard(client)

    def check_room(self) -> None:
        """Raise the problem ``busy`` when too many follow already."""
        if len(self._clients) >= _MOST_CLIENTS:
            raise Problem(
                "busy", f"{_MOST_CLIENTS} clients follow already", headers={"Retry-After": "10"}
            )

    async def _join(self, wanted: Wanted) -> Client:
        async with self._joining:
            if self._reader is None or self._reader.done():
                self._position = (await self._ask(self._app.event_bounds))[1]
                self._version = None
                self._reader = asyncio.get_running_loop().create_task(self._attend())
            client = Client(wanted, self._position)
            self._clients.add(client)
            return client

    async def _replay(self, wanted: Wanted, after: int, until: int) -> AsyncIterator[bytes]:
        """What a client has missed, or that it cannot be told any more."""
        oldest, _ = await self._ask(self._app.event_bounds)
        if after > until or after + 1 < oldest:
            yield resync(until, "pruned")
            return
        if until - after > _MOST_BEHIND:
            yield resync(until, "behind")
            return
        while after < until:
            found = await self._ask(self._app.events, after, min(_PAGE, until - after))
            found = [event for event in found if event.seq <= until]
            if not found:
                return
            after = found[-1].seq
            data = b"".join(
                item.frame for item in await self._ask(told, self._app, found) if item.suits(wanted)
            )
            if data:
                yield data

    # -- the reader -------------------------------------------------------------------------

    async def _attend(self) -> None:
        """Look for what happens as long as somebody follows."""
        pinged = time.monotonic()
        while self._clients:
            await asyncio.sleep(_PACE_S)
            try:
                last, items = await self._ask(self._look, self._position)
            except Exception as error:  # say, locked; nothing is lost by looking later
                _log.warning("events cannot be read yet: %s", error)
                await asyncio.sleep(1.0)
                continue
            if items:
                self._hand_out(items, last)
            self._position = last
            now = time.monotonic()
            ping = now - pinged >= PING_S
            if ping:
                pinged = now
            for client in self._clients:
                if client.until < now:
                    client.close()
                elif ping:
                    client.push(PING, last)

    def _look(self, position: int) -> tuple[int, list[Told]]:
        """What happened since the last look; in the hub's own thread."""
        version = self._app.data_version()
        if version == self._version:
            return position, []
        found = self._app.events(position, _PAGE)
        if len(found) < _PAGE:
            self._version = version  # else there is more, and the next look reads on
        if not found:
            return position, []
        return found[-1].seq, told(self._app, found)

    def _hand_out(self, items: Sequence[Told], last: int) -> None:
        """Give every client its share, put together once for all that want the same."""
        made: dict[Wanted, bytes] = {}
        for client in self._clients:
            data = made.get(client.wanted)
            if data is None:
                data = made[client.wanted] = b"".join(
                    item.frame for item in items if item.suits(client.wanted)
                )
            if data:
                client.push(data, last)


def told(app: App, events: Sequence[Event]) -> list[Told]:
    """Events with the rows they are about; what was removed meanwhile is left out."""
    newest = {(event.kind, event.id): event for event in events}
    runs = read_many(app, [id for kind, id in newest if kind == "run"])
    instants = {
        instant.id: instant
        for instant in _ledger(app, [id for kind, id in newest if kind == "instant"])
    }
    schedules = {}
    if any(kind == "schedule" for kind, _ in newest):
        schedules = {view.id: view for view in app.schedules.list()}
    found = []
    for event in sorted(newest.values()):
        row: dict[str, Any]
        state = None
        if event.kind == "run":
            if event.id not in runs:
                continue
            row = row_of(runs[event.id])
            task, state = row["name"], row["state"]
        elif event.kind == "instant" and event.id in instants:
            row = instant_row(instants[event.id])
            task = row["task"]
        elif event.kind == "schedule" and event.id in schedules:
            row = schedule_row(schedules[event.id])
            task = row["task"]
        else:
            continue
        data = frame(event.kind, event.seq, encode(row))
        found.append(Told(event.seq, event.at, event.kind, event.id, task, state, row, data))
    return found


def _ledger(app: App, ids: Iterable[int]) -> Iterable[Instant]:
    wanted = list(ids)
    try:
        return app.schedules.ledger(ids=wanted, limit=len(wanted)) if wanted else []
    except UnknownSchedule:
        return []
