"""The options of an app's tasks: those declared, those of one submit, and these as JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..domain.limits import Adaptive, Limit
from ..domain.model import Task
from ..domain.policy import Retry, amount, seconds
from ..errors import NotStorable, UsageError, WrongType
from .tasks import SERVICE, as_retry, as_unique, define

# What a task's declaration and, differently, a submit may say.
POLICY = frozenset(
    {"deadline", "executor", "expected", "expires", "fair_by", "fresh", "limits", "needs", "nice",
     "on_crash", "priority", "retry", "timeout", "unique"}
)  # fmt: skip
# What only a submit may say.
ONCE = frozenset({"after", "at", "by", "conn", "delay", "label"})
DECLARED = POLICY | SERVICE | {"name"}

_DURATIONS = ("deadline", "expected", "expires", "timeout")


def check(options: Mapping[str, Any], known: Iterable[str], said: str) -> None:
    """Refuse unknown options with a hint at what was meant."""
    names = set(known)
    for name in options:
        if name not in names:
            import difflib

            near = difflib.get_close_matches(name, list(names), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(names))}"
            raise UsageError(f"{said}: unknown option {name!r}; {hint}")


def make_task(fn: Any, name: str, options: Mapping[str, Any], executor: str | None) -> Task:
    """Return the task that a function and options make.

    Parameters
    ----------
    executor : str, optional
        For plain functions that do not say otherwise.

    Raises
    ------
    UsageError, WrongType
        Naming the option and what was expected.
    """
    plain = {k: v for k, v in options.items() if k in POLICY}
    if executor is not None and plain.get("executor") is None:
        from .wiring import default_executor

        plain["executor"] = default_executor(fn, executor)
    return define(fn, name, **plain)


def start_time(options: Mapping[str, Any], now: float) -> float | None:
    """When a submit with ``delay`` or ``at`` is to start, or None."""
    delay, at = options.get("delay"), options.get("at")
    if delay is not None and at is not None:
        raise UsageError("give either delay= or at=, not both")
    if delay is not None:
        return now + seconds(delay, "delay")
    if at is None:
        return None
    if isinstance(at, datetime):
        return at.timestamp()
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        raise WrongType(f"at must be a datetime or seconds since 1970, not {at!r}")
    return float(at)


# -- as JSON ----------------------------------------------------------------------------------


def to_json(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return overriding options in a form that another process reads with :func:`from_json`.

    Raises
    ------
    NotStorable
        Naming the option, when it holds a callable.
    """
    found: dict[str, Any] = {}
    for key, value in options.items():
        try:
            found[key] = _option_to_json(key, value)
        except NotStorable as error:
            raise NotStorable(f"task {name!r}: option {key!r} {error}") from None
    return found


def _option_to_json(key: str, value: Any) -> Any:
    if value is None:
        return None
    if key in _DURATIONS:
        return seconds(value, key)
    if key == "retry":
        retry = as_retry(value)
        return None if retry is None else _retry_to_json(retry)
    if key == "limits":
        limits = [value] if isinstance(value, (Limit, int)) else list(value)
        return [_limit_to_json(limit) for limit in limits]
    if key == "unique":
        unique = as_unique(value)
        return None if unique is None else _unique_to_json(unique)
    if key == "needs":
        return {name: amount(units, f"needs[{name!r}]") for name, units in value.items()}
    return value


def _retry_to_json(retry: Retry) -> dict[str, Any]:
    if callable(retry.backoff):
        raise NotStorable("has a callable backoff; declare it with the task, not with a submit")
    backoff = retry.backoff
    if isinstance(backoff, timedelta):
        backoff = backoff.total_seconds()
    found: dict[str, Any] = {"n": retry.n, "backoff": backoff, "base": retry.base, "cap": retry.cap,
             "jitter": retry.jitter}  # fmt: skip
    classes: tuple[Any, ...] = retry.on if isinstance(retry.on, tuple) else (retry.on,)
    if not all(isinstance(kind, type) for kind in classes):
        raise NotStorable("has a callable on=; declare it with the task, not with a submit")
    if classes != (Exception,):
        found["on"] = [f"{kind.__module__}:{kind.__qualname__}" for kind in classes]
    return found


def _limit_to_json(limit: Limit | int) -> dict[str, Any]:
    if isinstance(limit, int):
        return {"n": limit}
    if callable(limit.cost) or callable(limit.n):
        raise NotStorable("has a callable n or cost; declare it with the task, not with a submit")
    found: dict[str, Any] = {"key": limit.key, "then": limit.then.name.lower()}
    n = limit.n
    found["n"] = [n.lo, n.hi] if isinstance(n, Adaptive) else n
    if limit.cost != 1:
        found["cost"] = limit.cost
    if limit.per is not None:
        found["per"] = limit.per
    if limit.waiting is not None:
        found["waiting"] = limit.waiting
    return found


def _unique_to_json(unique: Any) -> dict[str, Any]:
    found = {"key": unique.key, "until": unique.until, "then": str(unique.then)}
    if found["then"] == "delay":
        found["delay"] = unique.delay
    return found


def from_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Read what :func:`to_json` wrote."""
    return {
        key: value if value is None else _READERS.get(key, _same)(value)
        for key, value in options.items()
    }


def _same(value: Any) -> Any:
    return value


def _retry_from_json(value: Mapping[str, Any]) -> Retry:
    rest = dict(value)
    names = rest.pop("on", None)
    if names is not None:
        rest["on"] = tuple(kind for name in names if (kind := _class_named(name)) is not None)
    return Retry(rest.pop("n"), rest.pop("backoff"), **rest)


def _class_named(name: str) -> type[BaseException] | None:
    """An exception class of a module that is loaded; what a file names is never imported."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _limits_from_json(value: Iterable[Mapping[str, Any]]) -> list[Limit]:
    limits = []
    for item in value:
        rest = dict(item)
        n = rest.pop("n")
        if isinstance(n, list):
            n = Adaptive(*n)
        limits.append(Limit(n, rest.pop("key", ""), **rest))
    return limits


def _unique_from_json(value: Mapping[str, Any]) -> Any:
    from ..domain.unique import Unique

    rest = dict(value)
    return Unique(rest.pop("key"), **rest)


_READERS: dict[str, Callable[[Any], Any]] = {
    "limits": _limits_from_json,
    "retry": _retry_from_json,
    "unique": _unique_from_json,
}
