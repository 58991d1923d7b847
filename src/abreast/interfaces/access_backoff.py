"""How long somebody who guesses passwords has to wait."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable

from .access_kinds import TooManyFailures

FREE = 5  # failures that cost nothing: people mistype
LONGEST_S = 900.0
FORGOTTEN_S = 3600.0  # after that long without a failure it begins anew
_MOST = 10_000  # pairs of name and address that are remembered


class Backoff:
    """Failures per name and address: after the fifth a wait of 1 s, then 2, 4, … up to 15 min.

    Parameters
    ----------
    now : callable
        Returns seconds; only differences count.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._failures: dict[tuple[str, str], tuple[int, float]] = {}  # how many, the last when
        self._lock = threading.Lock()

    def check(self, name: str, address: str) -> None:
        """Raise ``TooManyFailures`` while one has to wait."""
        found = self._failures.get((name, network(address)))
        if found is None:
            return
        count, last = found
        wait = min(LONGEST_S, 2.0 ** (count - FREE)) if count >= FREE else 0.0
        passed = self._now() - last
        if 0 <= passed < wait:  # less than 0: the clock was set back, and nobody shall wait for it
            raise TooManyFailures(wait - passed)

    def failed(self, name: str, address: str) -> None:
        """Note a failure."""
        now, key = self._now(), (name, network(address))
        with self._lock:
            count, last = self._failures.pop(key, (0, now))
            if now - last >= FORGOTTEN_S:
                count = 0
            while len(self._failures) >= _MOST:
                del self._failures[next(iter(self._failures))]  # the one that is quiet longest
            self._failures[key] = (min(count + 1, 1000), now)

    def succeeded(self, name: str, address: str) -> None:
        """Note a success: all is forgiven."""
        with self._lock:
            self._failures.pop((name, network(address)), None)


def network(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits, all of which one customer has."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)
