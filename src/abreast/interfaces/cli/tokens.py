"""``abreast token``: what lets programs use a service."""

from __future__ import annotations

import time
from typing import Any

from ..access import Access, Token
from ..report_dict import iso
from .described import SCHEMA
from .exits import OK, NotFound, Refused
from .options import Where
from .out import document, line, note, table
from .users import access, when

_HEADS = ("ID", "NAME", "USER", "ROLE", "EXPIRES", "LAST USED")


def create(
    where: Where,
    name: str,
    user: str | None,
    role: str | None,
    expires: float | str,
    as_json: bool,
) -> int:
    """Carry out ``abreast token create``; returns the exit code."""
    with access(where) as people:
        until = None if isinstance(expires, str) else time.time() + expires
        text, token = people.create_token(name, user or _only(people), role, until)
        if as_json:
            document({"schema": SCHEMA, **_plain(token), "token": text})
        else:
            line(text)
            end = "does not expire" if until is None else f"expires {when(until)}"
            note(
                f"Token {token.id} of {token.user} is {token.role} and {end}. "
                "It is shown this once; keep it where only its program reads."
            )
    return OK


def _only(people: Access) -> str:
    """The one user there is."""
    names = [user.name for user in people.users()]
    if not names:
        raise Refused("a token belongs to a user, and there are none; abreast user add NAME")
    if len(names) > 1:
        raise Refused(f"say whose it is: --user {' or '.join(names)}")
    return names[0]


def list_tokens(where: Where, as_json: bool) -> int:
    """Carry out ``abreast token list``; returns the exit code."""
    with access(where) as people:
        found = people.tokens()
        if as_json:
            document({"schema": SCHEMA, "tokens": [_plain(token) for token in found]})
        elif not found:
            note("There are no tokens.")
        else:
            for text in table(_HEADS, [_row(token) for token in found], ("ID",)):
                line(text)
    return OK


def _row(token: Token) -> tuple[str, ...]:
    over = token.expires is not None and token.expires <= time.time()
    end = f"{when(token.expires, 'never')}{' (over)' if over else ''}"
    used = when(token.used, "never")
    return str(token.id), token.name, token.user, token.role, end, used


def _plain(token: Token) -> dict[str, Any]:
    times = {name: iso(getattr(token, name)) for name in ("created", "expires", "used")}
    return token._asdict() | times


def revoke(where: Where, ids: tuple[int, ...], as_json: bool) -> int:
    """Carry out ``abreast token revoke``; returns the exit code."""
    with access(where) as people:
        known = {token.id: token for token in people.tokens()}
        for id in ids:
            if id not in known:
                raise NotFound(f"there is no token {id}; abreast token list shows them")
        for id in dict.fromkeys(ids):
            people.revoke_token(id)
            if not as_json:
                line(f"token {id} {known[id].name!r} of {known[id].user} lets nobody in any more")
        if as_json:
            document({"schema": SCHEMA, "revoked": list(dict.fromkeys(ids))})
    return OK
