"""Recorded checkpoints inside a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..context import attempt_here
from ..domain.model import Attempt
from ..errors import UsageError, WrongType
from .app_node import Node, node_at
from .tasks import is_coroutine


def step(name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call ``fn(*args, **kwargs)`` once per run, however often the run is tried.

    When the step of this name has finished in an earlier attempt of the run, its stored output
    is returned and ``fn`` is not called. A step that failed, or did not get to its end, is called
    again. Input, output, error and duration are recorded and shown by ``run.steps()``. Several
    steps of one name in an attempt are told apart as ``name``, ``name-2`` and so on.

    Outside of a run, and in a run that no store keeps, this only calls ``fn``. The step of an
    ``async def`` function is awaited: ``await step("load", load, url)``.

    Raises
    ------
    NotStorable
        When an argument or the output cannot be written to the store.
    Exception
        What ``fn`` raises.
    """
    if not isinstance(name, str):
        raise WrongType(f"step: the name must be a text, not {name!r}")
    if not name:
        raise UsageError("step: the name is empty; say what the step does")
    if not callable(fn):
        raise WrongType(f"step {name!r}: {fn!r} is not callable")
    attempt = attempt_here.get()
    node = None if attempt is None else _node_of(attempt)
    if attempt is None or node is None:
        return fn(*args, **kwargs)
    record = _Record(node, attempt, _numbered(attempt, name))
    known = node.store.step_output(attempt.run.id, record.name)
    if is_coroutine(fn):
        return _async_step(record, known, fn, args, kwargs)
    if known is not None:
        return node.unpack(known)
    record.begin(args, kwargs)
    try:
        value = fn(*args, **kwargs)
    except BaseException as error:
        record.failed(error)
        raise
    return record.finished(value)


async def _async_step(
    record: _Record, known: Any, fn: Callable[..., Any], args: Any, kwargs: Any
) -> Any:
    if known is not None:
        return record.node.unpack(known)
    record.begin(args, kwargs)
    try:
        value = await fn(*args, **kwargs)
    except BaseException as error:
        record.failed(error)
        raise
    return record.finished(value)


class _Record:
    """Writes one step down."""

    def __init__(self, node: Node, attempt: Attempt, name: str) -> None:
        self.node = node
        self.name = name
        self._run = attempt.run.id
        self._number = attempt.number
        self._what = f"step {name!r} of {attempt.run.label!r}"

    def begin(self, args: Any, kwargs: Any) -> None:
        given: Any = {**{str(number): arg for number, arg in enumerate(args, 1)}, **kwargs}
        data = self.node.pack(given, f"{self._what}: its input")
        store = self.node.store
        self.node.post(lambda now: store.step_begin(self._run, self._number, self.name, data, now))

    def failed(self, error: BaseException) -> None:
        self._end(None, f"{type(error).__name__}: {error}")

    def finished(self, value: Any) -> Any:
        try:
            data = self.node.pack(value, f"{self._what}: its output")
        except Exception as error:
            self.failed(error)
            raise
        self._end(data, None)
        # what a retry would get, so that the first attempt cannot come to rely on more
        return self.node.unpack(data)

    def _end(self, data: Any, error: str | None) -> None:
        store = self.node.store
        self.node.post(
            lambda now: store.step_end(self._run, self._number, self.name, data, error, now)
        )


def _numbered(attempt: Attempt, name: str) -> str:
    """The name, with the number of its step when there was one of that name in this attempt."""
    counts: dict[str, int] = attempt.__dict__.setdefault("steps", {})
    count = counts[name] = counts.get(name, 0) + 1
    return name if count == 1 else f"{name}-{count}"


def _node_of(attempt: Attempt) -> Node | None:
    """The node of the store that keeps the attempt's run, or None when none does."""
    store = getattr(attempt.host, "store", None)
    if store is not None:
        if not hasattr(store, "step_begin"):
            return None  # a runner's
        engine: Any = attempt.host
        return Node("", store, engine, live=getattr(store, "live", False) is True)
    origin: str | None = getattr(attempt, "origin", None)
    if origin is None or origin == "memory://":
        return None  # a child of a runner, or of an app in memory, which is out of reach from here
    return node_at(origin)
