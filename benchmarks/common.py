"""What the benchmarks share: interleaved rounds, medians, the printed table, the JSON."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import signal
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import machine
from goals import GOALS, chosen, keys_of, own

Side = Callable[[], object]  # does the work and returns what it holds, so that freeing is not timed
Times = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of one key, and where the ratio comes from."""

    values: Sequence[float]
    ours: float | None = None  # median seconds per run
    peer: float | None = None
    details: Mapping[str, object] = field(default_factory=dict)  # beside the figures, in the JSON
    lines: Sequence[str] = ()  # printed below the figure

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def shown(self) -> dict[str, float]:
        """Return what goes into the JSON."""
        ends = {"median": self.median, "min": min(self.values), "max": max(self.values)}
        return {name: significant(value) for name, value in ends.items()}

    def behind(self) -> dict[str, object]:
        """Return what goes into the JSON beside it."""
        sides = {"ours_us": self.ours, "peer_us": self.peer}
        found = {name: significant(s * 1e6) for name, s in sides.items() if s is not None}
        return {"times": len(self.values), **found, **self.details}


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A function that measures some keys."""

    keys: tuple[str, ...]
    measure: Callable[[bool], Mapping[str, Figure]]


class Benchmarks(list[Benchmark]):
    """The benchmarks of one script; ``@benchmarks.of(key, …)`` adds a function."""

    def of(self, *keys: str) -> Callable[[Callable[[bool], Mapping[str, Figure]]], None]:
        def add(measure: Callable[[bool], Mapping[str, Figure]]) -> None:
            self.append(Benchmark(keys, measure))

        return add


def significant(value: float) -> float:
    """Return the number with four significant digits."""
    return float(f"{value:.4g}")


# -- measuring ------------------------------------------------------------------------------


def timed(side: Side) -> float:
    """Return how long one side takes; earlier garbage is collected first, its own is not timed."""
    gc.collect()
    start = time.perf_counter()
    held = side()
    seconds = time.perf_counter() - start
    del held
    return seconds


def rounds(sides: Mapping[str, Side], count: int, *, quick: bool, at_most: float = 45) -> Times:
    """Time all sides in turn, ``count`` times, beginning with another one each time.

    A first turn is thrown away. On a slow machine no new turn begins after ``at_most`` seconds,
    but three are made.
    """
    count = 2 if quick else count
    names = list(sides)
    times: Times = {name: [] for name in names}
    if not quick:
        for side in sides.values():
            timed(side)
    deadline = time.perf_counter() + at_most
    for turn in range(count):
        if turn >= 3 and time.perf_counter() > deadline:
            break
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            times[name].append(timed(sides[name]))
    gc.collect()
    return times


def ratio(times: Times, ours: str, peer: str, runs: int, peer_runs: int | None = None) -> Figure:
    """Return our time per run ÷ the peer's, turn by turn."""
    mine = [seconds / runs for seconds in times[ours]]
    others = [seconds / (peer_runs or runs) for seconds in times[peer]]
    values = [a / b for a, b in zip(mine, others, strict=True)]
    return Figure(values, statistics.median(mine), statistics.median(others))


def pairs(
    ours: Side, peer: Side, runs: int, *, quick: bool, count: int = 15, peer_runs: int | None = None
) -> Figure:
    """Return our time per run ÷ the peer's, in interleaved pairs."""
    times = rounds({"ours": ours, "peer": peer}, count, quick=quick)
    return ratio(times, "ours", "peer", runs, peer_runs)


# -- showing --------------------------------------------------------------------------------


def head() -> str:
    return f"{'key':24} {'median':>9} {'min':>9} {'max':>9}  {'reach':9} {'':8}"


def row(key: str, found: Mapping[str, Figure], quick: bool) -> str:
    """Return one line of the table."""
    goal, shown, behind = GOALS[key], found[key].shown(), found[key].behind()
    numbers = " ".join(f"{shown[name]:>9,.4g}" for name in ("median", "min", "max"))
    medians = {other: figure.median for other, figure in found.items()}
    reached = None if quick else goal.reached(shown["median"], medians)
    verdict = {True: "reached", False: "MISSED", None: ""}[reached]
    unit = goal.unit + ", " if goal.unit not in ("×", "") else ""
    note = f"{unit}{behind['times']:g} times"
    if "ours_us" in behind:
        note += f"; ours {behind['ours_us']:,.4g} µs a run, peer {behind['peer_us']:,.4g}"
    return f"{key:24} {numbers}  {goal.reach:9} {verdict:8} {note}"


def beside(path: Path) -> Path:
    """Return where the machine and the times behind the ratios are written."""
    return path.with_suffix(".about.json")


def write(path: Path, figures: object, about: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, content in ((path, figures), (beside(path), about)):
        target.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def arguments(text: str, keys: list[str]) -> argparse.ArgumentParser:
    """Return a parser of the options that every script has."""
    parser = argparse.ArgumentParser(
        description=text, epilog=f"Keys: {', '.join(keys)}. See benchmarks/README.md."
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--only", metavar="KEY,KEY", help="measure these keys only")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: shows that it works, measures nothing"
    )
    return parser


def main(group: str, text: str, benchmarks: Sequence[Benchmark]) -> None:
    """Run one script: measure what was asked for, print it as it comes, write the JSON."""
    faulthandler.enable()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1)  # run.py asks a script that hangs where it waits
    keys = keys_of(group)
    parser = arguments(text, keys)
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    wanted = chosen(options.only, keys)
    about = machine.describe()
    if not options.part:
        print(machine.as_text(about))
        print(head())
    found: dict[str, Figure] = {}
    for benchmark in benchmarks:
        if not set(benchmark.keys) & set(wanted):
            continue
        try:
            figures = benchmark.measure(options.quick)
        except Exception:  # the others are measured all the same
            traceback.print_exc()
            continue
        for key in benchmark.keys:
            if key in wanted:
                found[key] = figures[key]
                print(row(key, found, options.quick), flush=True)
                print(*(f"  {line}\n" for line in found[key].lines), sep="", end="", flush=True)
    if options.json is not None:
        named = found if options.part else {own(key): figure for key, figure in found.items()}
        write(
            options.json,
            {key: figure.shown() for key, figure in named.items()},
            {
                "machine": about,
                "quick": options.quick,
                "behind": {key: figure.behind() for key, figure in named.items()},
            },
        )
    lacking = [key for key in wanted if key not in found]
    if lacking:
        sys.exit(f"not measured: {', '.join(lacking)}")
