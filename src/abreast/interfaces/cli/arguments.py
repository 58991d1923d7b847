"""The arguments of a submit: from ``-a name=text`` to values of the kinds a task asks for."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Mapping
from typing import Any

from ..tasks import TaskFunction
from .exits import Refused

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_WANTED = {bool: "yes or no", int: "a whole number", float: "a number"}
_BY_NAME = {"bool": bool, "int": int, "float": float, "str": str, "Path": str}


def bind(task: TaskFunction, given: Mapping[str, str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments by place and by name.

    A text becomes what the parameter's annotation (or, without one, its default) asks for;
    without either it is read as JSON where it is JSON.

    Raises
    ------
    Refused
        Naming the parameter, when it does not exist, has no value, or a wrong one.
    """
    try:
        parameters = _parameters(task.fn)
    except ValueError:  # a built-in that does not say
        return (), {name: _json_or_text(text) for name, text in given.items()}
    kinds = inspect.Parameter
    named = {
        one.name: one
        for one in parameters
        if one.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    }
    others = next((one for one in parameters if one.kind is kinds.VAR_KEYWORD), None)
    for name in given:
        if name not in named and others is None:
            near = difflib.get_close_matches(name, named, n=1)
            known = f"it has {', '.join(named)}" if named else "it has none"
            hint = f"did you mean {near[0]!r}?" if near else known
            raise Refused(f"-a {name}: task {task.name!r} has no parameter of this name; {hint}")
    missing = [
        name for name, one in named.items() if one.default is one.empty and name not in given
    ]
    if missing:
        raise Refused(
            f"task {task.name!r} needs a value for its parameter {missing[0]!r}: give it with "
            f"-a {missing[0]}=VALUE"
        )
    values = {
        name: _converted(text, named.get(name, others), name, task.name)
        for name, text in given.items()
    }
    args = []
    if any(one.kind is kinds.POSITIONAL_ONLY for one in parameters):
        for name, one in named.items():
            if one.kind is not kinds.POSITIONAL_ONLY or (name not in values and not values):
                break
            args.append(values.pop(name, one.default))
    return tuple(args), values


def _parameters(fn: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(fn, eval_str=True).parameters.values())
    except (NameError, AttributeError, TypeError, SyntaxError):
        return list(inspect.signature(fn).parameters.values())


def _converted(text: str, parameter: inspect.Parameter | None, name: str, task: str) -> Any:
    if parameter is None:
        return _json_or_text(text)
    kind = parameter.annotation
    if kind is parameter.empty and isinstance(parameter.default, (bool, int, float)):
        kind = type(parameter.default)
    kind = _BY_NAME.get(getattr(kind, "__name__", kind), kind)
    if kind is inspect.Parameter.empty or kind is Any or isinstance(kind, str):
        return _json_or_text(text)
    if kind is str:
        return text
    try:
        if kind is bool:
            if text.lower() not in _TRUE | _FALSE:
                raise ValueError
            return text.lower() in _TRUE
        if kind in (int, float):
            return kind(text)
    except ValueError:
        raise Refused(f"-a {name}={text}: task {task!r} wants {_WANTED[kind]}") from None
    return _of_kind(text, kind, name, task)


def _of_kind(text: str, kind: Any, name: str, task: str) -> Any:
    """A value of any other type that JSON can stand for."""
    import msgspec

    value = _json_or_text(text)
    problem: Exception | None = None
    for candidate, strict in ((value, True), (text, True), (text, False)):
        try:
            return msgspec.convert(candidate, kind, strict=strict)
        except msgspec.ValidationError as error:
            problem = problem or error
        except Exception:  # a type that nobody can make of JSON
            return value
    raise Refused(
        f"-a {name}={text}: task {task!r} wants {inspect.formatannotation(kind)}: {problem}"
    )


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are not JSON
