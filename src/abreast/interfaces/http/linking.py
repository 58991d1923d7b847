"""Runs among arguments that came as JSON: ``{"$run": 12}`` stands for the result of run 12."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...errors import UnknownRun
from .problems import Problem

if TYPE_CHECKING:
    from ..app import App

RUN = "$run"
_DEEPEST = 100


def linked(app: App, value: Any, named: Callable[[str], Any] | None = None) -> Any:
    """Replace what stands for runs by their handles.

    Parameters
    ----------
    named : callable, optional
        Finds the run of a label, within a flow.

    Raises
    ------
    Problem
        When a run does not exist, or values are nested too deeply.
    """

    def swap(value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise Problem("invalid", f"values are nested more than {_DEEPEST} deep")
        if type(value) is list:
            return [swap(item, depth + 1) for item in value]
        if type(value) is dict:
            if len(value) == 1 and RUN in value:
                return _run(app, value[RUN], named)
            return {key: swap(item, depth + 1) for key, item in value.items()}
        return value

    return swap(value, 0)


def _run(app: App, wanted: Any, named: Callable[[str], Any] | None) -> Any:
    if isinstance(wanted, str) and named is not None:
        return named(wanted)
    if isinstance(wanted, int) and not isinstance(wanted, bool) and 0 < wanted < 2**53:
        try:
            return app.run(wanted)
        except UnknownRun:
            raise Problem("invalid", f"there is no run {wanted}") from None
    kinds = "the id of a run" + (" or the label of one of this flow" if named else "")
    raise Problem("invalid", f'{{"{RUN}": …}} stands for a run and needs {kinds}, not {wanted!r}')
