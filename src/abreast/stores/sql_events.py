"""What happened, in order: rows that triggers write once a service has asked for them.

SQLite has one writer at a time, so numbers come in the order of commits: who has read up to a
number has missed nothing before it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .sql_submit import SqlSubmitting

_NOW = "(julianday('now') - 2440587.5) * 86400.0"
_RUN = f"INSERT INTO events (kind, id, state, at) VALUES ('run', new.id, {{}}, {_NOW});"
_TRIGGERS = {
    "tell_run": "AFTER INSERT ON runs BEGIN " + _RUN.format("new.state"),
    "tell_change": "AFTER UPDATE OF state ON runs WHEN old.state<>new.state BEGIN "
    + _RUN.format("new.state"),
    "tell_note": "AFTER UPDATE OF progress, asked ON runs WHEN old.state=new.state AND "
    "(old.progress IS NOT new.progress OR old.asked IS NOT new.asked) BEGIN "
    + _RUN.replace("'run'", "'note'").format("new.state"),
    "tell_flow": "AFTER INSERT ON flows BEGIN " + _RUN.replace("'run'", "'note'").format("NULL"),
    "tell_instant": "AFTER INSERT ON instants BEGIN INSERT INTO events (kind, id, at) "
    f"VALUES ('instant', new.id, {_NOW});",
    "tell_schedule": "AFTER INSERT ON schedules BEGIN INSERT INTO events (kind, id, at) "
    f"VALUES ('schedule', new.id, {_NOW});",
    "tell_schedule_change": "AFTER UPDATE OF spec, zone, policy, paused, next ON schedules BEGIN "
    f"INSERT INTO events (kind, id, at) VALUES ('schedule', new.id, {_NOW});",
    "tell_schedule_end": "AFTER DELETE ON schedules BEGIN INSERT INTO events (kind, id, at) "
    f"VALUES ('schedule', old.id, {_NOW});",
}


class EventRow(NamedTuple):
    """One thing that happened. ``kind``: ``run`` (a new one, or a new state), ``note`` (something
    else about a run: its progress), ``instant`` or ``schedule``; ``id`` its number; ``state``: of
    a run, as a number."""

    seq: int
    at: float
    kind: str
    id: int
    state: int | None


class Events:
    """The table ``events`` of a store and those who read it."""

    def __init__(self, store: SqlSubmitting) -> None:
        self._store = store

    def tell(self) -> None:
        """Write events from now on, whichever process changes something. In a turn."""
        self._store.open(True)
        for name, body in _TRIGGERS.items():
            self._store.db.execute(f"CREATE TRIGGER IF NOT EXISTS {name} {body} END")

    def after(self, seq: int, limit: int, in_turn: bool = False) -> list[EventRow]:
        """The events after a number, oldest first."""
        sql = "SELECT seq, at, kind, id, state FROM events WHERE seq>? ORDER BY seq LIMIT ?"
        db = self._store.db
        given = (seq, limit)
        rows = db.execute(sql, given).fetchall() if in_turn else db.read(sql, given)
        return [EventRow(*row) for row in rows]

    def ends(self, seq: int, limit: int) -> tuple[list[int], int, bool]:
        """The runs that have ended after an event, in order; up to which event this has looked,
        and whether there is more. In a turn."""
        newest = self._store.db.execute(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name='events'), 0)"
        ).fetchone()[0]
        rows = self._store.db.execute(
            "SELECT seq, id FROM events WHERE seq>? AND kind='run' AND state>3 ORDER BY seq "
            "LIMIT ?",
            (seq, limit),
        ).fetchall()
        more = len(rows) == limit
        return [row[1] for row in rows], rows[-1][0] if more else newest, more

    def bounds(self) -> tuple[int, int]:
        """The numbers of the oldest event that is kept (or the next to come) and of the newest."""
        rows = self._store.db.read(
            "SELECT (SELECT min(seq) FROM events), "
            "(SELECT seq FROM sqlite_sequence WHERE name='events')",
            (),
        )
        oldest, newest = rows[0]
        newest = newest or 0
        return (newest + 1 if oldest is None else oldest, newest)

    def prune(self, before: float, keep: int, at_most: int = 5000) -> int:
        """Remove events older than a time, except the newest ``keep`` and what readers need; return
        how many. In a turn; never more than ``at_most`` at a time."""
        self._store.open(False)
        cursor = self._store.db.execute(
            "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at<? AND seq<="
            "(SELECT max(seq) FROM events)-? AND seq<=coalesce((SELECT min(seq) FROM readers), "
            "9e18) ORDER BY seq LIMIT ?)",
            (before, keep, at_most),
        )
        return int(cursor.rowcount)

    def reader(self, name: str) -> tuple[int, Any]:
        """How far a reader has come, and what it keeps; it begins with what comes next. In a
        turn."""
        self._store.open(False)
        row = self._store.db.execute(
            "SELECT seq, kept FROM readers WHERE name=?", (name,)
        ).fetchone()
        if row is not None:
            return row[0], None if row[1] is None else json.loads(row[1])
        newest = self._store.db.execute(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name='events'), 0)"
        ).fetchone()[0]
        self.read_up_to(name, newest, None)
        return newest, None

    def read_up_to(self, name: str, seq: int, kept: Any) -> None:
        """Note how far a reader has come. In a turn."""
        self._store.open(True)
        self._store.db.execute(
            "INSERT OR REPLACE INTO readers (name, seq, kept) VALUES (?,?,?)",
            (name, seq, None if kept is None else json.dumps(kept)),
        )
