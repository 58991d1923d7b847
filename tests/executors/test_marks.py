"""Marks of runs that have begun: readable by others, also after kill -9."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from abreast.domain.command import Command
from abreast.domain.model import Attempt, Run, Task
from abreast.executors.command import CommandExecutor
from abreast.executors.coroutine import CoroutineExecutor
from abreast.executors.marks import LATER, Marks, Places, Turns, read_marks
from abreast.executors.process import ProcessExecutor
from abreast.executors.thread import ThreadExecutor
from abreast.testing import executor_tasks as tasks
from abreast.testing.executor_suite import Gate, Pipe, RecordingHost

ROOT = Path(__file__).resolve().parent.parent.parent


def test_marks_are_seen_by_who_reads_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "marks")
    assert read_marks(path) == set()
    marks = Marks(path, 4)
    assert os.stat(path).st_mode & 0o777 == 0o600
    first = marks.block(3)
    marks.begin(first, 7)
    marks.begin(first + 2, 2**62)
    assert read_marks(path) == {7, 2**62}
    marks.clear(first)
    more = marks.block(10_000)  # larger than the file was
    assert more == first + 3
    marks.begin(more + 9_999, 8)
    assert read_marks(path) == {2**62, 8}
    marks.close()
    marks.close()
    assert read_marks(path) == {2**62, 8}
    assert Marks(path).block(1) == 0
    assert read_marks(path) == set()


def test_a_mark_stays_until_many_later_runs_have_begun(tmp_path: Path) -> None:
    path = str(tmp_path / "marks")
    marks = Marks(path, 1)
    turns = Turns(marks)
    for number in range(1, LATER + 11):
        turns.begin(number)
    assert read_marks(path) == set(range(11, LATER + 11))
    places = Places(marks)
    long = places.begin(1000)
    for number in range(1001, 1301):
        places.end(places.begin(number))
    found = {number for number in read_marks(path) if number >= 1000}
    assert found >= {1000, *range(1301 - LATER, 1301)}  # what runs, and what ended lately
    assert len(found) <= LATER + 3
    places.end(long)


@pytest.mark.needs("linux")
def test_marks_outlive_kill_9(tmp_path: Path) -> None:
    path = str(tmp_path / "marks")
    code = (
        "import os, sys\nfrom abreast.executors.marks import Marks\nmarks = Marks(sys.argv[1])\n"
        "marks.begin(marks.block(1), 41)\nmarks.begin(marks.block(1), 42)\nos.kill(os.getpid(), 9)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code, path], env=env)
    assert done.returncode == -9
    assert read_marks(path) == {41, 42}


class Hand(deque[Attempt]):
    freed = False


class HandHost(RecordingHost):
    def finished(self, attempt: Attempt) -> None:
        self.report(attempt)

    def next_hand(self, hand: Any) -> None:
        return None


def executors(marks: Marks) -> list[tuple[Any, Any]]:
    line = Command(shell="echo $$ > $1; read line < $2")
    return [
        (ThreadExecutor(1, marks), tasks.hold),
        (CoroutineExecutor(marks), tasks.hold_awaiting),
        (ProcessExecutor(1, marks=marks), tasks.hold),
        (CommandExecutor(1, marks=marks), line),
    ]


@pytest.mark.needs("linux")
@pytest.mark.parametrize("which", range(4))
def test_executors_mark_what_they_execute(tmp_path: Path, which: int) -> None:
    path = str(tmp_path / "marks")
    marks, host = Marks(path), HandHost()
    executor, fn = executors(marks)[which]
    executor.bind(host)
    started, gate = Pipe(tmp_path, "started"), Gate(tmp_path, "gate")
    args = started.path, gate.path
    attempt = Attempt(Run(77, Task("hold", fn), args, {}, 0.0), 1, args, {}, host)
    assert read_marks(path) == set()
    executor.start(Hand([attempt]) if which == 0 else attempt)
    try:
        started.line()
        assert read_marks(path) == {77}
        gate.open()
        host.next_report()
        assert read_marks(path) == {77}  # its end may not be written down yet
    finally:
        executor.close(1.0)
        marks.close()
