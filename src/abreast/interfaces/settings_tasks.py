"""``[tasks.NAME]``: what a configuration may say of a task, and how that is checked.

Checked values are in the form in which the options of a task are stored (see
:func:`abreast.interfaces.app_options.from_json`): durations are seconds, ``limits`` is a list of
tables, ``retry`` is a table; paths are absolute.
"""

from __future__ import annotations

import os
import re
from datetime import date, datetime
from typing import Any, Final

from ..errors import UsageError
from .settings_check import (
    Key,
    Place,
    amounts,
    check_known,
    checked,
    choice,
    command,
    duration,
    flag,
    number,
    path,
    some_time,
    table_of,
    text,
    texts,
    variables,
    zone,
)
from .settings_notify import rules_said

_OVERLAP = ("skip", "queue_one", "queue_all", "cancel_running")
_ALLOW = re.compile(r"allow\(\s*([1-9]\d{0,5})\s*\)")
_LONGEST = 256  # characters of a schedule
_NAME_LONGEST = 200


def overlap(place: Place, value: Any) -> str:
    """What a schedule does when an earlier run of its task has not ended."""
    if isinstance(value, str) and (match := _ALLOW.fullmatch(value.strip())):
        return f"allow({match[1]})"
    if value not in _OVERLAP:
        words = ", ".join(map(repr, _OVERLAP))
        raise place.wrong(f"{words} or 'allow(3)'", value)
    return str(value)


catch_up = choice("latest", "none", "all")


def _spec(place: Place, value: Any) -> str:
    if isinstance(value, datetime | date):  # TOML writes these without quotes
        return value.isoformat()
    found = text(place, value)
    if len(found) > _LONGEST:
        raise place.wrong(f"a schedule of at most {_LONGEST} characters", found[:40] + "…")
    from ..domain.schedule import Schedule

    try:
        Schedule.parse(found)
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None
    return found


