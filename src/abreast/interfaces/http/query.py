"""Reading what stands in a query: times, lists, cursors."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel

from ...domain.states import Reason, State
from .problems import Problem
from .shell import name_of

if TYPE_CHECKING:
    from ..app import App

_LATEST = 253402300799.0  # the end of the year 9999
_PLUS = re.compile(r" (\d\d:?\d\d)$")  # a plus in a query that was not escaped
MOST = 2**53  # ids: what JavaScript counts exactly

Limit = Annotated[int, Query(ge=1, le=1000, description="Items at most.")]
Cursor = Annotated[str | None, Query(max_length=200, description="next_cursor of the page before.")]
When = Annotated[str | None, Query(max_length=64, description="RFC 3339, or seconds since 1970.")]
Text = Annotated[str | None, Query(max_length=200)]
Id = Annotated[int | None, Query(ge=1, le=MOST)]
NameInPath = Annotated[str, Path(max_length=600), AfterValidator(name_of)]


def time_of(value: str | float | None, name: str, *, query: bool = True) -> float | None:
    """Seconds since 1970 of a time in RFC 3339 or in seconds. Without a zone it is UTC.

    Raises
    ------
    Problem
        Naming the parameter (with ``query``) or member of the body.
    """
    if value is None:
        return None
    try:
        if isinstance(value, str):
            found = _number(value)
            if found is None:
                moment = datetime.fromisoformat(_PLUS.sub(r"+\1", value.strip()))
                if moment.tzinfo is None:
                    moment = moment.replace(tzinfo=UTC)
                found = moment.timestamp()
        else:
            found = float(value)
        if math.isfinite(found) and 0 <= found <= _LATEST:
            return found
    except (ValueError, OverflowError):
        pass
    detail = f"{value!r} is no time; write 2027-01-31T12:00:00Z, or seconds since 1970"
    raise wrong(name, detail) if query else Problem("invalid", detail, errors=[(name, detail)])


def edge_of(value: str | float | None, name: str) -> float | None:
    """As :func:`time_of`, for the edge of a period: a time that an answer showed, which is rounded
    to microseconds, lies behind it."""
    found = time_of(value, name)
    return None if found is None else found - 6e-7


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def wrong(name: str, detail: str) -> Problem:
    """A parameter of the query that cannot be used."""
    return Problem("bad-parameter", f"{name}: {detail}", errors=[(name, detail)])


def words(text: str | None) -> list[str] | None:
    """``a,b`` as a list; None when nothing was said."""
    if text is None:
        return None
    return [word.strip() for word in text.split(",") if word.strip()]


def one_of(values: Iterable[str] | None, known: Iterable[str], name: str) -> list[str] | None:
    """Check words against those that exist; raises a problem with the one that is meant."""
    if values is None:
        return None
    allowed, found = list(known), list(values)
    for value in found:
        if value not in allowed:
            import difflib

            near = difflib.get_close_matches(value, allowed, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(allowed)}"
            raise wrong(name, f"{value!r} is none; {hint}")
    return found


# -- cursors ----------------------------------------------------------------------------------


def cursor_of(kind: str, id: int) -> str:
    """What stands for the place after an id in a list of a kind and order."""
    return base64.urlsafe_b64encode(f"{kind}:{id}".encode()).decode().rstrip("=")


def place_of(cursor: str | None, kind: str) -> int | None:
    """The id a cursor stands for; raises a problem when it is of another list."""
    if cursor is None:
        return None
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        was, _, number = data.partition(":")
        if was == kind and number.isdecimal() and int(number) <= MOST:
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise wrong("cursor", "it is of another list or order; begin without one")


# -- which runs -------------------------------------------------------------------------------


class RunFilter(BaseModel):
    """Which runs are meant."""

    state: Text = None
    task: Annotated[str | None, Query(max_length=2000)] = None
    tag: Text = None
    since: When = None
    until: When = None
    q: Text = None
    flow: Id = None
    worker: Id = None
    reason: Text = None
    system: bool = False


def tasks_with(app: App, names: list[str] | None, tag: str | None) -> list[str] | None:
    """The names of tasks that are meant; those with a tag, where one is given."""
    if tag is None:
        return names
    tagged = [name for name, task in list(app.tasks.items()) if tag in task.tags]
    return tagged if names is None else [name for name in names if name in tagged]


def selection(app: App, wanted: RunFilter) -> dict[str, Any] | None:
    """The filters as :meth:`abreast.App.search` takes them; None: nothing can match."""
    tasks = tasks_with(app, words(wanted.task), wanted.tag)
    found: Mapping[str, Any] = {
        "tasks": tasks,
        "states": one_of(words(wanted.state), [str(state) for state in State], "state"),
        "since": edge_of(wanted.since, "since"),
        "until": edge_of(wanted.until, "until"),
        "text": wanted.q or None,
        "flow": wanted.flow,
        "worker": wanted.worker,
        "reason": wanted.reason,
        "system": wanted.system or any(name.startswith("abreast:") for name in tasks or ()),
    }
    one_of(words(wanted.reason), [str(reason) for reason in Reason], "reason")
    if found["tasks"] == [] or found["states"] == []:
        return None
    return {key: value for key, value in found.items() if value is not None}
