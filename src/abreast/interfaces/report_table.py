"""The report as a table of plain text, for terminals, logs and mails."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..domain.states import CANCELLED, FAILED, SKIPPED
from .report_text import (
    ICONS,
    PLAIN_ICONS,
    count,
    duration,
    ending,
    for_encoding,
    message,
    one_line,
    tally,
    width,
)

if TYPE_CHECKING:
    from .report import Report
    from .run import Run

MOST_ROWS = 200  # with more runs there is one row per task
MOST_FAILURES = 50
_ORDER = {SKIPPED: 1, CANCELLED: 2, FAILED: 3}  # what matters most stands last, above the prompt


def table(report: Report, encoding: str | None) -> str:
    """Return the table; see :meth:`Report.table`."""
    encoding = encoding or getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        "✓✕■◇▶·↻─…–".encode(encoding)
        icons, rule = ICONS, "─"
    except (UnicodeEncodeError, LookupError):
        icons, rule = PLAIN_ICONS, "-"
    if not report.runs:
        return closing(report)
    runs = sorted(report.runs, key=lambda run: _ORDER.get(run.state, 0))
    if len(runs) <= MOST_ROWS:
        lines = _columns(["", "Run", "Ended", "Wait", "Time", "Tries"], _rows(runs, icons), rule)
    else:
        lines = _columns(["Task", "Runs", "Ended", "Mean", "Longest"], _tasks(runs), rule)
        wrong = [run for run in runs if run.state in _ORDER]
        shown = wrong[-MOST_FAILURES:]
        if wrong:
            lines += ["", _left_out(len(wrong) - len(shown))] if len(wrong) > len(shown) else [""]
            lines += _columns([""] * 6, _rows(shown, icons), "")
    lines += ["", closing(report)]
    return "\n".join(for_encoding(line.rstrip(), encoding) for line in lines)


def closing(report: Report) -> str:
    """The last line: how many runs, how long, and what became of them."""
    if not report.runs:
        return f"{one_line(report.name)}: no runs"
    text = f"{one_line(report.name)}: {count(len(report), 'run')} in {duration(report.seconds)}"
    text += f": {tally(report.counts)}"
    abandoned = len(report.abandoned)
    if abandoned:
        text += f"; {count(abandoned, 'thread')} abandoned and still running"
    return text + ("; interrupted" if report.interrupted else "")


def _left_out(number: int) -> str:
    return f"… {count(number, 'more run')} that did not complete, then:"


def _rows(runs: list[Run], icons: dict[str, str]) -> list[list[str]]:
    return [
        [
            icons[run.state],
            one_line(run.label, 60),
            ending(run),
            duration(run.wait_seconds),
            duration(run.run_seconds),
            str(run.attempts),
            message(run),
        ]
        for run in runs
    ]


def _tasks(runs: list[Run]) -> list[list[str]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.name, []).append(run)
    rows = []
    ordered = sorted(groups.items(), key=lambda group: any(run.state in _ORDER for run in group[1]))
    for name, members in ordered:
        states = {run.state: 0 for run in members}
        for run in members:
            states[run.state] += 1
        times = [run.run_seconds for run in members if run.run_seconds is not None]
        mean = sum(times) / len(times) if times else None
        rows.append(
            [one_line(name, 60), f"{len(members):,}", tally(states), duration(mean),
             duration(max(times, default=None))]
        )  # fmt: skip
    most = 100
    if len(rows) > most:
        rest = len(rows) - most
        rows = [[f"… {count(rest, 'more task')}", "", "", "", ""], *rows[-most:]]
    return rows


_RIGHT = frozenset({"Runs", "Wait", "Time", "Tries", "Mean", "Longest"})


def _columns(heads: list[str], rows: list[list[str]], rule: str) -> list[str]:
    """Align rows under heads; what has no head (the message) goes to the end as it is."""
    sizes = [max([width(head), *(width(row[at]) for row in rows)]) for at, head in enumerate(heads)]

    def line(cells: list[str]) -> str:
        parts = []
        for at, cell in enumerate(cells):
            if at >= len(sizes):
                parts.append(cell)
                continue
            pad = " " * (sizes[at] - width(cell))
            right = heads[at] in _RIGHT or (not heads[-1] and at in (3, 4, 5))
            parts.append(pad + cell if right else cell + pad)
        return "  ".join(parts)

    if not rule:
        return [line(row) for row in rows]
    return [line(heads), "  ".join(rule * size for size in sizes), *(line(row) for row in rows)]
