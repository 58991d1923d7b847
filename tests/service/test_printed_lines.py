"""Every curl line of the README and of the pages works as it is printed there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.served import Served, served

ROOT = Path(__file__).resolve().parent.parent.parent
# These pages have tests of their own, which run their blocks one after the other.
ELSEWHERE = {"http-api.md", "batches-over-http.md", "coming-from-jobs-table.md"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

missing = [name for name in ("bash", "curl", "jq") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"needs the programs {', '.join(missing)}")


def printed() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        if page.name in ELSEWHERE:
            continue
        for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
            joined = block.replace("\\\n", " ")
            found += [(page.name, line) for line in joined.splitlines() if "curl " in line]
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The tasks that the README shows."""
    readme = (ROOT / "README.md").read_text()
    (tasks,) = [
        block
        for block in re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
        if "schedule=" in block
    ]
    with served(tmp_path_factory.mktemp("printed"), {"shop.py": tasks}) as found:
        yield found


def test_there_are_such_lines() -> None:
    pages = {page for page, _ in printed()}
    assert {"README.md", "access.md"} <= pages


@pytest.mark.parametrize(("page", "line"), printed())
def test_the_line_works(service: Served, page: str, line: str) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            line.replace("anna:", "tester:").replace("http://127.0.0.1:7000", service.url),
        ],
        cwd=service.folder,
        env={**os.environ, "PASSWORD": "correct horse battery", "TOKEN": service.token},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{page}: {line}\n{done.stderr}"
    if done.stdout.startswith("{"):
        assert int(json.loads(done.stdout).get("status", 200)) < 400, done.stdout
