"""``abreast user``: who may use a service."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import click

from ...errors import UsageError
from ..access import Access, User
from ..access_passwords import check_password
from ..report_dict import iso
from .described import SCHEMA
from .exits import OK, NotFound, Refused
from .found import opened
from .options import Where
from .out import document, line, note, table


@contextmanager
def access(where: Where) -> Iterator[Access]:
    """Who may use the service whose store is meant."""
    with opened(where, create=True) as app:
        yield Access(app)


def add(where: Where, name: str, role: str | None, password_file: str | None, as_json: bool) -> int:
    """Carry out ``abreast user add``; returns the exit code."""
    with access(where) as people:
        people.check_new(name)  # before anybody types a password
        role = role or ("admin" if people.empty else "viewer")
        user = people.add_user(name, _password(name, password_file), role)
        _say(user, as_json, f"{name} is {role}.")
    return OK


def passwd(where: Where, name: str, password_file: str | None, as_json: bool) -> int:
    """Carry out ``abreast user passwd``; returns the exit code."""
    with access(where) as people:
        user = _known(people, name)
        people.set_password(name, _password(name, password_file))
        _say(user, as_json, f"{name} has another password, and is logged out everywhere.")
    return OK


def role(where: Where, name: str, role: str, as_json: bool) -> int:
    """Carry out ``abreast user role``; returns the exit code."""
    with access(where) as people:
        was = _known(people, name).role
        people.set_role(name, role)
        _say(people.user(name), as_json, f"{name} is {role}, and was {was}.")
    return OK


def remove(where: Where, name: str, as_json: bool) -> int:
    """Carry out ``abreast user remove``; returns the exit code."""
    with access(where) as people:
        user = _known(people, name)
        tokens = [token for token in people.tokens() if token.user == name]
        people.remove_user(name)
        gone = f", with {len(tokens)} of their tokens" if tokens else ""
        _say(user, as_json, f"{name} was removed{gone}.")
        if people.empty:
            note("There are no users any more; a service starts on loopback addresses only.")
    return OK


def list_users(where: Where, as_json: bool) -> int:
    """Carry out ``abreast user list``; returns the exit code."""
    with access(where) as people:
        found = people.users()
        if as_json:
            document({"schema": SCHEMA, "users": [_plain(user) for user in found]})
        elif not found:
            note("There are no users; add one: abreast user add NAME")
        else:
            rows = [(user.name, user.role, when(user.created)) for user in found]
            for text in table(("NAME", "ROLE", "SINCE"), rows):
                line(text)
    return OK


def _known(people: Access, name: str) -> User:
    try:
        return people.user(name)
    except UsageError as error:
        raise NotFound(str(error)) from None


def _password(name: str, file: str | None) -> str:
    """The password, from where the call says, or typed twice on the terminal."""
    if file is not None:
        password = _first_line(file)
        check_password(name, password)
        return password
    if not sys.stdin.isatty():
        raise Refused(
            "there is no terminal to ask for the password on; give --password-file FILE, or - for "
            "standard input"
        )
    while True:
        typed: str = click.prompt("Password", hide_input=True, err=True)
        try:
            check_password(name, typed)
        except UsageError as error:
            note(f"{str(error)[:1].upper()}{str(error)[1:]}.")
            continue
        if click.prompt("Once more", hide_input=True, err=True) == typed:
            return typed
        note("These were two different ones.")


def _first_line(file: str) -> str:
    try:
        with click.open_file(file, encoding="utf-8") as lines:
            first: str = lines.readline()
            return first.rstrip("\r\n")
    except OSError as error:
        raise Refused(f"--password-file {file!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"--password-file {file!r} is not text in UTF-8") from None


def _say(user: User, as_json: bool, said: str) -> None:
    if as_json:
        document({"schema": SCHEMA, **_plain(user)})
    else:
        line(said)


def _plain(user: User) -> dict[str, object]:
    return {"name": user.name, "role": user.role, "created": iso(user.created)}


def when(at: float | None, never: str = "") -> str:
    """A time for people, in the zone of this machine."""
    return never if at is None else datetime.fromtimestamp(at).astimezone().strftime("%F %H:%M")
