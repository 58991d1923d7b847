"""Registration and running control, said with :class:`abreast.Unique` and :class:`abreast.Limit`.

Registered means not started: registration control counts a known invocation until it starts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from abreast import Limit, Unique

from .exceptions import InvalidTaskOptionsError

_ALL = "{*}"  # all arguments
_BETWEEN = "\x1f"  # the unit separator: no argument holds it, so joined values stay apart


class ConcurrencyControlType(StrEnum):
    """Which invocations of one task stand in each other's way."""

    DISABLED = "disabled"  # none
    TASK = "task"  # all
    ARGUMENTS = "arguments"  # those with the same arguments
    KEYS = "keys"  # those with the same values of ``key_arguments``


def unique(scope: ConcurrencyControlType, key_arguments: tuple[str, ...]) -> Unique | None:
    """Return registration control: until it starts, the same work is done once."""
    key = _key(scope, key_arguments)
    return None if key is None else Unique(key, until="start")


def limit(
    scope: ConcurrencyControlType, key_arguments: tuple[str, ...], reroute: bool | None
) -> Limit | None:
    """Return running control: one at a time; what finds it taken waits, or is dropped."""
    key = _key(scope, key_arguments)
    return None if key is None else Limit(1, key, then="skip" if reroute is False else "wait")


def _key(scope: ConcurrencyControlType, key_arguments: tuple[str, ...]) -> str | None:
    if scope is ConcurrencyControlType.DISABLED:
        return None
    if scope is ConcurrencyControlType.TASK:
        return ""
    if scope is ConcurrencyControlType.ARGUMENTS:
        return _ALL
    return _BETWEEN.join(f"{{{name}}}" for name in key_arguments)


def scope_of(value: Any, option: str) -> ConcurrencyControlType:
    """Return what an option says. Raises ``InvalidTaskOptionsError`` when it is no such type."""
    try:
        return ConcurrencyControlType(value)
    except ValueError:
        known = ", ".join(
            f"ConcurrencyControlType.{scope.name}" for scope in ConcurrencyControlType
        )
        raise InvalidTaskOptionsError(f"{option} must be one of {known}, not {value!r}") from None


def checked_keys(fn: Callable[..., Any], names: Any, needed: bool) -> tuple[str, ...]:
    """Return ``key_arguments`` if they name parameters of the function.

    Raises
    ------
    InvalidTaskOptionsError
        When they do not, or are missing though ``KEYS`` needs them.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InvalidTaskOptionsError(
            f"key_arguments must be names of parameters such as ('account',), not {names!r}"
        )
    found = tuple(names)
    if needed and not found:
        raise InvalidTaskOptionsError(
            "ConcurrencyControlType.KEYS needs key_arguments, the parameters to compare"
        )
    parameters = inspect.signature(fn).parameters
    for name in found:
        if name not in parameters:
            raise InvalidTaskOptionsError(
                f"key_arguments names {name!r}, but the task has "
                f"{', '.join(map(repr, parameters)) or 'no parameters'}"
            )
    return found
