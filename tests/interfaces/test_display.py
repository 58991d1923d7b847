"""Lines on a pipe, records of a logger, and what must never happen to the runs themselves."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
import threading

import pytest

from abreast import Retry, Runner
from abreast.interfaces.display import Display, can_be_live, open_display
from abreast.interfaces.display_plain import MOST_LINES, PlainView


def give(value: object = None) -> object:
    return value


def fail(text: str = "no luck") -> None:
    raise ValueError(text)


def shown(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run with standard error as a file; return what was written, without times of day."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    runner.run()
    monkeypatch.undo()
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in stream.getvalue().splitlines()]


def bare(lines: list[str]) -> list[str]:
    """Durations differ from run to run."""
    return [re.sub(r"\d[\d.]* m?s\b", "T", line) for line in lines]


def test_one_line_per_change_and_one_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(1, progress="plain", name="night")
    first = runner.add(give, label="fetch")
    bad = runner.add(fail, label="clean", after=first)
    runner.add(give, bad, label="load")
    assert bare(shown(runner, monkeypatch)) == [
        "start     fetch",
        "done      fetch (T)",
        "start     clean",
        "failed    clean (T): ValueError: no luck",
        (
            "skipped   load (dependency): 'load' did not start: 'clean', which it comes after, "
            "ended failed(error)"
        ),
        "night: 3 runs in T: 1 completed, 1 failed, 1 skipped",
    ]


def test_retries_timeouts_and_cancelled_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless() -> None:
        import asyncio

        await asyncio.Event().wait()

    runner = Runner(1, progress="plain")
    runner.add(fail, retry=Retry(1), label="again")
    runner.add(endless, timeout=0.01, label="long")
    runner.add(lambda: runner.cancel("unwanted"), priority=1)
    runner.add(give, label="unwanted")
    lines = bare(shown(runner, monkeypatch))
    assert "cancelled unwanted (user)" in lines
    assert "retry     again in T, after ValueError: no luck" in lines
    assert "start     again" in lines
    assert "start     again (attempt 2)" in lines
    assert any(re.match(r"failed    long \(T, timeout\): ", line) for line in lines)


def test_labels_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(1, progress="plain")
    runner.add(fail, "first\nsecond\x1b[2J", label="up\x1b[A\nand away")
    lines = shown(runner, monkeypatch)
    assert len(lines) == 3
    assert not any("\x1b" in line for line in lines)


def test_auto_on_a_pipe_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    runner = Runner(1)
    runner.add(give)
    lines = shown(runner, monkeypatch)
    assert len(lines) == 3
    assert not any("\x1b" in line for line in lines)


def test_nothing_is_shown_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(1, progress=False)
    runner.add(give)
    assert shown(runner, monkeypatch) == []


def test_without_standard_error_there_is_nothing_to_show() -> None:
    assert open_display(Runner(progress=False), "auto", None, None) is None


def test_no_runs_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(Runner(progress="plain"), monkeypatch) == []


def test_too_many_lines_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(4, progress="plain")
    runner.map(give, range(400))
    lines = shown(runner, monkeypatch)
    written = [line for line in lines if line.startswith(("start", "done"))]
    assert MOST_LINES <= len(written) <= 4 * MOST_LINES
    rest = "\n".join(line for line in lines if line.startswith("…"))
    counted = sum(map(int, re.findall(r"(\d+) done", rest)))
    assert counted + sum(line.startswith("done") for line in written) == 400


def test_of_very_many_runs_only_failures_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(4, progress="plain", name="many")
    runner.map(give, range(1500))
    runner.map(fail, ["one", "two"])
    lines = shown(runner, monkeypatch)
    assert sum(line.startswith("failed") for line in lines) == 2
    assert not any(line.startswith(("start", "done")) for line in lines)
    assert re.fullmatch(r"many: 1,502 runs in .*: 1,500 completed, 2 failed", lines[-1])


def test_a_summary_every_few_seconds() -> None:
    runner = Runner(4, progress=False)
    runner.map(give, range(1500))
    stream = io.StringIO()
    view = PlainView(runner, stream)
    seen: list[object] = []

    class Ear:
        def on_changes(self, changes: object) -> None:
            seen.extend(changes)  # type: ignore[call-overload]

    runner.listen(Ear())
    runner.run()
    wait = view.show(seen[:100], 100.0)  # type: ignore[arg-type]
    assert stream.getvalue() == ""
    assert wait == pytest.approx(5.0)
    assert view.show([], 105.1) is None
    assert stream.getvalue().endswith("1,500 runs: 1,500 completed\n")


def test_a_logger_gets_one_record_per_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "night")
    runner = Runner(1, logger=logging.getLogger("night"), name="night")
    runner.add(give, label="fine")
    bad = runner.add(fail, label="bad", retry=1)
    runner.add(give, bad, label="never")
    runner.run()
    told = [(r.levelname, re.sub(r"\d[\d.]* m?s\b", "T", r.getMessage())) for r in caplog.records]
    assert ("INFO", "fine completed (T)") in told
    assert ("WARNING", "bad is tried again: ValueError: no luck") in told
    assert ("ERROR", "bad failed(error): ValueError: no luck") in told
    assert told[-1] == ("INFO", "night: 3 runs in T: 1 completed, 1 failed, 1 skipped")
    assert len(told) == 5


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_reader_that_has_gone_harms_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for stream in (Broken(), io.StringIO()):
        if not isinstance(stream, Broken):
            stream.close()
        monkeypatch.setattr(sys, "stderr", stream)
        runner = Runner(2, progress="plain")
        runner.map(give, range(20))
        assert runner.run().ok
        monkeypatch.undo()
    assert not caplog.records


def test_a_view_that_fails_is_logged_and_over(caplog: pytest.LogCaptureFixture) -> None:
    called = threading.Event()

    class Bad:
        def show(self, changes: object, now: float) -> None:
            called.set()
            raise RuntimeError("oops")

        def finish(self) -> None:
            raise AssertionError

    display = Display(Bad())
    display.on_changes([])
    assert called.wait(10)
    display.close()
    display.close()
    display.on_changes([])
    assert "the display failed" in caplog.text


def test_the_display_sleeps_while_nothing_changes() -> None:
    """Between two changes nothing polls, however long a run takes."""
    calls: list[int] = []
    two = threading.Event()

    class Counting:
        def show(self, changes: list[object], now: float) -> None:
            calls.append(len(changes))
            if sum(calls) >= 4:
                two.set()

        def finish(self) -> None: ...

    async def a_while() -> None:
        import asyncio

        await asyncio.sleep(0.5)

    display = Display(Counting())
    runner = Runner(1, progress=False)
    runner.listen(display)
    runner.add(a_while)
    runner.run()
    display.close()
    assert len(calls) <= 5


def program(code: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=env | environment, timeout=60
    )


def test_a_posix_locale_shows_ascii() -> None:
    code = (
        "from abreast import Runner\n"
        "r = Runner(1)\n"
        "r.add(int, label='gr\\u00f6\\u00dfe \\u65e5')\n"
        "r.add(int, 'x\\u2603', label='bad')\n"
        "print(r.run().table())\n"
    )
    quiet = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = program(code, **quiet, PYTHONIOENCODING="ascii:strict")
    assert done.returncode == 0, done.stderr
    done.stderr.decode("ascii")
    assert b"gr\\xf6\\xdfe \\u65e5" in done.stderr
    assert b"gr\\xf6\\xdfe \\u65e5" in done.stdout
    assert b"Traceback" not in done.stderr


def test_a_runner_that_nobody_closes_still_ends_its_lines() -> None:
    code = (
        "from abreast import Runner\nr = Runner(1, name='open')\nr.add(int)\nr.start(); r.wait()\n"
    )
    done = program(code)
    assert done.returncode == 0, done.stderr
    assert b"open: 1 run in" in done.stderr.splitlines()[-1]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("term", "live"), [("xterm", True), ("dumb", False), ("unknown", False)])
def test_which_terminals_can_be_live(
    term: str, live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    assert can_be_live(Terminal()) is live
    assert not can_be_live(io.StringIO())
