"""The app of Pynenc, on :class:`abreast.App`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from abreast import App, State

from .conf import Config
from .runner import KINDS, Runner, runner_named
from .task import DirectTask, Task

LOGGER = logging.getLogger("pynenc")
_UNFINISHED = (State.BLOCKED, State.SCHEDULED, State.PENDING, State.RUNNING)
_PAGE = 1000


class Pynenc:
    """Tasks whose calls are invocations, executed by a runner.

    Parameters
    ----------
    url : str
        Where invocations are kept: ``"memory://"``, in this process with live objects as arguments
        and results (default), or for example ``"sqlite:///jobs.db"``.
    app_id : str, optional
        Name of the app.
    config_values : mapping, optional
        Settings; see :class:`Config`.

    Attributes
    ----------
    abreast : abreast.App
        What executes all this; also for workers of the command line:
        ``durable = app.abreast`` in ``tasks.py``, then ``abreast worker tasks``.
    conf : Config
        Settings.
    """

    def __init__(
        self,
        url: str = "memory://",
        *,
        app_id: str | None = None,
        config_values: Mapping[str, Any] | None = None,
    ) -> None:
        self.abreast = App(url, name=app_id)
        self.conf = Config(app_id or "default", config_values or {})
        self.logger = LOGGER
        self._tasks: dict[str, Task] = {}
        self._runner: Runner | None = None

    @property
    def app_id(self) -> str:
        """Name of the app."""
        return self.conf.app_id

    # -- tasks ------------------------------------------------------------------------------

    def task(self, func: Callable[..., Any] | None = None, **options: Any) -> Any:
        """Declare a function as a task: ``@app.task`` or ``@app.task(max_retries=3)``.

        Parameters
        ----------
        registration_concurrency : ConcurrencyControlType
            A call whose like is registered and has not started returns that invocation.
        running_concurrency : ConcurrencyControlType
            One of its like runs at a time.
        key_arguments : tuple of str
            The parameters that ``KEYS`` compares.
        reroute_on_concurrency_control : bool, optional
            What happens to an invocation that running control holds up: it waits (True, and when
            not given), or is dropped (False).
        on_diff_non_key_args_raise : bool
            Under registration control by ``KEYS``: refuse a call that differs from the registered
            one in its other arguments.
        max_retries : int
            Tries after the first, for ``RetryError`` and what ``retry_for`` names.
        retry_for : tuple of exception classes
            See there.
        priority : float
            From -100 to 100; a higher one runs first.

        Raises
        ------
        InvalidTaskOptionsError
            Naming the option and what was expected.
        """

        def declare(func: Callable[..., Any]) -> Task:
            return self._keep(Task(self, func, options))

        return declare if func is None else declare(func)

    def direct_task(self, func: Callable[..., Any] | None = None, **options: Any) -> Any:
        """Declare a function whose calls wait and return the result itself.

        Parameters
        ----------
        parallel_func : callable, optional
            Gets the arguments of a call by name and returns those of the invocations to make of it,
            as :meth:`Task.parallelize` takes them; or a pair of common arguments and these.
        aggregate_func : callable
            Makes one result of the list of theirs; needed with ``parallel_func``.
        **options
            Those of :meth:`task`.
        """
        parallel_func = options.pop("parallel_func", None)
        aggregate_func = options.pop("aggregate_func", None)

        def declare(func: Callable[..., Any]) -> DirectTask:
            task = DirectTask(self, func, options, parallel_func, aggregate_func)
            self._keep(task)
            return task

        return declare if func is None else declare(func)

    def _keep(self, task: Task) -> Task:
        self._tasks[task.task_id] = task
        return task

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks by id, which is ``module.function``."""
        return dict(self._tasks)

    def get_task(self, task_id: str) -> Task:
        """Return the task with this id. Raises ``KeyError``."""
        return self._tasks[task_id]

    # -- running ------------------------------------------------------------------------------

    @property
    def runner(self) -> Runner:
        """The runner of this app, of the kind ``conf.runner_cls`` names."""
        runner = self._runner
        if runner is None or (not runner.running and type(runner) is not self._kind(runner)):
            runner = self._runner = runner_named(self.conf.runner_cls, self)
        return runner

    @runner.setter
    def runner(self, runner: Runner) -> None:
        self.conf.runner_cls = type(runner).__name__
        self._runner = runner

    def _kind(self, runner: Runner) -> type[Runner]:
        return KINDS.get(self.conf.runner_cls, Runner)

    def purge(self) -> None:
        """Cancel all invocations that have not ended. In memory, while no runner runs, all are
        forgotten."""
        before = None
        while True:
            page = self.abreast.runs(state=_UNFINISHED, before=before, limit=_PAGE)
            for run in page:
                run.cancel()
            if len(page) < _PAGE:
                break
            before = page[-1]
        if self.abreast.url == "memory://" and (self._runner is None or not self._runner.running):
            self.abreast.close()

    def __reduce__(self) -> Any:
        # Into another process it goes by the name of the module that has it, else as it was made.
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "__main__") != "__main__":
                for name, value in list(getattr(module, "__dict__", {}).items()):
                    if value is self:
                        return _app_at, (module.__name__, name)
        return Pynenc, (self.abreast.url,)


def _app_at(module: str, name: str) -> Pynenc:
    found: Pynenc = getattr(import_module(module), name)
    return found
