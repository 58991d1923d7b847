"""``abreast schedule ledger`` and ``backfill``: the past of schedules."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from ..report_text import one_line
from ..schedule_json import instant_row
from .described import SCHEMA
from .exits import OK, Refused
from .found import opened
from .options import Where
from .out import colourful, document, line, note, table
from .schedule_words import moment, now, place_of, stamp, view_of

if TYPE_CHECKING:
    from ..app_schedules import Instant

_HEADS = ["INSTANT", "ZONE", "SCHEDULE", "TASK", "OUTCOME", "RUN", "REASON"]
_COLOURS = {"ran": "green", "missed": "red", "skipped": "yellow", "merged": "yellow"}
_INCLUDED_S = 0.001  # a period begins after its start; the start itself is meant to be in it


def ledger(
    where: Where,
    name: str | None,
    outcomes: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
    before: int | None,
    as_json: bool,
) -> int:
    """Carry out ``abreast schedule ledger``; returns the exit code."""
    at = now()
    with opened(where) as app:
        zones = {view.name: view.timezone for view in app.schedules.list()}
        if name is not None and name not in zones and not app.schedules.ledger(name, limit=1):
            view_of(app, name)  # raises
        place = place_of(zones.get(name or "", "UTC"))
        found = app.schedules.ledger(
            name,
            since=None if since is None else moment(since, "--since", place, at),
            until=None if until is None else moment(until, "--until", place, at),
            outcomes=outcomes or None,
            before=before,
            limit=limit,
        )
    more = found[-1].id if len(found) == limit else None
    if as_json:
        document({"schema": SCHEMA, "instants": [instant_row(one) for one in found],
                  "before": more})  # fmt: skip
        return OK
    if not found:
        note("There are no such instants.")
        return OK
    for text in table(_HEADS, [_row(one, zones) for one in found], {"RUN"}, _colours):
        line(text)
    if more is not None:
        note(f"There may be more: --before {more}")
    return OK


def _row(instant: Instant, zones: dict[str, str]) -> list[str]:
    zone = zones.get(instant.schedule, "UTC")
    when = stamp(instant.at, place_of(zone))
    if instant.count > 1:
        when += f" to {stamp(instant.until, place_of(zone))}, {instant.count} times"
    return [
        when, zone, one_line(instant.schedule, 60), one_line(instant.task, 60),
        str(instant.outcome), "" if instant.run is None else str(instant.run),
        one_line(instant.reason or "", 200),
    ]  # fmt: skip


def _colours(head: str, cell: str) -> str:
    colour = _COLOURS.get(cell.strip()) if head == "OUTCOME" and colourful() else None
    return click.style(cell, fg=colour) if colour else cell


def backfill(
    where: Where,
    name: str,
    since: str,
    until: str,
    overlap: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Carry out ``abreast schedule backfill``; returns the exit code."""
    at = now()
    with opened(where, tasks=None if dry_run else True) as app:
        view = view_of(app, name)
        place = place_of(view.timezone)
        start = moment(since, "--since", place, at)
        end = moment(until, "--until", place, at)
        if start > end:
            raise Refused(
                f"--since {stamp(start, place)} is later than --until {stamp(end, place)}"
            )
        found = app.schedules.backfill(
            name, start - _INCLUDED_S, end, overlap=overlap, dry_run=dry_run
        )
        nobody = not dry_run and bool(found) and not app.workers()
    if as_json:
        document({"schema": SCHEMA, "schedule": name, "dry_run": dry_run,
                  "instants": [instant_row(one) for one in found]})  # fmt: skip
        return OK
    if not found:
        note(f"{name!r} has no instants from {stamp(start, place)} to {stamp(end, place)}.")
        return OK
    rows = [_row(one, {name: view.timezone}) for one in found]
    for text in table(_HEADS, rows, {"RUN"}, _colours):
        line(text)
    counts = Counter(str(one.outcome) for one in found)
    note(", ".join(f"{count} {outcome}" for outcome, count in counts.items())
         + (". Nothing was made." if dry_run else "."))  # fmt: skip
    if counts["skipped"] and not dry_run and overlap is None and view.overlap == "skip":
        note("To make all of them, one after the other: --overlap queue_all")
    if nobody:
        note("No worker is alive. They will wait for one: abreast serve, or abreast worker")
    return OK
