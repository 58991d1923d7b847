"""The report as a page: one file with style, script and data in it, and no need of a network."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..domain.states import CANCELLED, ENDED, FAILED, SKIPPED, Reason
from . import wiring
from .lanes import Bar, Kind, Timeline, lay_out, look
from .report_text import count, duration, ending, message, one_line, tally, traceback_text

if TYPE_CHECKING:
    from .report import Report
    from .run import Run

LOOKS = ("succeeded", "failed", "cancelled", "skipped", "running", "retrying", "queued")
ICONS = dict(zip(LOOKS, "✓✕■◇▶↻·", strict=True))
_KINDS = list(Kind)
_SCRIPTS = ("data.js", "timeline.js", "interact.js", "table.js")
_MOST_ROWS = 500  # in the file itself, for readers without scripts; the script shows them all
_MOST_FAILURES = 100  # with their tracebacks; the table has them all
_OPEN_FAILURES = 5


def page(report: Report) -> str:
    """Return the page of a report."""
    timeline = lay_out(report.runs, report.started, time.time())
    script = _script()
    digest = b64encode(sha256(script.encode()).digest()).decode()
    runs = timeline.bars
    parts = {
        "policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        "title": escape(f"{one_line(report.name)}: {_verdict(report)}"),
        "css": _asset("page.css"),
        "name": escape(one_line(report.name)),
        "verdict_class": "good" if report.ok else "bad" if report.done else "open",
        "verdict": escape(_verdict(report)),
        "facts": escape(_facts(report)),
        "legend": _legend(report.runs),
        "failures": _failures(report),
        "critical": _critical(timeline),
        "rows": "".join(_row(bar) for bar in runs[:_MOST_ROWS]),
        "more": f"The first {_MOST_ROWS} of {len(runs):,} runs." if len(runs) > _MOST_ROWS else "",
        "footer": "Made by abreast. Times are counted from the start of the runner.",
        "data": _data(report, timeline),
        "js": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


@cache
def _asset(name: str) -> str:
    return (files(__package__) / "report_page" / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    return "\n".join(_asset(name) for name in _SCRIPTS)


# -- words --------------------------------------------------------------------------------------


def _verdict(report: Report) -> str:
    runs = report.runs
    if not runs:
        return "no runs"
    if report.ok:
        return "the run completed" if len(runs) == 1 else f"all {len(runs):,} runs completed"
    wrong = {state: report.counts.get(state, 0) for state in (FAILED, CANCELLED, SKIPPED)}
    said = f"{tally(wrong)} of {count(len(runs), 'run')}" if any(wrong.values()) else ""
    open_ = sum(run.state not in ENDED for run in runs)
    if open_:
        said = f"{said}; " if said else ""
        said += f"{count(open_, 'run')} had not ended when this page was made"
    return said + ("; interrupted" if report.interrupted else "")


def _facts(report: Report) -> str:
    facts = [f"took {duration(report.seconds)}"] if report.runs else []
    if report.started is not None:
        facts.insert(0, time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(report.started)))
    if report.concurrency is not None:
        facts.append(f"{report.concurrency:,} at once at most")
    abandoned = len(report.abandoned)
    if abandoned:
        facts.append(f"{count(abandoned, 'abandoned thread')} still running")
    return " · ".join(facts)


def _icon(name: str) -> str:
    return f'<span class="icon {name}" aria-hidden="true">{ICONS[name]}</span>'


def _legend(runs: Iterable[Run]) -> str:
    counts = dict.fromkeys(LOOKS, 0)
    for run in runs:
        counts[look(run)] += 1
    return "".join(
        f'<li class="state">{_icon(name)}<b>{number:,}</b> {name}</li>'
        for name, number in counts.items()
        if number
    )


def _failures(report: Report) -> str:
    """What went wrong by itself; runs skipped because of it are only counted."""
    order = {FAILED: 0, CANCELLED: 1, SKIPPED: 2}
    wrong = sorted(
        ((run, at) for at, run in enumerate(report.runs)
         if run.state in order and run.reason is not Reason.DEPENDENCY),
        key=lambda pair: (order[pair[0].state], pair[0].ended or 0.0),
    )  # fmt: skip
    if not wrong:
        return ""
    cards = [_failure(run, at) for run, at in wrong[:_MOST_FAILURES]]
    items = "".join(cards[:_OPEN_FAILURES])
    if len(wrong) > _OPEN_FAILURES:
        more = f"{len(wrong) - _OPEN_FAILURES:,} more"
        more += f", the first {_MOST_FAILURES} in all here" if len(wrong) > _MOST_FAILURES else ""
        items += f'<details class="others"><summary>{more}</summary>'
        items += "".join(cards[_OPEN_FAILURES:]) + "</details>"
    skipped = sum(run.reason is Reason.DEPENDENCY for run in report.runs)
    if skipped:
        items += f'<p class="hint">Because of these {count(skipped, "run")} did not start.</p>'
    return (
        '<section aria-labelledby="failures-title"><h2 id="failures-title">'
        f"What went wrong ({len(wrong):,})</h2>{items}</section>"
    )


def _failure(run: Run, at: int) -> str:
    text = traceback_text(run)
    details = (
        f"<details><summary>Traceback</summary><pre>{escape(text)}</pre></details>" if text else ""
    )
    spent = "" if run.run_seconds is None else f", after {duration(run.run_seconds)}"
    tries = f", {count(run.attempts, 'try')}".replace("trys", "tries") if run.attempts > 1 else ""
    said = message(run, 1000)
    return (
        f'<div class="failure"><p class="state">{_icon(look(run))}'
        f'<button type="button" class="plain-link" data-run="{at}">'
        f"{escape(one_line(run.label))}</button>"
        f"<span>{escape(ending(run) + spent + tries)}</span></p>"
        + (f'<p class="error">{escape(said)}</p>' if said else "")
        + f"{details}</div>"
    )


def _critical(timeline: Timeline) -> str:
    """The critical path in a sentence: what ran, what waited, and where there is most to gain."""
    path = timeline.critical
    if not path or len(timeline.bars) < 2:
        return ""
    place = {bar.run: (at, bar) for at, bar in enumerate(timeline.bars)}
    spent = dict.fromkeys(Kind, 0.0)
    own: dict[Run, float] = {}
    for run in path:
        for piece in place[run][1].pieces:
            seconds = piece.end - piece.start
            spent[piece.kind] += seconds
            if piece.kind in (Kind.RUN, Kind.TRIED):
                own[run] = own.get(run, 0.0) + seconds
    shown = path if len(path) <= 8 else [*path[:4], None, *path[-4:]]
    links = " → ".join(
        "…" if run is None
        else f'<button type="button" class="plain-link link" data-run="{place[run][0]}">'
        f"{escape(one_line(run.label, 60))}</button>"
        for run in shown
    )  # fmt: skip
    running = spent[Kind.RUN] + spent[Kind.TRIED]
    waits = [(Kind.SLOT, "waiting for slots and limits"), (Kind.DELAY, "waiting between tries")]
    account = [f"{duration(running)} running"]
    account += [f"{duration(spent[kind])} {words}" for kind, words in waits if spent[kind] >= 5e-4]
    most = sorted(own, key=lambda run: -own[run])[:3]
    gains = ", ".join(f"{escape(one_line(run.label, 60))} {duration(own[run])}" for run in most)
    advice = f"Making one of them faster saves at most: {gains}."
    if len(path) == 1:
        advice = f"Making it faster saves at most {duration(running)}."
    if spent[Kind.SLOT] > running:
        advice += " More slots, or wider limits, would help more."
    return f'<p class="path">Critical path: {links}: {", ".join(account)}. {advice}</p>'


# -- figures ------------------------------------------------------------------------------------


def _row(bar: Bar) -> str:
    run = bar.run
    waited = sum(p.end - p.start for p in bar.pieces if p.kind not in (Kind.RUN, Kind.TRIED))
    ran = sum(p.end - p.start for p in bar.pieces) - waited if bar.executed else None
    parents = ", ".join(parent.label for parent in run.after[:4])
    parents += f" and {len(run.after) - 4} more" if len(run.after) > 4 else ""
    numbers = (duration(waited), duration(ran), str(run.attempts))
    return (
        f"<tr><td>{escape(one_line(run.label))}</td>"
        f'<td><span class="state">{_icon(look(run))}{escape(ending(run))}</span></td>'
        + "".join(f'<td class="number">{number}</td>' for number in numbers)
        + f'<td>{escape(run.executor)}</td><td class="after">{escape(one_line(parents))}</td>'
        f'<td class="words">{escape(message(run))}</td></tr>'
    )


def _capacity(report: Report) -> int | None:
    """How many runs could execute at once, where one number can be given."""
    if report.concurrency is not None or not report.runs:
        return report.concurrency
    return sum(wiring.slots(name, None) for name in {run.executor for run in report.runs})


class _Words:
    """A list of distinct words, and their places in it."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def place(self, word: str) -> int:
        return self.places.setdefault(word, len(self.places))


