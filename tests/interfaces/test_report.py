"""The report of a runner: what it answers, raises, prints and writes."""

from __future__ import annotations

import json
import threading
from datetime import datetime

import pytest

from abreast import Report, Retry, Runner, State, errors


def give(value: object = None) -> object:
    return value


def add_one(number: int) -> int:
    return number + 1


def fail(text: str = "no luck") -> None:
    raise ValueError(text)


def mixed() -> Report:
    """Two that complete, one that fails, one skipped because of it."""
    runner = Runner(2, progress=False, name="mixed")
    first = runner.add(give, 1, label="first")
    runner.add(add_one, first, label="second")
    bad = runner.add(fail, label="bad")
    runner.add(give, bad, label="never")
    return runner.run()


def test_it_is_a_mapping_in_order_of_adding() -> None:
    report = mixed()
    assert list(report) == ["first", "second", "bad", "never"]
    assert report["second"].value == 2
    assert len(report) == 4
    assert "bad" in report
    assert "elsewhere" not in report
    with pytest.raises(KeyError):
        report["elsewhere"]


def test_questions() -> None:
    report = mixed()
    assert not report.ok
    assert report.done
    assert [run.label for run in report.failed] == ["bad"]
    assert report.counts == {State.COMPLETED: 2, State.FAILED: 1, State.SKIPPED: 1}
    assert report.started is not None
    assert report.ended is not None
    assert report.seconds == pytest.approx(report.ended - report.started)
    assert report.name == "mixed"
    assert not report.interrupted


def test_an_empty_report_is_fine() -> None:
    report = Runner(progress=False).run()
    assert report.ok
    report.raise_for_failure()
    assert report.counts == {}
    assert report.ended is None
    assert report.seconds == 0.0
    assert report.critical_path == []
    assert report.table() == "Runner: no runs"
    assert json.loads(report.to_trace())["traceEvents"] == []


def test_raise_for_failure_names_the_runs_and_leaves_out_what_followed() -> None:
    report = mixed()
    with pytest.raises(ExceptionGroup) as caught:
        report.raise_for_failure()
    assert caught.value.message == "mixed: 2 of 4 runs did not complete"
    (error,) = caught.value.exceptions
    assert isinstance(error, ValueError)
    assert error.__notes__ == ["run: bad"]
    with pytest.raises(ExceptionGroup):  # once more: the note is not added again
        report.raise_for_failure()
    assert error.__notes__ == ["run: bad"]


def test_raise_for_failure_after_success_does_nothing() -> None:
    runner = Runner(progress=False)
    runner.add(give)
    runner.run().raise_for_failure()


def test_runs_without_an_exception_get_one() -> None:
    runner = Runner(progress=False)
    runner.add(give, label="early").cancel()
    with pytest.raises(ExceptionGroup) as caught:
        runner.run().raise_for_failure()
    (error,) = caught.value.exceptions
    assert isinstance(error, errors.Cancelled)
    assert str(error) == "'early' ended cancelled(user)"


def test_an_exit_in_a_task_does_not_end_the_program() -> None:
    def leave() -> None:
        raise SystemExit(3)

    runner = Runner(progress=False)
    runner.add(leave)
    with pytest.raises(ExceptionGroup) as caught:
        runner.run().raise_for_failure()
    (error,) = caught.value.exceptions
    assert isinstance(error, errors.RunError)
    assert isinstance(error.__cause__, SystemExit)


def test_failures_come_before_cancelled_runs() -> None:
    started = threading.Event()
    runner = Runner(2, progress=False, fail_fast=True)

    def late_failure() -> None:
        started.wait()
        fail()

    async def endless() -> None:
        import asyncio

        started.set()
        await asyncio.Event().wait()

    runner.add(endless)
    runner.add(late_failure)
    with pytest.raises(ExceptionGroup) as caught:
        runner.run().raise_for_failure()
    kinds = [type(error) for error in caught.value.exceptions]
    assert kinds[0] is ValueError
    assert len(kinds) == 2


def test_critical_path_goes_back_through_the_parent_that_ended_last() -> None:
    gate = threading.Event()
    runner = Runner(3, progress=False)
    quick = runner.add(gate.set, label="quick")
    slow = runner.add(gate.wait, label="slow", after=quick)
    other = runner.add(give, label="other")
    runner.add(give, label="end", after=[other, slow, quick])
    report = runner.run()
    assert [run.label for run in report.critical_path] == ["quick", "slow", "end"]


# --- the table ---


