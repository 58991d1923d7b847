"""Every benchmark works and produces its keys; what they measure is not looked at."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
ASKED_FOR = [
    "flat_vs_threadpool",
    "dag_vs_graphlib",
    "chain_vs_graphlib",
    "fan_vs_flat",
    "fan_vs_flat_100k",
    "async_vs_gather",
    "async_vs_gather_10k",
    "makespan_vs_bound",
    "limit_time",
    "limit_time_one_key",
    "limit_time_many_keys",
    "process_vs_processpool",
    "fresh_vs_forkserver",
    "seed_speedup_5x2",
    "seed_speedup_10x1",
    "seed_speedup_20x05",
    "add_million_s",
    "add_million_mb",
    "import_ms",
    "import_runner_ms",
]
OF_A_SERVICE = [
    "start_per_s",
    "start_bare_per_s",
    "start_vs_bare",
    "start_p99_ms",
    "list_p95_ms",
    "sse_clients",
    "sse_dropped",
    "schedules_tick_ms",
    "fire_lag_p99_ms",
    "idle_cpu_percent",
    "idle_rss_mb",
]


def call(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "utf8", str(BENCHMARKS / script), *options],
        capture_output=True,
        encoding="utf-8",
        timeout=250,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )


def figures(script: str, folder: Path, *options: str) -> dict[str, Any]:
    target = folder / "figures.json"
    done = call(script, "--quick", "--json", str(target), *options)
    assert done.returncode == 0, done.stdout + done.stderr
    about = json.loads((folder / "figures.about.json").read_text("utf-8"))
    assert {"cores", "processor", "python", "kernel"} <= about["machine"].keys()
    assert about["quick"] is True
    found: dict[str, Any] = json.loads(target.read_text("utf-8"))
    assert all(key in done.stdout for key in found)
    return found


@pytest.mark.timeout(300)
def test_the_whole_set_produces_every_key(tmp_path: Path) -> None:
    found = figures("run.py", tmp_path, "--only", ",".join(ASKED_FOR))
    assert sorted(found) == sorted(ASKED_FOR)
    for figure in found.values():
        assert list(figure) == ["median", "min", "max"]
        assert figure["min"] <= figure["median"] <= figure["max"]


@pytest.mark.needs("posix")
def test_a_durable_submit_is_measured_beside_bare_sqlite(tmp_path: Path) -> None:
    found = figures("durable.py", tmp_path, "--only", "submit_vs_raw_sqlite")
    assert found["submit_vs_raw_sqlite"]["median"] > 0


@pytest.mark.timeout(300)
@pytest.mark.needs("posix")
def test_a_service_is_measured_over_http(tmp_path: Path) -> None:
    found = figures("service.py", tmp_path)
    assert sorted(found) == sorted(OF_A_SERVICE)
    assert found["sse_dropped"]["max"] == 0


@pytest.mark.needs("posix")
def test_the_dashboard_is_measured_in_a_browser(tmp_path: Path) -> None:
    from tests.dashboard.dashboard_help import chromium

    with chromium():  # skips, or fails in CI, where there is none
        pass
    found = figures("dashboard.py", tmp_path)
    assert sorted(found) == ["live_lag_ms", "page_kb_gz", "paint_ms", "pan_fps"]
    assert all(figure["min"] > 0 for figure in found.values())


def test_scripts_may_call_what_they_measure_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    goals = importlib.import_module("goals")
    assert len({goals.own(key) for key in goals.keys_of("service")}) == len(OF_A_SERVICE)
    for group, key in ("service", "service_idle_rss_mb"), ("durable", "idle_rss_mb"):
        assert goals.chosen("idle_rss_mb", goals.keys_of(group)) == [key]
    assert goals.chosen("idle_rss_mb", list(goals.GOALS)) == ["idle_rss_mb"]


def test_a_bound_may_be_a_part_of_another_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    goal = importlib.import_module("goals").GOALS["process_e2e_per_s"]
    assert goal.reach == "≥ 0.4 of `e2e_per_s`"
    assert goal.reached(50, {"e2e_per_s": 100}) is True
    assert goal.reached(30, {"e2e_per_s": 100}) is False
    assert goal.reached(30, {}) is None


@pytest.mark.timeout(300)
@pytest.mark.needs("packages")
def test_concurra_is_measured_in_its_own_environment(tmp_path: Path) -> None:
    assert list(figures("run.py", tmp_path, "--only", "speedup_vs_concurra")) == [
        "speedup_vs_concurra"
    ]


def test_only_the_named_keys_are_measured(tmp_path: Path) -> None:
    found = figures("runner.py", tmp_path, "--only", "chain_vs_graphlib, limit_time")
    assert list(found) == ["chain_vs_graphlib", "limit_time"]


@pytest.mark.parametrize(
    "script", ["run.py", "runner.py", "processes.py", "footprint.py", "durable.py", "service.py"]
)
def test_an_unknown_key_is_refused_with_the_known_ones(script: str) -> None:
    done = call(script, "--only", "no_such_key")
    assert done.returncode != 0
    assert "no key 'no_such_key'" in done.stderr
    known = {"processes.py": "fresh_vs_forkserver", "footprint.py": "import_ms"}
    known |= {"durable.py": "e2e_per_s", "service.py": "start_per_s"}
    assert known.get(script, "flat_vs_threadpool") in done.stderr


def test_quick_figures_do_not_get_into_the_page(tmp_path: Path) -> None:
    figures("footprint.py", tmp_path, "--only", "add_million_s")
    done = call("table.py", str(tmp_path / "figures.json"))
    assert done.returncode != 0
    assert "measure nothing" in done.stderr


def test_the_page_lists_every_key() -> None:
    page = (BENCHMARKS.parent / "docs" / "performance.md").read_text("utf-8")
    for key in [*ASKED_FOR, "speedup_vs_concurra"]:
        assert f"`{key}`" in page, f"docs/performance.md does not list {key}"
