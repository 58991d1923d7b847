"""The examples of concurrency control run, and show what they say."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "concurrency_control"


def run(*command: str, cwd: Path = FOLDER) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done


def test_sample() -> None:
    """It raises when something is not as it says."""
    said = run("sample.py").stderr
    assert re.search(r"^Invocation ids: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10$", said, re.MULTILINE)
    assert re.search(r"^Unique invocation_id: \{'11'\}$", said, re.MULTILINE)
    assert "Without running control they ran in parallel" in said
    assert "With running control they ran one after the other" in said


@pytest.fixture(scope="module")
def policies() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_policies", FOLDER / "policies.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and forward references look it up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_policies(policies: ModuleType, store: str, tmp_path: Path) -> None:
    url = "memory://" if store == "memory" else f"sqlite:///{tmp_path}/jobs.db"
    found = {name: policies.try_policy(name, url) for name in policies.POLICIES}
    calls, accounts = policies.CALLS * len(policies.ACCOUNTS), len(policies.ACCOUNTS)
    assert all(one.calls == calls for one in found.values())

    none = found["none"]
    assert (none.completed, none.requests) == (calls, calls)
    assert none.collisions > 0

    waiting = found["keyed, waiting"]
    assert (waiting.completed, waiting.requests, waiting.collisions) == (calls, calls, 0)

    dropped = found["keyed, dropped"]
    assert (dropped.completed, dropped.requests, dropped.collisions) == (accounts, accounts, 0)
    assert dropped.dropped == calls - accounts

    once = found["deduplicated"]
    assert (once.completed, once.requests, once.collisions) == (accounts, accounts, 0)
    assert once.joined == calls - accounts


def test_policies_are_printed_as_a_table() -> None:
    lines = run("policies.py").stdout.splitlines()
    columns = ["policy", "calls", "completed", "dropped", "joined", "requests", "collisions"]
    assert lines[0].split() == columns
    assert [line[:16].strip() for line in lines[1:]] == [
        "none",
        "keyed, waiting",
        "keyed, dropped",
        "deduplicated",
    ]
    assert [line.split()[-1] for line in lines[2:]] == ["0", "0", "0"]
