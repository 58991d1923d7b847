"""Addresses: where a service listens, by which names it may be called, and who is near."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError

if TYPE_CHECKING:
    from .access import Access

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?", re.IGNORECASE)


class Authority(NamedTuple):
    """A host and, when it was given, a port, as in ``Host: jobs.example.com:7000``."""

    host: str  # in lower case, without brackets
    port: int | None


def authority(text: str) -> Authority | None:
    """Take a ``Host`` apart; None when it is none."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    host = match[1].lower().removesuffix(".")
    if host.startswith("["):
        try:
            host = str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return None
    port = None if match[2] is None else int(match[2])
    return None if not host or (port is not None and port > 65535) else Authority(host, port)


def listen_host(text: str) -> str:
    """The host of an entry of ``listen``: "" for all addresses, "unix" for a socket file."""
    if text.startswith(("unix:", "/", "fd:")):
        return "unix"
    if text.startswith(":") and text.count(":") == 1:
        return ""
    found = authority(text)
    if found is None:
        if text.count(":") > 1 and "[" not in text:
            return text  # a bare address of IPv6
        raise UsageError(f"{text!r} is no address to listen on; write for example '127.0.0.1:7000'")
    return "" if found.host in ("0.0.0.0", "::") else found.host


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches, or is, this host."""
    if host == "localhost":
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


def is_address(host: str) -> bool:
    """Whether it is an address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Networks:
    """Addresses and networks, as of proxies that are trusted.

    Raises
    ------
    UsageError
        When an entry is neither.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._networks = []
        for entry in entries:
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                raise UsageError(
                    f"trusted_proxies: {entry!r} is no address, such as '10.0.0.2' or '10.0.0.0/24'"
                ) from None

    def __contains__(self, address: object) -> bool:
        if not self._networks or not isinstance(address, str):
            return False
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks)


class Hosts:
    """The names under which a service may be called; a page of another name that leads to its
    address (DNS rebinding) is refused.

    Parameters
    ----------
    server : settings of ``[server]``
        ``listen``, ``hosts`` and ``base_url`` count; names and addresses of loopback always do.
    """

    def __init__(self, server: Any) -> None:
        listened = [listen_host(entry) for entry in getattr(server, "listen", None) or ()]
        self._everywhere = "" in listened
        self._known: set[tuple[str, int | None]] = {
            (host, None) for host in listened if host not in ("", "unix")
        }
        for entry in getattr(server, "hosts", None) or ():
            found = authority(entry)
            if found is None:
                raise UsageError(f"hosts: {entry!r} is no host, such as 'jobs.example.com'")
            self._known.add(found)
        base = getattr(server, "base_url", None)
        found = authority(base_authority(base)) if base else None
        if found is not None:
            self._known.add((found.host, None))

    def allow(self, host: Authority, own: str) -> bool:
        """Whether a request for ``host`` is meant for us; ``own``: the address it came to."""
        if is_loopback(host.host) or (host.host, None) in self._known or host in self._known:
            return True
        # Who names an address cannot have been led here by a name of somebody else's.
        return self._everywhere and host.host == own and is_address(own)


def base_authority(url: str) -> str:
    """Host and port of a URL."""
    return url.partition("://")[2].partition("/")[0]


def check_may_listen(settings: Any, access: Access) -> None:
    """Refuse addresses that others reach as long as nobody has to log in as somebody.

    Raises
    ------
    UsageError
        When there are no users and an address is not of loopback, or what is set for
        ``anonymous`` could never count; the text says what to do.
    """
    server = settings.server
    outside = [entry for entry in server.listen if not is_loopback(listen_host(entry))]
    if outside and access.empty:
        raise UsageError(
            f"{', '.join(outside)} can be reached from other machines and there are no users yet; "
            "add one first: abreast user add NAME. Or listen on 127.0.0.1:7000 only"
        )
    if getattr(server, "anonymous", None) and len(outside) == len(server.listen):
        raise UsageError(
            "[server] anonymous lets in who comes from this machine, through a loopback address, "
            "and none is listened on; leave it out, or add 127.0.0.1:7000 to listen"
        )
