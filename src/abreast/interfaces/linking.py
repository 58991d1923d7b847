"""What a run comes after: the runs ``after`` names and those among its arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..domain.graph import runs_in
from ..domain.model import Run as Record
from ..errors import CycleError, UnknownLabel, UsageError, WrongType
from .labels import Labels
from .run import Run
from .tasks import unknown_label

After = Run | str | Iterable[Run | str]

_MAY_HOLD_RUNS = frozenset({Run, list, tuple, set, frozenset, dict})


def may_hold_runs(values: Iterable[object]) -> bool:
    """Whether one of these arguments is worth a look: a run, or a plain container."""
    # A loop, because it is asked for every run and any() costs twice that.
    for value in values:  # noqa: SIM110
        if type(value) in _MAY_HOLD_RUNS:
            return True
    return False


def link(run: Run, after: After | None, labels: Labels, started: bool) -> None:
    """Set what a run comes after.

    Parameters
    ----------
    started : bool
        Whether the runner has been started, so that labels have to be known by now.

    Raises
    ------
    UsageError, WrongType, UnknownLabel, CycleError
        Naming the item that cannot be a dependency.
    """
    flow = run.flow
    parents: dict[Record, None] = {}
    unknown: list[str] = []
    if may_hold_runs(run.args) or may_hold_runs(run.kwargs.values()):
        parents.update(dict.fromkeys(runs_in([*run.args, *run.kwargs.values()])))
        run.needy = bool(parents)
    items: Any = () if after is None else after
    if isinstance(items, (Run, str)) or not hasattr(items, "__iter__"):
        items = (items,)
    for item in items:
        if type(item) is Run:
            parents[item] = None
        else:
            found = _named(item, run, labels, started)
            if isinstance(found, str):
                unknown.append(found)
            else:
                parents[found] = None
    for parent in parents:
        if parent.flow is not flow:
            raise UsageError(
                f"{parent.label!r} belongs to another runner; "
                "a run can only come after runs of its own"
            )
    run.after = tuple(parents)
    if unknown:
        labels.expect(unknown, run)


def _named(item: object, run: Run, labels: Labels, started: bool) -> Run | str:
    """Return the run with this label, or the label when it may still come."""
    if not isinstance(item, str):
        raise WrongType(
            f"after must be a run, a label or a list of these, not {item!r} ({type(item).__name__})"
        )
    if item == run.label:
        raise CycleError([item, item])
    found = labels.find(item)
    if found is None and started:
        raise UnknownLabel(unknown_label(item, labels.known(), run.label))
    return item if found is None else found