def _kwargs(place: Place, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise place.wrong("a table of arguments by name", value)
    return value


def _args(place: Place, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise place.wrong("a list of arguments", value)
    return list(value)


SCHEDULE: Final[dict[str, Key]] = {
    "spec": Key(_spec, "schedule"),
    "name": Key(text, "text"),
    "timezone": Key(zone, "name of a time zone"),
    "overlap": Key(overlap, "'skip', 'queue_one', 'queue_all', 'cancel_running' or 'allow(3)'"),
    "catch_up": Key(catch_up, "'latest', 'none' or 'all'"),
    "window": Key(duration, "duration"),
    "jitter": Key(duration, "duration"),
    "args": Key(_args, "list"),
    "kwargs": Key(_kwargs, "table"),
}


def schedule(place: Place, value: Any) -> Any:
    """A schedule as text, a table, or a list of these. Returns text or a list."""
    if isinstance(value, str | datetime | date):
        return _spec(place, value)
    items = value if isinstance(value, list | tuple) else [value]
    found: list[Any] = []
    for at, item in enumerate(items):
        if isinstance(item, dict):
            inner = place.within(place.key)
            table = checked(item, SCHEDULE, inner)
            if "spec" not in table:
                raise UsageError(
                    f"{inner} needs spec, the schedule itself, such as spec = '0 2 * * *'"
                )
            found.append(table)
        elif isinstance(item, str | datetime | date):
            found.append(_spec(place, item))
        else:
            where = place._replace(key=f"{place.key}[{at}]") if len(items) > 1 else place
            raise where.wrong("a schedule such as '0 2 * * *', or a table with spec", item)
    if not found:
        raise place.wrong("at least one schedule such as '0 2 * * *'", value)
    return found


def _whole(place: Place, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise place.wrong("a whole number", value)
    return value


def _units(place: Place, value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) == 2:
        return [_whole(place, item) for item in value]
    return _whole(place, value)


def _any_text(place: Place, value: Any) -> str:
    if not isinstance(value, str):
        raise place.wrong("a text", value)
    return value


LIMIT: Final[dict[str, Key]] = {
    "n": Key(_units, "whole number, or [fewest, most]"),
    "key": Key(_any_text, "text"),
    "per": Key(some_time, "duration"),
    "cost": Key(_whole, "whole number"),
    "waiting": Key(_whole, "whole number"),
    "then": Key(choice("wait", "skip", "replace", "cancel", "fail"),
                "'wait', 'skip', 'replace', 'cancel' or 'fail'"),
}  # fmt: skip


def limits(place: Place, value: Any) -> list[dict[str, Any]]:
    """Limits as a number, a table, or a list of these; each is tried out."""
    from . import app_options

    items = value if isinstance(value, list | tuple) else [value]
    found = []
    for item in items:
        if isinstance(item, int) and not isinstance(item, bool):
            item = {"n": item}
        if not isinstance(item, dict):
            raise place.wrong("a number, or a list of tables such as { n = 1, key = '/db' }", item)
        inner = place.within(place.key)
        table = checked(item, LIMIT, inner)
        if "n" not in table:
            raise UsageError(f"{inner} needs n, how many at once")
        found.append(table)
    try:
        app_options.from_json({"limits": found})
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None
    return found


def _backoff(place: Place, value: Any) -> Any:
    return value if value in ("linear", "exponential") else duration(place, value)


RETRY: Final[dict[str, Key]] = {
    "n": Key(_whole, "whole number"),
    "backoff": Key(_backoff, "duration, 'linear' or 'exponential'", 0),
    "base": Key(duration, "duration"),
    "cap": Key(duration, "duration"),
    "jitter": Key(number, "number from 0 to 1"),
}


def retry(place: Place, value: Any) -> dict[str, Any]:
    """A retry as a number of further tries or a table; it is tried out."""
    from . import app_options

    if isinstance(value, int) and not isinstance(value, bool):
        value = {"n": value}
    if not isinstance(value, dict):
        raise place.wrong("a number, or a table such as { n = 3, backoff = '10s' }", value)
    inner = place.within(place.key)
    found = {"backoff": 0, **checked(value, RETRY, inner)}
    if "n" not in found:
        raise UsageError(f"{inner} needs n, how many tries after the first")
    try:
        app_options.from_json({"retry": found})
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None
    return found


def program_path(place: Place, value: Any) -> str:
    """An interpreter or a virtual environment; a bare name is one of ``$PATH``."""
    said = text(place, value)
    full = place.path(said)
    if os.sep not in said and "~" not in said and "$" not in said and not os.path.exists(full):
        return said
    return full


def _notify(place: Place, value: Any) -> dict[str, Any]:
    return rules_said(place.within(place.key), value)


TASK: Final[dict[str, Key]] = {
    "command": Key(command, "line for the shell, or list of words"),
    "file": Key(path, "path"),
    "schedule": Key(schedule, "schedule as text or table, or a list of these"),
    "timezone": SCHEDULE["timezone"],
    "overlap": SCHEDULE["overlap"],
    "catch_up": SCHEDULE["catch_up"],
    "window": SCHEDULE["window"],
    "jitter": SCHEDULE["jitter"],
    "timeout": Key(some_time, "duration"),
    "limits": Key(limits, "whole number, table, or list of tables"),
    "env": Key(variables, "table of texts"),
    "cwd": Key(path, "path"),
    "python": Key(program_path, "path of an interpreter or a virtual environment"),
    "requirements": Key(path, "path"),
    "retry": Key(retry, "whole number or table"),
    "notify": Key(_notify, "table, or list of names of channels"),
    "after": Key(texts, "name of a task, or a list of these"),
    "after_any": Key(flag, "true or false", False),
    "concurrent": Key(flag, "true or false", False),
    "tags": Key(texts, "list of texts"),
    "priority": Key(number, "number of seconds"),
    "needs": Key(amounts, "table of amounts"),
    "description": Key(_any_text, "text"),
    "enabled": Key(flag, "true or false", True),
}


def task(name: str, table: Any, place: Place) -> dict[str, Any]:
    """Check one ``[tasks.NAME]``; returns what it says, in the form of this module's first lines.

    Raises
    ------
    UsageError
        Naming file, section and key.
    """
    said = table_of(table, place)
    plain = name.strip() and name.isprintable() and not name.startswith("abreast:")
    if not plain or "/" in name or len(name) > _NAME_LONGEST:
        raise UsageError(
            f"{place}: {name!r} cannot be the name of a task; use letters, digits, '-', '_' and '.'"
        )
    check_known(said, TASK, place)
    if "command" in said and "file" in said:
        raise UsageError(f"{place} says both command and file; a task is one of them")
    found = checked(said, TASK, place)
    for key in ("python", "requirements"):
        if key in found and "command" in found:
            raise UsageError(
                f"{place.at(key)} belongs to a Python file; a command names its interpreter "
                "itself: command = ['.venv/bin/python', 'report.py']"
            )
    if "file" in found and not found["file"].endswith(".py"):
        raise place.at("file").wrong("a Python file with run_task(config)", said["file"])
    if name in found.get("after", ()):
        raise UsageError(f"{place.at('after')} names the task itself")
    if "after_any" in found and "after" not in found:
        raise UsageError(f"{place.at('after_any')} needs after = [...], the tasks it speaks of")
    return found
