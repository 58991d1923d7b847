"""Put the figures of a JSON file into the table of docs/performance.md.

Usage: python benchmarks/table.py [FILE] (default: benchmarks/results/latest.json)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import machine
from common import beside
from goals import GOALS, Goal
from run import RESULTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def table(figures: dict[str, dict[str, float]]) -> list[str]:
    """Return the lines of the table, one for each key."""
    lines = ["| key | what | reach | measured | spread | |", "|---|---|---|---|---|---|"]
    medians = {key: shown["median"] for key, shown in figures.items()}
    for key, goal in GOALS.items():
        shown = figures.get(key)
        unit = f" {goal.unit}" if goal.unit not in ("×", "") else ""
        if shown is None:
            measured = spread = verdict = "–"
        else:
            measured = f"**{number(shown['median'])}**{unit}"
            spread = f"{number(shown['min'])} – {number(shown['max'])}"
            verdict = {True: "reached", False: "missed", None: ""}[
                goal.reached(medians[key], medians)
            ]
        lines.append(
            f"| `{key}` | {goal.what} | {goal.reach}{unit if bounded(goal) else ''} "
            f"| {measured} | {spread} | {verdict} |"
        )
    return lines


def bounded(goal: Goal) -> bool:
    """Return whether the bound is a number of the key's own unit."""
    return goal.reach != "report" and goal.of is None


def peers(behind: dict[str, dict[str, Any]]) -> list[str]:
    """Return the lines of the table of queues that the durable runs were measured beside."""
    found = behind.get("e2e_vs_best_any", {}).get("peers", {})
    if not found:
        return []
    lines = ["", "| peer | runs a second | spread | no-ops | commits | keeps | settings |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, peer in found.items():
        if "per_s" in peer:
            low, high = peer["spread"]
            rate, spread = f"**{peer['per_s']:,}**", f"{low:,} – {high:,}"
        else:
            rate, spread = f"left out, it broke: {peer['broke']}", "–"
        settings = ", ".join(f"{key} {value}" for key, value in peer["settings"].items())
        synced = "synced" if peer["durable"] else "not synced"
        lines.append(
            f"| {name} ({peer['requires']}) | {rate} | {spread} | {peer['runs']:,} | {synced} "
            f"| {peer['records']} | {settings} |"
        )
    return lines


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def between(page: str, lines: list[str]) -> str:
    """Return the page with these lines between the two markers."""
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise SystemExit(f"{PAGE.name} has no {BEGIN} and {END}")
    return "\n".join([before + BEGIN, "", *lines, "", END]) + after


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    figures = json.loads(path.read_text("utf-8"))
    about = json.loads(beside(path).read_text("utf-8"))
    if about["quick"]:
        raise SystemExit("these figures are of --quick: they measure nothing")
    lines = [f"Measured on {machine.as_text(about['machine'])}.", "", *table(figures)]
    lines += peers(about["behind"])
    PAGE.write_text(between(PAGE.read_text("utf-8"), lines), "utf-8")
    print(f"{PAGE.name} brought up to date")


if __name__ == "__main__":
    main()
