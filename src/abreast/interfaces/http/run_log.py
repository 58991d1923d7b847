"""``GET /runs/{id}/log``: what a run has printed, in parts, and while it prints."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import IO, TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from ..run_json import summary
from ..run_logs import start_of_tail
from .ending import Ending
from .problems import Problem
from .query import MOST, wrong
from .route import PREFIX, VIEWER, Here, Route, There, declared, encode, in_thread
from .runs import RunId, find_run
from .streams import HEADERS, LONGEST_S, PING, PING_S, SCHEMA, SSE, frame

if TYPE_CHECKING:
    from ..stored_run import StoredRun

routes = APIRouter(prefix=PREFIX + "/runs", tags=["runs"], route_class=Route)

_PIECE = 1 << 18  # bytes read at once
_LONGEST_TAIL = 8 << 20  # bytes of the last lines that are looked for
_PACE_S = 0.2  # between two looks at a file that grows
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
TEXT = "text/plain; charset=utf-8"

_PARTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All of it, the last lines, or with follow=1 a stream of events.",
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            SSE: {"schema": SCHEMA},
        },
    },
    206: {
        "description": "The part that was asked for.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
}


@routes.get(
    "/{id}/log",
    operation_id="read_log",
    summary="What a run has printed",
    dependencies=VIEWER,
    response_class=PlainTextResponse,
    responses={**declared(200, None, "", 404, 410, 416), **_PARTS},
)
async def log(
    here: There,
    id: RunId,
    tail: Annotated[int | None, Query(ge=0, le=100_000, description="Only the last lines.")] = None,
    follow: Annotated[bool, Query(description="Stream what is printed until it ends.")] = False,
    range: Annotated[str | None, Header(max_length=100)] = None,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """The log as plain text. ``Range: bytes=…`` reads a part of it.

    With ``follow=1`` it is a stream of events: the data of each is a JSON string with text, its
    id the place in bytes behind it, from which ``Last-Event-ID`` goes on. The event ``end`` comes
    when the run has ended and all was sent; its data is the run.
    """
    run = await in_thread(find_run, here, id)
    if follow:
        start = 0
        if last_event_id is not None:
            if not last_event_id.isdecimal() or int(last_event_id) > MOST:
                raise wrong("Last-Event-ID", "it is a place in the log, in bytes")
            start = int(last_event_id)
        elif tail is not None:
            start = await in_thread(_tail_of, run, tail)
        return StreamingResponse(_follow(here, run, start), media_type=SSE, headers=HEADERS)
    return await in_thread(_part, run, range, tail)


def _part(run: StoredRun, wanted: str | None, tail: int | None) -> Response:
    size = _size(run)
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "no-store"}
    start, end, status = 0, size, 200
    if tail is not None:
        start = _tail_of(run, tail)
    elif _is_range(found := _RANGE.fullmatch((wanted or "").replace(" ", ""))):
        assert found is not None
        span = _span(found[1], found[2], size)
        if span is None:
            raise Problem(
                "bad-range", f"the log has {size} bytes",
                headers={"Content-Range": f"bytes */{size}"},
            )  # fmt: skip
        (start, end), status = span, 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    return StreamingResponse(_pieces(run, start, end), status, headers, media_type=TEXT)


def _span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """From where to where (exclusive), or None when there is nothing."""
    if not first:
        length = int(last)
        return (max(0, size - length), size) if length and size else None
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    return (start, end) if start < end else None


def _is_range(found: re.Match[str] | None) -> bool:
    """Whether a header names a part; what does not is left out of account."""
    if found is None or not (found[1] or found[2]):
        return False
    return not (found[1] and found[2]) or int(found[1]) <= int(found[2])


def _open(run: StoredRun) -> IO[bytes] | None:
    path = run.log_path
    try:
        return None if path is None else open(path, "rb")
    except FileNotFoundError:
        return None


def _size(run: StoredRun) -> int:
    path = run.log_path
    try:
        return 0 if path is None else os.path.getsize(path)
    except FileNotFoundError:
        return 0


def _pieces(run: StoredRun, start: int, end: int) -> Iterator[bytes]:
    """The bytes from ``start`` to ``end``; as many as were announced, whatever becomes of it."""
    file = _open(run)
    missing = end - start
    if file is not None:
        with file:
            file.seek(start)
            while missing and (data := file.read(min(_PIECE, missing))):
                missing -= len(data)
                yield data
    while missing:  # it was removed or cut meanwhile
        data = b"\0" * min(_PIECE, missing)
        missing -= len(data)
        yield data


def _tail_of(run: StoredRun, lines: int) -> int:
    """Where the last so many lines begin; reads from the end, and not without bound."""
    file = _open(run)
    if file is None:
        return 0
    with file:
        return start_of_tail(file, lines, _LONGEST_TAIL)


# -- following --------------------------------------------------------------------------------


async def _follow(here: Here, run: StoredRun, at: int) -> AsyncIterator[bytes]:
    ending = Ending(run)
    stopping = here.hub.stopping
    quiet = 0.0
    until = time.monotonic() + LONGEST_S
    yield b"retry: 2000\n\n"
    try:
        await ending.watch()
        while not stopping.is_set() and time.monotonic() < until:
            over = ending.over.is_set()  # asked before reading, so that nothing is missed
            data = await in_thread(_read, run, at, over)
            if data:
                at += len(data)
                quiet = 0.0
                yield frame("", at, encode(data.decode("utf-8", "replace")))
            elif over:
                yield frame("end", at, await in_thread(lambda: encode(summary(run))))
                return
            else:
                try:
                    await asyncio.wait_for(ending.over.wait(), _PACE_S)
                except TimeoutError:
                    quiet += _PACE_S
            if quiet >= PING_S:
                quiet = 0.0
                yield PING
    finally:
        await ending.forget()


def _read(run: StoredRun, at: int, to_the_end: bool) -> bytes:
    """What follows a place in the file, up to the end of a character."""
    file = _open(run)
    if file is None:
        return b""
    with file:
        file.seek(at)
        data = file.read(_PIECE)
    if len(data) < _PIECE and to_the_end:
        return data
    return data[: _whole(data)]


def _whole(data: bytes) -> int:
    """The length without a character at the end that is not complete."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if length > back else len(data)
    return len(data)
