"""``abreast demo`` shows what it means to show, wherever it is started."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlparse

import pytest

pytestmark = pytest.mark.needs("posix")


def test_demo_on_a_pipe(abreast: Any, tmp_path: Path) -> None:
    done = abreast("demo", LC_ALL="C", TMPDIR=str(tmp_path))
    assert done.code == 0, done
    assert "demo: 8 runs" in done.out
    assert "6 completed, 2 failed" in done.out
    assert re.search(r"\d+ of 24 have ended: kill -9 \d+, which executes job \d+", done.out)
    assert "all 24 have completed, each exactly once; " in done.out
    found = re.search(r"Timeline: (file://\S+)", done.out)
    assert found
    page = Path(urlparse(found[1]).path)
    assert "<html" in page.read_text(encoding="utf-8")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {page.parent.name}, "the data is removed, the page stays"
    assert done.out.splitlines()[-2].startswith("Next:")


def test_demo_on_a_terminal(terminal: Any, tmp_path: Path) -> None:
    screen = terminal("demo", "--html", "page.html")
    screen.wait_for("running")
    assert screen.end() == 0, screen.text
    assert (tmp_path / "page.html").exists()
    assert "All as it was meant" in screen.text


def test_demo_notices_what_is_not_as_meant(abreast: Any, tmp_path: Path) -> None:
    """A gzip that does nothing: the demo does not claim success."""
    tool = tmp_path / "bin" / "gzip"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nexit 9\n")
    tool.chmod(0o755)
    done = abreast("demo", PATH=f"{tool.parent}:/usr/bin:/bin")
    assert done.code == 1, done
    assert "This is not what was meant" in done.out
    assert "compress" in done.out.partition("not what was meant")[2]


def test_ctrl_c_in_the_demo(terminal: Any) -> None:
    screen = terminal("demo")
    screen.wait_for("running")
    screen.type(b"\x03")
    assert screen.end() == 130
    assert "interrupted" in screen.text
    assert "All as it was meant" not in screen.text


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: those of sockets cannot be long."""
    with TemporaryDirectory(prefix="d-") as folder:
        yield Path(folder)


@pytest.mark.parametrize(("keys", "code"), [(b"\x03", 130), (None, 128 + signal.SIGTERM)])
def test_an_end_in_the_middle_of_the_durable_part(
    terminal: Any, short: Path, monkeypatch: pytest.MonkeyPatch, keys: bytes | None, code: int
) -> None:
    """Nothing stays: neither workers nor files."""
    monkeypatch.setenv("TMPDIR", str(short))
    screen = terminal("demo", "--html", "page.html")
    screen.wait_for("are at work")
    found = re.search(r"workers (\d+) and (\d+) are at work", screen.text)
    assert found
    if keys is None:
        screen.process.terminate()
    else:
        screen.type(keys)
    assert screen.end() == code
    assert list(short.iterdir()) == []
    for pid in map(int, found.groups()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert "Next:" not in screen.text
