"""The programs in the pages run as written and print what the page says they print.

A ```` ```python ```` block is a whole program. A ```` ```text ```` block that follows it is what
it prints; ``...`` in it stands for anything within a line.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    "README.md",
    "docs/tutorial-runner.md",
    "docs/tutorial-durable.md",
    "docs/coming-from-celery.md",
    "docs/coming-from-pynenc.md",
]

FENCE = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Program(NamedTuple):
    place: str
    code: str
    prints: str | None


def programs() -> list[Program]:
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        blocks = list(FENCE.finditer(text))
        for block, after in zip(blocks, [*blocks[1:], None], strict=True):
            if block[1] != "python":
                continue
            line = text[: block.start()].count("\n") + 1
            prints = after[2] if after is not None and after[1] == "text" else None
            found.append(Program(f"{page}:{line}", block[2], prints))
    return found


PROGRAMS = programs()


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.place for program in PROGRAMS])
def test_program_runs_as_the_page_says(program: Program, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(program.code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "utf8", str(script)],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    if program.prints is not None:
        wanted, printed = program.prints.strip(), done.stdout.strip()
        pattern = re.escape(wanted).replace(re.escape("..."), r"[^\n]*")
        assert re.fullmatch(pattern, printed), f"the page says:\n{wanted}\nit prints:\n{printed}"


def test_pages_have_programs() -> None:
    assert {program.place.split(":")[0] for program in PROGRAMS} == set(PAGES)
