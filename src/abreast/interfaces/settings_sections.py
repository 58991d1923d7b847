"""``[app]``, ``[store]``, ``[server]``, ``[scheduler]``, ``[retention]``: keys and their values."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from ..errors import UsageError
from .settings_check import (
    Key,
    Place,
    amounts,
    choice,
    duration,
    flag,
    path,
    spoken_flag,
    spoken_list,
    spoken_number,
    text,
    texts,
    whole,
    zone,
)

PORT: Final = 7000
LISTEN: Final = f"127.0.0.1:{PORT}"
DAY_S: Final = 86400.0


@dataclass(frozen=True)
class Server:
    """``[server]``: where the service listens, and whom it answers."""

    listen: list[str] = field(default_factory=lambda: [LISTEN])  # HOST:PORT each
    compat: bool = False
    anonymous: str | None = None
    hosts: list[str] = field(default_factory=list)
    base_url: str | None = None  # without a slash at the end
    trusted_proxies: list[str] = field(default_factory=list)
    log_requests: bool = False

    @property
    def loopback(self) -> bool:
        """Whether it can be reached from this machine only."""
        return all(is_loopback(address(said)[0]) for said in self.listen)


@dataclass(frozen=True)
class Scheduler:
    """``[scheduler]``: how many runs at once, the zone of schedules, how long a stop may take."""

    max_workers: int | str = 10  # or "auto"
    timezone: str = "UTC"
    drain: float = 30.0  # seconds
    executor: str = "process"
    pools: dict[str, float] = field(default_factory=dict)  # what needs of tasks are drawn from


@dataclass(frozen=True)
class RetentionSettings:
    """``[retention]``: how long ended runs are kept, in seconds; None: without an end."""

    older_than: float | None = 30 * DAY_S
    keep: int | None = None  # of every task only so many
    failed_older_than: float | None = 90 * DAY_S
    events: int = 100_000  # how many are kept for clients that come back


# -- addresses --------------------------------------------------------------------------------


def address(said: str) -> tuple[str, int]:
    """Split ``HOST:PORT`` into its parts; ``[::1]:7000`` is host ``::1``.

    Raises
    ------
    UsageError
        When it is none.
    """
    host, colon, port = said.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""  # an IPv6 address without brackets: which colon is meant?
    if not colon or not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise UsageError(f"{said!r} is no address to listen on; write HOST:PORT such as {LISTEN!r}")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and nobody else can reach it."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(place: Place, value: Any) -> list[str]:
    items = value if isinstance(value, list | tuple) else [value]
    found = []
    for item in items:
        said = f"127.0.0.1:{item}" if isinstance(item, int) and not isinstance(item, bool) else item
        try:
            address(said)
        except (UsageError, AttributeError):
            raise place.wrong(f"HOST:PORT such as {LISTEN!r}, or a list of these", item) from None
        found.append(said)
    if not found:
        raise place.wrong(f"at least one HOST:PORT such as {LISTEN!r}", value)
    return list(dict.fromkeys(found))


def _hosts(place: Place, value: Any) -> list[str]:
    found = list(texts(place, value))
    for name in found:
        if "/" in name or any(c.isspace() for c in name):
            raise place.wrong("names such as 'jobs.example.com', without https:// and path", name)
    return [name.lower() for name in found]


def _proxies(place: Place, value: Any) -> list[str]:
    import ipaddress

    found = list(texts(place, value))
    for item in found:
        try:
            ipaddress.ip_network(item, strict=False)
        except ValueError:
            raise place.wrong("IP addresses or networks such as '10.0.0.0/8'", item) from None
    return found


def _base_url(place: Place, value: Any) -> str:
    said = text(place, value)
    try:
        parts = urlsplit(said)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise place.wrong("an address such as 'https://jobs.example.com'", value)
    return said.rstrip("/")


def _max_workers(place: Place, value: Any) -> int | str:
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise place.wrong("a whole number of 1 or more, or 'auto'", value)
    return value


def _or_never(check: Any) -> Any:
    def judge(place: Place, value: Any) -> Any:
        return None if value in ("never", "all") else check(place, value)

    return judge


# -- the keys ---------------------------------------------------------------------------------

SECTIONS: Final[dict[str, dict[str, Key]]] = {
    "app": {
        "app": Key(text, "text"),
        "tasks": Key(path, "path", "tasks"),
    },
    "store": {
        "url": Key(text, "text"),
    },
    "server": {
        "listen": Key(_listen, "HOST:PORT, or a list of these", [LISTEN], spoken=spoken_list),
        "compat": Key(flag, "true or false", False, spoken=spoken_flag),
        "anonymous": Key(choice("viewer"), "'viewer'"),
        "hosts": Key(_hosts, "list of host names", [], spoken=spoken_list),
        "base_url": Key(_base_url, "address"),
        "trusted_proxies": Key(_proxies, "list of IP addresses", [], spoken=spoken_list),
        "log_requests": Key(flag, "true or false", False, spoken=spoken_flag),
    },
    "scheduler": {
        "max_workers": Key(_max_workers, "whole number or 'auto'", 10, spoken=spoken_number),
        "timezone": Key(zone, "name of a time zone"),
        "drain": Key(duration, "duration", "30s"),
        "executor": Key(choice("process", "thread"), "'process' or 'thread'", "process"),
        "pools": Key(amounts, "table of amounts", {}),
    },
    "retention": {
        "older_than": Key(_or_never(duration), "duration or 'never'", "30d"),
        "keep": Key(_or_never(whole()), "whole number or 'all'", "all", spoken=spoken_number),
        "failed_older_than": Key(_or_never(duration), "duration or 'never'", "90d"),
        "events": Key(whole(1000), "whole number", 100_000, spoken=spoken_number),
    },
}

NAMES: Final = frozenset({*SECTIONS, "notify", "tasks"})


def local_zone() -> tuple[str, str]:
    """The name of this machine's time zone and where it is said; UTC when nobody knows."""
    from zoneinfo import ZoneInfo

    def known(name: str) -> bool:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            return False
        return True

    named = os.environ.get("TZ", "").lstrip(":")
    if named and not named.startswith("/") and known(named):
        return named, "TZ"
    target = os.path.realpath("/etc/localtime")
    _, found, name = target.partition("zoneinfo/")
    if found and known(name):
        return name.replace("Etc/UTC", "UTC"), "the machine's, /etc/localtime"
    try:
        with open("/etc/timezone", encoding="utf-8") as file:
            name = file.read(256).strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    if name and known(name):
        return name, "the machine's, /etc/timezone"
    return "UTC", "default"
