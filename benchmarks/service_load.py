"""The load on a service: one process, plain sockets, so that it costs as little as it can.

It reads what to do as a line of JSON and writes what it has measured as a line of JSON. It ends
when its standard input does, or after ``at_most`` seconds, whatever the server does.

===========  ======================================================================================
``closed``   so many clients, each sends its next request when it has the answer to the last
``open``     so many requests a second, whether or not there are answers; the time of a request
             runs from when it was due, so that a server that stands still is not spared
``get``      a list of addresses, one after the other
``follow``   so many clients follow events; a second line says which runs they are to hear of
===========  ======================================================================================
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

Answered = Callable[["Line", int, bytes], None]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb'"id": *(\d+)')
_RUN = re.compile(rb'event: run\nid: (\d+)\ndata: \{"id":(\d+),.*?"ended":(?:null|"([^"]+)")')
_SEQ = re.compile(rb"\nid: (\d+)\ndata")
_ENOUGH = 5_000  # pieces of streams whose contents are remembered


class Line(asyncio.Protocol):
    """A connection that is kept; one request at a time."""

    def __init__(self, answered: Answered) -> None:
        self.answered = answered
        self.began = 0.0  # when the request was sent, or should have been
        self._transport: Any = None
        self._waits = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, request: bytes, began: float) -> None:
        self.began, self._waits = began, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        rest = self._rest = self._rest + data if self._rest else data
        end = rest.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(rest, 0, end + 2)
        size = end + 4 + (int(length[1]) if length else 0)
        if len(rest) < size:
            return
        self._rest, self._waits = b"", False
        self.answered(self, int(rest[9:12]), rest[end + 4 : size])

    def connection_lost(self, error: Exception | None) -> None:
        if self._waits:
            self._waits = False
            self.answered(self, 0, b"")

    def close(self) -> None:
        self._transport.close()


def request(given: dict[str, Any], path: str) -> bytes:
    """Return the bytes of a request; with a ``body`` it is a POST."""
    host, port = given["address"]
    head = f"Host: {host}:{port}\r\nAuthorization: Bearer {given.get('token')}\r\n"
    body = given.get("body")
    if body is None:
        return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{head}\r\n{body}".encode()


async def connected(given: dict[str, Any], answered: Answered) -> list[Line]:
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_connection(lambda: Line(answered), *given["address"]))[1]
        for _ in range(given["clients"])
    ]


class Answers:
    """What came back."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.ids: list[int] = []
        self.first_bad = ""

    def note(self, status: int, body: bytes) -> None:
        self.statuses[status] += 1
        found = _ID.search(body)
        if 200 <= status < 300 and found:
            self.ids.append(int(found[1]))
        elif not self.first_bad:
            self.first_bad = body[:300].decode("utf-8", "replace")

    def shown(self) -> dict[str, Any]:
        return {"statuses": dict(self.statuses), "ids": self.ids, "first_bad": self.first_bad}


# -- closed: as fast as answers come ------------------------------------------------------------


async def closed(given: dict[str, Any]) -> dict[str, Any]:
    what, answers = request(given, given["path"]), Answers()
    counted_from = time.perf_counter() + given["warm"]
    until = counted_from + given["seconds"]
    times: list[float] = []
    under_way = given["clients"]
    over = asyncio.Event()

    def answered(line: Line, status: int, body: bytes) -> None:
        nonlocal under_way
        now = time.perf_counter()
        answers.note(status, body)
        if counted_from <= now < until and 200 <= status < 300:
            times.append(now - line.began)
        if now < until and status:
            line.send(what, now)
            return
        under_way -= 1
        if not under_way:
            over.set()

    lines = await connected(given, answered)
    for line in lines:
        line.send(what, time.perf_counter())
    await asyncio.wait_for(over.wait(), given["warm"] + given["seconds"] + 20)
    ended = time.time()
    for line in lines:
        line.close()
    return {"times": times, "ended": ended, **answers.shown()}


# -- open: as many as are due -------------------------------------------------------------------


async def open_loop(given: dict[str, Any]) -> dict[str, Any]:
    what, answers = request(given, given["path"]), Answers()
    step = 1 / given["rate"]
    warm = int(given["warm"] / step)
    total = warm + int(given["seconds"] / step)
    times: list[float] = []
    late: list[float] = []
    queue: deque[float] = deque()  # due, and no connection is free
    done = 0
    over = asyncio.Event()

    def answered(line: Line, status: int, body: bytes) -> None:
        nonlocal done
        now = time.perf_counter()
        answers.note(status, body)
        if line.began >= counted_from:
            times.append(now - line.began if status else float(given["at_most"]))
        done += 1
        if done == total:
            over.set()
        elif status and queue:
            line.send(what, queue.popleft())
        elif status:
            free.append(line)

    free = await connected(given, answered)
    lines = list(free)
    start = time.perf_counter() + 0.05
    counted_from = start + warm * step
    for number in range(total):
        due = start + number * step
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        if free:
            late.append(time.perf_counter() - due)
            free.pop().send(what, due)
        else:
            queue.append(due)
    await asyncio.wait_for(over.wait(), 20)
    took, ended = time.perf_counter() - start, time.time()
    for line in lines:
        line.close()
    return {"times": times, "late": late, "took": took, "ended": ended, **answers.shown()}


