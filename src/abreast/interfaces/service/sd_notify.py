"""Messages to the service manager: systemd's notify protocol, with a socket and nothing else.

Whoever started the service with ``Type=notify`` names a datagram socket in ``NOTIFY_SOCKET``.
Where nobody did, nothing is sent, and everything here does nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import MutableMapping

_log = logging.getLogger("abreast")
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_SEND_S = 1.0  # longest time a message may hold up its sender
_LONGEST_STATUS = 400  # characters; `systemctl status` shows one line


class ServiceManager:
    """The line to the service manager that started this process, if there is one.

    Sending never raises: a manager that does not listen must not end the service.

    Parameters
    ----------
    address : str, optional
        Path of a datagram socket, or ``@name`` for one in the abstract namespace; None: nobody
        listens. Other kinds (``vsock:…``) are not spoken here and count as nobody.
    watchdog_usec : int, optional
        Microseconds after which the manager takes a silent service for hung.

    Attributes
    ----------
    watchdog_every : float or None
        Seconds between calls of :meth:`watchdog`, half of what is allowed; None: none are wanted.
    """

    def __init__(self, address: str | None = None, watchdog_usec: int | None = None) -> None:
        self._address = _address(address)
        self._complained = False
        wanted = self._address is not None and watchdog_usec is not None and watchdog_usec > 0
        self.watchdog_every = watchdog_usec / 2e6 if wanted and watchdog_usec else None

    @classmethod
    def take(cls, environment: MutableMapping[str, str] | None = None) -> ServiceManager:
        """Make one from the environment, and take the variables out of it.

        They are meant for this process alone: programs that it starts must not speak for it.
        """
        environment = os.environ if environment is None else environment
        address, usec, pid = (environment.pop(name, None) for name in _VARIABLES)
        if pid is not None and pid != str(os.getpid()):
            usec = None  # the manager watches another process
        return cls(address or None, int(usec) if usec and usec.isascii() and usec.isdigit() else 0)

    @property
    def listens(self) -> bool:
        """Whether there is anybody to tell."""
        return self._address is not None

    def ready(self, status: str = "") -> bool:
        """The service is up, or has read its settings again."""
        return self._send("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """One line on what goes on, for ``systemctl status``."""
        return self._send(*_status(text))

    def watchdog(self) -> bool:
        """A sign of life; send it from the loop whose hanging is to be noticed."""
        return self._send("WATCHDOG=1") if self.watchdog_every is not None else False

    def reloading(self) -> bool:
        """Settings are being read again; :meth:`ready` ends that."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        return self._send("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self, status: str = "") -> bool:
        """The service has begun to stop."""
        return self._send("STOPPING=1", *_status(status))

    def extend_timeout(self, usec: int) -> bool:
        """Starting or stopping may go on for ``usec`` microseconds from now."""
        return self._send(f"EXTEND_TIMEOUT_USEC={max(0, int(usec))}")

    def _send(self, *lines: str) -> bool:
        """Send one message; returns whether it went out."""
        if self._address is None or not lines:
            return False
        data = "\n".join(lines).encode("utf-8", "replace")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | _CLOEXEC) as sock:
                sock.settimeout(_SEND_S)
                sock.sendto(data, self._address)
        except OSError as error:
            if not self._complained:
                _log.warning("the service manager cannot be told (%s): %s", lines[0], error)
            self._complained = True
            return False
        self._complained = False
        return True


_CLOEXEC = getattr(socket, "SOCK_CLOEXEC", 0)  # Linux; elsewhere nothing is inheritable anyway


def _address(name: str | None) -> str | bytes | None:
    """What ``sendto`` takes for a name as it stands in ``NOTIFY_SOCKET``."""
    if not name or not hasattr(socket, "AF_UNIX"):
        return None
    if name.startswith("@") and len(name) > 1:
        return b"\0" + os.fsencode(name[1:])
    return name if name.startswith("/") else None


def _status(text: str) -> tuple[str, ...]:
    """The field for a text; a line break in it would begin another field."""
    plain = " ".join(text.split())[:_LONGEST_STATUS]
    return (f"STATUS={plain}",) if plain else ()


# -- the manager of this process --------------------------------------------------------------

_manager: ServiceManager | None = None
_taking = threading.Lock()


def manager() -> ServiceManager:
    """The manager of this process; the first call takes its variables out of the environment.

    Call it before anything is started that would inherit them.
    """
    global _manager
    with _taking:
        if _manager is None:
            _manager = ServiceManager.take()
    return _manager


def ready(status: str = "") -> bool:
    """See :meth:`ServiceManager.ready`."""
    return manager().ready(status)


def status(text: str) -> bool:
    """See :meth:`ServiceManager.status`."""
    return manager().status(text)


def watchdog() -> bool:
    """See :meth:`ServiceManager.watchdog`."""
    return manager().watchdog()


def reloading() -> bool:
    """See :meth:`ServiceManager.reloading`."""
    return manager().reloading()


def stopping(status: str = "") -> bool:
    """See :meth:`ServiceManager.stopping`."""
    return manager().stopping(status)


def extend_timeout(usec: int) -> bool:
    """See :meth:`ServiceManager.extend_timeout`."""
    return manager().extend_timeout(usec)
