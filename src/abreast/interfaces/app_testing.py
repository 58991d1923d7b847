"""Submits that run at once, in the calling thread: for the tests of programs that use an app."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from ..clock import SystemClock
from ..context import attempt_here
from ..domain.model import ERROR, OK, STOPPED, Attempt, Traits
from ..engine.pool import Pool
from .app_memory import open_memory

if TYPE_CHECKING:
    from ..ports import Clock, Host
    from .app import App
    from .app_node import Node
    from .app_task import AppTask
    from .stored_run import StoredRun

_MANY = 1_000_000  # slots: what may start starts


class Submitted(NamedTuple):
    """One submit: the task's name, the call, the options of this submit, and its run."""

    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    run: StoredRun


class Testing:
    """See :meth:`abreast.App.testing`. May be nested; the innermost counts.

    ::

        with app.testing() as testing:
            sign_up("a@example.com")
        assert [(call.task, call.args) for call in testing.submitted] == [("send", ("a@…",))]
    """

    __test__ = False  # not a class of tests, whatever pytest makes of its name

    def __init__(self, app: App) -> None:
        self.app = app
        self.submitted: list[Submitted] = []
        self.node: Node

    def __enter__(self) -> Testing:
        clock = JumpingClock()
        self.node = open_memory(clock, _NoSentry)
        self.node.writes_json = not self.app.in_memory
        inline = InlineExecutor()
        engine = self.node.engine
        engine.add_executor(inline, Pool(_MANY))
        engine.open()
        self.node.inline = lambda: _run_all(self.node, inline, clock)
        self.app.enter_testing(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.app.leave_testing(self)
        self.node.close()

    def note(
        self, task: AppTask, args: tuple[Any, ...], kwargs: Mapping[str, Any], run: StoredRun
    ) -> None:
        """Called by the app for every run that was submitted."""
        options = dict(task.overrides)
        self.submitted.append(Submitted(task.name, args, dict(kwargs), options, run))


def _run_all(node: Node, inline: InlineExecutor, clock: JumpingClock) -> None:
    """Execute until nothing is left that could start, jumping over delays."""
    while True:
        if inline.work():
            continue
        at = node.store.next_at
        if at == inf:
            return
        clock.jump_to(at)
        node.engine.attend()


class JumpingClock:
    """The time of the machine, plus the delays that were not waited for."""

    def __init__(self) -> None:
        self._now = SystemClock().now
        self._ahead = 0.0

    def now(self) -> float:
        """Seconds since 1970 in UTC."""
        return self._now() + self._ahead

    def jump_to(self, at: float) -> None:
        """Make it ``at``, unless it is later already."""
        self._ahead += max(0.0, at - self.now())


class _NoSentry:
    """Nobody watches the clock: it jumps."""

    def __init__(self, attend: Callable[[], None], clock: Clock) -> None:
        self.until = inf

    def watch(self, at: float) -> None:
        pass

    def stop(self) -> None:
        pass


class InlineExecutor:
    """Executes attempts in the thread that asks for it with :meth:`work`."""

    name = "inline"
    traits = Traits(can_kill=False, keeps_objects=True)

    def __init__(self) -> None:
        self._host: Host
        self._queue: deque[Attempt] = deque()

    def bind(self, host: Host) -> None:
        """Called once before anything else."""
        self._host = host

    def start(self, attempt: Attempt) -> None:
        """Note an attempt for :meth:`work`."""
        self._queue.append(attempt)

    def stop(self, attempt: Attempt, grace_s: float) -> bool:
        """An attempt that has not begun is reported by :meth:`work`; a task is never ended."""
        return True

    def abandon(self, attempt: Attempt) -> None:
        """Never called: every stop is answered."""

    def resize(self, by: int) -> None:
        """There are always enough slots."""

    def close(self, grace_s: float) -> None:
        """Forget what has not begun."""
        self._queue.clear()

    def work(self) -> bool:
        """Execute what was started; False when there was nothing."""
        if not self._queue:
            return False
        attempt: Attempt | None = self._queue.popleft()
        while attempt is not None:
            self._execute(attempt)
            attempt = self._host.report(attempt)
        return True

    def _execute(self, attempt: Attempt) -> None:
        token = attempt_here.set(attempt)
        try:
            if attempt.stop is not None:
                attempt.outcome = STOPPED
                return
            value = attempt.run.task.fn(*attempt.args, **dict(attempt.kwargs))  # type: ignore[operator]
            attempt.value = _awaited(value) if asyncio.iscoroutine(value) else value
            attempt.outcome = OK
        except Exception as error:
            attempt.outcome, attempt.error = ERROR, error
        finally:
            attempt_here.reset(token)
            attempt.ended = self._host.now()


def _awaited(coroutine: Any) -> Any:
    """The result of a coroutine, also when this thread has a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    import contextvars

    answer: list[Any] = []
    failure: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            answer.append(context.run(asyncio.run, coroutine))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return answer[0]