# -- get: one after the other -------------------------------------------------------------------


async def get(given: dict[str, Any]) -> dict[str, Any]:
    """Times by the number of the path; after ``seconds`` no new one begins."""
    until = time.perf_counter() + given["seconds"]
    found: list[tuple[int, float]] = []
    sizes: list[int] = []
    over = asyncio.Event()
    wrong: list[str] = []
    number = 0

    def answered(line: Line, status: int, body: bytes) -> None:
        nonlocal number
        now = time.perf_counter()
        if status != 200:
            wrong.append(f"{given['paths'][number]}: {status} {body[:300]!r}")
            over.set()
            return
        found.append((number, now - line.began))
        sizes.append(body.count(b'"attempts":'))
        number += 1
        if number == len(given["paths"]) or now > until:
            over.set()
            return
        line.send(request(given, given["paths"][number]), now)

    (line,) = await connected({**given, "clients": 1}, answered)
    line.send(request(given, given["paths"][0]), time.perf_counter())
    await asyncio.wait_for(over.wait(), given["seconds"] + 30)
    line.close()
    return {"times": found, "sizes": sizes, "wrong": wrong}


# -- follow: many clients of one stream of events -----------------------------------------------


class Piece:
    """What is in a piece of a stream, found out once for all clients that got the same."""

    __slots__ = ("ends", "events", "first", "last", "resyncs")

    def __init__(self, data: bytes) -> None:
        runs = _RUN.findall(data)
        self.ends = [(int(id), seconds(ended)) for _, id, ended in runs if ended]
        numbers = [int(number) for number in _SEQ.findall(data)]
        self.events = len(numbers)
        self.first, self.last = (numbers[0], numbers[-1]) if numbers else (0, 0)
        self.resyncs = data.count(b"event: resync\n")


def seconds(text: bytes) -> float:
    return datetime.fromisoformat(text.decode()).timestamp()


class Follower(asyncio.Protocol):
    """One client that follows events. Framing of chunks lies between events and is passed over."""

    known: dict[bytes, Piece] = {}  # noqa: RUF012  # shared on purpose

    def __init__(self, what: bytes) -> None:
        self.what = what
        self.lags: list[float] = []
        self.heard: set[int] = set()
        self.events = self.resyncs = self.repeats = self.last = 0
        self.follows, self.lost = False, False
        self._rest = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.what)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        rest = self._rest + data
        cut = rest.rfind(b"\n\n") + 2
        if cut < 2:
            self._rest = rest
            return
        whole, self._rest = rest[:cut], rest[cut:]
        piece = self.known.get(whole)
        if piece is None:
            if len(self.known) > _ENOUGH:
                self.known.clear()
            piece = self.known[whole] = Piece(whole)
        self.follows = self.follows or b"\nid: " in whole
        self.events += piece.events
        self.resyncs += piece.resyncs
        if piece.events:
            self.repeats += piece.first <= self.last
            self.last = piece.last
        for id, ended in piece.ends:
            if id not in self.heard:
                self.heard.add(id)
                self.lags.append(now - ended)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True


async def follow(given: dict[str, Any]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    what = request(given, given["path"])
    start = time.perf_counter()
    clients: list[Follower] = []
    for _ in range(given["clients"]):
        _, client = await loop.create_connection(lambda: Follower(what), *given["address"])
        clients.append(client)
    while not all(client.follows for client in clients):
        if any(client.lost for client in clients):
            raise ConnectionError("a client was turned away")
        await asyncio.sleep(0.02)
    connect_s = time.perf_counter() - start
    print("following", flush=True)
    expected = set(json.loads(await loop.run_in_executor(None, sys.stdin.readline)))
    deadline = time.perf_counter() + 10
    while time.perf_counter() < deadline and not all(c.heard >= expected for c in clients):
        await asyncio.sleep(0.05)
    dropped = [c for c in clients if c.lost or c.resyncs or not c.heard >= expected]
    for client in clients:
        client.transport.close()
    return {
        "lags": [lag for client in clients for lag in client.lags],
        "dropped": len(dropped),
        "resyncs": sum(client.resyncs for client in clients),
        "repeats": sum(client.repeats for client in clients),
        "missing": max(len(expected - client.heard) for client in clients),
        "events": sum(client.events for client in clients),
        "connect_s": connect_s,
    }


KINDS = {"closed": closed, "open": open_loop, "get": get, "follow": follow}


async def work() -> None:
    given = json.loads(sys.stdin.readline())
    found = await asyncio.wait_for(KINDS[given["kind"]](given), given["at_most"])
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(work())
    else:
        uvloop.run(work())
