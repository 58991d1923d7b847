"""What runs print is in files of their own, while they run."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from tests.durable.bench import Bench, eventually

pytestmark = [pytest.mark.needs("linux"), pytest.mark.timeout(90)]
PLAIN = ["said by print", "said to stderr", "said by logging"]
DEEP = ["said to the descriptor", "said by C", "said by a child"]


@pytest.mark.parametrize("executor", ["process", "thread"])
def test_readable_while_it_runs(bench: Bench, executor: str) -> None:
    deep = executor == "process"
    worker = bench.worker("--executor", executor)
    run = bench.submit("talk", "a", deep)
    bench.news()
    expected = PLAIN + DEEP * deep
    eventually(lambda: all(text in run.log() for text in expected))
    assert run.state == "running"
    stamped = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z .*said ")
    lines = run.log().splitlines()
    assert len(lines) == len(expected)
    assert all(stamped.match(line) for line in lines), lines
    bench.go("a")
    assert run.wait(20)
    worker.terminate()
    code, said = bench.end(worker)
    assert code == 0
    assert "said by print" not in said, "it goes to the run's own file"
    assert run.log().splitlines() == lines


def test_name_and_folder(bench: Bench) -> None:
    run = bench.app.tasks["talk"]
    before = time.gmtime()
    run = bench.submit("talk", "a", False)
    with bench.app.worker(1):
        bench.news()
        bench.go("a")
        assert run.wait(20)
    assert run.log_path is not None
    path = Path(run.log_path)
    found = re.fullmatch(r"task_(\d+)_talk_(\d{8}_\d{6})_(\d+)\.log", path.name)
    assert found, path.name
    assert int(found[3]) == run.id
    assert found[2] >= time.strftime("%Y%m%d_%H%M%S", before)
    day = found[2][:8]
    assert path.parent == Path(f"{bench.store}.d", "logs", f"{day[:4]}-{day[4:6]}-{day[6:]}")


@pytest.mark.parametrize("executor", ["process", "thread"])
def test_silence_costs_no_file(bench: Bench, executor: str) -> None:
    runs = bench.app.tasks["add"].map(range(10))
    assert bench.app.worker(2, executor).run(once=True) == 0
    assert [(run.log(), run.log_path) for run in runs] == [("", None)] * 10
    assert not list(Path(f"{bench.store}.d").rglob("*.log"))


def test_every_attempt_is_in_one_file(bench: Bench) -> None:
    import os
    import signal

    bench.worker()
    run = bench.submit("talk", "a", False)
    _, pid, _ = bench.news()
    os.kill(int(pid), signal.SIGKILL)
    bench.news()
    eventually(lambda: run.log().count("said by print") == 2)
    bench.go("a")
    assert run.wait(20)


def test_neighbours_do_not_mix(bench: Bench) -> None:
    """Threads of one worker, at the same time."""
    runs = [bench.submit("talk", name, False) for name in "abc"]
    quiet = bench.submit("hold", "d")
    with bench.app.worker(4, "thread"):
        for _ in "abcd":
            bench.news()
        for name in "abcd":
            bench.go(name)
        assert all(run.wait(20) for run in [*runs, quiet])
    assert [len(run.log().splitlines()) for run in runs] == [3, 3, 3]
    assert quiet.log_path is None
