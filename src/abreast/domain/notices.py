"""Who is told what: from something that happened and the rules to notices for channels.

A notice is plain data. What it says to people is written when it is delivered, by
:mod:`abreast.interfaces.notices.texts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

from .states import COMPLETED, FAILED, Reason, State

NOTIFY = "abreast:notify"  # the task that delivers; there are no notices about itself
_LONGEST_ERROR = 4000  # characters of an error that travel
_MOST_ROWS = 20  # missed series that one notice lists


class Kind(StrEnum):
    """What a notice is about."""

    FAILURE = "failure"  # a run failed
    RECOVERY = "recovery"  # it completed, and had failed before
    SUCCESS = "success"  # a run completed
    MISSED = "missed"  # an instant of a schedule went by unused
    LATE = "late"  # a run of a schedule has not started in time
    STARVED = "starved"  # a run waits too long for a limit
    TEST = "test"  # somebody tries a channel


class Rules(Protocol):
    """Names of the channels that are told about a task, by what happened; times in seconds."""

    @property
    def on_failure(self) -> tuple[str, ...]: ...
    @property
    def on_recovery(self) -> tuple[str, ...]: ...
    @property
    def on_success(self) -> tuple[str, ...]: ...
    @property
    def on_missed(self) -> tuple[str, ...]: ...
    @property
    def on_late(self) -> tuple[str, ...]: ...
    @property
    def on_starved(self) -> tuple[str, ...]: ...
    @property
    def late_after(self) -> float: ...
    @property
    def starved_after(self) -> float: ...


class RunEnd(NamedTuple):
    """The end of a run. Times are seconds since 1970 in UTC."""

    id: int
    task: str
    label: str
    state: State
    reason: Reason | None
    error: str | None
    created: float
    started: float | None
    ended: float
    attempts: int
    trigger: str = ""  # what started it: "schedule nightly", "user anna", ...
    flow: int | None = None  # the flow it is part of, which tells of its own end


class Missed(NamedTuple):
    """Instants of a schedule that no one acted on: ``times`` from ``at`` to ``until``."""

    schedule: str
    task: str
    at: float
    until: float | None = None
    times: int = 1
    reason: str | None = None


class Late(NamedTuple):
    """An instant whose run started late, or (``started`` None) has not started yet."""

    schedule: str
    task: str
    at: float
    run: int | None
    started: float | None
    now: float

    @property
    def seconds(self) -> float:
        """How late it is."""
        return (self.now if self.started is None else self.started) - self.at


class Starved(NamedTuple):
    """A run that has waited for a limit since ``since``. ``waiting``: how many do."""

    key: str
    since: float
    now: float
    run: int
    task: str
    waiting: int
    holders: tuple[int, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it has waited."""
        return self.now - self.since


class Notice(NamedTuple):
    """Something to tell a channel. ``data`` can be written as JSON; times in it are seconds.

    ``once`` is the same for everything that tells the same: who sends it twice, repeats it.
    """

    channel: str
    kind: Kind
    data: dict[str, Any]
    once: str

    @property
    def label(self) -> str:
        """``failure of nightly to ops``."""
        return f"{self.kind} of {self.data.get('task') or self.data.get('key')} to {self.channel}"


def of_end(end: RunEnd, rules: Rules, before: State | None) -> list[Notice]:
    """The notices about the end of a run.

    Parameters
    ----------
    before : State, optional
        How the task's run before this one ended that completed or failed; None: there is none.

    Returns
    -------
    list of Notice
        None for runs that were cancelled or skipped, that are part of a flow, or that deliver
        notices. A channel that hears of a recovery does not hear of the success as well.
    """
    if end.task == NOTIFY or end.flow is not None:
        return []
    told: dict[str, Kind] = {}
    if end.state is FAILED:
        told.update(dict.fromkeys(rules.on_failure, Kind.FAILURE))
    elif end.state is COMPLETED:
        told.update(dict.fromkeys(rules.on_success, Kind.SUCCESS))
        if before is FAILED:
            told.update(dict.fromkeys(rules.on_recovery, Kind.RECOVERY))
    return [_notice(channel, kind, end.task, f"run {end.id}", run=_run(end))
            for channel, kind in told.items()]  # fmt: skip


