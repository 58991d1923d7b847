"""The tasks of an app: declared, added, found by name, and made ready for the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, cast, overload

from ..domain.model import Task
from ..errors import UsageError, WrongType
from . import app_options
from .app_task import AppTask
from .tasks import TaskFunction, check_keys

if TYPE_CHECKING:
    from inspect import Signature

    from ..domain.command import Command
    from .app import App
    from .app_testing import Testing


class Registry:
    """The part of :class:`abreast.App` that knows its tasks."""

    _testing: list[Testing]

    def __init__(self) -> None:
        self._tasks: dict[str, AppTask] = {}
        self._defined: dict[Any, Task] = {}  # by name and overriding options
        self._changing = threading.Lock()
        self._executor: str | None = None  # for plain functions that do not say
        self._shared: dict[tuple[str, float | None], tuple[Any, str]] = {}  # sizes, who said so

    @overload
    def task(self, fn: Callable[..., Any], /) -> AppTask: ...
    @overload
    def task(self, /, **options: Any) -> Callable[[Callable[..., Any]], AppTask]: ...
    def task(self, fn: Any = None, /, **options: Any) -> Any:
        """Declare a function as a task of this app: ``@app.task`` or ``@app.task(timeout="10m")``.

        The options are ``name``, ``timeout``, ``retry``, ``limits``, ``unique``, ``fair_by``,
        ``priority``, ``expires``, ``deadline``, ``needs``, ``nice``, ``executor``, ``fresh``,
        ``expected`` and ``on_crash``; and, for a service, ``schedule``, ``timezone``, ``overlap``,
        ``catch_up``, ``window``, ``jitter``, ``after``, ``after_any``, ``notify``, ``tags``,
        ``description`` and ``concurrent``.

        Raises
        ------
        UsageError, WrongType
            For an unknown option, an impossible value or a name that another task has.
        """
        app_options.check(options, app_options.DECLARED, "task")

        def declare(fn: Callable[..., Any]) -> AppTask:
            if isinstance(fn, TaskFunction):
                return self._keep(AppTask(cast("App", self), fn.fn, {**fn.options, **options}))
            if not callable(fn):
                raise WrongType(f"task: {fn!r} is not callable")
            return self._keep(AppTask(cast("App", self), fn, options))

        return declare if fn is None else declare(fn)

    def add(self, *tasks: TaskFunction | ModuleType) -> None:
        """Make plain ``@task`` functions, or all of a module's, tasks of this app."""
        for item in tasks:
            if isinstance(item, ModuleType):
                found = [v for v in vars(item).values() if isinstance(v, TaskFunction)]
                if not found:
                    raise UsageError(f"add: module {item.__name__!r} declares no @task functions")
                self.add(*dict.fromkeys(found))
            elif isinstance(item, TaskFunction):
                self._keep(AppTask(cast("App", self), item.fn, item.options))
            else:
                raise WrongType(
                    f"add: expected @task functions or modules with them, not {item!r}; "
                    "for a plain function write app.task(fn)"
                )

    def register(
        self,
        name: str,
        fn: Callable[..., Any] | Command,
        options: Mapping[str, Any],
        *,
        origin: tuple[str, str | None],
        signature: Signature | None = None,
        doc: str | None = None,
    ) -> AppTask:
        """Make a callable or a command found elsewhere a task, or a new version of one.

        Parameters
        ----------
        origin : tuple
            Kind (``"file"``, ``"toml"``) and place, shown to people.
        signature : inspect.Signature, optional
            What it takes, where that cannot be seen from ``fn``.

        Raises
        ------
        UsageError
            When a task of another origin has this name, or an option is impossible.
        """
        known = self._tasks.get(name)
        if known is not None and known.origin != origin:
            where = " ".join(part for part in known.origin if part)
            raise UsageError(
                f"{origin[0]} {origin[1] or ''}: there is a task {name!r} already ({where}); "
                "rename one of them"
            )
        task = AppTask(cast("App", self), fn, {**options, "name": name})
        task.describe(origin, signature, doc)
        self._check(app_options.make_task(fn, name, task.options, self._executor))
        with self._changing:
            self._tasks = {**self._tasks, name: task}  # others may be going through the old one
            self._defined = {}
        return task

    def unregister(self, name: str) -> None:
        """Forget a task; its runs stay. Unknown names are no mistake."""
        with self._changing:
            self._tasks = {key: task for key, task in self._tasks.items() if key != name}
            self._defined = {}

    def _keep(self, task: AppTask) -> AppTask:
        known = self._tasks.get(task.name)
        if known is not None and known.fn is not task.fn and _place(known.fn) != _place(task.fn):
            raise UsageError(
                f"two tasks of this app are named {task.name!r}; give one another name: "
                '@app.task(name="...")'
            )
        self._check(app_options.make_task(task.fn, task.name, task.options, None))
        self._tasks[task.name] = task
        self._defined.clear()
        return task

    @property
    def tasks(self) -> Mapping[str, AppTask]:
        """The tasks of this app by name, in the order of their declaration."""
        return MappingProxyType(self._tasks)

    def find_task(self, task: AppTask | TaskFunction | str | Callable[..., Any]) -> AppTask:
        """Return the task that is meant: itself, by its name, or by its function.

        Raises
        ------
        UsageError
            When the app has no such task; with the name that may have been meant.
        """
        if isinstance(task, AppTask):
            if task.app is not self:
                raise UsageError(f"task {task.name!r} belongs to another app")
            return task
        if isinstance(task, str):
            found = self._tasks.get(task)
            if found is None:
                raise UsageError(f"this app has no task {task!r}{self._near(task)}")
            return found
        fn = task.fn if isinstance(task, TaskFunction) else task
        for known in self._tasks.values():
            if known.fn is fn:
                return known
        name = getattr(task, "name", None) or getattr(fn, "__name__", repr(task))
        raise UsageError(
            f"{name!r} is no task of this app; declare it with @app.task or app.add(...)"
        )

    def _near(self, name: str) -> str:
        import difflib

        near = difflib.get_close_matches(name, list(self._tasks), n=1)
        if near:
            return f"; did you mean {near[0]!r}?"
        known = ", ".join(sorted(self._tasks))
        return f"; it has {known}" if known else "; it has none"

    def task_of(self, name: str, options: Mapping[str, Any] | None = None) -> Task | None:
        """The record of a task with overriding options as a store kept them, or None."""
        task = self._tasks.get(name)
        if task is None:
            return None
        if not options:
            return self.define(task, {})
        from ..values import dumps

        key = name, dumps(options)
        known = self._defined.get(key)
        return known or self.define(task, app_options.from_json(options), key)

    def define(self, task: AppTask, overrides: Mapping[str, Any], key: Any = None) -> Task:
        """The record the engine works with, of a task with some options said differently.

        ``key`` is what it is remembered by.
        """
        if key is None and not overrides:
            key = task.name
        if key is None:
            key = (task.name, *((name, _hashable(overrides[name])) for name in sorted(overrides)))
        try:
            return self._defined[key]
        except KeyError:
            hashable = True
        except TypeError:
            hashable = False
        task.make_importable()
        options = {**task.declared, **overrides}
        made = app_options.make_task(task.fn, task.name, options, self._executor)
        if self._testing:  # delays are jumped over there, so no time is ever exceeded
            made.executor = "inline"
            made.timeout = made.expires = made.deadline = None
        if hashable:
            if len(self._defined) > 1000:
                self._defined.clear()
            self._defined[key] = made
        return made

    def prefer(self, executor: str | None) -> None:
        """Use this executor for plain functions that do not say otherwise (workers)."""
        self._executor = executor
        self._defined.clear()

    def _check(self, task: Task) -> None:
        """Refuse keys that cannot be made, and shared ones declared with another ``n``."""
        check_keys(task)
        for limit in task.limits:
            if not limit.key.startswith("/") or callable(limit.n):
                continue
            n, other = self._shared.setdefault((limit.key, limit.per), (limit.n, task.name))
            if n != limit.n and other != task.name:
                raise UsageError(
                    f"task {task.name!r} declares {limit.key!r} with {limit.n} units, task "
                    f"{other!r} with {n}; a shared limit has one size"
                )


def _place(fn: Any) -> tuple[Any, Any]:
    """Where a function is declared: a file imported twice declares it twice."""
    code = getattr(fn, "__code__", None)
    return getattr(code, "co_filename", id(fn)), getattr(code, "co_firstlineno", None)


def _hashable(value: Any) -> Any:
    """An option as part of a key; raises ``TypeError`` when it cannot be one."""
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(item) for item in value)
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    hash(value)
    return type(value), value
