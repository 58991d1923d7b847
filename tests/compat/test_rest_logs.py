"""``/api/logs``: list, read, download, remove; ids lead nowhere but to log files."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from abreast import App
from abreast.compat.rest import log_files

from .rest_help import Client, Gates, app, client, gates, until, working

__all__ = ["app", "client", "gates", "working"]

FILE = ["filename", "path", "size_bytes", "size_mb", "created_at", "modified_at"]


def ended_run(app: App, **config: Any) -> Any:
    run = app.tasks["quick_test_task"].submit(config)
    assert run.wait(30)
    return run


def logs(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/logs/")["logs"]
    return found


def id_of(log: dict[str, Any]) -> str:
    return str(log["filename"]).removesuffix(".log")


@pytest.mark.usefixtures("working")
def test_list_newest_first(app: App, client: Client) -> None:
    assert client.get("/api/logs/") == {"logs": []}
    made = [ended_run(app) for _ in range(3)]
    found = logs(client)
    assert client.get("/api/logs")["logs"] == found
    assert [list(log) for log in found] == [FILE] * 3
    assert [log["path"] for log in found] == [run.log_path for run in made[::-1]]
    assert found[0]["size_bytes"] == Path(made[-1].log_path).stat().st_size > 0
    pattern = r"task_1_quick_test_task_\d{8}_\d{6}_\d+\.log"
    assert all(re.fullmatch(pattern, log["filename"]) for log in found)
    assert len(client.get("/api/logs/?limit=2")["logs"]) == 2
    client.get("/api/logs/?limit=0", 422)


@pytest.mark.usefixtures("working")
def test_content(app: App, client: Client) -> None:
    text = ended_run(app).log()
    assert text.count("\n") == 2
    log = logs(client)[0]
    found = client.get(f"/api/logs/{id_of(log)}/content")
    assert found == {"log_file": log, "content": text, "lines_requested": None}
    found = client.get(f"/api/logs/{id_of(log)}/content?lines=1")
    assert (found["content"], found["lines_requested"]) == (text.splitlines(True)[1], 1)
    client.get(f"/api/logs/{id_of(log)}/content?lines=-1", 422)


@pytest.mark.usefixtures("working")
def test_download(app: App, client: Client) -> None:
    text = ended_run(app).log()
    log = logs(client)[0]
    answer = client.ask_all(("GET", f"/api/logs/download/{id_of(log)}", {}))[0]
    assert (answer.status_code, answer.text) == (200, text)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-disposition"] == f'attachment; filename="{log["filename"]}"'
    assert answer.headers["content-length"] == str(len(text))


@pytest.mark.usefixtures("working")
def test_stats(app: App, client: Client) -> None:
    assert client.get("/api/logs/stats") == {
        "total_files": 0, "total_size_mb": 0.0, "daily_stats": {}}  # fmt: skip
    run = ended_run(app)
    day = time.strftime("%Y-%m-%d", time.gmtime(run.created))
    assert client.get("/api/logs/stats") == {
        "total_files": 1,
        "total_size_mb": 0.0,
        "daily_stats": {day: {"count": 1, "size_mb": 0.0}},
    }


@pytest.mark.usefixtures("working")
def test_delete(app: App, client: Client, gates: Gates) -> None:
    run = ended_run(app)
    url = f"/api/logs/{id_of(logs(client)[0])}"
    assert client.delete(url) == {"message": "Log file deleted successfully"}
    assert run.log_path is None
    assert client.delete(url, 404) == {"detail": "Log file not found"}
    running = app.tasks["quick_test_task"].submit({"gate": "a"})
    log = until(lambda: logs(client))[0]
    said = client.delete(f"/api/logs/{id_of(log)}", 400)["detail"]
    assert said == f"Run {running.id} has not ended and still writes to this file"


@pytest.mark.usefixtures("working")
def test_cleanup(app: App, client: Client, gates: Gates) -> None:
    old, new = ended_run(app), ended_run(app)
    running = app.tasks["quick_test_task"].submit({"gate": "a"})
    until(lambda: running.log_path)
    week = time.time() - 8 * 86_400
    for run in (old, running):
        os.utime(run.log_path, (week, week))
    assert client.post("/api/logs/cleanup") == {"message": "Log cleanup completed"}
    assert old.log_path is None
    assert new.log_path is not None
    assert running.log_path is not None
    client.post("/api/logs/cleanup?days=0")
    assert new.log_path is None
    client.post("/api/logs/cleanup?days=-1", 422)


@pytest.mark.usefixtures("working")
def test_ids_lead_nowhere_else(app: App, client: Client, tmp_path: Path) -> None:
    """No id reaches a file that is not a log of a run, whatever it is made of."""
    run = ended_run(app)
    folder = Path(app.log_folder or "")
    path = Path(run.log_path)
    day, stem = path.parent, path.stem
    secret = tmp_path / "secret.log"
    secret.write_text("secret")
    (folder / "plain.log").write_text("secret")
    (day / "notes.log").write_text("secret")
    (day / "task_9_link_20260101_000000_9.log").symlink_to(secret)
    moved = day.parent / "2001-01-01"
    moved.symlink_to(tmp_path)
    (tmp_path / "task_9_x_20010101_000000_9.log").write_text("secret")
    ids = [
        "../secret", "..%2fsecret", "%2e%2e%2f%2e%2e%2fsecret", "plain", "notes", "secret",
        f"../{day.name}/{stem}", f"{day.name}%2f{stem}", f"{stem}.log", f"{stem}%00", f"{stem}%0a",
        f"task_1_..%2f..%2f_{stem[-17:]}", "task_9_link_20260101_000000_9",
        "task_9_x_20010101_000000_9", "task_1_a_99999999_999999_1", "x" * 5000, "%ff", "%2e%2e",
        "task_١_a_20260101_000000_1",
    ]  # fmt: skip
    for id in ids:
        for method, url in (
            ("GET", f"/api/logs/{id}/content"),
            ("GET", f"/api/logs/download/{id}"),
            ("DELETE", f"/api/logs/{id}"),
        ):
            answer = client.ask_all((method, url, {}))[0]
            assert answer.status_code in (404, 405, 307), (method, url, answer.status_code)
            assert "secret" not in answer.text.replace("secret.log", "")
    assert secret.read_text() == "secret"
    assert [log["filename"] for log in logs(client)] == [path.name]


def test_lines_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    lines = [f"line {number} {'é' * (number % 7)}\n" for number in range(20_000)]
    path.write_text("".join(lines))
    for count in (1, 2, 3000, 19_999, 20_000, 30_000):
        assert log_files.read_end(str(path), count) == "".join(lines[-count:])
    assert log_files.read_end(str(path), 0) == log_files.read_end(str(path), None) == "".join(lines)
    path.write_text("no end of line")
    assert log_files.read_end(str(path), 1) == "no end of line"
    path.write_text("a\nb")
    assert log_files.read_end(str(path), 1) == "b"
    path.write_text("")
    assert log_files.read_end(str(path), 5) == ""


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * (log_files.MOST_BYTES + 10) + b"end")
    found = log_files.read_end(str(path), None)
    assert len(found) == log_files.MOST_BYTES
    assert found.endswith("end")


def test_a_download_ends_where_the_file_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 100_000)
    size, pieces = log_files.pieces(str(path))
    with path.open("ab") as file:
        file.write(b"more")
    assert (size, b"".join(pieces)) == (100_000, b"x" * 100_000)
