"""Bodies of requests: read whole before anything is done, within limits of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .guard_request import Seen
from .problems import Problem

Receive = Callable[[], Awaitable[Any]]

# For bodies whose end nobody knows. Of others the server passes over the rest, so that clients
# that send before they read get the answer.
_CLOSE = {"Connection": "close"}


class Gone(Exception):
    """The client went away before its request was complete."""


async def read_body(seen: Seen, receive: Receive, most: int, seconds: float) -> bytes:
    """Return the body of a request.

    Raises
    ------
    Problem
        413 when it has more than ``most`` bytes, 408 when it is not there within ``seconds``.
    Gone
        When the client goes away.
    """
    check_length(seen, most)
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise Gone
                part = message.get("body", b"")
                size += len(part)
                if size > most:
                    raise _too_large(most, None if seen.length else _CLOSE)
                parts.append(part)
                more = message.get("more_body", False)
    except TimeoutError:
        raise Problem(
            "too-slow", f"the body was not complete after {seconds:g} s", headers=_CLOSE
        ) from None
    return b"".join(parts)


def check_length(seen: Seen, most: int) -> None:
    """Raise ``Problem`` (413) when a body is announced that is too large."""
    if (seen.length or 0) > most:
        raise _too_large(most)


def _too_large(most: int, headers: dict[str, str] | None = None) -> Problem:
    return Problem(
        "too-large", f"the body of a request has at most {most} bytes here", headers=headers
    )


def replay(body: bytes, receive: Receive) -> Receive:
    """What hands out a body that has been read, then what comes after it."""
    left: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return left.pop() if left else await receive()

    return again
