"""A batch goes on where it was when the whole service is killed in the middle and started again."""

from __future__ import annotations

import sqlite3
import threading
import urllib.error
from collections import Counter
from pathlib import Path
from typing import Any

from .rest_help import until
from .rest_service import Service

TASK = '''
from pathlib import Path

from abreast import task


@task
def note(number: int, place: str) -> int:
    """Write a line, and wait until there is room for it to end."""
    with open(f"{place}/begun", "a") as file:
        file.write(f"{number}\\n")
    gate = Path(place, f"go-{number // 3}")
    while not gate.exists():
        time.sleep(0.01)  # the task sleeps
    with open(f"{place}/done", "a") as file:
        file.write(f"{number}\\n")
    return number * number
'''.replace("from pathlib", "import time\nfrom pathlib", 1)


def numbers(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_a_batch_survives(tmp_path: Path) -> None:
    service = Service(tmp_path)
    (service.folder / "tasks" / "notes.py").write_text(TASK)
    place = tmp_path / "place"
    place.mkdir()
    with service:
        before = {task["name"]: task["id"] for task in service.ask("GET", "/api/tasks/")["tasks"]}
        id = service.ask(
            "POST", "/api/jobs",
            {"task": "note", "over": {"number": list(range(9))}, "args": {"place": str(place)}},
        )["job_id"]  # fmt: skip
        seen: list[int] = []
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                try:
                    seen.append(service.ask("GET", f"/api/jobs/{id}")["progress"])
                except (OSError, urllib.error.URLError, ValueError):
                    pass  # while there is no service

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for round in range(2):  # killed in the fourth and in the seventh combination
                (place / f"go-{round}").touch()
                until(lambda wanted=3 * round + 3: wanted in numbers(place / "begun"))
                service.kill()
                service.start()
            (place / "go-2").touch()

            def ended() -> Any:
                found = service.ask("GET", f"/api/jobs/{id}")
                return found if found["status"] not in ("pending", "running") else None

            found = until(ended, "the end of the batch")
        finally:
            over.set()
            watcher.join(30)
        assert found["status"] == "completed", found
        assert found["result"] == [
            {"number": number, "result": number * number} for number in range(9)
        ]
        assert seen == sorted(seen)
        begun = Counter(numbers(place / "begun"))
        done = Counter(numbers(place / "done"))
        assert done == Counter(range(9)), "what had finished was not repeated"
        repeated = {number for number, count in begun.items() if count > 1}
        assert repeated <= {3, 6}
        after = {task["name"]: task["id"] for task in service.ask("GET", "/api/tasks/")["tasks"]}
        assert after == before
    stored = sqlite3.connect(service.folder / "service.db")
    assert stored.execute("SELECT count(*) FROM runs").fetchone() == (10,)
    stored.close()
