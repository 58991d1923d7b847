"""A task of an app: a function that can also be submitted."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.command import Command
from ..errors import UsageError, WrongType
from . import app_options
from .tasks import TaskFunction

if TYPE_CHECKING:
    from .app import App
    from .stored_run import StoredRun


class AppTask(TaskFunction):
    """A function declared with ``app.task``. Calling it calls the function.

    ``name``, ``app``, ``options`` (those declared, and over them those of
    :meth:`with_options`).
    """

    def __init__(
        self,
        app: App,
        fn: Callable[..., Any] | Command,
        declared: Mapping[str, Any],
        overrides: Mapping[str, Any] | None = None,
        shape: Shape | None = None,
    ) -> None:
        app_options.check(declared, app_options.DECLARED, f"task {declared.get('name') or fn!r}")
        super().__init__(fn, {**declared, **(overrides or {})})  # type: ignore[arg-type]
        self.app = app
        self.declared = dict(declared)
        self.overrides = dict(overrides or {})
        self.shape = shape or Shape(fn, self.name)
        self.origin: tuple[str, str | None] = ("app", None)  # who declared it, and where
        self.doc: str | None = declared.get("description") or _first_lines(fn)

    def describe(
        self, origin: tuple[str, str | None], signature: inspect.Signature | None, doc: str | None
    ) -> None:
        """Say where the task comes from and what its callable cannot say itself."""
        self.origin = origin
        self.doc = self.declared.get("description") or doc or self.doc
        if signature is not None:
            self.shape = Shape(self.fn, self.name, signature)

    @property
    def tags(self) -> tuple[str, ...]:
        """The words under which tools group it."""
        return tuple(self.declared.get("tags") or ())

    @property
    def parameters(self) -> list[Parameter]:
        """What it takes, for forms and for those who submit by name; of a command nothing."""
        return self.shape.parameters()

    def submit(self, *args: Any, **kwargs: Any) -> StoredRun:
        """Write down a run with these arguments and return its handle at once.

        A handle among the arguments, also inside plain lists, tuples, sets and dicts, is a
        dependency and is replaced by its result.

        Raises
        ------
        TypeError
            When the function does not take these arguments, or the store cannot keep them
            (:class:`abreast.errors.NotStorable`).
        Busy
            When a limit or ``unique`` with ``then="fail"`` refuses it.
        """
        return self.app.submit_one(self, args, kwargs)

    def submit_many(self, calls: Iterable[Any]) -> list[StoredRun]:
        """Write down many runs at once: one for every tuple (or dict) of arguments."""
        return self.app.submit_many(self, calls)

    def map(self, *iterables: Iterable[Any]) -> list[StoredRun]:
        """Write down one run for every item, as the built-in ``map`` makes the calls."""
        return self.app.map(self, *iterables)

    def with_options(self, **options: Any) -> AppTask:
        """Return the same task, whose submits say some things differently.

        Besides the options of the declaration: ``delay`` (a duration), ``at`` (a ``datetime`` or
        seconds since 1970; without a timezone it is local time), ``label``, ``after`` (runs), and
        ``conn``, an open ``sqlite3`` connection to the store's file: the run exists exactly when
        the caller's transaction on it commits.
        """
        if "needs" in options:  # a line of waiting runs has the needs of its task
            raise UsageError(
                f"task {self.name!r}: needs= is said with the task: @app.task(needs={{...}})"
            )
        app_options.check(
            options, app_options.POLICY | app_options.ONCE, f"task {self.name!r}: with_options"
        )
        options = {**self.overrides, **options}
        changed = AppTask(self.app, self.fn, self.declared, options, self.shape)
        changed.origin, changed.doc = self.origin, self.doc
        policy = {k: v for k, v in options.items() if k in app_options.POLICY}
        if policy:  # mistakes show here
            app_options.make_task(self.fn, self.name, {**self.declared, **policy}, None)
        return changed

    def make_importable(self) -> None:
        """Let other processes find the function by name, where its module has the task instead.

        The function ``f`` of module ``m`` is then pickled as ``m.f.fn``.
        """
        fn: Any = self.fn
        path = getattr(fn, "__qualname__", "")
        module = sys.modules.get(getattr(fn, "__module__", None) or "")
        if module is None or "<locals>" in path or not hasattr(fn, "__code__"):
            return
        found = _at(module, path)
        if isinstance(found, TaskFunction) and found.fn is fn:
            fn.__qualname__ = f"{path}.fn"

    def __reduce__(self) -> Any:
        self.make_importable()
        return _task_of_app, (self.app, self.name, self.fn, self.declared, self.overrides)


def _first_lines(fn: object) -> str | None:
    """The first paragraph of a function's docstring."""
    text = inspect.getdoc(fn) if inspect.isroutine(fn) else None
    return None if not text else text.split("\n\n", 1)[0]


