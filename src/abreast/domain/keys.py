"""Keys: texts made from the arguments of a run, for limits, unique work and turns.

A template names parameters of the task in braces, ``"{tenant}"`` or ``"{account.id}"``;
:data:`ARGS` stands for all arguments at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .model import Run

if TYPE_CHECKING:
    from .model import Task

ARGS = "{*}"  # all arguments: defaults filled in, positional and by name the same

Read = Callable[[tuple[Any, ...], Mapping[str, Any]], object]

_CONTAINERS = (list, tuple, dict, set, frozenset)


class Template:
    """A text with fields, ready to be filled from arguments.

    Parameters
    ----------
    text : str
        Plain text with fields in braces.
    task : Task
        Whose parameters the fields name.
    what : str
        What the text is, for errors.

    Raises
    ------
    UsageError
        When the text is no template, or names a parameter the task does not have.
    """

    __slots__ = ("parts", "tail")

    def __init__(self, text: str, task: Task, what: str = "the limit's key") -> None:
        self.parts: list[tuple[str, Read]] = []  # text before a field, and the field's reader
        self.tail = ""
        from string import Formatter  # seldom needed, and not cheap to import

        try:
            pieces = list(Formatter().parse(text))
        except ValueError as error:
            raise UsageError(
                f"task {task.name!r}: {what} {text!r} is no template: {error}"
            ) from None
        for before, field, _, _ in pieces:  # "{{" and "}}" come as pieces of text without a field
            self.tail += before
            if field is not None:
                self.parts.append((self.tail, _reader(field, task, what)))
                self.tail = ""

    def fill(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """Return the text for these arguments."""
        filled = ""
        for before, read in self.parts:
            filled += before + text_of(read(args, kwargs))
        return filled + self.tail


def text_of(value: object) -> str:
    """Return a value as it stands in a key: equal values of plain data give equal texts."""
    if isinstance(value, Run):
        return f"<run {value.id}>"
    return _plain(value) if type(value) in _CONTAINERS else str(value)


def _plain(value: Any) -> str:
    """Like ``repr``, with the differences left out that do not survive a store: a tuple is a
    list, and the members of sets and dicts have an order."""
    kind = type(value)
    if kind is list or kind is tuple:
        return f"[{', '.join(map(_plain, value))}]"
    if kind is dict:
        return f"{{{', '.join(sorted(f'{key!s}: {_plain(item)}' for key, item in value.items()))}}}"
    if kind is set or kind is frozenset:
        return f"{{{', '.join(sorted(map(_plain, value)))}}}"
    return text_of(value) if isinstance(value, Run) else repr(value)


def _reader(field: str, task: Task, what: str) -> Read:
    """Return a function of (args, kwargs) that reads one parameter of the task, or all."""
    if field == "*":
        return _reader_of_all(task)
    name = field.split(".", 1)[0].split("[", 1)[0]
    position, default, names = _parameter(task, name)
    if position is None:
        raise UsageError(
            f"task {task.name!r}: {what} names {{{field}}}, but the task has no parameter "
            f"{name!r}; it has {', '.join(names) or 'none'}"
        )
    at = position

    def read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
        if name in kwargs:
            return kwargs[name]
        return args[at] if 0 <= at < len(args) else default

    if field == name:
        return read
    from string import Formatter

    formatter = Formatter()
    return lambda args, kwargs: formatter.get_field(field, (), {name: read(args, kwargs)})[0]


def _parameter(task: Task, name: str) -> tuple[int | None, object, list[str]]:
    import inspect  # costly to import, and only templates need it

    fn = task.fn
    if not callable(fn):
        return None, None, []
    parameters = inspect.signature(fn).parameters
    for position, (known, parameter) in enumerate(parameters.items()):
        if parameter.kind is parameter.VAR_KEYWORD:
            return -1, None, list(parameters)  # whatever the caller passes by name
        if known == name:
            at = position if parameter.kind is not parameter.KEYWORD_ONLY else -1
            default = None if parameter.default is parameter.empty else parameter.default
            return at, default, list(parameters)
    return None, None, list(parameters)


def _reader_of_all(task: Task) -> Read:
    import inspect

    signature = inspect.signature(task.fn) if callable(task.fn) else None

    def read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
        if signature is None:
            return "()"
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # the run will fail for it; until then it is like no other
            return f"({_plain(args)}, {_plain(dict(kwargs))})"
        bound.apply_defaults()
        return f"({', '.join(_items(bound.arguments.items()))})"

    return read


def _items(items: Iterable[tuple[str, Any]]) -> list[str]:
    return [f"{name}={_plain(value)}" for name, value in items]
