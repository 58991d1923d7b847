"""What becomes of the instants of a schedule: which ones start a run, and why the others do not.

Two questions, asked one after the other. *When*: is an instant on time, late, or too late
(:func:`judge`)? *Overlap*: may it start a run although earlier ones of its task have not ended
(:func:`overlapping`)? Every instant gets an answer, and the answer is a row of the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from ..errors import UsageError, WrongType
from .policy import seconds

GRACE_S = 10.0  # what is no later than this counts as on time
MAX_CATCH_UP = 100  # late instants that start runs in one go
_MANY = 50  # instants of one outcome that share a row of the ledger
_HOUR_S = 3600.0


class Outcome(StrEnum):
    """What became of an instant."""

    RAN = "ran"  # it made a run
    SKIPPED = "skipped"  # earlier runs of the task had not ended, or a limit refused the run
    MISSED = "missed"  # nobody was there in time
    MERGED = "merged"  # a run that already waits stands for it, too
    PAUSED = "paused"  # somebody had paused the schedule


RAN, SKIPPED, MISSED = Outcome.RAN, Outcome.SKIPPED, Outcome.MISSED
MERGED, PAUSED = Outcome.MERGED, Outcome.PAUSED


class Policy(NamedTuple):
    """How a schedule deals with runs that overlap and with instants that were missed.

    ``overlap``: ``skip``, ``queue_one``, ``queue_all``, ``cancel_running``, ``allow(n)``.
    ``catch_up``: ``latest``, ``none``, ``all``. ``window``: seconds after which an instant is too
    late to be caught up; None: the shorter of the schedule's period and an hour (``all``: an
    hour). ``jitter``: seconds over which starts are spread.
    """

    overlap: str = "skip"
    catch_up: str = "latest"
    window: float | None = None
    jitter: float = 0.0

    @property
    def allowed(self) -> int:
        """Runs that may be unfinished at the same time."""
        found = _ALLOW.fullmatch(self.overlap)
        return int(found[1]) if found else 1

    def longest(self, period: float) -> float:
        """Seconds after which an instant is too late, of a schedule with this period."""
        if self.window is not None:
            return self.window
        return _HOUR_S if self.catch_up == "all" else min(period, _HOUR_S)


_ALLOW = re.compile(r"allow\((\d{1,6})\)")
_OVERLAPS = ("skip", "queue_one", "queue_all", "cancel_running")
_CATCH_UPS = ("latest", "none", "all")


def policy(said: Mapping[str, Any], name: str) -> Policy:
    """Check what a schedule says of ``overlap``, ``catch_up``, ``window`` and ``jitter``.

    Raises
    ------
    UsageError, WrongType
        Naming the schedule and the key.
    """
    overlap = said.get("overlap") or "skip"
    if not isinstance(overlap, str):
        raise WrongType(f"schedule {name!r}: overlap must be a text, not {overlap!r}")
    allow = _ALLOW.fullmatch(overlap.replace(" ", ""))
    if overlap not in _OVERLAPS and (allow is None or int(allow[1]) < 1):
        known = ", ".join(_OVERLAPS)
        raise UsageError(f"schedule {name!r}: overlap {overlap!r} is not one of {known}, allow(3)")
    catch_up = said.get("catch_up") or "latest"
    if catch_up not in _CATCH_UPS:
        raise UsageError(
            f"schedule {name!r}: catch_up {catch_up!r} is not one of {', '.join(_CATCH_UPS)}"
        )
    window = said.get("window")
    return Policy(
        overlap.replace(" ", ""),
        catch_up,
        None if window is None else seconds(window, f"schedule {name!r}: window"),
        seconds(said.get("jitter") or 0.0, f"schedule {name!r}: jitter"),
    )


class Verdict(NamedTuple):
    """The outcome of one instant, or of ``times`` from ``at`` to ``until``, as far as time decides
    it: ``RAN`` means that it may, if others do not stand in the way."""

    at: float
    outcome: Outcome
    reason: str | None = None
    until: float | None = None
    times: int = 1


def judge(
    instants: Sequence[tuple[float, float]],
    now: float,
    policy: Policy,
    period: float,
    paused: bool,
    more: bool = False,
) -> list[Verdict]:
    """Say which of the instants that are due may start a run.

    Parameters
    ----------
    instants : sequence of (at, due)
        In order; ``due`` is ``at`` with its jitter.
    now : float
        Seconds since 1970 in UTC, as all times here.
    period : float
        Seconds between two instants of the schedule.
    paused : bool
        Whether somebody has paused the schedule.
    more : bool
        Whether further instants are due that are not among these.

    Returns
    -------
    list of Verdict
        In order. Long series of instants that start nothing share one verdict.
    """
    if paused:
        return _together([Verdict(at, PAUSED, "the schedule is paused") for at, _ in instants])
    longest = policy.longest(period)
    newest = len(instants) - 1
    first_of_all = len(instants) - MAX_CATCH_UP
    verdicts = []
    for number, (at, due) in enumerate(instants):
        late = now - due
        if late <= GRACE_S:
            verdicts.append(Verdict(at, RAN))
        elif policy.catch_up == "none":
            verdicts.append(Verdict(at, MISSED, _too_late(late)))
        elif late > longest:
            verdicts.append(Verdict(at, MISSED, f"{_too_late(late)}, more than {longest:g} s"))
        elif policy.catch_up == "latest" and (more or number < newest):
            verdicts.append(Verdict(at, MISSED, f"{_too_late(late)}; only the latest is made up"))
        elif policy.catch_up == "all" and number < first_of_all:
            verdicts.append(Verdict(at, MISSED, f"{_too_late(late)}; {MAX_CATCH_UP} are made up"))
        else:
            verdicts.append(Verdict(at, RAN, f"made up for {late:.0f} s late"))
    return _together(verdicts)


def _too_late(late: float) -> str:
    return f"nobody was there; noticed {late:.0f} s late"


def _together(verdicts: list[Verdict]) -> list[Verdict]:
    """Let long series of verdicts that start nothing share one."""
    found: list[Verdict] = []
    start = 0
    while start < len(verdicts):
        first = verdicts[start]
        end = start + 1
        while end < len(verdicts) and verdicts[end].outcome is first.outcome:
            end += 1
        if first.outcome is RAN or end - start < _MANY:
            found += verdicts[start:end]
        else:
            last = verdicts[end - 1]
            found.append(first._replace(until=last.at, times=end - start))
        start = end
    return found


class Way(StrEnum):
    """How an instant that may start a run does so although others have not ended."""

    START = "start"
    SKIP = "skip"
    MERGE = "merge"  # into the run that waits already
    QUEUE = "queue"  # after the end of those that have not ended
    CANCEL = "cancel"  # those that have not ended are cancelled, then it starts


def overlapping(policy: Policy, unfinished: int, waiting: bool) -> Way:
    """Say how an instant goes on that finds ``unfinished`` runs of its task.

    ``waiting``: whether one of them, made by the same schedule, has not started yet.
    """
    if unfinished < policy.allowed:
        return Way.START
    if policy.overlap == "queue_all":
        return Way.QUEUE
    if policy.overlap == "queue_one":
        return Way.MERGE if waiting else Way.QUEUE
    return Way.CANCEL if policy.overlap == "cancel_running" else Way.SKIP