class Parameter(NamedTuple):
    """One parameter of a task. ``kind``: ``positional``, ``any``, ``keyword``, ``*`` or ``**``;
    ``default`` counts when it is not ``required``; ``annotation`` as written."""

    name: str
    kind: str
    required: bool
    default: Any
    annotation: str | None


def _task_of_app(
    app: App, name: str, fn: Any, declared: dict[str, Any], overrides: dict[str, Any]
) -> AppTask:
    known = app.tasks.get(name)
    if known is None:
        known = app.task(**{"name": name, **declared})(fn)
    return known.with_options(**overrides) if overrides else known


def _at(found: Any, path: str) -> Any:
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def find_global(thing: Any, module: str = "", name: str = "") -> Any:
    """Where an object lives, as (module, name), or None; with these two: the object there."""
    if thing is None:
        from importlib import import_module

        return getattr(import_module(module), name)
    for known in list(sys.modules.values()):
        if getattr(known, "__name__", "__main__") == "__main__":
            continue
        for name, value in list(getattr(known, "__dict__", {}).items()):
            if value is thing:
                return known.__name__, name
    return None


class Shape:
    """Which arguments a function takes; asked for every submit, so the usual case is quick."""

    def __init__(
        self,
        fn: Callable[..., Any] | Command,
        name: str,
        signature: inspect.Signature | None = None,
    ) -> None:
        self.name = name
        self._signature = signature
        self._least, self._most = 0, -1
        if isinstance(fn, Command):
            self._signature = signature = inspect.Signature()
        if signature is None:
            try:
                self._signature = inspect.signature(fn)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                return  # built-in functions may not tell
        assert self._signature is not None
        kinds = inspect.Parameter
        for parameter in self._signature.parameters.values():
            required = parameter.default is kinds.empty
            if parameter.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD):
                self._most = max(self._most, 0) + 1
                self._least += required
            elif parameter.kind is kinds.KEYWORD_ONLY and required:
                self._most = -1  # positional arguments alone will not do
                return
        self._most = max(self._most, 0)

    def parameters(self) -> list[Parameter]:
        """The parameters in order; empty when they are not known."""
        if self._signature is None:
            return []
        empty = inspect.Parameter.empty
        return [
            Parameter(
                found.name,
                _KINDS[found.kind],
                found.default is empty and found.kind not in (found.VAR_POSITIONAL,
                                                              found.VAR_KEYWORD),
                None if found.default is empty else found.default,
                None if found.annotation is empty else inspect.formatannotation(found.annotation)
                if not isinstance(found.annotation, str) else found.annotation,
            )
            for found in self._signature.parameters.values()
        ]  # fmt: skip

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Refuse arguments that the function does not take.

        Raises
        ------
        WrongType
            Naming the task and the parameter.
        """
        if self._signature is None or (not kwargs and self._least <= len(args) <= self._most):
            return
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise WrongType(
                f"task {self.name!r}: {error}; it takes {self.name}{self._signature}"
            ) from None


_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "any",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}
