"""From the options of a Pynenc task to those of an abreast task."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from abreast import Retry

from . import control
from .control import ConcurrencyControlType
from .exceptions import InvalidTaskOptionsError, RetryError

_DAY = 86_400.0  # head start of one point of priority, in seconds
_KNOWN = ("key_arguments", "max_retries", "on_diff_non_key_args_raise", "priority",
          "registration_concurrency", "reroute_on_concurrency_control", "retry_for",
          "running_concurrency")  # fmt: skip
_NO_EFFECT = ("call_result_cache", "disable_cache_args", "parallel_batch_size")


class Policy(NamedTuple):
    """What the options of a task come to."""

    task: dict[str, Any]  # options of App.task
    differing_raises: bool  # a call that differs from the registered one is refused


def translate(func: Callable[..., Any], options: Mapping[str, Any]) -> Policy:
    """Check the options of a task and say them in the words of :meth:`abreast.App.task`.

    Raises
    ------
    InvalidTaskOptionsError
        Naming the option and what was expected.
    """
    _check_names(options)
    off = ConcurrencyControlType.DISABLED
    registration, running = (
        control.scope_of(options.get(name, off), name)
        for name in ("registration_concurrency", "running_concurrency")
    )
    by_keys = ConcurrencyControlType.KEYS in (registration, running)
    keys = control.checked_keys(func, options.get("key_arguments", ()), by_keys)
    reroute = _flag(options, "reroute_on_concurrency_control")
    limit = control.limit(running, keys, reroute)
    task: dict[str, Any] = {
        "unique": control.unique(registration, keys),
        "limits": None if limit is None else [limit],
        "retry": _retry(options),
        "priority": _priority(options.get("priority", 0)),
    }
    raises = bool(_flag(options, "on_diff_non_key_args_raise"))
    return Policy(task, raises and registration is ConcurrencyControlType.KEYS)


def _check_names(options: Mapping[str, Any]) -> None:
    for name in options:
        if name in _KNOWN or name in _NO_EFFECT:
            continue
        if name == "queue":
            if options[name] == "default":
                continue
            raise InvalidTaskOptionsError(
                f"queue={options[name]!r}: there are no queues; a worker that executes only some "
                "tasks is started with 'abreast worker --task NAME'"
            )
        raise InvalidTaskOptionsError(f"unknown option {name!r}; known are {', '.join(_KNOWN)}")


def _flag(options: Mapping[str, Any], name: str) -> bool | None:
    value = options.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidTaskOptionsError(f"{name} must be True or False, not {value!r}")
    return value


def _retry(options: Mapping[str, Any]) -> Retry | None:
    tries = options.get("max_retries", 0)
    if isinstance(tries, bool) or not isinstance(tries, int) or tries < 0:
        raise InvalidTaskOptionsError(f"max_retries must be a whole number from 0, not {tries!r}")
    kinds = options.get("retry_for", ())
    kinds = kinds if isinstance(kinds, (tuple, list)) else (kinds,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise InvalidTaskOptionsError(
                f"retry_for must be exception classes such as (OSError,), not {kind!r}"
            )
    return Retry(tries, on=(RetryError, *kinds)) if tries else None


def _priority(value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not -100 <= value <= 100:
        raise InvalidTaskOptionsError(f"priority must be a number from -100 to 100, not {value!r}")
    return float(value) * _DAY
