"""Schedules as rows, and the ledger of their instants. Everything that writes is called in a turn.

An instant is acted on in the transaction that moves ``next`` past it and writes its row, so it
happens once however many services share the store, and again for none when a clock steps back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain import instants
from ..domain.instants import Outcome, Policy, Verdict, Way
from ..domain.model import Change, Extra, Run
from ..domain.schedule import Schedule, jitter_of
from ..domain.states import Reason
from ..errors import AbreastError

if TYPE_CHECKING:
    from .sql_submit import SqlSubmitting

_PAGE = 500  # instants of one schedule, and schedules, that are looked at in a turn
_UNFINISHED = 1000  # runs that one waits for at most

_COLUMNS = "id, name, task, spec, zone, policy, source, owner, anchor, paused, next, due"


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


Maker = Callable[[ScheduleRow, float], Run]


class Schedules:
    """The tables ``schedules`` and ``instants`` of a store."""

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

    # -- declaring --------------------------------------------------------------------------

    def declare(self, owner: str, declared: Sequence[Declared], source: str, now: float) -> None:
        """Make the schedules of one source and owner what is declared; others stay."""
        self._store.open(True)
        db = self._store.db
        known = {
            row.name: row
            for row in self._rows("source=? AND owner=?", (source, owner), in_turn=True)
        }
        for item in declared:
            known.pop(item.name, None)
            self.put(item, source, owner, now)
        for row in known.values():
            db.execute("DELETE FROM schedules WHERE id=?", (row.id,))

    def put(self, item: Declared, source: str, owner: str, now: float) -> None:
        """Make one schedule what is declared; ``now`` on the clock that schedules go by."""
        self._store.open(True)
        found = self._rows("name=?", (item.name,), in_turn=True)
        row = found[0] if found else None
        text = json.dumps(item.said, sort_keys=True)
        same = row is not None and (row.task, row.source, row.owner) == (item.task, source, owner)
        if same and row is not None and (row.spec, row.zone) == (item.spec, item.zone):
            if row.policy != text:
                self._store.db.execute(
                    "UPDATE schedules SET policy=? WHERE id=?", (text, row.id)
                )
                if json.loads(row.policy).get("jitter") != item.said.get("jitter"):
                    self._set_next(row._replace(policy=text), row.next)
            return
        values = (item.task, item.spec, item.zone, text, source, owner, now)
        if row is None:
            cursor = self._store.db.execute(
                "INSERT INTO schedules (task, spec, zone, policy, source, owner, anchor, name) "
                "VALUES (?,?,?,?,?,?,?,?)",
                (*values, item.name),
            )
            id = int(cursor.lastrowid or 0)
        else:
            id = row.id
            self._store.db.execute(
                "UPDATE schedules SET task=?, spec=?, zone=?, policy=?, source=?, owner=?, "
                "anchor=? WHERE id=?",
                (*values, id),
            )
        paused = None if row is None else row.paused
        new = ScheduleRow(id, item.name, item.task, item.spec, item.zone, text, source, owner, now,
                          paused, None, None)  # fmt: skip
        self._set_next(new, self.timing(new).after(now))

    def remove(self, name: str) -> None:
        """Remove a schedule; its rows of the ledger stay."""
        self._store.open(True)
        self._store.db.execute("DELETE FROM schedules WHERE name=?", (name,))

    def pause(self, name: str, since: float | None) -> None:
        """Pause a schedule, or with None let it go on."""
        self._store.open(True)
        self._store.db.execute("UPDATE schedules SET paused=? WHERE name=?", (since, name))

    def _set_next(self, row: ScheduleRow, at: float | None) -> None:
        due = None if at is None else at + jitter_of(row.name, at, row.said.get("jitter") or 0.0)
        self._store.db.execute(
            "UPDATE schedules SET next=?, due=? WHERE id=?", (at, due, row.id)
        )

    # -- firing -----------------------------------------------------------------------------

    def next_due(self, owner: str) -> float:
        """When the next instant of an owner's schedules is due (inf: never); from any thread."""
        rows = self._store.db.read(
            "SELECT min(due) FROM schedules WHERE owner=? AND due IS NOT NULL", (owner,)
        )
        return inf if rows[0][0] is None else float(rows[0][0])

    def fire(
        self, owner: str, make: Maker, wall: float, now: float
    ) -> tuple[list[InstantRow], list[Change], bool]:
        """Act on the instants that are due.

        Parameters
        ----------
        make : callable
            Makes the run of a schedule for an instant; raises ``AbreastError`` when it cannot.
        wall : float
            The time on the clock that schedules go by.
        now : float
            The time of the engine.

        Returns
        -------
        tuple
            The new rows of the ledger, the changes of runs, and whether more is due.
        """
        self._store.open(True)
        rows = self._rows(
            f"owner=? AND due<=? ORDER BY due LIMIT {_PAGE}", (owner, wall), in_turn=True
        )
        ledger: list[InstantRow] = []
        changes: list[Change] = []
        more = len(rows) == _PAGE
        for row in rows:
            more = self._fire_one(row, make, wall, now, ledger, changes) or more
        return ledger, changes, more

    def _fire_one(
        self,
        row: ScheduleRow,
        make: Maker,
        wall: float,
        now: float,
        ledger: list[InstantRow],
        changes: list[Change],
    ) -> bool:
        timing = self.timing(row)
        policy = instants.policy(row.said, row.name)
        due: list[tuple[float, float]] = []
        at = row.next
        while at is not None and len(due) < _PAGE:
            starts = at + jitter_of(row.name, at, policy.jitter)
            if starts > wall:
                break
            due.append((at, starts))
            at = timing.after(at)
        more = len(due) == _PAGE
        if not due:  # its jitter has been changed meanwhile
            self._set_next(row, at)
            return False
        period = timing.period(due[-1][0])
        for verdict in instants.judge(due, wall, policy, period, row.paused is not None, more):
            ledger.append(self._act(row, policy, verdict, make, wall, now, changes))
        self._set_next(row, at)
        return more

    def _act(
        self,
        row: ScheduleRow,
        policy: Policy,
        verdict: Verdict,
        make: Maker,
        wall: float,
        now: float,
        changes: list[Change],
    ) -> InstantRow:
        outcome, reason, run = verdict.outcome, verdict.reason, None
        if outcome is Outcome.RAN:
            outcome, reason, run = self._start(row, policy, verdict, make, now, changes)
        return self._write(row, verdict, outcome, reason, run, wall)

    def _start(
        self,
        row: ScheduleRow,
        policy: Policy,
        verdict: Verdict,
        make: Maker,
        now: float,
        changes: list[Change],
    ) -> tuple[Outcome, str | None, int | None]:
        """Start a run, if those that have not ended allow it."""
        store = self._store
        unfinished = self._unfinished(row.task)
        way = Way.START
        if unfinished:
            waiting = self._waiting(row.id) if policy.overlap == "queue_one" else None
            way = instants.overlapping(policy, len(unfinished), waiting is not None)
            if way is Way.SKIP:
                return Outcome.SKIPPED, f"run {unfinished[0]} of {row.task!r} has not ended", None
            if way is Way.MERGE:
                return Outcome.MERGED, f"run {waiting} waits already", waiting
        try:
            run = make(row, verdict.at)
        except AbreastError as error:
            return Outcome.SKIPPED, str(error), None
        if way is Way.CANCEL:
            earlier = store.rows.get(unfinished)
            store.cancel_all(earlier, Reason.LIMIT, now, changes)
            store.end_flows(now, changes)
        if way is not Way.START:
            before = tuple(store.rows.get(unfinished))
            run.after = before
            run.extra = run.extra or Extra()
            run.extra.soft = before
        try:
            changes += store.take_in_all([run], now, alone=True)
        except AbreastError as error:
            return Outcome.SKIPPED, str(error), None
        return Outcome.RAN, verdict.reason, run.id

    def _unfinished(self, task: str) -> list[int]:
        """The runs of a task that have not ended, oldest first."""
        store = self._store
        store.flush()
        rows = store.db.execute("SELECT id FROM tasks WHERE name=?", (task,)).fetchall()
        if not rows:
            return []
        number = rows[0][0]
        parts = " UNION ALL ".join(
            f"SELECT r.id FROM lanes l CROSS JOIN runs r ON r.lane=l.id AND r.{which} "
            "WHERE l.task=?1"
            for which in ("state=3", "state=2", "state<2")
        )
        found = store.db.execute(
            f"SELECT id FROM ({parts} UNION ALL SELECT id FROM runs WHERE task=?1 AND state<2 "
            f"AND lane IS NULL) ORDER BY id LIMIT {_UNFINISHED}",
            (number,),
        ).fetchall()
        return [row[0] for row in found]

    def _waiting(self, schedule: int) -> int | None:
        """The newest run of a schedule, if it has not started."""
        row = self._store.db.execute(
            "SELECT r.id FROM instants i JOIN runs r ON r.id=i.run WHERE i.schedule=? AND r.state<3 "
            "ORDER BY i.at DESC LIMIT 1",
            (schedule,),
        ).fetchone()
        return None if row is None else int(row[0])

    def _write(
        self,
        row: ScheduleRow,
        verdict: Verdict,
        outcome: Outcome,
        reason: str | None,
        run: int | None,
        wall: float,
    ) -> InstantRow:
        cursor = self._store.db.execute(
            "INSERT INTO instants (schedule, at, until, count, outcome, reason, run, decided) "
            "VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (schedule, at) DO NOTHING",
            (row.id, verdict.at, verdict.until, verdict.times, str(outcome), reason, run, wall),
        )
        return InstantRow(
            int(cursor.lastrowid or 0), row.name, row.task, verdict.at, verdict.until,
            verdict.times, str(outcome), reason, run, wall,
        )  # fmt: skip

    def backfill(
        self, row: ScheduleRow, when: Iterable[float], overlap: str | None, make: Maker,
        wall: float, now: float,
    ) -> tuple[list[InstantRow], list[Change]]:  # fmt: skip
        """Start a run for each of these instants, in order, whatever became of them before."""
        self._store.open(True)
        said = {**row.said, **({} if overlap is None else {"overlap": overlap})}
        policy = instants.policy(said, row.name)
        found: list[InstantRow] = []
        changes: list[Change] = []
        for at in when:
            verdict = Verdict(at, Outcome.RAN, "backfill")
            outcome, reason, run = self._start(row, policy, verdict, make, now, changes)
            cursor = self._store.db.execute(
                "INSERT INTO instants (schedule, at, outcome, reason, run, decided) "
                "VALUES (?,?,?,?,?,?) ON CONFLICT (schedule, at) DO UPDATE SET "
                "outcome=excluded.outcome, reason=excluded.reason, run=excluded.run, "
                "decided=excluded.decided RETURNING id",
                (row.id, at, str(outcome), reason, run, wall),
            ).fetchall()
            found.append(InstantRow(cursor[0][0], row.name, row.task, at, None, 1, str(outcome),
                                    reason, run, wall))  # fmt: skip
        return found, changes

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
            return self._rows("name=?", (name,))
        if task is not None:
            return self._rows("task=? ORDER BY name", (task,))
        return self._rows("1 ORDER BY name", ())

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
