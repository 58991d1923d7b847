"""What a notice says: its subject, its text, and the document that programs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ...domain.notices import Kind
from ..report_dict import iso
from ..report_text import count, duration, one_line

_LONGEST_SUBJECT = 160
_INDENT = 9  # of what stands beside a heading
_TIMES = frozenset({"at", "until", "instant", "since", "created", "started", "ended"})


class Around(NamedTuple):
    """What is the same for all notices of a service.

    ``zone``: in which times are shown; ``url``: where the service can be reached, without a slash
    at its end; ``folder``: from where its commands find its store.
    """

    name: str
    host: str
    zone: str = "UTC"
    url: str | None = None
    folder: str | None = None


class Message(NamedTuple):
    """A notice, ready to be delivered. ``id`` stays the same however often that is tried."""

    id: str
    event: str
    task: str
    subject: str
    text: str
    document: dict[str, Any]


def write(data: Mapping[str, Any], around: Around, id: str) -> Message:
    """Write down a notice.

    Parameters
    ----------
    data : mapping
        As :mod:`abreast.domain.notices` makes it.
    id : str
        Names this delivery.
    """
    said = _SAYS[Kind(data["event"])](data, around)
    subject = one_line(f"[{around.name} on {around.host}] {said.subject}", _LONGEST_SUBJECT)
    link = _link(data, around)
    text = _page(said, link, around)
    document = {
        "schema": 1,
        "id": id,
        **_with_dates(data),
        "app": around.name,
        "host": around.host,
        "timezone": around.zone,
        "url": link,
        "subject": subject,
        "text": text,
    }
    return Message(id, str(data["event"]), str(data.get("task", "")), subject, text, document)


def when(at: float | None, zone: str) -> str:
    """A time as people read it, always with its zone: ``2026-11-21 02:00:03 CET``."""
    if at is None:
        return "–"
    return f"{datetime.fromtimestamp(at, _zone(zone)):%Y-%m-%d %H:%M:%S %Z}"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return ZoneInfo("UTC")


# -- what each kind says ----------------------------------------------------------------------


class _Said(NamedTuple):
    subject: str
    first: str  # the first sentence of the text
    facts: list[tuple[str, str]]
    commands: list[str]  # by which one can look further


def _ended(data: Mapping[str, Any], around: Around) -> _Said:
    run, task = data["run"], data["task"]
    error, ending = run["error"], _ending(run)
    first_line = one_line((error or "").strip().partition("\n")[0], 120)
    if data["event"] == Kind.FAILURE:
        how = "" if run["reason"] in (None, "error") else f" ({run['reason']})"
        subject = f"{task} failed{how}" + (f": {first_line}" if first_line else "")
        first = f"Task {task} failed."
    elif data["event"] == Kind.RECOVERY:
        subject, first = f"{task} works again", f"Task {task} completed, after it had failed."
    else:
        subject, first = f"{task} completed", f"Task {task} completed."
    label = "" if run["label"] == task else f" {one_line(run['label'], 80)!r}"
    tries = f" after {run['attempts']} attempts" if run["attempts"] > 1 else ""
    facts = [("What", f"run {run['id']}{label} {ending}{tries}")]
    if error:
        facts.append(("Why", error.strip()))
    facts.append(("When", _span(run, around.zone)))
    if run.get("trigger"):
        facts.append(("By", run["trigger"]))
    return _Said(subject, first, facts, [f"abreast show {run['id']}", f"abreast logs {run['id']}"])


def _ending(run: Mapping[str, Any]) -> str:
    reason = run["reason"]
    return f"{run['state']}({reason})" if reason else str(run["state"])


def _span(run: Mapping[str, Any], zone: str) -> str:
    started, ended = run["started"], run["ended"]
    if started is None:
        return f"never started; submitted {when(run['created'], zone)}, ended {when(ended, zone)}"
    took = duration(ended - started)
    return f"started {when(started, zone)}, ended {when(ended, zone)} ({took})"


def _missed(data: Mapping[str, Any], around: Around) -> _Said:
    rows = data["missed"]
    names = list(dict.fromkeys(row["schedule"] for row in rows))
    instants = count(data["count"], "instant")
    who = names[0] if len(names) == 1 else count(len(names), "schedule")
    facts = []
    for row in rows:
        until = "" if row["until"] is None else f" to {when(row['until'], around.zone)}"
        many = f", {row['count']} instants" if row["count"] > 1 else ""
        why = f": {row['reason']}" if row["reason"] else ""
        span = f"{when(row['at'], around.zone)}{until}"
        facts.append(("Missed", f"{row['schedule']}, {span}{many}{why}"))
    more = data["count"] - sum(row["count"] for row in rows)
    if more > 0:
        facts.append(("Missed", f"and {count(more, 'instant')} more"))
    return _Said(f"{who} missed {instants}", f"{instants} went by without a run.", facts,
                 ["abreast schedule list"])  # fmt: skip


def _late(data: Mapping[str, Any], around: Around) -> _Said:
    task, run = data["task"], data["run"]
    late = duration(data["late_seconds"])
    due = f"it was due {when(data['instant'], around.zone)}"
    commands = ["abreast schedule list"] if run is None else [f"abreast why {run['id']}"]
    which = "" if run is None else f"run {run['id']}, "
    if data["started"] is None:
        facts = [("What", f"{which}not started yet; {due}")]
        return _Said(f"{task} has not started, {late} after its time",
                     f"Task {task} should have started {late} ago.", facts, commands)  # fmt: skip
    facts = [("What", f"{which}started {when(data['started'], around.zone)}; {due}")]
    return _Said(f"{task} started {late} late", f"Task {task} started {late} late.", facts,
                 commands)  # fmt: skip


def _starved(data: Mapping[str, Any], around: Around) -> _Said:
    task, run, waited = data["task"], data["run"]["id"], duration(data["waited_seconds"])
    limit = data["key"] or task
    held = ", ".join(f"run {holder}" for holder in data["holders"][:10]) or "nobody"
    more = len(data["holders"]) - 10
    facts = [
        ("What", f"run {run} waits since {when(data['since'], around.zone)}"),
        ("Held by", held + (f" and {more} more" if more > 0 else "")),
        ("Waiting", count(data["waiting"], "run")),
    ]
    return _Said(f"{task} waits for the limit {limit!r} for {waited}",
                 f"Task {task} has waited {waited} for the limit {limit!r}.", facts,
                 [f"abreast why {run}"])  # fmt: skip


def _test(data: Mapping[str, Any], around: Around) -> _Said:
    channel = data["channel"]
    return _Said(f"test of the channel {channel!r}",
                 f"Somebody tried the channel {channel!r}. What you read has arrived.",
                 [("When", when(data["at"], around.zone))], [])  # fmt: skip


_SAYS: dict[Kind, Callable[[Mapping[str, Any], Around], _Said]] = {
    Kind.FAILURE: _ended,
    Kind.RECOVERY: _ended,
    Kind.SUCCESS: _ended,
    Kind.MISSED: _missed,
    Kind.LATE: _late,
    Kind.STARVED: _starved,
    Kind.TEST: _test,
}


# -- how it stands on the page ----------------------------------------------------------------


def _page(said: _Said, link: str | None, around: Around) -> str:
    lines = [said.first, ""]
    for head, value in [*said.facts, ("Where", f"{around.name} on {around.host}"),
                        ("Zone", f"times are in {around.zone}")]:  # fmt: skip
        first, *rest = value.splitlines() or [""]
        lines.append(f"{head:<{_INDENT}}{first}")
        lines.extend(f"{'':{_INDENT}}{line}" for line in rest)
    if link is not None:
        lines += ["", link]
    if said.commands:
        place = f", in {around.folder}" if around.folder else ""
        lines += ["", f"To look further, on {around.host}{place}:"]
        lines += [f"    {command}" for command in said.commands]
    return "\n".join(lines) + "\n"


def _link(data: Mapping[str, Any], around: Around) -> str | None:
    """Where the service shows what a notice is about, if it is known where it can be reached."""
    if around.url is None:
        return None
    run = data.get("run")
    if run is not None:
        return f"{around.url}/api/v1/runs/{run['id']}"
    return f"{around.url}/api/v1/schedules" if data["event"] == Kind.MISSED else around.url


def _with_dates(value: Any) -> Any:
    """The same with times as ISO 8601 texts in UTC, as the HTTP API has them."""
    if isinstance(value, Mapping):
        return {
            key: iso(item) if key in _TIMES and isinstance(item, int | float) else _with_dates(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_dates(item) for item in value]
    return value
