"""What runs in threads and coroutines print and log reaches their logs, by context."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.executors import output_tasks as tasks
from tests.executors.conftest import Bench

from abreast.context import attempt_here
from abreast.domain.model import Attempt
from abreast.executors.coroutine import CoroutineExecutor
from abreast.executors.streams import Routed
from abreast.executors.thread import ThreadExecutor
from abreast.interfaces.output import Spools, routed
from abreast.testing.executor_suite import RecordingHost


class Hand(deque[Attempt]):
    freed = False


class HandHost(RecordingHost):
    def finished(self, attempt: Attempt) -> None:
        self.report(attempt)

    def next_hand(self, hand: Any) -> None:
        return None


class ThreadBench(Bench):
    def __init__(self, folder: Path) -> None:
        super().__init__(ThreadExecutor(2), folder)
        self.host = HandHost()
        self.executor.bind(self.host)

    def start(self, fn: Any, *args: Any, **how: Any) -> Attempt:
        attempt = self.attempt(fn, *args, **how)
        self.executor.start(Hand([attempt]))
        return attempt


@pytest.fixture
def threads(tmp_path: Path) -> Iterator[ThreadBench]:
    bench = ThreadBench(tmp_path)
    yield bench
    bench.executor.close(1.0)


@pytest.fixture
def coroutines(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(CoroutineExecutor(), tmp_path)
    yield bench
    bench.executor.close(1.0)


def print_by_context() -> None:
    print("printed", "in", "pieces")
    print("to stderr", file=sys.stderr)
    sys.stdout.buffer.write(b"as bytes\n")
    sys.stdout.write("grüße\n")


def test_a_thread_prints_to_the_log_of_its_run(threads: Any, logs: Any, capsys: Any) -> None:
    before = sys.stdout, sys.stderr
    threads.run(print_by_context, log=logs.new())
    assert logs.lines() == ["printed in pieces", "to stderr", "as bytes", "grüße"]
    threads.run(tasks.say, "no log")
    print("outside")
    threads.executor.close(1.0)
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("no log\noutside\n", "")


def test_silent_runs_make_no_file(threads: Any, coroutines: Any, logs: Any) -> None:
    threads.run(tasks.nothing, log=logs.new())
    coroutines.run(silent, log=logs.new())
    assert not logs.folder.exists()


async def silent() -> None:
    pass


def test_a_prompt_is_shown_and_the_end_is_never_lost(threads: Any, logs: Any) -> None:
    pipe, gate = threads.pipe(), threads.gate()
    threads.start(tasks.prompt, pipe.path, gate.path, log=logs.new())
    pipe.line()
    assert logs.lines() == ["before", "your name? "]
    gate.open()
    threads.host.next_report()
    threads.run(sys.stdout.write, "half", log=logs.new("half"))
    assert logs.lines() == ["before", "your name? x"]


def say_half() -> None:
    print("half", end="")


def test_the_last_line_may_be_unfinished(threads: Any, logs: Any) -> None:
    for _ in range(2):
        threads.run(say_half, log=logs.new())
    assert logs.lines() == ["half", "half"]


def test_coroutines_are_told_apart(coroutines: Any, logs: Any) -> None:
    marks = [f"mark{number}" for number in range(50)]
    for mark in marks:
        coroutines.start(tasks.prompt_awaiting, mark, log=logs.new(mark))
    for _ in marks:
        assert coroutines.host.next_report().error is None
    for mark in marks:
        assert logs.lines(mark) == [
            f"{mark} one",
            f"{mark} two",
            f"{mark} three",
            f"WARNING:tests.output:{mark} four",
        ]


@contextlib.contextmanager
def bare_logging() -> Iterator[logging.Logger]:
    """The root logger as it is before anybody configures it; pytest's handlers are put aside."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    root.setLevel(logging.WARNING)
    try:
        yield root
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def test_records_of_a_run_are_in_its_log(threads: Any, logs: Any, capsys: Any) -> None:
    with bare_logging() as root:
        threads.run(tasks.log_at_every_level, log=logs.new())
        logging.getLogger("elsewhere").info("not shown")
        logging.getLogger("elsewhere").warning("as ever")
        threads.executor.close(1.0)
        assert root.handlers == []
        assert root.level == logging.WARNING
    assert logs.lines()[:3] == [
        "INFO:tests.output:info 1",
        "WARNING:root:warning",
        "ERROR:tests.output:trouble",
    ]
    assert capsys.readouterr().err == "as ever\n"


