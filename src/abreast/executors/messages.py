"""Attempts to bytes for a child, and a child's answers into attempts."""

from __future__ import annotations

import itertools
import pickle
import sys
from collections.abc import Mapping
from typing import Any

from .. import codec
from ..domain.model import Attempt, Outcome, Task
from ..errors import NotPicklable, RemoteError
from . import wire
from .child_output import PIPE
from .runlog import RunLog

_KEEP = 1000  # functions remembered, here and in each child
_ADVICE = (
    "pass plain data, a path or something made inside the task instead, "
    'or run the task in a thread: executor="thread"'
)


class Functions:
    """The functions sent so far: each is pickled once, however many runs it has."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[int, bytes]] = {}
        self._keys = itertools.count(1)  # two threads may ask at once; next() is atomic

    def get(self, owner: Any, fn: Any, name: str) -> tuple[int, bytes]:
        """Return the key of a function and the frame that teaches it to a child.

        ``owner`` (the task) is what the entry is kept under.
        """
        entry = self._known.get(owner)
        if entry is not None:
            return entry
        try:
            blob = codec.dumps(fn)
        except BaseException as error:
            raise NotPicklable(
                f"task {name!r}: its function {fn!r} cannot be pickled: {error}; what it "
                f'refers to must be able to travel, or run it in a thread: executor="thread"'
            ) from error
        if len(self._known) >= _KEEP:
            self._known.clear()
        key = next(self._keys)
        body = pickle.dumps((key, sys.path, name, blob), 5)
        entry = self._known[owner] = key, wire.frame(wire.TASK, body)
        return entry


def to_child(
    functions: Functions,
    known: set[int],
    attempt: Attempt,
    serial: int,
    call: tuple[Any, Any, tuple[Any, ...], Mapping[str, Any]],
) -> bytes:
    """Return what makes a child that knows ``known`` execute ``attempt``; may extend ``known``.

    Raises :class:`~abreast.errors.NotPicklable` naming what cannot travel.
    """
    run, task = attempt.run, attempt.run.task
    owner, fn, args, kwargs = call
    key, lesson = functions.get(owner, fn, task.name)
    log: Any = attempt.log
    if type(log) is RunLog:
        log = PIPE
    # Of what only some runs have: whether the child leaves afterwards, niceness, store.
    rare = None
    if task.fresh or task.nice is not None or attempt.origin is not None:
        rare = leaves_after(task), task.nice, attempt.origin
    try:
        body = codec.dumps(
            (key, serial, args, kwargs, run.id, run.label, attempt.number, log, rare)
        )
    except BaseException as error:
        raise NotPicklable(_blame(attempt, error)) from error
    data = wire.frame(wire.RUN, body)
    if key not in known:
        data = lesson + data
        if len(known) >= _KEEP:
            known.clear()
            data = wire.frame(wire.FORGET, b"") + data
        known.add(key)
    return data


def leaves_after(task: Task) -> bool:
    """Whether a child executes a run of this task and no other after it."""
    return task.fresh or task.nice is not None  # without rights it cannot become less nice again


def _blame(attempt: Attempt, error: BaseException) -> str:
    """Say which argument cannot travel."""
    name = attempt.run.task.name
    arguments: list[tuple[str, Any]] = [
        (f"argument {number}", value) for number, value in enumerate(attempt.args, 1)
    ]
    arguments += [(f"argument {key}=", value) for key, value in dict(attempt.kwargs).items()]
    for where, value in arguments:
        reason = codec.why_not(value)
        if reason is not None:
            what = type(value).__name__
            return f"task {name!r}: {where} (type {what!r}) cannot be pickled: {reason}; {_ADVICE}"
    return f"task {name!r}: its arguments cannot be pickled together: {error}; {_ADVICE}"


def from_child(attempt: Attempt, kind: int, body: Any) -> None:
    """Fill an attempt with the answer its child gave."""
    if kind == wire.VALUE:
        try:
            attempt.value = pickle.loads(body)
            attempt.outcome = Outcome.OK
        except BaseException as error:
            attempt.outcome = Outcome.ERROR
            attempt.error = NotPicklable(
                f"task {attempt.run.task.name!r}: its result arrived but cannot be loaded here: "
                f"{type(error).__name__}: {error}; return plain data, or make its type importable"
            )
        return
    blob, type_name, text, attempt.trace, notes = pickle.loads(body)
    attempt.outcome = Outcome.ERROR
    attempt.error = _exception(blob, type_name, text)
    if not hasattr(attempt.error, "__notes__"):
        for note in notes:
            attempt.error.add_note(note)


def _exception(blob: bytes | None, type_name: str, text: str) -> BaseException:
    if blob is not None:
        try:
            error = pickle.loads(blob)
            if isinstance(error, BaseException):
                return error
        except BaseException:
            pass  # the stand-in below says what it was
    return RemoteError(f"{type_name}: {text}" if text else type_name, type_name)
