"""The database of a CronPilot: its tasks, their schedules, and who gets mail about them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # its day 0 is a Monday


@dataclass
class Row:
    """One task of the database. ``mail``: addresses by the event they are for."""

    name: str
    file_path: str
    description: str = ""
    schedule_type: str = "manual"
    schedule_config: str = ""
    active: bool = True
    environment: str = ""  # folder of a virtual environment, or an interpreter
    requirements: str = ""
    mail: dict[str, list[str]] = field(default_factory=dict)


def read_rows(path: str) -> list[Row]:
    """Read the tasks of a database, which is not changed.

    Raises
    ------
    sqlite3.Error
        When it is none, or has no table of tasks.
    """
    with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=5)) as db:
        db.row_factory = sqlite3.Row
        rows = {}
        for raw in db.execute("SELECT * FROM tasks ORDER BY id"):
            said = dict(raw)
            rows[said.get("id")] = Row(
                name=_text(said, "name"),
                file_path=_text(said, "file_path"),
                description=_text(said, "description"),
                schedule_type=_text(said, "schedule_type").lower() or "manual",
                schedule_config=_text(said, "schedule_config"),
                active=bool(said.get("is_active", True)),
                environment=_text(said, "environment_path") or _text(said, "python_executable"),
                requirements=_text(said, "requirements_path"),
            )
        _mails(db, rows)
        return list(rows.values())


def _text(said: dict[str, Any], key: str) -> str:
    value = said.get(key)
    return "" if value is None else str(value).strip()


def _mails(db: sqlite3.Connection, rows: dict[Any, Row]) -> None:
    try:
        found = db.execute("SELECT * FROM task_emails ORDER BY id").fetchall()
    except sqlite3.Error:  # an older one, which knows no mail
        return
    for raw in found:
        said = dict(raw)
        row, address = rows.get(said.get("task_id")), _text(said, "email_address")
        if row is None or "@" not in address:
            continue
        for column, event in (("notify_on_failure", "on_failure"),
                              ("notify_on_success", "on_success")):  # fmt: skip
            if said.get(column):
                row.mail.setdefault(event, []).append(address)


def schedule_of(kind: str, config: str) -> str | None:
    """The schedule that a type and its settings mean; None: started by hand only.

    Raises
    ------
    ValueError
        Saying what is wrong with it.
    """
    if kind in ("manual", "none", ""):
        return None
    try:
        said = json.loads(config) if config else {}
    except ValueError:
        raise ValueError(f"its schedule_config is no JSON: {config!r}") from None
    if not isinstance(said, dict):
        said = {}
    if kind == "custom":
        expression = said.get("cron_expression")
        if not isinstance(expression, str) or not expression.strip():
            raise ValueError("its schedule is custom but has no cron_expression")
        return " ".join(expression.split())
    minute = _number(said, "minute", 59)
    if kind == "hourly":
        return f"{minute} * * * *"
    hour = _number(said, "hour", 23)
    if kind == "daily":
        return f"{minute} {hour} * * *"
    if kind == "weekly":
        return f"{minute} {hour} * * {_day(said.get('day_of_week', 0))}"
    raise ValueError(f"its schedule_type {kind!r} is not known")


def _number(said: dict[str, Any], key: str, most: int) -> int:
    value = said.get(key, 0)
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= most:
        raise ValueError(f"its {key} {value!r} is not a number from 0 to {most}")
    return number


def _day(value: Any) -> str:
    plain = str(value).strip().lower()
    if plain.isdecimal() and int(plain) < len(DAYS):
        return DAYS[int(plain)]
    if plain[:3] in DAYS:
        return plain[:3]
    raise ValueError(f"its day_of_week {value!r} is neither 0 (Monday) to 6 nor the name of a day")