def test_records_go_to_handlers_of_the_user_too(threads: Any, logs: Any) -> None:
    mine = io.StringIO()
    with bare_logging() as root:
        root.addHandler(logging.StreamHandler(mine))
        threads.run(tasks.log_at_every_level, log=logs.new())
        threads.executor.close(1.0)
    assert mine.getvalue().startswith("warning\ntrouble\n")
    assert logs.lines()[:2] == ["WARNING:root:warning", "ERROR:tests.output:trouble"]


def test_records_that_are_printed_are_logged_once(threads: Any, logs: Any) -> None:
    with bare_logging() as root:
        threads.run(tasks.nothing, log=logs.new("silent"))
        assert isinstance(sys.stderr, Routed)
        root.addHandler(logging.StreamHandler(sys.stderr))
        root.setLevel(logging.WARNING)
        threads.run(tasks.log_at_every_level, log=logs.new())
        threads.executor.close(1.0)
    assert logs.lines()[:2] == ["warning", "trouble"]


def test_it_goes_together_with_the_capture_of_a_runner(
    threads: Any, logs: Any, tmp_path: Path, capsys: Any
) -> None:
    spools = Spools(str(tmp_path))
    for number in range(2):  # ours inside theirs, then theirs inside ours
        with routed(spools):
            threads.run(tasks.say, "to the log", log=logs.new(f"{number}"))
            captured = threads.run(tasks.say, "to the capture")
            print("outside")
        assert logs.lines(f"{number}") == ["to the log"]
        assert b"".join(spools.take(captured.run)) == b"to the capture\n"
    assert capsys.readouterr().out == "outside\noutside\n"


def test_two_executors_share_one_routing(threads: Any, coroutines: Any, logs: Any) -> None:
    before = sys.stdout
    threads.run(tasks.say, "one", log=logs.new("one"))
    ours = sys.stdout
    coroutines.run(tasks.prompt_awaiting, "two", log=logs.new("two"))
    assert sys.stdout is ours
    threads.executor.close(1.0)
    assert sys.stdout is ours
    coroutines.executor.close(1.0)
    assert sys.stdout is before


def redirect() -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        print("redirected")
    print("not redirected")
    return text.getvalue()


def test_a_task_may_redirect(threads: Any, logs: Any) -> None:
    assert threads.run(redirect, log=logs.new()).value == "redirected\n"
    assert logs.lines() == ["not redirected"]


def print_after_the_end(gate: str) -> None:
    import contextvars

    def late() -> None:
        with open(gate) as file:
            file.readline()
        print("late")

    threading.Thread(target=contextvars.copy_context().run, args=(late,), name="late").start()
    print("in time")


def test_what_a_thread_left_behind_prints_is_appended(threads: Any, logs: Any) -> None:
    gate = threads.gate()
    threads.run(print_after_the_end, gate.path, log=logs.new())
    assert logs.lines() == ["in time"]
    gate.open()
    for thread in threading.enumerate():
        if thread.name == "late":
            thread.join(10)
    assert logs.lines() == ["in time", "late"]


def test_a_log_is_no_reason_to_keep_an_attempt(threads: Any, logs: Any) -> None:
    threads.run(tasks.say, "x", log=logs.new())
    assert attempt_here.get() is None
    gc.collect()
    assert logs.lines() == ["x"]
