"""The lines people have in their notes for the older services work as they stand there.

Only the address and the log-in are other ones.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from .rest_help import WAIT_S, until
from .rest_service import Service

RUN = """
curl -u admin:admin123 -X POST http://localhost:7000/api/tasks/1/run  # Task A
curl -u admin:admin123 -X POST http://localhost:7000/api/tasks/2/run  # Task B
curl -u admin:admin123 -X POST http://localhost:7000/api/tasks/3/run  # Task C
"""

LOOK = """
# Check all running tasks
curl -u admin:admin123 http://localhost:7000/api/tasks/

# Check specific task status
curl -u admin:admin123 http://localhost:7000/api/tasks/1/runs
"""

LOGS = """
# Get all logs
curl -u admin:admin123 http://localhost:7000/api/logs/

# Each execution has its own log file
# - task_1_example_task_20250830_001234.log
# - task_2_data_cleanup_20250830_001235.log
# - task_3_backup_20250830_001236.log
"""

SCHEDULE = """
curl -u admin:admin123 -X PUT http://localhost:7000/api/tasks/1/schedule \\
  -H "Content-Type: application/json" \\
  -d '{
    "schedule_type": "hourly",
    "schedule_config": "{}"
  }'
"""

LIST_RUNNING = (
    'curl http://localhost:8000/api/jobs | jq \'.[] | select(.status == "running") | '
    "{job_id, progress, progress_message}'"
)
WATCH = (
    "watch -n 2 'curl -s http://localhost:8000/api/jobs | jq \".[] | select(.status == "
    '\\"running\\") | {job_id: .job_id[0:8], progress, message: .progress_message}"\''
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service")) as found:
        yield found


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs the programs {', '.join(missing)}")


def said(service: Service, line: str) -> Any:
    done = service.shell(line)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("curl ")]


@needs("curl", "bash")
def test_lines_for_tasks(service: Service) -> None:
    runs = [said(service, line) for line in lines_of(RUN)]
    assert len(runs) == 3
    assert {run["message"] for run in runs} == {"Task execution started"}
    again = said(service, lines_of(RUN)[2])  # Task C takes half a minute
    assert again == {"detail": "Task is already running"}
    tasks = said(service, lines_of(LOOK)[0])["tasks"]
    assert [task["id"] for task in tasks[:3]] == [1, 2, 3]
    assert tasks[2]["latest_run"]["status"] in ("pending", "running")
    history = said(service, lines_of(LOOK)[1])["task_runs"]
    assert history[0]["id"] == runs[0]["task_run_id"]


@needs("curl", "bash")
def test_lines_for_logs(service: Service) -> None:
    service.ask("POST", "/api/tasks/4/run", {"seconds": 0})

    def mine() -> Any:
        logs = said(service, lines_of(LOGS)[0])["logs"]
        return [log for log in logs if "simple_2min" in log["filename"]]

    log = until(mine, "a log")[0]
    assert re.fullmatch(r"task_4_simple_2min_task_\d{8}_\d{6}_\d+\.log", log["filename"])


@needs("curl", "bash")
def test_blocks_as_a_whole(service: Service) -> None:
    """With their comments, one after the other, as pasted."""
    for block in (LOOK, LOGS, SCHEDULE):
        done = service.shell(block)
        assert done.returncode == 0, done.stderr
    assert service.ask("GET", "/api/tasks/")["tasks"][0]["schedule_type"] == "hourly"


@needs("curl", "bash")
def test_without_the_password_nothing_starts(service: Service) -> None:
    line = lines_of(RUN)[0].replace("-u admin:admin123 ", "")
    done = service.shell(line.replace("curl", "curl -s -o /dev/null -w %{http_code}"))
    assert done.stdout == "401"
    done = service.shell(
        line.replace("curl", "curl -s -o /dev/null -w %{http_code} -u admin:wrong")
    )
    assert done.stdout == "401"


@pytest.fixture
def running_job(service: Service) -> Iterator[str]:
    """A job in the middle of its work."""
    said = {"task": "compare", "args": {"video_id": "abc123", "seconds": 60}}
    id = service.ask("POST", "/api/jobs", said)["job_id"]
    until(lambda: service.ask("GET", f"/api/jobs/{id}")["progress"] == 10, "the job")
    yield id
    service.ask("POST", f"/api/jobs/{id}/cancel")


def documents(text: str) -> list[Any]:
    """What jq printed: JSON documents one after the other."""
    found, at = [], 0
    text = text.strip()
    decoder = json.JSONDecoder()
    while at < len(text):
        item, at = decoder.raw_decode(text, at)
        found.append(item)
        at += len(text[at:]) - len(text[at:].lstrip())
    return found


@needs("curl", "jq", "bash")
def test_running_jobs_with_jq(service: Service, running_job: str) -> None:
    done = service.shell(LIST_RUNNING)
    assert done.returncode == 0, done.stderr
    mine = {"job_id": running_job, "progress": 10, "progress_message": "Starting comparison..."}
    assert mine in documents(done.stdout)


def test_running_jobs_by_the_same_filter(service: Service, running_job: str) -> None:
    """What jq is asked for, without jq."""
    jobs = service.ask("GET", "/api/jobs")
    running = [
        {"job_id": job["job_id"][0:8], "progress": job["progress"], "message":
         job["progress_message"]}
        for job in jobs
        if job["status"] == "running"
    ]  # fmt: skip
    mine = {"job_id": running_job[0:8], "progress": 10, "message": "Starting comparison..."}
    assert mine in running


@needs("curl", "jq", "watch", "bash")
@pytest.mark.needs("pty")
def test_watching_jobs(service: Service, running_job: str) -> None:
    """``watch`` shows the job on a terminal, and would go on doing so."""
    import pty

    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "60"}
    process = subprocess.Popen(
        ["bash", "-c", "exec " + service.as_printed(WATCH)],
        env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    seen = b""
    end = time.monotonic() + WAIT_S
    try:
        while b"Starting comparison..." not in seen and time.monotonic() < end:
            if select.select([master], [], [], 1.0)[0]:
                seen += os.read(master, 65536)
        assert b"Starting comparison..." in seen, seen[-2000:]
        assert f'"job_id": "{running_job}"'.encode() in seen
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(WAIT_S)
        os.close(master)
