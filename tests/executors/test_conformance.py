"""Every executor of ours against the public conformance suite."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from abreast.domain.command import Command
from abreast.domain.model import Attempt, Task
from abreast.executors.command import CommandExecutor
from abreast.executors.coroutine import CoroutineExecutor
from abreast.executors.process import ProcessExecutor
from abreast.executors.thread import ThreadExecutor
from abreast.ports import Executor, Host
from abreast.testing import executor_tasks as tasks
from abreast.testing.executor_output import OutputSuite
from abreast.testing.executor_suite import (
    BlockingFunctionSuite,
    FunctionExecutorSuite,
    IsolatedFunctionSuite,
)


class Hand(deque[Attempt]):
    freed = False


class OneAtATime:
    """A thread executor takes hands of attempts; the suite gives one attempt at a time."""

    name, traits = ThreadExecutor.name, ThreadExecutor.traits

    def __init__(self, size: int) -> None:
        self.inner: Any = ThreadExecutor(size)
        self.hands: dict[Attempt, Hand] = {}
        self.stop, self.resize, self.close = self.inner.stop, self.inner.resize, self.inner.close

    def bind(self, host: Host) -> None:
        following: dict[int, Attempt | None] = {}

        class Adapter:
            now = host.now
            progress = host.progress

            def finished(_, attempt: Attempt) -> None:
                following[id(self.hands.pop(attempt))] = host.report(attempt)

            def next_hand(_, hand: Hand) -> Hand | None:
                attempt = following.pop(id(hand))
                return None if attempt is None else self.hand(attempt)

        self.inner.bind(Adapter())

    def hand(self, attempt: Attempt) -> Hand:
        hand = self.hands[attempt] = Hand((attempt,))
        return hand

    def start(self, attempt: Attempt) -> None:
        self.inner.start(self.hand(attempt))

    def abandon(self, attempt: Attempt) -> None:
        self.hands[attempt].freed = True
        self.inner.abandon(attempt)


class Printing(OutputSuite, FunctionExecutorSuite):
    def make_print(self, text: str) -> tuple[Task, tuple[Any, ...]]:
        return self.make_task(tasks.say), (text,)


class TestThread(Printing, BlockingFunctionSuite):
    def make_executor(self, size: int) -> Executor:
        return OneAtATime(size)


class TestCoroutine(Printing):
    def make_executor(self, size: int) -> Executor:
        return CoroutineExecutor()

    def make_value(self) -> tuple[Task, tuple[Any, ...], Callable[[Any], bool]]:
        task = self.make_task(tasks.echo_awaiting)
        return task, (1, "two"), lambda value: value == ((1, "two"), {})

    def make_failure(self) -> tuple[Task, tuple[Any, ...], str]:
        return self.make_task(tasks.fail_awaiting), ("no luck",), "no luck"

    def make_hold(self, started: str, release: str) -> tuple[Task, tuple[Any, ...]]:
        return self.make_task(tasks.hold_awaiting), (started, release)

    def make_print(self, text: str) -> tuple[Task, tuple[Any, ...]]:
        return self.make_task(tasks.say_awaiting), (text,)


class TestProcess(Printing, IsolatedFunctionSuite):
    def make_executor(self, size: int) -> Executor:
        return ProcessExecutor(size)


class TestFreshProcess(TestProcess):
    def make_task(self, fn: Callable[..., Any]) -> Task:
        return Task(fn.__name__, fn, fresh=True)


class TestProcessWithCoroutines(TestCoroutine):
    def make_executor(self, size: int) -> Executor:
        return ProcessExecutor(size)


class TestCommand(OutputSuite):
    def make_executor(self, size: int) -> Executor:
        return CommandExecutor(size)

    def make_value(self) -> tuple[Task, tuple[Any, ...], Callable[[Any], bool]]:
        task = Task("echo", Command("echo", "one"))
        return task, ("two",), lambda result: bool(result.stdout == "one two\n")

    def make_failure(self) -> tuple[Task, tuple[Any, ...], str]:
        return Task("fail", Command(shell="echo no luck >&2; exit 7")), (), "code 7: no luck"

    def make_hold(self, started: str, release: str) -> tuple[Task, tuple[Any, ...]]:
        line = "echo $$ > $1; read line < $2"
        return Task("hold", Command(shell=line)), (started, release)

    def make_print(self, text: str) -> tuple[Task, tuple[Any, ...]]:
        return Task("say", Command("printf", "%s\n")), (text,)

    def make_silence(self) -> tuple[Task, tuple[Any, ...]]:
        return Task("true", Command("true")), ()
