"""``[notify]``: who is told what, and by which channel.

    [notify]
    on_failure = ["ops"]
    on_late = ["ops"]
    late_after = "5m"

    [notify.channels.ops]
    type = "mail"
    host = "mail.example.com"
    to = ["ops@example.com"]

A task says the same keys in ``[tasks.NAME.notify]`` or ``@app.task(notify={...})``; what it says
counts instead of what ``[notify]`` says under that key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from ..errors import UsageError
from .settings_check import (
    Key,
    Place,
    checked,
    choice,
    command,
    flag,
    near,
    path,
    some_time,
    table_of,
    text,
    texts,
    variables,
    whole,
)

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Mail:
    """A channel that sends e-mail to ``to`` through the server ``host``."""

    kind: ClassVar[str] = "mail"

    name: str
    to: tuple[str, ...]
    sender: str
    host: str = "localhost"
    port: int = 25
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    starttls: bool = False  # begin in the clear and change to TLS before anything is said
    tls: bool = False  # TLS from the first byte
    timeout: float = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Webhook:
    """A channel that posts JSON to ``url``, signed when there is a ``secret``."""

    kind: ClassVar[str] = "webhook"

    name: str
    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Program:
    """A channel that starts a command; a text is for the shell, a tuple is a program."""

    kind: ClassVar[str] = "command"

    name: str
    command: str | tuple[str, ...]
    timeout: float = 60.0  # seconds
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


Channel = Mail | Webhook | Program


@dataclass(frozen=True, slots=True)
class Rules:
    """Names of the channels that are told, by what happened; times in seconds."""

    on_failure: tuple[str, ...] = ()
    on_recovery: tuple[str, ...] = ()  # it completed, and had failed before
    on_success: tuple[str, ...] = ()
    on_missed: tuple[str, ...] = ()  # an instant of a schedule went by unused
    on_late: tuple[str, ...] = ()  # a run of a schedule has not started late_after its time
    on_starved: tuple[str, ...] = ()  # a run waits for a limit longer than starved_after
    late_after: float = 300.0
    starved_after: float = 600.0

    def with_said(self, said: Mapping[str, Any]) -> Rules:
        """These rules with what a task says instead (see :func:`rules_said`)."""
        return replace(self, **said) if said else self


EVENTS: Final = ("on_failure", "on_recovery", "on_success", "on_missed", "on_late", "on_starved")

RULES: Final[dict[str, Key]] = {
    **{name: Key(texts, "names of channels", ()) for name in EVENTS},
    "late_after": Key(some_time, "duration", "5m"),
    "starved_after": Key(some_time, "duration", "10m"),
}


@dataclass(frozen=True, slots=True)
class Notify:
    """Channels by name, and the rules that count for every task."""

    channels: Mapping[str, Channel] = field(default_factory=dict)
    rules: Rules = Rules()

    def for_task(self, said: Any, task: str = "") -> Rules:
        """The rules of a task that says ``notify=said`` (None: nothing).

        Raises
        ------
        UsageError
            For an unknown key or channel, naming the task.
        """
        if said is None:
            return self.rules
        place = Place(f"task {task!r}" if task else "task", "notify")
        return self.rules.with_said(rules_said(place, said, self.channels))


def rules_said(place: Place, value: Any, channels: Iterable[str] | None = None) -> dict[str, Any]:
    """Check what a task says about notifications.

    A text or a list of texts is short for ``{"on_failure": [...]}``.

    Parameters
    ----------
    channels : iterable of str, optional
        Names there are; not compared when left out.
    """
    if isinstance(value, Rules):  # made in a program
        value = {key: getattr(value, key) for key in RULES}
    if isinstance(value, str | list | tuple):
        value = {"on_failure": list(texts(place.at("on_failure"), value))}
    if not isinstance(value, Mapping):
        raise place.wrong("names of channels or a table such as { on_failure = ['ops'] }", value)
    said = checked(value, RULES, place)
    if channels is not None:
        known = set(channels)
        for event in EVENTS:
            for name in said.get(event, ()):
                if name not in known:
                    hint = near(name, known) if known else "there are none, see [notify.channels]"
                    raise UsageError(f"{place.at(event)} names the channel {name!r}; {hint}")
    return said


# -- channels ---------------------------------------------------------------------------------


def _address(place: Place, value: Any) -> str:
    found = text(place, value)
    if "@" not in found or any(c in found for c in "\r\n"):
        raise place.wrong("an e-mail address", value)
    return found


def _addresses(place: Place, value: Any) -> tuple[str, ...]:
    found = texts(place, value)
    if not found:
        raise place.wrong("at least one e-mail address", value)
    return tuple(_address(place, item) for item in found)


def _url(place: Place, value: Any) -> str:
    found = text(place, value)
    try:
        parts = urlsplit(found)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(c.isspace() for c in found):
        raise place.wrong("an address such as 'https://example.com/hook'", value)
    return found


def _headers(place: Place, value: Any) -> dict[str, str]:
    found = variables(place, value)
    for name, said in found.items():
        if not name.replace("-", "").replace("_", "").isalnum() or any(c in said for c in "\r\n"):
            raise place._replace(key=f"{place.key}.{name}").wrong("a header on one line", said)
    return found


_TYPE = Key(choice("mail", "webhook", "command"), "'mail', 'webhook' or 'command'")

CHANNELS: Final[dict[str, dict[str, Key]]] = {
    "mail": {
        "type": _TYPE,
        "to": Key(_addresses, "e-mail addresses"),
        "sender": Key(_address, "e-mail address"),
        "host": Key(text, "text", "localhost"),
        "port": Key(whole(1, 65535), "whole number"),
        "user": Key(text, "text"),
        "password": Key(text, "text", secret=True),
        "password_file": Key(path, "path"),
        "starttls": Key(flag, "true or false"),
        "tls": Key(flag, "true or false", False),
        "timeout": Key(some_time, "duration", "30s"),
    },
    "webhook": {
        "type": _TYPE,
        "url": Key(_url, "address", secret=True),
        "url_file": Key(path, "path"),
        "secret": Key(text, "text", secret=True),
        "secret_file": Key(path, "path"),
        "headers": Key(_headers, "table of texts", {}, secret=True),
        "timeout": Key(some_time, "duration", "10s"),
    },
    "command": {
        "type": _TYPE,
        "command": Key(command, "line for the shell, or list of words"),
        "env": Key(variables, "table of texts", {}, secret=True),
        "timeout": Key(some_time, "duration", "60s"),
    },
}


def channel(name: str, table: Any, place: Place) -> Channel:
    """Read one ``[notify.channels.NAME]``.

    Raises
    ------
    UsageError
        Naming the key and what was expected; also for a file of a secret that cannot be read.
    """
    said = table_of(table, place)
    if "type" not in said:
        raise UsageError(f"{place} needs type = 'mail', 'webhook' or 'command'")
    kind = _TYPE.check(place.at("type"), said["type"])
    values = checked(said, CHANNELS[kind], place)
    del values["type"]
    for secret in ("password", "secret", "url"):
        file = values.pop(f"{secret}_file", None)
        if file is not None:
            if secret in values:
                raise UsageError(f"{place} says both {secret} and {secret}_file; leave one out")
            values[secret] = said_in_file(place.at(f"{secret}_file"), file)
    if "url" in values:
        _url(place.at("url"), values["url"])
    needed = {"mail": "to", "webhook": "url", "command": "command"}[kind]
    if needed not in values:
        raise UsageError(f"{place} needs {needed} = ...")
    if kind == "mail":
        return _mail(name, values, place)
    if kind == "webhook":
        return Webhook(name, **values)
    return Program(name, **values)


def _mail(name: str, values: dict[str, Any], place: Place) -> Mail:
    host, tls = values.get("host", "localhost"), values.get("tls", False)
    starttls = values.get("starttls", not tls and host not in _LOOPBACK)
    if tls and starttls:
        raise UsageError(f"{place} says both tls and starttls; one of them encrypts it already")
    if values.get("password") and not values.get("user"):
        raise UsageError(f"{place} has a password but no user to log in as")
    user = values.get("user") or ""
    if "sender" not in values:
        import socket

        values["sender"] = user if "@" in user else f"abreast@{socket.gethostname()}"
    port = values.get("port") or (465 if tls else 587 if starttls else 25)
    return Mail(name, **{**values, "port": port, "starttls": starttls})


def said_in_file(place: Place, file: str) -> str:
    """The secret that a file holds: its text without the end of the line."""
    try:
        with open(file, encoding="utf-8") as opened:
            found = opened.read(65536).strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"{place}: {os.fspath(file)!r} cannot be read: {why}") from None
    if not found:
        raise UsageError(f"{place}: the file {file!r} is empty")
    return found


def read_notify(
    rules: Mapping[str, tuple[Any, Place]], channels: Mapping[str, tuple[Any, Place]]
) -> Notify:
    """Make ``[notify]`` of what its keys and its channels say, each with its place."""
    found = {name: channel(name, table, place) for name, (table, place) in channels.items()}
    said: dict[str, Any] = {}
    for key, (value, place) in rules.items():
        said.update(rules_said(place, {key: value}, found))
    return Notify(found, Rules().with_said(said))
