"""Server-sent events, framed by hand.

A library would make one message, one task and one timer per event and client. Here events are
framed once for all clients and go out in batches, which 200 clients need.
"""

from __future__ import annotations

SSE = "text/event-stream"
PING_S = 15.0
LONGEST_S = 1800.0  # after which a client has to come again, and say who it is
PING = b": ping\n\n"
SCHEMA = {
    "type": "object",
    "description": "One event of the stream.",
    "properties": {
        "event": {"type": "string"},
        "id": {"type": "string", "description": "For Last-Event-ID."},
        "data": {"type": "string", "description": "JSON."},
        "retry": {"type": "integer"},
    },
}
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # proxies, do not collect


def frame(event: str, id: int | None, data: bytes) -> bytes:
    """One event. ``data`` is JSON, which has no line breaks of its own."""
    head = b"" if not event else b"event: %s\n" % event.encode()
    number = b"" if id is None else b"id: %d\n" % id
    return b"%s%sdata: %s\n\n" % (head, number, data)
