"""Unique: when is a submit the same work as a run that is already known.

A *known* run is the last one taken in under a key; whether it still counts, :func:`is_known` says,
and :func:`meet` what becomes of a newcomer that meets one. Stores keep one known run per key.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ..errors import Busy, Skipped, UsageError, WrongType
from .keys import ARGS, Template
from .model import Change, Extra, Run
from .policy import Duration, seconds
from .states import ENDED, NOT_STARTED, PENDING, SCHEDULED, SKIPPED, Reason

if TYPE_CHECKING:
    from .model import Task


class Meeting(StrEnum):
    """What a newcomer does that meets a known run."""

    JOIN = "join"  # it is not made; its submit reports the known run
    SKIP = "skip"  # it is recorded as skipped(duplicate)
    REPLACE = "replace"  # the known run gets its arguments
    DELAY = "delay"  # the same, and starts ``delay`` later
    FAIL = "fail"  # its caller gets Busy


JOIN, SKIP, REPLACE, DELAY, FAIL = Meeting


class Unique:
    """When a submit is the same work as a known run, and what then.

    Parameters
    ----------
    key : str
        Which runs are the same: those with the same arguments (:data:`ARGS`, the default), all
        runs of the task (``""``), or those with equal values in a template (``"{account}"``).
    until : ``"end"``, ``"start"`` or duration
        How long a run counts: until it has ended (default), until it has started, or this long
        after its submit.
    then : str
        What becomes of the newcomer: ``"join"`` (its submit returns the known run), ``"skip"``
        (recorded as skipped), ``"replace"`` (its arguments go to the known run; once that has
        started, a new run is made), ``"delay"`` (likewise, and the start is put off: it comes
        ``delay`` after the last submit), ``"fail"`` (the caller gets
        :class:`abreast.errors.Busy`).
    delay : duration
        With ``then="delay"`` only.
    """

    __slots__ = ("delay", "key", "then", "until")

    def __init__(
        self,
        key: str = ARGS,
        *,
        until: Duration = "end",
        then: str = "join",
        delay: Duration | None = None,
    ) -> None:
        if not isinstance(key, str):
            raise WrongType(
                f"Unique: key must be a str such as '{{account}}', not {key!r} "
                f"({type(key).__name__})"
            )
        if key.startswith("/"):
            raise UsageError(
                f"Unique: key {key!r} begins with '/', but a run is only the same work as another "
                "of its own task; leave the '/' out"
            )
        if then not in list(Meeting):
            raise UsageError(
                f"Unique: then must be one of {', '.join(repr(str(m)) for m in Meeting)}, "
                f"not {then!r}"
            )
        if (then == "delay") != (delay is not None):
            raise UsageError(
                "Unique: then='delay' needs delay=, the seconds by which it puts off the start"
                if delay is None
                else f"Unique: delay= belongs to then='delay', not to then={then!r}"
            )
        self.key = key
        self.until: str | float = (
            str(until) if until in ("start", "end") else seconds(until, "Unique: until")
        )
        self.then = Meeting(then)
        self.delay = 0.0 if delay is None else seconds(delay, "Unique: delay")

    def __repr__(self) -> str:
        return f"Unique({self.key!r}, until={self.until!r}, then={str(self.then)!r})"


def template_of(task: Task) -> Template:
    """Return the template of a unique task's keys. Raises ``UsageError`` when it has none."""
    assert task.unique is not None
    return Template(task.unique.key, task, "the key of Unique")


def key_of(run: Run, template: Template) -> str:
    """Return the key under which a run of a unique task is known."""
    unique = run.task.unique
    assert unique is not None
    if not unique.key:
        return run.task.name
    return f"{run.task.name}/{template.fill(run.args, run.kwargs)}"


def known_until(unique: Unique, run: Run) -> float | None:
    """Return when a run stops to count at the latest; None: with its start or end."""
    return None if isinstance(unique.until, str) else run.created + unique.until


def is_known(unique: Unique, known: Run, at: float) -> bool:
    """Tell whether a run counts as the same work for a newcomer created at ``at``."""
    if unique.until == "end":
        return known.state not in ENDED
    if unique.until == "start":
        return not has_started(known)
    until = known_until(unique, known)
    assert until is not None
    return at < until


def has_started(run: Run) -> bool:
    """Whether a run was ever started, or has ended without."""
    return run.attempt > 0 or run.state not in NOT_STARTED


def meet(known: Run | None, newcomer: Run) -> Meeting | None:
    """Say what becomes of a newcomer that would find ``known`` under its key.

    None: it is new work, and from now on the known run.
    """
    unique = newcomer.task.unique
    assert unique is not None
    if known is None or known is newcomer or not is_known(unique, known, newcomer.created):
        return None
    if unique.then in (REPLACE, DELAY) and has_started(known):
        return None
    return unique.then


def first_due(run: Run) -> float | None:
    """Return the ``due`` of new work: under ``then="delay"`` it waits for others of its kind."""
    unique = run.task.unique
    if unique is None or unique.then is not DELAY:
        return run.due
    return max(run.due or 0.0, run.created + unique.delay)


def put_off(known: Run, newcomer: Run, now: float) -> Change | None:
    """Say what ``then="delay"`` does to the start of a known run, whose ``due`` a store sets to
    :func:`first_due` of the newcomer. None: its state stays."""
    due = first_due(newcomer)
    if known.state is PENDING and due is not None and due > now:
        return Change(known, PENDING, SCHEDULED, now, known.attempt, due=due)
    return None


def must_step_aside(newcomer: Run) -> bool:
    """Whether the known run cannot just get a newcomer's arguments, because those still wait for
    the results of others; then it is skipped, and the newcomer is new work."""
    return newcomer.missing > 0


def skip_duplicate(run: Run, other: Run, now: float) -> Change:
    """A run that is not executed, because ``other`` is the same work."""
    error = Skipped(f"{run.label!r} did not start: {other.label!r} is the same work")
    return Change(run, run.state, SKIPPED, now, run.attempt, Reason.DUPLICATE, error=error)


def busy(run: Run, known: Run) -> Busy:
    """The error a caller gets whose run is refused; no run is made."""
    return Busy(
        f"{run.label!r} was refused: {known.label!r} is the same work and {known.state}",
        known.extra.unique or "" if known.extra is not None else "",
        known.label,
        known.id or None,
    )


def join(newcomer: Run, known: Run) -> None:
    """Note on a run that is not made which one stands for it."""
    extra = newcomer.extra = newcomer.extra or Extra()
    extra.joined = known