def _data(report: Report, timeline: Timeline) -> str:
    """What the script draws, as JSON in columns; times are whole microseconds."""
    endings, executors = _Words(), _Words()
    number = {run: at for at, run in enumerate(report.runs)}
    bars = timeline.bars
    members = [0] * len(timeline.lanes)
    for bar in bars:
        members[bar.lane] += 1
    data: dict[str, Any] = {
        "length": _us(timeline.seconds),
        "capacity": _capacity(report),
        "lanes": [
            {"name": one_line(lane.name), "rows": lane.rows, "runs": members[at]}
            for at, lane in enumerate(timeline.lanes)
        ],
        "critical": [number[run] for run in timeline.critical] if len(bars) > 1 else [],
        "looks": LOOKS,
        "runs": {
            "label": [one_line(bar.run.label) for bar in bars],
            "look": [LOOKS.index(look(bar.run)) for bar in bars],
            "ending": [endings.place(ending(bar.run)) for bar in bars],
            "executor": [executors.place(bar.run.executor) for bar in bars],
            "tries": [bar.run.attempts for bar in bars],
            "lane": [bar.lane for bar in bars],
            "row": [bar.row for bar in bars],
            "pieces": [_flat(bar) for bar in bars],
            "after": {
                at: [number[parent] for parent in bar.run.after]  # type: ignore[index]
                for at, bar in enumerate(bars)
                if bar.run.after
            },
            "message": {
                at: message(bar.run, 500)
                for at, bar in enumerate(bars)
                if bar.run.error is not None
            },
        },
    }
    data["endings"] = list(endings.places)
    data["executors"] = list(executors.places)
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c")  # nothing in it can end the script element


def _flat(bar: Bar) -> list[int]:
    return [
        value
        for piece in bar.pieces
        for value in (_KINDS.index(piece.kind), _us(piece.start), _us(piece.end))
    ]


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
