"""What all tests share: a check that this machine cannot run is listed and counted, not hidden.

Mark such a test with ``@pytest.mark.needs("linux")`` (names below), or skip it in any other
way: every skip appears in a list at the end. Locally the tests still pass; with ``CI=true`` a
check that could not run makes them fail.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest

SKIPPED: dict[str, list[str]] = defaultdict(list)  # reason -> tests


@functools.cache
def missing(name: str) -> str | None:
    """Return what this machine lacks to run checks that need ``name``, or None."""
    if name == "linux":
        return None if sys.platform == "linux" else f"Linux (this is {sys.platform})"
    if name == "posix":
        return None if os.name == "posix" else "a POSIX system"
    if name == "proc":
        return None if Path("/proc/self/status").exists() else "/proc"
    if name == "pty":
        return None if importlib.util.find_spec("pty") else "pseudo-terminals"
    if name == "packages":
        return None if packages_reachable() else "a package index that pip can reach"
    raise pytest.UsageError(f"needs({name!r}): unknown; see missing() in tests/conftest.py")


def packages_reachable() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "-d", folder]
        done = subprocess.run([*command, "cloudpickle"], capture_output=True, timeout=60)
        return done.returncode == 0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "needs(*names): what the machine must offer; see tests/conftest.py"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            lack = missing(name)
            if lack is not None:
                pytest.skip(f"needs {lack}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        note(report)


def note(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    SKIPPED[reason.removeprefix("Skipped: ")].append(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not SKIPPED:
        return
    count = sum(map(len, SKIPPED.values()))
    checks = "1 check" if count == 1 else f"{count} checks"
    terminalreporter.section(f"{checks} could not run on this machine")
    for reason, tests in sorted(SKIPPED.items()):
        terminalreporter.line(f"{reason}:")
        for test in tests:
            terminalreporter.line(f"    {test}")
    if os.environ.get("CI") == "true":
        terminalreporter.line("With CI=true every check must run: this counts as a failure.")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if SKIPPED and os.environ.get("CI") == "true" and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
