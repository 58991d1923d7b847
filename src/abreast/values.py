"""Values as JSON, the form in which a store on disk keeps arguments and results.

Besides plain JSON values msgspec writes dataclasses, datetimes, sets, tuples and so on; they come
back as the JSON they were written as. A run among arguments is written ``{"$run": id}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .domain.model import Run
from .errors import NotStorable

RUN = "$run"  # the only key of what stands for a run and is replaced by its result

_ADVICE = "use numbers, text, lists, dicts, dataclasses or dates, or pass a path or a key instead"


def _hook(value: Any) -> Any:
    if isinstance(value, Run):
        return {RUN: value.id}
    raise TypeError(f"type {type(value).__name__!r} is not JSON")


_encode = msgspec.json.Encoder(enc_hook=_hook).encode
loads = msgspec.json.Decoder().decode  # bytes to plain values


def dumps(value: Any) -> bytes:
    """Write one value as JSON; raises ``TypeError``, ``ValueError`` or what msgspec raises."""
    return _encode(value)


def dump_call(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes | None:
    """Write the arguments of a run of task ``name`` as ``[args, kwargs]``; None when empty.

    Raises
    ------
    NotStorable
        Naming the argument and its type.
    """
    if not args and not kwargs:
        return None
    try:
        return _encode((args, kwargs))
    except Exception as error:
        raise NotStorable(_blame(name, args, kwargs, error)) from None


def load_call(data: bytes | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Read what :func:`dump_call` wrote."""
    if data is None:
        return (), {}
    args, kwargs = loads(data)
    return tuple(args), kwargs


def dump_result(what: str, value: Any) -> bytes | None:
    """Write the result of what ``what`` names; None for None.

    Raises
    ------
    NotStorable
        Naming what it is the result of, and its type.
    """
    if value is None:
        return None
    try:
        return _encode(value)
    except Exception as error:
        raise NotStorable(
            f"{what!r}: its result (type {type(value).__name__!r}) cannot be written to the "
            f"store: {error}; {_ADVICE.replace('pass', 'return')}"
        ) from None


def _blame(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], error: Exception) -> str:
    arguments = [(f"argument {number}", value) for number, value in enumerate(args, 1)]
    arguments += [(f"argument {key}=", value) for key, value in kwargs.items()]
    for where, value in arguments:
        try:
            _encode(value)
        except Exception as reason:
            what = type(value).__name__
            return (
                f"task {name!r}: {where} (type {what!r}) cannot be written to the store: "
                f"{reason}; {_ADVICE}"
            )
    return f"task {name!r}: its arguments cannot be written to the store: {error}; {_ADVICE}"
