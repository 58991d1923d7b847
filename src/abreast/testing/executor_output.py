"""What executors promise about what their attempts print; see :mod:`.executor_suite`.

Mix :class:`OutputSuite` into the class that tests your executor.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..domain.model import Attempt, Outcome, Task
from ..executors.runlog import RunLog
from .executor_suite import ExecutorSuite, RecordingHost

_STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*)")


class OutputSuite(ExecutorSuite):
    """What holds where the ``log`` of an attempt is a ``RunLog``."""

    def make_print(self, text: str) -> tuple[Task, tuple[Any, ...]]:
        """Return a task that prints a text and a line break."""
        raise NotImplementedError

    def make_silence(self) -> tuple[Task, tuple[Any, ...]]:
        """Return a task that prints nothing; by default the one that returns a value."""
        task, args, _ = self.make_value()
        return task, args

    def printing(self, host: RecordingHost, path: Path, text: str) -> Attempt:
        task, args = self.make_print(text)
        attempt = self.attempt(task, args, host=host)
        self.lead(attempt, path)
        return attempt

    def lead(self, attempt: Attempt, path: Path) -> None:
        there: Any = attempt
        there.log = RunLog(str(path))

    def test_output_is_complete_when_an_attempt_is_reported(self, tmp_path: Path) -> None:
        with self.opened(1) as (executor, host):
            attempt = self.printing(host, tmp_path / "day" / "log", "one\ntwo")
            executor.start(attempt)
            assert host.next_report() is attempt
            assert attempt.outcome is Outcome.OK, attempt.error
            assert _lines(tmp_path / "day" / "log") == ["one", "two"]

    def test_each_attempt_has_its_own_output(self, tmp_path: Path) -> None:
        with self.opened(2) as (executor, host):
            attempts = [
                self.printing(host, tmp_path / str(number), f"text {number}")
                for number in range(40)
            ]
            host.following.extend(attempts[2:])
            for attempt in attempts[:2]:
                executor.start(attempt)
            for _ in attempts:
                host.next_report()
            for number in range(40):
                assert _lines(tmp_path / str(number)) == [f"text {number}"]

    def test_an_attempt_that_prints_nothing_makes_no_file(self, tmp_path: Path) -> None:
        with self.opened(1) as (executor, host):
            task, args = self.make_silence()
            attempt = self.attempt(task, args, host=host)
            self.lead(attempt, tmp_path / "day" / "log")
            executor.start(attempt)
            host.next_report()
            assert attempt.outcome is Outcome.OK, attempt.error
            assert not (tmp_path / "day").exists()


def _lines(path: Path) -> list[str]:
    """Return the lines of a log without their times, which are checked."""
    found = [_STAMPED.fullmatch(line) for line in path.read_text().splitlines()]
    assert all(found), path.read_text()
    return [match[1] for match in found if match is not None]
