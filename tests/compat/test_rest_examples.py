"""The two client programs print what people know them to print."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .rest_service import EXAMPLES, PASSWORD, USER, Service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service")) as found:
        yield found


def run(program: str, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "utf8", str(EXAMPLES / program), *words],
        capture_output=True, encoding="utf-8", timeout=100, cwd=EXAMPLES,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def at(service: Service) -> list[str]:
    return ["--url", service.url, "--user", USER, "--password", PASSWORD]


JOBS = r"""
📤 Starting multiple jobs \(NOT waiting for each to finish\)...

\[\d\d:\d\d:\d\d\.\d{3}\] Starting Job 1 for video: abc123
             ✅ Job 1 created: \d+...
\[\d\d:\d\d:\d\d\.\d{3}\] Starting Job 2 for video: abc123
             ✅ Job 2 created: \d+...
\[\d\d:\d\d:\d\d\.\d{3}\] Starting Job 3 for video: abc123
             ✅ Job 3 created: \d+...

✨ All 3 jobs started in ~\d\.\d seconds!

📊 Monitoring all jobs simultaneously...
(?P<polls>(?:
\[Poll #\d+\] - \d\d:\d\d:\d\d
(?:Job  \d  \d+\.\.\. +(?:pending|running|completed) +\d+% +[^\n]+
){3})+)
✅ All 3 jobs completed!

💡 Key Insight: All jobs ran CONCURRENTLY, not sequentially!
"""


def check_jobs(said: str) -> None:
    found = re.fullmatch(JOBS.lstrip("\n"), said)
    assert found, said
    polls = found["polls"].strip().split("\n\n")
    assert [re.findall(r"#(\d+)", poll) for poll in polls] == [
        [str(number)] for number in range(1, len(polls) + 1)
    ]
    assert any(poll.count("  running ") == 3 for poll in polls), "all three at the same time"
    columns = [re.findall(r"(running|completed|pending) +(\d+)%", poll) for poll in polls]
    for job in range(3):
        percents = [int(poll[job][1]) for poll in columns]
        assert percents == sorted(percents)
    for line in polls[-1].splitlines()[1:]:
        assert re.fullmatch(r"Job  \d  \d+\.\.\. +completed    100%     Comparison completed", line)
    assert any("20%      Running 1 model..." in poll for poll in polls)


SAME = r"""
🚀 Starting simple_2min_task \(Task ID: \d+\)
🚀 Starting quick_test_task \(Task ID: (?P<id>\d+)\)

✅ quick_test_task: Completed in \d\.\d\ds
✅ simple_2min_task: Completed in \d\.\d\ds

🚀 Starting quick_test_task-1 \(Task ID: (?P=id)\) ✅ Started
🚀 Starting quick_test_task-2 \(Task ID: (?P=id)\) ❌ Failed \(400\)
🚀 Starting quick_test_task-3 \(Task ID: (?P=id)\) ❌ Failed \(400\)

✅ quick_test_task-1: Completed in \d\.\d\ds

🔒 The same task never ran twice at a time.
"""


def test_concurrent_jobs(service: Service) -> None:
    videos = ["abc123"] * 3
    check_jobs(run("concurrent_jobs.py", *at(service), "--interval", "0.3", "--seconds", "2.5",
                   *videos))  # fmt: skip


def test_same_task(service: Service) -> None:
    said = run("same_task.py", *at(service), "--scale", "0.03", "--interval", "0.1")
    assert re.fullmatch(SAME.lstrip("\n"), said), said


def test_a_refused_job_is_said(service: Service) -> None:
    said = run("concurrent_jobs.py", "--url", service.url, "abc123", code=1)
    assert "❌ Failed to create Job 1 (401)" in said
    assert said.endswith("❌ 0 of 1 jobs completed\n")


def test_examples_start_a_service_of_their_own() -> None:
    said = run("concurrent_jobs.py", "--interval", "0.3", "--seconds", "2.5", *["abc123"] * 3)
    check_jobs(said)
    said = run("same_task.py", "--scale", "0.03", "--interval", "0.1")
    assert re.fullmatch(SAME.lstrip("\n"), said), said


def test_the_folder_is_left_as_it_was() -> None:
    """Their services work on copies."""
    found = {path.name for path in Path(EXAMPLES / "services").iterdir()}
    kept = {name for name in found if not name.startswith(("service.db", "__pycache__"))}
    assert kept == {".gitignore", "abreast.toml", "tasks"}
