"""``abreast schedule simulate``: what a period will bring."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

from ...domain.schedule import jitter_of
from ..report_dict import iso
from ..report_text import duration, one_line
from .described import SCHEMA
from .exits import OK, Refused
from .found import opened
from .options import Where
from .out import document, line, note, table
from .schedule_words import moment, now, place_of, schedule_of, stamp

if TYPE_CHECKING:
    from ..app_schedules import ScheduleView

_MOST = 100_000  # instants of one call
_SHORTEST_S = 1.0  # what a run takes of which nobody knows; what starts within it is together
_PILES = 5  # minutes that are named
_HEADS = ["TIME", "ZONE", "SCHEDULE", "TASK"]
_TASK_HEADS = ["TASK", "INSTANTS", "MEDIAN", "IN ALL", "WILL FIND IT RUNNING"]


class Start(NamedTuple):
    """An instant to come: due at ``due``, which is ``at`` with its jitter."""

    due: float
    at: float
    schedule: str
    task: str
    overlap: str
    zone: str


@dataclass(slots=True)
class Plan:
    """What a period will bring."""

    starts: list[Start] = field(default_factory=list)
    complete: bool = True  # else there are more instants than are looked at
    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    busy: dict[str, float] = field(default_factory=dict)  # seconds, per task
    piles: list[tuple[float, list[Start]]] = field(default_factory=list)
    most: int = 0
    most_at: float | None = None
    most_tasks: Counter[str] = field(default_factory=Counter)


def simulate(where: Where, start: str, end: str, limit: int, as_json: bool) -> int:
    """Carry out ``abreast schedule simulate``; returns the exit code."""
    from .schedule_words import default_zone

    at = now()
    place = place_of(default_zone())
    since = moment(start, "--from", place, at)
    until = moment(end, "--to", place, at, since)
    if since >= until:
        raise Refused(f"--from {stamp(since, place)} is not before --to {stamp(until, place)}")
    with opened(where) as app:
        views = app.schedules.list()
        stats = app.stats({view.task for view in views}) if views else {}
    medians = {name: found.median for name, found in stats.items()}
    active = [view for view in views if view.paused is None]
    plan = planned(active, since, until, medians)
    paused = [view.name for view in views if view.paused is not None]
    if as_json:
        document(_json(plan, since, until, medians, paused))
        return OK
    period = f"from {stamp(since, place)} to {stamp(until, place)}"
    if not views:
        note("There are no schedules. Tasks declare theirs, and abreast serve writes them down.")
        return OK
    _say(plan, medians, period, limit, place)
    if paused:
        line()
        line(f"paused, and left out here: {', '.join(paused)}")
    return OK


def planned(
    views: Iterable[ScheduleView], since: float, until: float, medians: Mapping[str, float | None]
) -> Plan:
    """Work out what schedules bring from ``since`` on, before ``until``.

    Parameters
    ----------
    medians : mapping
        How many seconds runs of a task take; None: nobody knows.
    """
    plan = Plan()
    for view in views:
        schedule = schedule_of(view)
        found = schedule.between(since - view.jitter - 0.001, until, _MOST + 1)
        for at in found:
            due = at + jitter_of(view.name, at, view.jitter)
            if since <= due < until:
                plan.starts.append(
                    Start(due, at, view.name, view.task, view.overlap, view.timezone)
                )
    plan.starts.sort()
    plan.complete = len(plan.starts) <= _MOST
    del plan.starts[_MOST:]
    plan.counts.update(start.task for start in plan.starts)
    _piles(plan)
    _at_once(plan, _spans(plan, medians))
    return plan


def _piles(plan: Plan) -> None:
    """Find the minutes in which most runs start."""
    minutes: dict[float, list[Start]] = defaultdict(list)
    for start in plan.starts:
        minutes[start.due // 60 * 60].append(start)
    several = [(minute, found) for minute, found in minutes.items() if len(found) > 1]
    several.sort(key=lambda pile: (-len(pile[1]), pile[0]))
    plan.piles = several


def _spans(plan: Plan, medians: Mapping[str, float | None]) -> list[tuple[float, float, str]]:
    """From when to when each run would run, as the overlap of its schedule says."""
    spans: list[tuple[float, float, str]] = []
    running: dict[str, list[int]] = defaultdict(list)  # numbers of spans, per task
    for start in plan.starts:
        known = medians.get(start.task)
        took = _SHORTEST_S if known is None else known
        mine = running[start.task]
        mine[:] = [number for number in mine if spans[number][1] > start.due]
        begin, overlap = start.due, start.overlap
        if overlap.startswith("queue"):
            waiting = sum(spans[number][0] > start.due for number in mine)
            if overlap == "queue_one" and waiting:
                plan.refused[start.task] += 1
                continue
            begin = max([begin, *(spans[number][1] for number in mine)])
        elif overlap == "cancel_running":
            for number in mine:
                first, _, task = spans[number]
                spans[number] = (first, start.due, task)
            mine.clear()
        else:
            allowed = int(overlap[6:-1]) if overlap.startswith("allow(") else 1
            if len(mine) >= allowed:
                plan.refused[start.task] += 1
                continue
        mine.append(len(spans))
        spans.append((begin, begin + took, start.task))
    for first, last, task in spans:
        if medians.get(task) is not None:
            plan.busy[task] = plan.busy.get(task, 0.0) + last - first
    return spans


def _at_once(plan: Plan, spans: Sequence[tuple[float, float, str]]) -> None:
    """Find when most runs go on at once."""
    events = [(first, 1, task) for first, _, task in spans]
    events += [(max(last, first + _SHORTEST_S), -1, task) for first, last, task in spans]
    running: Counter[str] = Counter()
    count = 0
    for at, step, task in sorted(events):  # an end comes before a start at the same time
        running[task] += step
        count += step
        if count > plan.most:
            plan.most, plan.most_at = count, at
            plan.most_tasks = +running


def _say(
    plan: Plan, medians: Mapping[str, float | None], period: str, limit: int, place: tzinfo
) -> None:
    count = len(plan.starts)
    more = "" if plan.complete else " and more, which are left out"
    line(f"{count:,} instant{'s' * (count != 1)}{more}, {period}")
    if not count:
        return
    if limit:
        line()
        rows = [[stamp(one.due, place_of(one.zone)), one.zone, one_line(one.schedule, 60),
                 one_line(one.task, 60)] for one in plan.starts[:limit]]  # fmt: skip
        for text in table(_HEADS, rows):
            line(text)
        if count > limit:
            line(f"… and {count - limit:,} more")
    line()
    rows = [
        [one_line(task, 60), f"{number:,}", duration(medians.get(task)),
         duration(plan.busy[task]) if task in plan.busy else "–", f"{plan.refused[task]:,}"]
        for task, number in plan.counts.most_common()
    ]  # fmt: skip
    for text in table(_TASK_HEADS, rows, set(_TASK_HEADS[1:])):
        line(text)
    line()
    if plan.piles:
        line("Most start in these minutes:")
        for minute, found in plan.piles[:_PILES]:
            tasks = _named(Counter(start.task for start in found))
            line(f"  {stamp(minute, place)}  {len(found):,}: {tasks}")
    if plan.most_at is not None:
        line(f"At once: {plan.most:,} at most, first at {stamp(plan.most_at, place)}: "
             f"{_named(plan.most_tasks)}")  # fmt: skip
    unknown = sorted(task for task in plan.counts if medians.get(task) is None)
    if unknown:
        shown = ", ".join(unknown[:10]) + (" …" if len(unknown) > 10 else "")
        line(f"No run has completed yet, so taken as {_SHORTEST_S:g} s: {shown}")


def _named(counts: Counter[str]) -> str:
    words = [task if number == 1 else f"{task} × {number}" for task, number in counts.items()]
    return ", ".join(words[:8]) + (" …" if len(words) > 8 else "")


def _json(
    plan: Plan,
    since: float,
    until: float,
    medians: Mapping[str, float | None],
    paused: Sequence[str],
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "from": iso(since),
        "to": iso(until),
        "complete": plan.complete,
        "instants": [
            {"due": iso(one.due), "at": iso(one.at), "schedule": one.schedule, "task": one.task,
             "timezone": one.zone}
            for one in plan.starts
        ],
        "tasks": [
            {"task": task, "instants": number, "median_seconds": medians.get(task),
             "busy_seconds": plan.busy.get(task), "would_find_it_running": plan.refused[task]}
            for task, number in plan.counts.most_common()
        ],
        "pile_ups": [
            {"minute": iso(minute), "count": len(found),
             "schedules": [start.schedule for start in found]}
            for minute, found in plan.piles
        ],
        "at_once": {"most": plan.most, "at": iso(plan.most_at), "tasks": dict(plan.most_tasks)},
        "paused": list(paused),
    }  # fmt: skip
