"""Schedules in the words of CronPilot: a type and its settings, to and from one text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from abreast.errors import UsageError

MANUAL = "manual"
TYPES = (MANUAL, "hourly", "daily", "weekly", "custom")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CRON_DAYS = ("sun", *_DAYS)  # 0 and 7 are Sunday in cron
_HOURLY = re.compile(r"@hourly|0 \* \* \* \*|@?every (1h|60m|3600s)", re.IGNORECASE)
_AT_TIME = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* (\*|[0-7]|[a-z]{3})", re.IGNORECASE)


def spec_of(kind: str, config: Mapping[str, Any]) -> str | None:
    """Return the text of a schedule, or None for a task that is started by hand.

    Raises
    ------
    UsageError
        Naming the field and what was expected.
    """
    if kind == MANUAL:
        return None
    if kind == "hourly":
        return "every 1h"
    if kind == "daily":
        return f"{_number(config, 'minute', 59)} {_number(config, 'hour', 23)} * * *"
    if kind == "weekly":
        minute, hour = _number(config, "minute", 59), _number(config, "hour", 23)
        return f"{minute} {hour} * * {_day(config.get('day_of_week', 'mon'))}"
    if kind == "custom":
        spec = config.get("cron_expression")
        if not isinstance(spec, str) or not spec.strip():
            raise UsageError(
                "schedule_config: cron_expression must be a text such as '0 */2 * * *', "
                f"not {spec!r}"
            )
        return spec.strip()
    raise UsageError(f"schedule_type must be one of {', '.join(TYPES)}, not {kind!r}")


def words_of(spec: str | None) -> tuple[str, dict[str, Any] | None]:
    """Return the type and the settings that say the same as the text of a schedule."""
    if spec is None:
        return MANUAL, None
    plain = " ".join(spec.split())
    if _HOURLY.fullmatch(plain):
        return "hourly", {}
    found = _AT_TIME.fullmatch(plain)
    if found is None or int(found[1]) > 59 or int(found[2]) > 23:
        return "custom", {"cron_expression": spec}
    settings: dict[str, Any] = {"hour": int(found[2]), "minute": int(found[1])}
    if found[3] == "*":
        return "daily", settings
    day = found[3].lower()
    day = _CRON_DAYS[int(day)] if day.isdigit() else day
    return "weekly", {"day_of_week": day, **settings}


def settings_of(given: Any) -> dict[str, Any]:
    """Read ``schedule_config``: an object, or one written as a JSON text; nothing is ``{}``.

    Raises
    ------
    UsageError
        When it is neither.
    """
    if given is None or given == "":
        return {}
    found = given
    if isinstance(given, str):
        try:
            found = json.loads(given)
        except (ValueError, RecursionError):
            raise UsageError("schedule_config is a text, but not one of JSON") from None
    if not isinstance(found, dict):
        raise UsageError(f"schedule_config must be an object such as {{}}, not {given!r:.80}")
    return found


def _number(config: Mapping[str, Any], name: str, most: int) -> int:
    value = config.get(name, 0)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 4:
        value = int(value)  # as web forms send it
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise UsageError(
            f"schedule_config: {name} must be a whole number from 0 to {most}, not {value!r:.80}"
        )
    return value


def _day(value: Any) -> str:
    """A day of the week by name, or counted from Monday = 0."""
    if isinstance(value, str) and value[:3].lower() in _DAYS:
        return value[:3].lower()
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) == 1:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 6:
        return _DAYS[value]
    raise UsageError(
        "schedule_config: day_of_week must be mon to sun, or 0 (Monday) to 6 (Sunday), "
        f"not {value!r:.80}"
    )
