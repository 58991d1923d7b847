"""From a call to a record in the store: arguments checked, handles made dependencies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..domain.graph import present
from ..domain.model import NOTHING, Change, Extra, Flow, Task
from ..domain.model import Run as Record
from ..errors import UsageError, WrongType
from ..values import dump_call
from . import app_options
from .app_task import AppTask
from .stored_run import CONTAINERS, StoredRun

if TYPE_CHECKING:
    from .app_node import Node
    from .app_testing import Testing
    from .tasks import TaskFunction

_NO_KWARGS: dict[str, Any] = {}  # shared by runs without keyword arguments; never written


class Submitting:
    """The part of :class:`abreast.App` that makes runs."""

    if TYPE_CHECKING:
        _testing: list[Testing]

        @property
        def node(self) -> Node: ...

        def find_task(self, task: Any) -> AppTask: ...

        def define(self, task: AppTask, overrides: Mapping[str, Any]) -> Task: ...

    def submit(self, task: AppTask | TaskFunction | str, /, *args: Any, **kwargs: Any) -> StoredRun:
        """Write down one run of a task, named or given; see :meth:`AppTask.submit`."""
        return self.submit_one(self.find_task(task), args, kwargs)

    def submit_one(
        self, task: AppTask, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> StoredRun:
        """Like :meth:`submit`, with the arguments as a tuple and a dict."""
        node = self.node
        record = self.record(node, task, args, kwargs)
        node.submit((record,), task.overrides.get("conn"))
        handle = self._handed_in(task, record, args, kwargs)
        node.execute_inline()
        return handle

    def submit_once(
        self,
        key: str,
        digest: str,
        task: AppTask,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] = _NO_KWARGS,
    ) -> tuple[StoredRun, bool]:
        """Submit under a key: what comes a second time within a day is answered with the first run.

        Parameters
        ----------
        key : str
            The caller's; one for every run that is wanted.
        digest : str
            Of all that the caller says, so that a key cannot stand for two things.

        Returns
        -------
        tuple
            The run, and whether it had been submitted before.

        Raises
        ------
        KeyReused
            When the key was used with another digest.
        """
        node = self.node
        answered = getattr(node.store, "answered", None)
        if answered is None:
            raise UsageError(f"keys of submits need a store in a file, not {node.url!r}")
        record = self.record(node, task, args, kwargs)

        def submit(now: float, changes: list[Change]) -> Record | None:
            known: Record | None
            known, made = answered.submit(key, digest, record, now)
            changes += made
            return known

        known = node.act(submit)
        if known is not None:
            return self.handle(known), True
        return self._handed_in(task, record, args, kwargs), False

    def submit_many(
        self, task: AppTask | TaskFunction | str, calls: Iterable[Any]
    ) -> list[StoredRun]:
        """Write down many runs of one task at once.

        Parameters
        ----------
        calls : iterable
            For every run a tuple of positional or a dict of keyword arguments; anything else
            is the only argument.
        """
        task = self.find_task(task)
        node = self.node
        pairs = [_call(item) for item in calls]
        now = node.now()
        records = [self.record(node, task, args, kwargs, now=now) for args, kwargs in pairs]
        if records:
            node.submit(records, task.overrides.get("conn"))
        handles = [
            self._handed_in(task, record, args, kwargs)
            for record, (args, kwargs) in zip(records, pairs, strict=True)
        ]
        node.execute_inline()
        return handles

    def map(
        self, task: AppTask | TaskFunction | str, /, *iterables: Iterable[Any]
    ) -> list[StoredRun]:
        """Write down one run for every item, as the built-in ``map`` makes the calls."""
        if not iterables:
            raise UsageError("map: give at least one iterable of arguments")
        return self.submit_many(task, zip(*iterables, strict=False))

    def record(
        self,
        node: Node,
        task: AppTask,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        flow: Flow | None = None,
        now: float | None = None,
    ) -> Record:
        """Check a call and make the record of its run, which the store has not taken in yet.

        Raises
        ------
        WrongType, NotStorable, UsageError
            Naming the task and what is wrong.
        """
        task.shape.check(args, kwargs)
        overrides = task.overrides
        parents: dict[Record, None] = {}
        if (args and _may_hold(args)) or (kwargs and _may_hold(kwargs.values())):
            args = self._linked(args, parents)
            kwargs = self._linked(dict(kwargs), parents)
        if node.writes_json:
            dump_call(task.name, args, kwargs)
        if now is None:
            now = node.now()
        if not overrides:
            defined = self.define(task, overrides)
            run = Record(0, defined, args, kwargs or _NO_KWARGS, now, flow)
        else:
            policy = {k: v for k, v in overrides.items() if k in app_options.POLICY}
            defined = self.define(task, policy)
            label = _text(overrides, "label") or None
            run = Record(0, defined, args, kwargs or _NO_KWARGS, now, flow, label)
            run.due = app_options.start_time(overrides, now)
            if policy and node.writes_json:
                run.extra = Extra()
                run.extra.options = app_options.to_json(policy, task.name)
            if overrides.get("by"):
                run.extra = run.extra or Extra()
                run.extra.by = _text(overrides, "by")
        run.needy = bool(parents)
        if "after" in overrides:
            parents.update(dict.fromkeys(self.parents(overrides["after"])))
        if parents:
            run.after = tuple(parents)
        if defined.expected is not None:
            run.path = defined.expected
        return run

    def parents(self, after: Any) -> list[Record]:
        """The records of what ``after`` names: a run or a list of runs."""
        if after is None:
            return []
        items = [after] if isinstance(after, StoredRun) else after
        if isinstance(items, str) or not hasattr(items, "__iter__"):
            raise WrongType(f"after must be a run or a list of runs, not {after!r}")
        found = []
        for item in items:
            if not isinstance(item, StoredRun):
                raise WrongType(
                    f"after must be runs of this app, not {item!r} ({type(item).__name__})"
                )
            found.append(self._own(item))
        return found

    def _own(self, handle: StoredRun) -> Record:
        if handle.app is not self:
            raise UsageError(
                f"{handle!r} belongs to another app; a run can only come after its own"
            )
        return handle.known

    def _linked(self, value: Any, parents: dict[Record, None]) -> Any:
        """Replace handles by records and note these; unchanged parts stay the same objects."""

        def swap(value: Any) -> Any:
            if isinstance(value, StoredRun):
                record = self._own(value)
                parents[record] = None
                return record
            kind = type(value)
            if kind not in CONTAINERS or not value:
                return value
            before = [*value.keys(), *value.values()] if kind is dict else list(value)
            if not _may_hold(before):
                return value
            after = [swap(item) for item in before]
            if all(new is old for new, old in zip(after, before, strict=True)):
                return value
            if kind is dict:
                half = len(value)
                return dict(zip(after[:half], after[half:], strict=True))
            return kind(after)

        try:
            return swap(value)
        except RecursionError:
            raise UsageError("an argument contains itself and cannot be written down") from None

    def _handed_in(
        self, task: AppTask, record: Record, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> StoredRun:
        """The handle of what the store took in, or of the known run it met instead."""
        handle = self.handle(present(record))
        if self._testing:
            self._testing[-1].note(task, args, kwargs, handle)
        return handle

    def note_many(
        self, calls: Iterable[tuple[AppTask, tuple[Any, ...], Mapping[str, Any], StoredRun]]
    ) -> None:
        """Tell tests what was submitted."""
        if self._testing:
            for call in calls:
                self._testing[-1].note(*call)

    def handle(self, record: Record) -> StoredRun:
        """The handle of a record."""
        options = (record.extra or NOTHING).options
        if options is not None and "batch" in options:
            from .batch import Job

            return Job(self, record)  # type: ignore[arg-type]
        return StoredRun(self, record)  # type: ignore[arg-type]


def _call(item: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if type(item) is tuple:
        return item, _NO_KWARGS
    if isinstance(item, Mapping):
        return (), dict(item)
    return (item,), _NO_KWARGS


def _text(overrides: Mapping[str, Any], option: str) -> str:
    found = overrides.get(option)
    if found is not None and not isinstance(found, str):
        raise WrongType(f"{option} must be a str, not {found!r} ({type(found).__name__})")
    return found or ""


def _may_hold(values: Iterable[object]) -> bool:
    """Whether one of these is worth a look: a handle, or a plain container."""
    for value in values:  # noqa: SIM110  # any() costs twice that
        if type(value) in CONTAINERS or isinstance(value, StoredRun):
            return True
    return False
