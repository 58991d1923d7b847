"""The addresses a service listens at: bound before anything else is begun."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from collections.abc import Iterable

from ...errors import UsageError

_BACKLOG = 2048
_PLACE = re.compile(r"(?:(?P<host>\[[^\]]*\]|[^:\[\]]+):)?(?P<port>\d{1,5})")
_UNIX = "unix:"
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def bind(listen: Iterable[str]) -> list[socket.socket]:
    """Bind and listen at every address, or at none.

    Parameters
    ----------
    listen : iterable of str
        ``"127.0.0.1:7000"``, ``"[::1]:7000"``, ``"localhost:7000"`` (all its addresses),
        ``"7000"`` (on the loopback), port 0 (a free one), ``"unix:/run/abreast.sock"``.

    Raises
    ------
    UsageError
        Naming the address and what to do.
    """
    found: list[socket.socket] = []
    try:
        for text in listen:
            found += _unix(text) if text.startswith(_UNIX) else _bound(text)
    except BaseException:
        for sock in found:
            sock.close()
        raise
    if not found:
        raise UsageError('there is no address to listen at; say listen = ["127.0.0.1:7000"]')
    return found


def address_of(sock: socket.socket) -> str:
    """Where a socket listens, as a URL or ``unix:`` path."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"{_UNIX}{name}"
    host = f"[{name[0]}]" if sock.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"


def _bound(text: str) -> list[socket.socket]:
    place = _PLACE.fullmatch(text.strip())
    if place is None or int(place["port"]) > 65535:
        raise UsageError(
            f"{text!r} is no address to listen at; write HOST:PORT, for example '127.0.0.1:7000' "
            "or '[::1]:7000'"
        )
    host, port = (place["host"] or "127.0.0.1").strip("[]"), int(place["port"])
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UsageError(
            f"cannot listen at {text}: there is no address of the name {host!r} here"
        ) from None
    found: list[socket.socket] = []
    missing: UsageError | None = None
    for family, _, _, _, address in dict.fromkeys(infos):
        if found and port == 0:  # all addresses of a name share the port the first one got
            address = (address[0], found[0].getsockname()[1], *address[2:])
        try:
            found.append(_listening(text, family, address))
        except UsageError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _ABSENT:
                missing = error  # ``localhost`` is ::1, too, also where there is no IPv6
                continue
            for sock in found:
                sock.close()
            raise
    if missing is not None and not found:
        raise missing
    return found


def _listening(text: str, family: int, address: tuple[object, ...]) -> socket.socket:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(_why(text, error, 0)) from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise UsageError(_why(text, error, int(str(address[1])))) from error
    return sock


def _why(text: str, error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{text} is in use{_by(port)}; stop that, or listen elsewhere: "
            f"--listen 127.0.0.1:{port + 1 if port < 65535 else 7000}"
        )
    if error.errno == errno.EACCES:
        return f"{text}: ports below 1024 need a right this user does not have; take a higher one"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen at {text}: this machine does not have that address"
    return f"cannot listen at {text}: {error.strerror}"


def _by(port: int) -> str:
    """Who has a port, if that can be seen."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,):
                if connection.pid is None:
                    break
                name = " ".join(psutil.Process(connection.pid).cmdline()[:4])
                return f" by process {connection.pid} ({name})"
    except (psutil.Error, OSError):
        pass  # of other users nothing can be seen
    return ""


def _unix(text: str) -> list[socket.socket]:
    path = text[len(_UNIX) :]
    if not path:
        raise UsageError(f"{text!r} names no file; write 'unix:/run/abreast/http.sock'")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        mask = os.umask(0o177)  # the owner, until somebody says otherwise
        try:
            sock.bind(path)
        finally:
            os.umask(mask)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"{text} is in use by another process; stop that, or listen elsewhere"
            ) from None
        raise UsageError(f"cannot listen at {text}: {error.strerror}") from None
    return [sock]


def _clear(path: str) -> None:
    """Remove what a process that died has left behind."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
