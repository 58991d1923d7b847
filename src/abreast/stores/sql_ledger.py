"""Looking at schedules and at the ledger of their instants, from any thread."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.schedule import Schedule

if TYPE_CHECKING:
    from .sql_submit import SqlSubmitting

_COLUMNS = "id, name, task, spec, zone, policy, source, owner, anchor, paused, next, due, gone"


class ScheduleRow(NamedTuple):
    """A schedule as it is kept. ``policy``: JSON; times in seconds since 1970 in UTC."""

    id: int
    name: str
    task: str
    spec: str
    zone: str
    policy: Any
    source: str
    owner: str
    anchor: float
    paused: float | None
    next: float | None
    due: float | None
    gone: float | None

    @property
    def said(self) -> dict[str, Any]:
        """What its declaration says besides the times."""
        found: dict[str, Any] = json.loads(self.policy)
        return found


class InstantRow(NamedTuple):
    """A row of the ledger; see :class:`abreast.interfaces.app_schedules.Instant`."""

    id: int
    schedule: str
    task: str
    at: float
    until: float | None
    times: int
    outcome: str
    reason: str | None
    run: int | None
    decided: float


class Declared(NamedTuple):
    """A schedule as it is declared."""

    name: str
    task: str
    spec: str
    zone: str
    said: dict[str, Any]


class Ledger:
    """The reading side of :class:`~abreast.stores.sql_schedules.Schedules`."""

    def __init__(self, store: SqlSubmitting) -> None:
        self._store = store
        self._parsed: dict[tuple[str, str, str, float], Schedule] = {}

    def timing(self, row: ScheduleRow) -> Schedule:
        """When the instants of a schedule are."""
        key = row.spec, row.name, row.zone, row.anchor
        found = self._parsed.get(key)
        if found is None:
            if len(self._parsed) > 50_000:
                self._parsed.clear()
            found = Schedule.parse(row.spec, name=row.name, zone=row.zone, anchor=row.anchor)
            self._parsed[key] = found
        return found

    def forget(self, before: float, at_most: int = 5000) -> int:
        """Remove rows of the ledger that were written before a time, and those of removed
        schedules; return how many. In a turn."""
        self._store.open(False)
        cursor = self._store.db.execute(
            "DELETE FROM instants WHERE id IN (SELECT id FROM instants WHERE decided<? LIMIT ?)",
            (before, at_most),
        )
        return int(cursor.rowcount)

    # -- looking, from any thread ---------------------------------------------------------------

    def _rows(
        self, where: str, given: Sequence[Any], in_turn: bool = False
    ) -> Sequence[ScheduleRow]:
        sql = f"SELECT {_COLUMNS} FROM schedules WHERE {where}"
        db = self._store.db
        rows = db.execute(sql, tuple(given)).fetchall() if in_turn else db.read(sql, tuple(given))
        return [ScheduleRow(*row) for row in rows]

    def list(self, task: str | None = None, name: str | None = None) -> Sequence[ScheduleRow]:
        """All schedules by name, or those of a task, or the one of a name."""
        if name is not None:
            return self._rows("name=? AND gone IS NULL", (name,))
        if task is not None:
            return self._rows("task=? AND gone IS NULL ORDER BY name", (task,))
        return self._rows("gone IS NULL ORDER BY name", ())

    def ledger(
        self,
        name: str | None = None,
        since: float | None = None,
        until: float | None = None,
        outcomes: Iterable[str] | None = None,
        before: int | None = None,
        limit: int = 100,
        task: str | None = None,
        ids: Iterable[int] | None = None,
    ) -> Sequence[InstantRow]:
        """Rows of the ledger, the newest first."""
        where, given = ["1"], []  # type: tuple[list[str], list[Any]]
        wanted: Mapping[str, Any] = {
            "s.name=?": name, "s.task=?": task, "i.at>=?": since, "i.at<?": until, "i.id<?": before,
        }  # fmt: skip
        for text, value in wanted.items():
            if value is not None:
                where.append(text)
                given.append(value)
        for column, values in (("i.outcome", outcomes), ("i.id", ids)):
            if values is not None:
                listed = list(values)
                where.append(f"{column} IN ({','.join('?' * len(listed))})")
                given += listed
        rows = self._store.db.read(
            "SELECT i.id, s.name, s.task, i.at, i.until, i.count, i.outcome, i.reason, i.run, "
            "i.decided FROM instants i JOIN schedules s ON s.id=i.schedule "
            f"WHERE {' AND '.join(where)} ORDER BY i.id DESC LIMIT {int(limit)}",
            tuple(given),
        )
        return [InstantRow(*row) for row in rows]

    def last_of(self, ids: Iterable[int]) -> dict[int, InstantRow]:
        """The newest row of the ledger of each of these schedules."""
        listed = list(ids)
        rows = self._store.db.read(
            "SELECT s.id, i.id, s.name, s.task, i.at, i.until, i.count, i.outcome, i.reason, i.run,"
            " i.decided FROM schedules s JOIN instants i ON i.id=(SELECT id FROM instants WHERE "
            "schedule=s.id ORDER BY at DESC LIMIT 1) WHERE s.id IN "
            "(SELECT value FROM json_each(?))",
            (json.dumps(listed),),
        )
        return {row[0]: InstantRow(*row[1:]) for row in rows}

    def last_success(self, id: int) -> float | None:
        """When a run of a schedule last completed."""
        rows = self._store.db.read(
            "SELECT r.ended FROM instants i JOIN runs r ON r.id=i.run AND r.state=4 "
            "WHERE i.schedule=? ORDER BY i.at DESC LIMIT 1",
            (id,),
        )
        return rows[0][0] if rows else None
