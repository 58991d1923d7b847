"""``GET /events``: what happens, as it happens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from ...domain.states import State
from ..report_dict import iso
from .hub import Wanted, told
from .query import MOST, Limit, Text, one_of, words, wrong
from .route import PREFIX, VIEWER, Here, Route, There, answer, declared, in_thread
from .shapes import Time
from .shapes import Told as Out
from .streams import HEADERS, SCHEMA, SSE

routes = APIRouter(prefix=PREFIX, tags=["events"], route_class=Route)


class Event(Out):
    """Something that happened, with the row it is about as it is now."""

    seq: int
    at: Time
    kind: str = Field(description="run, instant or schedule.")
    data: dict[str, Any]


class Events(Out):
    """What happened since."""

    items: list[Event]
    after: int = Field(description="Ask with after= for what follows.")
    resync: bool = Field(description="Events are missing here: look at the lists again.")


@routes.get(
    "/events",
    operation_id="follow_events",
    summary="Follow what happens",
    dependencies=VIEWER,
    responses=declared(
        200, Events, "A stream of events; with poll=1 those so far.",
        content={SSE: {"schema": SCHEMA}},
    ),
)  # fmt: skip
async def events(
    here: There,
    poll: Annotated[bool, Query(description="Answer at once, with what happened so far.")] = False,
    after: Annotated[int | None, Query(ge=0, le=MOST, description="An event's number.")] = None,
    task: Annotated[str | None, Query(max_length=2000)] = None,
    state: Text = None,
    limit: Limit = 500,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """A stream of server-sent events ``run``, ``instant`` and ``schedule``.

    The data is the whole row as it is now, the id grows and is where ``Last-Event-ID`` (or
    ``after``) goes on, without a gap or a repeat. ``resync`` says that this was not possible: look
    at the lists again. ``task`` and ``state`` choose; several by commas.
    """
    names, states = words(task), one_of(words(state), [str(item) for item in State], "state")
    wanted = Wanted(
        None if names is None else frozenset(names), None if states is None else frozenset(states)
    )
    if last_event_id:
        if not last_event_id.isdecimal() or int(last_event_id) > MOST:
            raise wrong("Last-Event-ID", "it is the number of an event")
        after = int(last_event_id)
    if poll:
        return await in_thread(_so_far, here, wanted, after, limit)
    here.hub.check_room()
    return StreamingResponse(here.hub.follow(wanted, after), media_type=SSE, headers=HEADERS)


def _so_far(here: Here, wanted: Wanted, after: int | None, limit: int) -> Response:
    oldest, newest = here.app.event_bounds()
    if after is None or after > newest or after + 1 < oldest:
        return answer({"items": [], "after": newest, "resync": after is not None})
    found = here.app.events(after, limit)
    items = [
        {"seq": item.seq, "at": iso(item.at), "kind": item.kind, "data": item.row}
        for item in told(here.app, found)
        if item.suits(wanted)
    ]
    last = found[-1].seq if found else after
    return answer({"items": items, "after": last, "resync": False})
