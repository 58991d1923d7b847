"""Durations, amounts and retries: small values with one question each."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from ..errors import UsageError, WrongType

Duration = float | int | str | timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def seconds(value: Duration, name: str = "duration") -> float:
    """Return a duration in seconds.

    Accepts a number of seconds, a ``timedelta``, or text such as ``"250ms"``, ``"30s"``,
    ``"1.5h"`` or ``"1h30m"``.

    Raises
    ------
    WrongType, UsageError
        Naming ``name``, when the value is none of these, negative, or not a number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str, timedelta)):
        raise WrongType(
            f"{name} must be seconds, a timedelta or text like '10m', not {value!r} "
            f"({type(value).__name__})"
        )
    if isinstance(value, timedelta):
        result = value.total_seconds()
    elif isinstance(value, str):
        result = _parse(value, name)
    else:
        result = float(value)
    if not result >= 0 or result == float("inf"):
        raise UsageError(f"{name} must be 0 or more seconds, not {value!r}")
    return result


def _parse(text: str, name: str) -> float:
    position, total = 0, 0.0
    while match := _PART.match(text, position):
        total += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if position == 0 or text[position:].strip():
        raise UsageError(
            f"{name} {text!r} is not a duration; write for example '250ms', '30s', '10m', "
            "'1h30m', '2d'"
        )
    return total


def amount(value: float | int | str, name: str = "amount") -> float:
    """Return an amount of a resource as a number; ``"2GB"`` is 2e9, ``"512MiB"`` is 2**29.

    Raises
    ------
    WrongType, UsageError
        Naming ``name``, when it is no number or unknown text, or negative.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise WrongType(f"{name} must be a number or text like '2GB', not {type(value).__name__}")
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None or match[2].upper() not in _SIZES:
            raise UsageError(
                f"{name} {value!r} is not an amount; write for example 2, '500MB' or '2GiB'"
            )
        return float(match[1]) * _SIZES[match[2].upper()]
    if not value >= 0:
        raise UsageError(f"{name} must be 0 or more, not {value!r}")
    return float(value)


class Retry:
    """How often and when a failed run is tried again.

    Parameters
    ----------
    n : int
        Tries after the first; ``Retry(3)`` makes at most four attempts.
    backoff : seconds, text, ``"linear"``, ``"exponential"`` or callable
        Time before the next try. A duration is the same every time (0 by default: at once);
        ``"linear"`` waits ``base``, 2 × ``base``, …; ``"exponential"`` ``base``, 2 × ``base``,
        4 × ``base``, …; a callable gets the number of the failed attempt (from 1) and returns
        seconds.
    on : exception class, tuple of these, or callable
        Which failures are tried again; all (``Exception``) by default. A callable gets the
        exception and returns true or false. A timeout is a
        :class:`abreast.errors.TimedOut`. A thread that had to be abandoned is never tried again.
    base : seconds or text
        First wait of ``"linear"`` and ``"exponential"``, 1 second by default.
    cap : seconds or text
        Longest wait, 1 hour by default.
    jitter : float
        Share by which a wait of ``"linear"`` or ``"exponential"`` is shortened at random, so
        that runs that failed together do not come back together; 0.1 by default.
    """

    __slots__ = ("_fixed", "backoff", "base", "cap", "jitter", "n", "on")

    def __init__(
        self,
        n: int,
        backoff: Duration | Callable[[int], float] = 0,
        *,
        on: type[BaseException]
        | tuple[type[BaseException], ...]
        | Callable[[BaseException], bool] = Exception,
        base: Duration = 1,
        cap: Duration = "1h",
        jitter: float = 0.1,
    ) -> None:
        if isinstance(n, bool) or not isinstance(n, int):
            raise WrongType(f"Retry: n must be an int (tries after the first), not {n!r}")
        if n < 0:
            raise UsageError(f"Retry: n must be 0 or more, not {n}")
        if not 0 <= jitter <= 1:
            raise UsageError(f"Retry: jitter must be between 0 and 1, not {jitter!r}")
        classes = on if isinstance(on, tuple) else (on,)
        by_class = all(isinstance(c, type) and issubclass(c, BaseException) for c in classes)
        if not by_class and (isinstance(on, type) or not callable(on)):
            raise WrongType(
                f"Retry: on must be an exception class, a tuple of these or a callable, not {on!r}"
            )
        self.n = n
        self.backoff = backoff
        self.on = on
        self.base = seconds(base, "Retry: base")
        self.cap = seconds(cap, "Retry: cap")
        self.jitter = float(jitter)
        self._fixed: float | None = None
        if not callable(backoff) and backoff not in ("linear", "exponential"):
            self._fixed = seconds(backoff, "Retry: backoff")

    def wants(self, error: BaseException) -> bool:
        """Tell whether this failure is one to try again after."""
        on = self.on
        if isinstance(on, (type, tuple)):
            return isinstance(error, on)
        return bool(on(error))

    def delay(self, failed: int, jitter: float) -> float:
        """Seconds to wait after failed attempt number ``failed`` (from 1).

        ``jitter`` is a random number in [0, 1), drawn by the caller.
        """
        if self._fixed is not None:
            return min(self._fixed, self.cap)
        if callable(self.backoff):
            return min(max(0.0, float(self.backoff(failed))), self.cap)
        factor = failed if self.backoff == "linear" else 2.0 ** min(failed - 1, 60)
        return min(self.base * factor, self.cap) * (1.0 - self.jitter * jitter)

    def __repr__(self) -> str:
        return f"Retry({self.n}, backoff={self.backoff!r})"
