"""Errors of tasks whose classes this process does not have."""

from __future__ import annotations

import builtins
import copyreg
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ... import errors
from ...domain.policy import Retry
from ...errors import RemoteError


class TaskError(RemoteError):
    """Stands in for an exception whose class only the file of the task knows.

    ``kinds`` names its class and those above, as ``module:name``.
    """

    def __init__(self, message: str, type_name: str, kinds: tuple[str, ...] = ()) -> None:
        super().__init__(message, type_name)
        self.kinds = kinds

    def __reduce__(self) -> Any:
        return type(self), (str(self), self.type_name, self.kinds)


class OneOf:
    """Whether an error is of a class that is known by name only; for ``Retry(on=...)``."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)

    def __call__(self, error: BaseException) -> bool:
        return not self.names.isdisjoint(kinds_of(error))

    def __repr__(self) -> str:
        return f"OneOf({sorted(self.names)})"


def kinds_of(error: BaseException) -> tuple[str, ...]:
    """The class of an error and those above it as ``module:name``."""
    said = getattr(error, "kinds", None)
    if isinstance(error, TaskError) and said:
        return tuple(said)
    return tuple(f"{kind.__module__}:{kind.__qualname__}" for kind in type(error).__mro__[:-1])


def known_class(name: str) -> type[BaseException] | None:
    """The class that ``module:name`` means, when every process has it; nothing is imported."""
    module, _, path = name.partition(":")
    home = {"builtins": builtins, "abreast.errors": errors}.get(module)
    found = getattr(home, path, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def let_travel(error: BaseException) -> None:
    """Have an error leave this process as a :class:`TaskError` unless the service knows its class.

    Reading it by name there would import the file, or what it uses, into the service.
    """
    kind = type(error)
    home = kind.__module__.partition(".")[0]
    if home != "abreast" and home not in sys.stdlib_module_names:
        copyreg.pickle(kind, _stand_in)


def _stand_in(error: BaseException) -> Any:
    name = type(error).__qualname__
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be made)"
    return TaskError, (f"{name}: {text}" if text else name, name, kinds_of(error))


def rebuild(said: dict[str, Any]) -> BaseException:
    """The error that an interpreter of its own has described: itself if it can be made here."""
    text, name = str(said.get("text", "")), str(said.get("type", "Exception"))
    kinds = tuple(map(str, said.get("kinds") or ()))
    kind = known_class(kinds[0]) if kinds else None
    error: BaseException | None = None
    given = said.get("args")
    for args in ([given] if isinstance(given, list) else []) + [[text]]:
        if kind is None or error is not None:
            break
        try:
            made = kind(*args)
        except Exception:
            continue  # its arguments are not plain
        error = made if str(made) == text else None
    if error is None:
        error = TaskError(f"{name}: {text}" if text else name, name, kinds)
    if said.get("trace"):
        error.add_note(f"In the interpreter of the task:\n{said['trace']}".rstrip())
    return error


def retry_of(said: Mapping[str, Any]) -> Retry:
    """A retry from JSON. Classes that only the task has are known by their names."""
    rest = dict(said)
    names = rest.pop("on", None)
    retry = Retry(rest.pop("n"), rest.pop("backoff", 0), **rest)
    if names is not None:
        classes = [known_class(name) for name in names]
        if None in classes:
            retry.on = OneOf(names)
        else:
            retry.on = tuple(kind for kind in classes if kind is not None)
    return retry
