"""Promises of the whole service, asked over HTTP of a real process."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
from tests.service.served import Served, served

SINGLE = """
import os, time
from pathlib import Path
from abreast import Limit, task

@task(limits=[Limit(1, then="fail")])
def single(path: str = "") -> int:
    while path and not Path(path).exists():
        time.sleep(0.01)  # the task sleeps
    return os.getpid()
"""

BATCH = """
import os, time
from pathlib import Path
from abreast import task

@task
def part(number: int, model: str, folder: str) -> str:
    with open(Path(folder) / f"{number}-{model}", "a") as file:
        file.write("x")
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        pass
    return f"{number}{model}"

@task
def join(results: list) -> str:
    return "+".join(results)
"""


def test_one_of_fifty_starts(tmp_path: Path) -> None:
    """The same task, started by fifty clients at once under Limit(1, then="fail"), fifty times."""
    with served(tmp_path, {"single.py": SINGLE}) as service:
        barrier = threading.Barrier(51, timeout=60)
        answers: list[int] = []
        holders: set[int] = set()
        go: list[str] = [""]

        def client() -> None:
            connection = service.connection()
            for _ in range(50):
                barrier.wait()
                found = service.ask("POST", "/api/v1/tasks/single/runs",
                                    {"kwargs": {"path": go[0]}}, connection)  # fmt: skip
                answers.append(found.status)
                if found.status == 409:
                    holders.add(found.json["running_run_id"])
                barrier.wait()
            connection.close()

        threads = [threading.Thread(target=client) for _ in range(50)]
        for thread in threads:
            thread.start()
        for round in range(50):
            go[0] = str(tmp_path / f"go{round}")
            answers.clear()
            holders.clear()
            barrier.wait()
            barrier.wait()
            assert Counter(answers) == {202: 1, 409: 49}, f"round {round}"
            (run,) = service.get("/api/v1/runs?state=running,pending")["items"]
            assert holders == {run["id"]}, "a refusal names the run that is in the way"
            Path(go[0]).touch()
            ended = service.ask("GET", f"/api/v1/runs/{run['id']}").json
            service.until(
                lambda id=run["id"]: service.get(f"/api/v1/runs/{id}")["state"] == "completed",
                f"run {ended} has not ended",
            )
        for thread in threads:
            thread.join(60)


def test_a_batch_survives_the_death_of_the_whole_service(tmp_path: Path) -> None:
    """Kill -9 in the middle: it goes on where it was; nothing that is done is done again."""
    marks = tmp_path / "marks"
    marks.mkdir()
    with served(tmp_path / "place", {"batch.py": BATCH}) as service:
        started = service.ask(
            "POST",
            "/api/v1/batches",
            {
                "task": "part",
                "over": {"number": list(range(12))},
                "parallel": {"model": ["a", "b"]},
                "join": "join",
                "constants": {"folder": str(marks)},
            },
        )
        assert started.status == 202, started.body
        id = started.json["id"]
        seen: list[float] = []

        def progress() -> float:
            found = service.get(f"/api/v1/batches/{id}")
            seen.append(found["progress"]["done"])
            assert seen == sorted(seen), "progress went backwards"
            return seen[-1]

        total = service.get(f"/api/v1/batches/{id}")["progress"]["total"]
        for share in (0.2, 0.5):
            service.until(lambda least=share * total: progress() >= least, "the batch stands still")
            before = attempts(service, id)
            service.kill()
            service.start()
            assert before.items() <= attempts(service, id).items(), "what was done was done again"
        service.until(
            lambda: (
                progress() == total and service.get(f"/api/v1/runs/{id}")["state"] == "completed"
            ),
            "the batch has not ended",
        )
        result = service.get(f"/api/v1/runs/{id}/result")
        assert [row["result"] for row in result["result"]] == [f"{n}a+{n}b" for n in range(12)]
        repeated = [path.name for path in marks.iterdir() if len(path.read_text()) > 1]
        assert len(repeated) <= 4, "only what was executing may be repeated: two deaths, two parts"
        assert len(list(marks.iterdir())) == 24


def attempts(service: Served, flow: int) -> dict[int, int]:
    """The completed runs of a flow, and how often each was started."""
    page = service.get(f"/api/v1/runs?flow={flow}&state=completed&limit=1000")
    return {run["id"]: run["attempts"] for run in page["items"]}


def test_stopping_drains_and_says_no_to_starts(tmp_path: Path) -> None:
    with served(tmp_path, {"single.py": SINGLE}) as service:
        go = tmp_path / "go"
        run = service.ask("POST", "/api/v1/tasks/single/runs", {"kwargs": {"path": str(go)}}).json
        service.until(
            lambda: service.get(f"/api/v1/runs/{run['id']}")["state"] == "running", "no start"
        )
        assert service.process is not None
        os.kill(service.process.pid, signal.SIGTERM)
        refused = service.until(
            lambda: (
                (found := service.ask("POST", "/api/v1/tasks/single/runs", {})).status == 503
                and found
            ),
            "starts are still taken",
        )
        assert refused.headers["content-type"] == "application/problem+json"
        assert service.ask("GET", "/readyz").status == 503
        assert service.get(f"/api/v1/runs/{run['id']}")["state"] == "running"
        go.touch()
        assert service.stop() == 0
        service.start()
        assert service.get(f"/api/v1/runs/{run['id']}")["state"] == "completed"


def test_the_configuration_is_read_again(tmp_path: Path) -> None:
    with served(tmp_path, {}) as service:
        assert service.process is not None
        config = tmp_path / "abreast.toml"
        text = config.read_text()
        config.write_text(text + '[tasks.hello]\ncommand = "echo hello"\n')
        os.kill(service.process.pid, signal.SIGHUP)
        names = service.until(
            lambda: [task["name"] for task in service.get("/api/v1/tasks")["items"]],
            "the new task is not there",
        )
        assert names == ["hello"]
        config.write_text(text + '[tasks.hello]\ncomand = "echo hello"\n')
        os.kill(service.process.pid, signal.SIGHUP)
        service.until(lambda: "stays as it was" in service.said, "nobody said what is wrong")
        assert "did you mean" in service.said
        assert service.get("/api/v1/tasks")["items"][0]["name"] == "hello"


def test_edits_count_without_a_restart(tmp_path: Path) -> None:
    with served(tmp_path, {"a.py": "def run_task(config):\n    return 1\n"}) as service:

        def result() -> object:
            found = service.ask("POST", "/api/v1/tasks/a/runs", {}, Prefer="wait=20")
            return (
                found.status == 200
                and service.get(f"/api/v1/runs/{found.json['id']}/result")["result"]
            )

        assert result() == 1
        (tmp_path / "tasks" / "a.py").write_text("def run_task(config):\n    return 22\n")
        service.until(lambda: result() == 22, "the old version goes on")
        (tmp_path / "tasks" / "a.py").write_text("def run_task(config:\n")
        broken = service.until(
            lambda: [f for f in service.get("/api/v1/tasks").get("files", []) if f.get("error")],
            "the error is not shown",
        )
        assert "SyntaxError" in broken[0]["error"]


@pytest.mark.parametrize("wrong", ["--listen 0.0.0.0:0", "--app nosuch:app", "--max-workers 0"])
def test_what_cannot_be_served_is_refused(tmp_path: Path, wrong: str) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "abreast", "serve", str(tmp_path), *wrong.split()],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(("Error", "Usage")), done.stderr
    assert "Traceback" not in done.stderr