def test_table_aligns_and_ends_with_failures() -> None:
    lines = mixed().table(encoding="utf-8").splitlines()
    assert lines[0].split() == ["Run", "Ended", "Wait", "Time", "Tries"]
    assert lines[2].startswith("✓  first")
    assert lines[4].startswith("◇  never")
    assert lines[5].startswith("✕  bad")
    assert lines[5].endswith("ValueError: no luck")
    assert "2 completed, 1 failed, 1 skipped" in lines[-1]
    assert lines[2].index("completed") == lines[5].index("failed")


def test_table_is_ascii_where_it_must_be() -> None:
    runner = Runner(progress=False)
    runner.add(fail, "naïve – ☃", label="größe")
    runner.add(give, label="日本")
    text = runner.run().table(encoding="ascii")
    text.encode("ascii")
    assert "gr\\xf6\\xdfe" in text


def test_table_neither_obeys_control_characters_nor_breaks_its_lines() -> None:
    runner = Runner(progress=False)
    runner.add(fail, "one\ntwo\x1b[2J", label="bell\x07\nnext")
    text = runner.run().table(encoding="utf-8")
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "one two\\x1b[2J" in text
    assert len(text.splitlines()) == 5


def test_table_of_very_many_runs_has_a_row_per_task() -> None:
    runner = Runner(4, progress=False)
    runner.map(give, range(300))
    runner.map(fail, [f"reason {number}" for number in range(60)])
    lines = runner.run().table(encoding="utf-8").splitlines()
    assert len(lines) < 70
    assert lines[2].split()[:3] == ["give", "300", "300"]
    assert "… 10 more runs that did not complete, then:" in lines
    assert "reason 59" in lines[-3]


def test_wide_characters_take_two_columns() -> None:
    runner = Runner(progress=False)
    runner.add(give, label="日本")
    runner.add(give, label="four")
    lines = runner.run().table(encoding="utf-8").splitlines()
    assert lines[2].index("completed") + 2 == lines[3].index("completed")


# --- as data ---


class Stubborn:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def test_to_dict_is_json_whatever_the_results_are() -> None:
    runner = Runner(progress=False)
    runner.map(give, [Stubborn(), float("nan"), 10**5000, b"x" * 10_000, {1: 2}, [1, {"a": None}]])
    runner.add(give, "\udc80 surrogate")
    report = runner.run()
    runs = json.loads(json.dumps(report.to_dict(), allow_nan=False))["runs"]
    results = [run["result"] for run in runs]
    assert results[0] == "<Stubborn, whose repr raised RuntimeError>"
    assert results[1] == "nan"
    assert len(results[3]) == 2000
    assert results[4] == "{1: 2}"
    assert results[5] == [1, {"a": None}]


def test_to_dict_tells_times_errors_and_attempts() -> None:
    tries: list[int] = []

    def third_time_lucky() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("reset")
        return "there"

    runner = Runner(progress=False, name="told")
    lucky = runner.add(third_time_lucky, retry=Retry(4))
    runner.add(fail, label="bad", after=lucky)
    told = runner.run().to_dict()
    assert told["ok"] is False
    assert told["counts"] == {"completed": 1, "failed": 1}
    first, bad = told["runs"]
    assert first["attempts"] == 3
    assert [past["error"] for past in first["history"]] == [
        {"type": "ConnectionError", "message": "reset"}
    ] * 2
    assert first["result"] == "there"
    started = datetime.fromisoformat(first["started"])
    assert started.utcoffset() is not None
    assert first["started"][-13] == "."  # microseconds
    assert bad["error"]["type"] == "ValueError"
    assert "in fail" in bad["error"]["traceback"]
    assert bad["after"] == ["third_time_lucky"]
    assert bad["executor"] == "thread"
    assert bad["run_seconds"] >= 0


def test_before_the_end_it_shows_the_present() -> None:
    gate, begun = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        gate.wait()

    runner = Runner(1, progress=False)
    held = runner.add(hold)
    runner.add(give, after=held)
    runner.start()
    begun.wait()
    report = runner.report
    assert not report.done
    assert not report.ok
    assert report.ended is None
    assert report.seconds > 0
    assert "1 running, 1 blocked" in report.table()
    with pytest.raises(ExceptionGroup):
        report.raise_for_failure()
    json.dumps(report.to_dict())
    json.loads(report.to_trace())
    assert "had not ended" in report.to_html()
    gate.set()
    runner.wait()
    runner.close()
    assert runner.report.ok