def counts(end: RunEnd) -> bool:
    """Whether an end says how its task is doing: the ``before`` of the next one."""
    return end.flow is None and end.state in (COMPLETED, FAILED)


def of_missed(missed: Sequence[Missed], rules: Callable[[str], Rules]) -> list[Notice]:
    """The notices about instants that were missed: one for a channel, however many there are.

    ``rules`` is called with the name of a task.
    """
    heard: dict[str, list[Missed]] = {}
    for one in missed:
        if one.task != NOTIFY:
            for channel in dict.fromkeys(rules(one.task).on_missed):
                heard.setdefault(channel, []).append(one)
    notices = []
    for channel, found in heard.items():
        rows = [
            {"schedule": one.schedule, "task": one.task, "at": one.at, "until": one.until,
             "count": one.times, "reason": one.reason}
            for one in found[:_MOST_ROWS]
        ]  # fmt: skip
        tasks = list(dict.fromkeys(one.task for one in found))
        count = sum(one.times for one in found)
        once = f"{found[0].schedule} {found[0].at:.3f} {count}"
        notices.append(
            _notice(channel, Kind.MISSED, tasks[0], once, tasks=tasks, count=count, missed=rows)
        )
    return notices


def of_late(late: Late, rules: Rules) -> list[Notice]:
    """The notices about an instant whose run is late; none while it is not late enough."""
    if late.task == NOTIFY or late.seconds < rules.late_after:
        return []
    said = {"schedule": late.schedule, "instant": late.at, "late_seconds": round(late.seconds, 3),
            "started": late.started, "run": _only(late.run)}  # fmt: skip
    once = f"{late.schedule} {late.at:.3f}"
    channels = dict.fromkeys(rules.on_late)
    return [_notice(channel, Kind.LATE, late.task, once, **said) for channel in channels]


def of_starved(starved: Starved, rules: Rules) -> list[Notice]:
    """The notices about a run that waits for a limit; none while it has not waited too long."""
    if starved.task == NOTIFY or starved.seconds < rules.starved_after:
        return []
    said = {"key": starved.key, "since": starved.since, "waiting": starved.waiting,
            "waited_seconds": round(starved.seconds, 3), "holders": list(starved.holders),
            "run": _only(starved.run)}  # fmt: skip
    channels = dict.fromkeys(rules.on_starved)
    return [_notice(channel, Kind.STARVED, starved.task, f"{starved.key} {starved.run}", **said)
            for channel in channels]  # fmt: skip


def speaks(rules: Rules) -> bool:
    """Whether these rules tell anybody anything."""
    return bool(rules.on_failure or rules.on_recovery or rules.on_success
                or rules.on_missed or rules.on_late or rules.on_starved)  # fmt: skip


def channels_of(rules: Iterable[Rules]) -> list[str]:
    """The names of all channels that rules mention, each once."""
    named: dict[str, None] = {}
    for one in rules:
        for channels in (one.on_failure, one.on_recovery, one.on_success, one.on_missed,
                         one.on_late, one.on_starved):  # fmt: skip
            named.update(dict.fromkeys(channels))
    return list(named)


def _notice(channel: str, kind: Kind, task: str, once: str, **said: Any) -> Notice:
    data = {"event": str(kind), "task": task, **said}
    # A digest, because names may hold what means something where this is used as a key.
    digest = sha256(f"{channel}\0{task}\0{once}".encode("utf-8", "replace")).hexdigest()
    return Notice(channel, kind, data, f"{kind} {digest[:32]}")


def _only(run: int | None) -> dict[str, Any] | None:
    return None if run is None else {"id": run}


def _run(end: RunEnd) -> dict[str, Any]:
    return {
        "id": end.id,
        "label": end.label,
        "state": str(end.state),
        "reason": None if end.reason is None else str(end.reason),
        "error": None if end.error is None else _cut(end.error),
        "created": end.created,
        "started": end.started,
        "ended": end.ended,
        "attempts": end.attempts,
        "trigger": end.trigger,
    }


def _cut(text: str) -> str:
    """A text that any channel can carry, its middle left out when it is too long: what happened
    stands at its ends."""
    text = text.encode("utf-8", "replace").decode()  # halves of characters become question marks
    if len(text) <= _LONGEST_ERROR:
        return text
    half = _LONGEST_ERROR // 2
    return f"{text[:half]}\n[…]\n{text[-half:]}"
