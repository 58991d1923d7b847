"""The lines of the page about the HTTP API work as printed, against a fresh service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.served import Served, served

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
missing = [name for name in ("bash", "curl", "jq") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"needs the programs {', '.join(missing)}")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    (tasks,) = blocks("python")
    with served(tmp_path_factory.mktemp("page"), {"jobs.py": tasks}) as found:
        yield found


@pytest.fixture(scope="module")
def printed(service: Served) -> list[str]:
    """What each block prints."""
    mark = "---- the end of a block ----"
    script = "set -eu\n" + f"\necho; echo '{mark}'\n".join(blocks("sh"))
    script = script.replace("anna:", "tester:").replace("http://127.0.0.1:7000", service.url)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=service.folder,
        env={**os.environ, "PASSWORD": "correct horse battery"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(mark)


def test_every_block_prints_something(printed: list[str]) -> None:
    assert len(printed) == len(blocks("sh")) > 15
    for block, text in zip(blocks("sh"), printed, strict=True):
        assert text.strip(), block


def of(printed: list[str], line: str) -> str:
    """What the block with this line printed."""
    (found,) = [text for block, text in zip(blocks("sh"), printed, strict=True) if line in block]
    return found


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("$API/me", r'"name":"tester","role":"admin"'),
        ('"b": 22', r'"state": "(pending|running)".*HTTP/1.1 202.*location: /api/v1/runs/2'),
        ("Prefer", r'"state": "completed"'),
        ("order-17", r"(\d+)\s+\1\s"),
        ("on_conflict", r'"status": 409,\s+"running_run_id": (\d+),.*"id": \1,'),
        ("next_cursor", r"\s2\s*$"),
        ("/why", r'"result": 42,.*adding 20 and 22.*"output": 42.*42\s.*ended completed'),
        ("follow=1", r"^\d{4}-\d\d-\d\dT?\s.*adding 20 and 22\n.*event: end"),
        ("retry_of", r'"state": "cancelled",\s+"reason": "user".*"retry_of": \d+'),
        ("runs:retry", r"^\d+\s+\{\s+\"matched\": \d"),
        ("success_rate", r'"name": "add",\s+"success_rate": [\d.]+,.*"required": true.*jobs.py'),
        ("$FLOW", r'"total": 3'),
        ("$BATCH", r'"total": 3'),
        ("backfill", r'Berlin.*"ran": 2.*"outcome": "ran"'),
        ("preview", r"2027-03-28T01:00:00"),
        ("/events?after=0", r"event: run\nid: \d+\ndata: \{\"id\":.*\"resync\": false"),
        ("chrome-trace", r'"truncated": false'),
        ("/livez", r'ok\nok\n.*"engine".*abreast_runs_total.*"timezone": "UTC"'),
        ("stat=failed", r'problems/invalid".*/kwargs/c.*did you mean \'state\''),
    ],
)
def test_blocks_print_what_the_page_says(printed: list[str], line: str, pattern: str) -> None:
    text = of(printed, line)
    assert re.search(pattern, text.lstrip(), re.DOTALL), text


def test_the_trace_is_written(printed: list[str], service: Served) -> None:
    assert '"traceEvents"' in (service.folder / "trace.json").read_text()
