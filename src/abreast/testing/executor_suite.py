"""The executor conformance suite: what every executor promises, as pytest tests.

Subclass :class:`ExecutorSuite` (or :class:`FunctionExecutorSuite`, for executors that call Python
functions), say how to make your executor, and let pytest collect it::

    class TestMine(FunctionExecutorSuite):
        def make_executor(self, size):
            return MyExecutor(size)

Tests wait for signals with a bounded time and never poll.
"""

from __future__ import annotations

import os
import queue
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..domain.model import Attempt, Outcome, Run, Task
from ..domain.states import Reason
from ..errors import Crashed, NotPicklable, RemoteError
from ..ports import Executor
from . import executor_tasks as tasks

WAIT_S = 20.0  # how long a test waits for something that should take milliseconds


class RecordingHost:
    """A host that remembers what it is told, and hands out the attempts in ``following``."""

    def __init__(self) -> None:
        self.reports: queue.Queue[Attempt] = queue.Queue()
        self.progresses: queue.Queue[tuple[float, float | None, str]] = queue.Queue()
        self.loans: queue.Queue[tuple[Attempt, bool]] = queue.Queue()  # lent, taken back
        self.following: deque[Attempt] = deque()
        self.counts: dict[Attempt, int] = {}
        self._lock = threading.Lock()

    def report(self, attempt: Attempt) -> Attempt | None:
        with self._lock:
            self.counts[attempt] = self.counts.get(attempt, 0) + 1
            following = self.following.popleft() if self.following else None
        self.reports.put(attempt)
        return following

    def progress(self, attempt: Attempt, done: float, total: float | None, message: str) -> None:
        self.progresses.put((done, total, message))

    def lend_slot(self, attempt: Attempt) -> None:
        self.loans.put((attempt, True))

    def take_slot_back(self, attempt: Attempt) -> None:
        self.loans.put((attempt, False))

    def now(self) -> float:
        return time.time()

    def next_report(self, what: str = "a report") -> Attempt:
        """Return the next attempt that is reported; fails after ``WAIT_S`` seconds."""
        try:
            return self.reports.get(timeout=WAIT_S)
        except queue.Empty:
            raise AssertionError(f"waited {WAIT_S} s in vain for {what}") from None


