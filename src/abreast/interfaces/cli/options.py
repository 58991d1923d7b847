"""Options and types of values that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click


class DurationType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5
    """``90``, ``90s``, ``1.5m``, ``1h30m``: seconds as a float."""

    name = "duration"

    def __init__(self, least: str = "more than 0") -> None:
        self._zero = least == "0"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        from ...domain.policy import seconds
        from ...errors import UsageError

        try:
            found = seconds(float(value)) if _is_number(value) else seconds(value)
        except UsageError:
            self.fail(f"{value!r} is not a duration; write for example 90, 250ms, 10m or 1h30m")
        if found <= 0 and not self._zero:
            self.fail(f"{value!r} leaves no time; it must be more than 0 seconds")
        return found


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


class CountOrAuto(click.ParamType):  # type: ignore[type-arg]
    """A number of runs, or ``auto``."""

    name = "number or auto"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | str:
        if value == "auto" or isinstance(value, int):
            return value  # type: ignore[no-any-return]
        try:
            found = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor 'auto'")
        if found < 1:
            self.fail(f"{found} is not in the range x>=1")
        return found


@dataclass(frozen=True, slots=True)
class Where:
    """Which app and store are meant, and whether to say what was found."""

    app: str | None
    store: str | None
    as_json: bool
    verbose: bool

    @property
    def says(self) -> bool:
        """Whether to say what was found."""
        return self.verbose or not self.as_json


def placed(json_help: str | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``--app``, ``--store``, ``-v`` and, with a text for its help, ``--json``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        options = [
            click.option("--app", metavar="MODULE:APP", help="The app, as module:app or "
                         "file.py:app (else ABREAST_APP, or the nearest abreast.toml upward)."),
            click.option("--store", metavar="URL", help="The store, as sqlite:///jobs.db (else "
                         "ABREAST_STORE, the app itself, or the nearest abreast.toml upward)."),
            click.option("-v", "--verbose", is_flag=True,
                         help="Say which app and store were found also where that is not said."),
        ]  # fmt: skip
        if json_help is not None:
            options.insert(0, click.option("--json", "as_json", is_flag=True, help=json_help))
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def where(options: dict[str, Any]) -> Where:
    """Take what :func:`placed` has added out of the options of a call."""
    return Where(
        options.pop("app"), options.pop("store"), options.get("as_json", False),
        options.pop("verbose"),
    )  # fmt: skip


def leave(code: int) -> None:
    """End the program with an exit code; see :func:`main.leave`."""
    from .main import leave

    leave(code)
