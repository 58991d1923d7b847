"""Schedules as rows, and the ledger of their instants. Everything that writes is called in a turn.

An instant is acted on in the transaction that moves ``next`` past it and writes its row, so it
happens once however many services share the store, and again for none when a clock steps back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from math import inf

from ..domain import instants
from ..domain.instants import Outcome, Policy, Verdict, Way
from ..domain.model import Change, Extra, Run
from ..domain.schedule import jitter_of
from ..domain.states import Reason
from ..errors import AbreastError
from .sql_ledger import Declared, InstantRow, Ledger, ScheduleRow

__all__ = ["Declared", "InstantRow", "ScheduleRow", "Schedules"]

_PAGE = 500  # instants of one schedule, and schedules, that are looked at in a turn
_UNFINISHED = 1000  # runs that one waits for at most

Maker = Callable[[ScheduleRow, float], Run]


class Schedules(Ledger):
    """The tables ``schedules`` and ``instants`` of a store."""

    # -- declaring --------------------------------------------------------------------------

    def declare(self, owner: str, declared: Sequence[Declared], source: str, now: float) -> None:
        """Make the schedules of one source and owner what is declared; others stay."""
        self._store.open(True)
        known = {
            row.name: row
            for row in self._rows(
                "source=? AND owner=? AND gone IS NULL", (source, owner), in_turn=True
            )
        }
        for item in declared:
            known.pop(item.name, None)
            self.put(item, source, owner, now)
        for row in known.values():
            self.remove(row.name, now)

    def put(self, item: Declared, source: str, owner: str, now: float) -> None:
        """Make one schedule what is declared; ``now`` on the clock that schedules go by."""
        self._store.open(True)
        found = self._rows("name=?", (item.name,), in_turn=True)
        row = found[0] if found else None
        text = json.dumps(item.said, sort_keys=True)
        same = (
            row is not None
            and row.gone is None
            and (row.task, row.source, row.owner) == (item.task, source, owner)
        )
        if same and row is not None and (row.spec, row.zone) == (item.spec, item.zone):
            if row.policy != text:
                self._store.db.execute("UPDATE schedules SET policy=? WHERE id=?", (text, row.id))
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
                "anchor=?, gone=NULL WHERE id=?",
                (*values, id),
            )
        paused = None if row is None else row.paused
        new = ScheduleRow(id, item.name, item.task, item.spec, item.zone, text, source, owner, now,
                          paused, None, None, None)  # fmt: skip
        self._set_next(new, self.timing(new).after(now))

    def remove(self, name: str, now: float) -> None:
        """Remove a schedule; its rows of the ledger stay."""
        self._store.open(True)
        self._store.db.execute(
            "UPDATE schedules SET gone=?, paused=NULL, next=NULL, due=NULL WHERE name=?",
            (now, name),
        )

    def pause(self, name: str, since: float | None) -> None:
        """Pause a schedule, or with None let it go on."""
        self._store.open(True)
        self._store.db.execute("UPDATE schedules SET paused=? WHERE name=?", (since, name))

    def _set_next(self, row: ScheduleRow, at: float | None) -> None:
        due = None if at is None else at + jitter_of(row.name, at, row.said.get("jitter") or 0.0)
        self._store.db.execute("UPDATE schedules SET next=?, due=? WHERE id=?", (at, due, row.id))

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
        late = wall - due[0][1] > instants.GRACE_S
        period = timing.period(due[-1][0]) if late else inf  # else it does not matter
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
            "SELECT r.id FROM instants i JOIN runs r ON r.id=i.run "
            "WHERE i.schedule=? AND r.state<3 ORDER BY i.at DESC LIMIT 1",
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