class Pipe:
    """A named pipe in which a task tells the test something, or the other way round."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = str(folder / name)
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self._seen = b""

    def line(self) -> str:
        """Return the next line a task writes; fails after ``WAIT_S`` seconds."""
        while b"\n" not in self._seen:
            if not select.select([self._fd], [], [], WAIT_S)[0]:
                raise AssertionError(f"waited {WAIT_S} s in vain for a task to write {self.path}")
            self._seen += os.read(self._fd, 4096)
        line, _, self._seen = self._seen.partition(b"\n")
        return line.decode()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    __del__ = close


class Gate(Pipe):
    """A pipe that a task waits at until :meth:`open`."""

    def open(self) -> None:
        """Let one task through. Stays open, because what nobody reads yet would be lost."""
        os.write(self._fd, b"go\n")


class ExecutorSuite:
    """What holds for every executor, whatever it executes. Override the ``make_`` methods."""

    number = 0

    def make_executor(self, size: int) -> Executor:
        raise NotImplementedError("return your executor, for `size` attempts at once")

    def make_value(self) -> tuple[Task, tuple[Any, ...], Callable[[Any], bool]]:
        """Return a task that succeeds, its arguments, and a check of its value."""
        raise NotImplementedError

    def make_failure(self) -> tuple[Task, tuple[Any, ...], str]:
        """Return a task that fails, its arguments, and words its error contains."""
        raise NotImplementedError

    def make_hold(self, started: str, release: str) -> tuple[Task, tuple[Any, ...]]:
        """Return a task that writes a line to one named pipe and then reads from the other."""
        raise NotImplementedError

    # -- tools -------------------------------------------------------------------------------

    @contextmanager
    def opened(self, size: int = 2) -> Iterator[tuple[Executor, RecordingHost]]:
        executor, host = self.make_executor(size), RecordingHost()
        executor.bind(host)
        try:
            yield executor, host
        finally:
            executor.close(1.0)

    def attempt(
        self, task: Task, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None,
        host: Any = None,
    ) -> Attempt:  # fmt: skip
        self.number += 1
        run = Run(self.number, task, args, kwargs or {}, time.time(), None, f"run {self.number}")
        run.attempt = 1
        return Attempt(run, 1, args, kwargs or {}, host)

    def value(self, host: RecordingHost) -> tuple[Attempt, Callable[[Any], bool]]:
        task, args, is_right = self.make_value()
        return self.attempt(task, args, host=host), is_right

    # -- tests -------------------------------------------------------------------------------

    def test_returns_a_value(self) -> None:
        with self.opened() as (executor, host):
            attempt, is_right = self.value(host)
            before = time.time()
            executor.start(attempt)
            assert host.next_report() is attempt
            assert attempt.outcome is Outcome.OK, (attempt.error, attempt.trace)
            assert is_right(attempt.value)
            assert before - 1 <= attempt.ended <= time.time() + 1

    def test_reports_an_error(self) -> None:
        with self.opened() as (executor, host):
            task, args, words = self.make_failure()
            attempt = self.attempt(task, args, host=host)
            executor.start(attempt)
            assert host.next_report() is attempt
            assert attempt.outcome is Outcome.ERROR
            assert words in str(attempt.error)

    def test_executes_what_a_report_returns(self) -> None:
        with self.opened(1) as (executor, host):
            first, is_right = self.value(host)
            rest = [self.value(host)[0] for _ in range(20)]
            host.following.extend(rest)
            executor.start(first)
            assert [host.next_report() for _ in range(21)] == [first, *rest]
            assert all(is_right(attempt.value) for attempt in (first, *rest))

    def test_executes_many_at_once_and_reports_each_once(self, tmp_path: Path) -> None:
        with self.opened(8) as (executor, host):
            started, held = Pipe(tmp_path, "started"), []
            gates = [Gate(tmp_path, f"gate{number}") for number in range(8)]
            for gate in gates:
                task, args = self.make_hold(started.path, gate.path)
                held.append(self.attempt(task, args, host=host))
                executor.start(held[-1])
            for _ in held:
                started.line()  # all eight are running now
            for gate in gates:
                gate.open()
            ended = [host.next_report() for _ in held]
            assert {id(attempt) for attempt in ended} == {id(attempt) for attempt in held}
            assert {attempt.outcome for attempt in ended} == {Outcome.OK}, ended[0].error
            again = self.value(host)[0]
            executor.start(again)
            assert host.next_report() is again
            assert set(host.counts.values()) == {1}

    def test_stops_a_running_attempt(self, tmp_path: Path) -> None:
        with self.opened(1) as (executor, host):
            started, gate = Pipe(tmp_path, "started"), Gate(tmp_path, "gate")
            task, args = self.make_hold(started.path, gate.path)
            attempt = self.attempt(task, args, host=host)
            executor.start(attempt)
            started.line()
            attempt.stop = Reason.USER
            if executor.stop(attempt, 5.0):
                assert host.next_report("a stopped attempt") is attempt
                assert attempt.outcome is Outcome.STOPPED
            else:  # it cannot be ended, so it is reported when it returns by itself
                assert not executor.traits.can_kill
                attempt.abandoned = True
                executor.abandon(attempt)
                gate.open()
                assert host.next_report("an abandoned attempt") is attempt
            following, is_right = self.value(host)
            executor.start(following)
            assert host.next_report("the attempt after a stopped one") is following
            assert is_right(following.value)
            assert host.counts == {attempt: 1, following: 1}

    def test_stops_an_attempt_that_hardly_started(self, tmp_path: Path) -> None:
        with self.opened(1) as (executor, host):
            started, gate = Pipe(tmp_path, "started"), Gate(tmp_path, "gate")
            task, args = self.make_hold(started.path, gate.path)
            attempt = self.attempt(task, args, host=host)
            attempt.stop = Reason.USER
            executor.start(attempt)
            stopped = executor.stop(attempt, 0.0)
            if not executor.traits.can_kill:
                started.line() if not stopped else None
                gate.open()
            assert host.next_report("a stopped attempt") is attempt
            if executor.traits.can_kill:
                assert attempt.outcome is Outcome.STOPPED
            following, is_right = self.value(host)
            executor.start(following)
            assert host.next_report() is following
            assert is_right(following.value)

    def test_stopping_what_has_ended_changes_nothing(self) -> None:
        with self.opened(1) as (executor, host):
            attempt, is_right = self.value(host)
            executor.start(attempt)
            host.next_report()
            executor.stop(attempt, 0.0)
            following = self.value(host)[0]
            executor.start(following)
            assert host.next_report() is following
            assert is_right(attempt.value)
            assert is_right(following.value)

    def test_close_leaves_no_thread_and_no_descriptor(self) -> None:
        self.use_once()  # imports, caches
        threads, descriptors = set(threading.enumerate()), _descriptors()
        self.use_once()
        for thread in set(threading.enumerate()) - threads:
            thread.join(WAIT_S)
            assert not thread.is_alive(), f"{thread} is left after close()"
        assert _descriptors() == descriptors

    def use_once(self) -> None:
        with self.opened() as (executor, host):
            executor.start(self.value(host)[0])
            host.next_report()

    def test_close_twice_and_without_use(self) -> None:
        executor = self.make_executor(1)
        executor.bind(RecordingHost())
        executor.close(0.0)
        executor.close(0.0)


class FunctionExecutorSuite(ExecutorSuite):
    """What holds for executors that call Python functions."""

    def make_task(self, fn: Callable[..., Any]) -> Task:
        return Task(fn.__name__, fn)

    def make_value(self) -> tuple[Task, tuple[Any, ...], Callable[[Any], bool]]:
        return self.make_task(tasks.echo), (1, "two"), lambda value: value == ((1, "two"), {})

    def make_failure(self) -> tuple[Task, tuple[Any, ...], str]:
        return self.make_task(tasks.fail), ("no luck",), "no luck"

    def make_hold(self, started: str, release: str) -> tuple[Task, tuple[Any, ...]]:
        return self.make_task(tasks.hold), (started, release)

    def ended(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Attempt:
        """Execute one attempt and return it, after checking that its slot is usable."""
        with self.opened(1) as (executor, host):
            attempt = self.attempt(self.make_task(fn), args, kwargs, host)
            executor.start(attempt)
            assert host.next_report(f"the end of {fn.__name__}") is attempt
            following, is_right = self.value(host)
            executor.start(following)
            assert host.next_report(f"the attempt after {fn.__name__}") is following
            assert is_right(following.value), following.error
            return attempt

    def test_passes_keyword_arguments(self) -> None:
        echo = self.make_value()[0].fn
        assert callable(echo)
        attempt = self.ended(echo, 1, two=[2], three=None)
        assert attempt.value == ((1,), {"two": [2], "three": None})

    def test_error_has_its_type_traceback_and_notes(self) -> None:
        task, args, _ = self.make_failure()
        assert callable(task.fn)
        attempt = self.ended(task.fn, *args)
        assert type(attempt.error) is ValueError
        assert getattr(attempt.error, "__notes__", None) == ["a note"]
        assert attempt.error.__traceback__ is not None or "in fail" in (attempt.trace or "")


class BlockingFunctionSuite(FunctionExecutorSuite):
    """What holds for executors that call plain functions, which may block."""

    def test_sys_exit_ends_only_the_attempt(self) -> None:
        attempt = self.ended(tasks.leave)
        assert attempt.outcome is Outcome.ERROR
        assert isinstance(attempt.error, SystemExit)
        assert attempt.error.code == 3

    def test_huge_argument_and_result(self) -> None:
        assert self.ended(tasks.megabytes, 50).value == b"x" * (50 << 20)
        data = b"y" * (50 << 20)
        assert self.ended(tasks.echo, data).value == ((data,), {})

    def test_progress_arrives_while_running(self, tmp_path: Path) -> None:
        with self.opened(1) as (executor, host):
            gate = Gate(tmp_path, "gate")
            attempt = self.attempt(self.make_task(tasks.tell_progress), (gate.path,))
            attempt.host = host
            executor.start(attempt)
            assert host.progresses.get(timeout=WAIT_S) == (1, 2, attempt.run.label)
            gate.open()
            assert host.next_report() is attempt
            assert attempt.outcome is Outcome.OK, attempt.error
            assert host.progresses.get_nowait() == (2, 2, "end")


class IsolatedFunctionSuite(BlockingFunctionSuite):
    """What holds when functions execute in processes of their own."""

    def test_unpicklable_argument_is_named(self) -> None:
        attempt = self.ended(tasks.echo, 1, threading.Lock())
        assert attempt.outcome is Outcome.ERROR
        assert isinstance(attempt.error, NotPicklable)
        for words in ("'echo'", "argument 2", "'lock'", "thread"):
            assert words in str(attempt.error)
        attempt = self.ended(tasks.echo, key=threading.Lock())
        assert "argument key=" in str(attempt.error)

    def test_unpicklable_function(self) -> None:
        lock = threading.Lock()
        attempt = self.ended(lambda: lock)
        assert isinstance(attempt.error, NotPicklable)
        assert "'<lambda>'" in str(attempt.error)

    def test_unpicklable_result(self) -> None:
        attempt = self.ended(tasks.make_lock)
        assert isinstance(attempt.error, NotPicklable)
        assert "'make_lock': its result (type 'lock')" in str(attempt.error)

    def test_unpicklable_error(self) -> None:
        for fn, words in ((tasks.fail_locked, "lock"), (tasks.fail_stubbornly, "this and that")):
            attempt = self.ended(fn)
            assert isinstance(attempt.error, RemoteError)
            assert attempt.error.type_name in ("ValueError", "Stubborn")
            assert words in str(attempt.error)
            assert f"in {fn.__name__}" in (attempt.trace or "")

    def test_dead_worker(self) -> None:
        attempt = self.ended(tasks.die)
        assert attempt.outcome is Outcome.CRASHED
        assert isinstance(attempt.error, Crashed)
        assert "exit code 7" in str(attempt.error)

    def test_huge_output(self, tmp_path: Path) -> None:
        with self.opened(1) as (executor, host):
            attempt = self.attempt(self.make_task(tasks.print_much), (20,), host=host)
            attempt.log = str(tmp_path / "log")
            executor.start(attempt)
            assert host.next_report() is attempt
            assert attempt.value == "done"
            assert (tmp_path / "log").stat().st_size == 20 * ((1 << 20) + 1)


def _descriptors() -> int:
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    return len(os.listdir(folder))
