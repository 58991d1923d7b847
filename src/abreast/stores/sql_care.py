"""What a store forgets: runs that ended long enough ago, and lines and keys that nobody uses.

What may go is looked for on a connection that only reads, outside any turn; what goes is looked at
again and removed in turns of their own, small enough that a submit beside them hardly waits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from .leftovers import Files, file_of
from .run_logs import log_name

if TYPE_CHECKING:
    import sqlite3

    from .sqlite import SqliteStore

Post = Callable[[Callable[[float], Any]], Any]  # carries something out in a turn of the engine

ROWS = 500  # rows (and pages of large ones) removed in one turn
_PAGE = 2000  # rows looked at in one go
_PAGE_BYTES = 4096
_FAILED = 5
_AMONG = "IN (SELECT value FROM json_each(?))"

# Of a run that ended nothing changes any more, except that others may still come to wait for it.
_FREE = f"""SELECT id FROM runs WHERE id {_AMONG} AND state>3 AND NOT EXISTS (
    SELECT 1 FROM edges JOIN runs child ON child.id=edges.child
    WHERE edges.parent=runs.id AND child.state<4)"""
_BELONGINGS = (
    ("edges", "child"), ("edges", "parent"), ("attempts", "run"), ("steps", "run"),
    ("flows", "id"), ("releases", "parent"), ("runs", "id"),
)  # fmt: skip
_KEYS = {"edges": "parent, child", "attempts": "run, number", "steps": "run, name"}
_IDLE = f"""SELECT id FROM lanes WHERE id {_AMONG} AND h_id IS NULL
    AND NOT EXISTS (SELECT 1 FROM runs WHERE lane=lanes.id AND state=2)
    AND NOT EXISTS (SELECT 1 FROM runs WHERE lane=lanes.id AND state=3)
    AND NOT EXISTS (SELECT 1 FROM runs WHERE lane=lanes.id AND state<2)"""
_UNUSED = f"""SELECT id FROM keys WHERE id {_AMONG} AND abs(held)<1e-9 AND level IS NULL
    AND NOT EXISTS (SELECT 1 FROM lane_keys WHERE key=keys.id)
    AND NOT EXISTS (SELECT 1 FROM units WHERE key=keys.id)"""
_OLD_KNOWN = "(until IS NULL OR until<=?) AND coalesce((SELECT state FROM runs WHERE id=run), 9)>3"


class Rule(NamedTuple):
    """Which runs go: those that ended before a time, and those behind the newest of their task.

    ``before`` and ``failed_before`` are times (seconds since 1970) or None; ``keep`` counts runs of
    a task, failed ones left aside when ``failed_apart``.
    """

    before: float | None
    failed_before: float | None
    keep: int | None
    failed_apart: bool


class Doomed(NamedTuple):
    """A run that goes: how much there is to remove, its unique key, its files."""

    id: int
    weight: int
    unique: str | None
    files: tuple[str, ...]


class Pruner:
    """Removes what a rule names.

    Parameters
    ----------
    store : SqliteStore
        Its verbs are called in turns only.
    post : callable
        Carries something out in a turn of its own; returns what that returns.
    look : sqlite3.Connection
        For looking; see :func:`abreast.stores.leftovers.look_only`.
    dry : bool
        Only count.
    """

    def __init__(
        self, store: SqliteStore, post: Post, look: sqlite3.Connection, files: Files, dry: bool
    ) -> None:
        self._store = store
        self._post = post
        self._look = look
        self._files = files
        self._dry = dry
        self._seen: set[int] = set()  # with dry: what the rule has named already
        self.runs = self.lanes = self.keys = 0

    # -- runs -------------------------------------------------------------------------------

    def prune(self, rule: Rule, now: float) -> None:
        """Remove the runs a rule names, then what nobody uses any more."""
        if rule.before is not None or rule.failed_before is not None:
            for page in self._by_age(rule):
                self.remove_runs(page, now)
        if rule.keep is not None:
            for page in self._by_count(rule.keep, rule.failed_apart):
                self.remove_runs(page, now)
        self._remove_known(now)
        self._remove_turns()
        self.lanes = self._remove_idle("lanes", "claims<>'[]'", _IDLE)
        self.keys = self._remove_idle("keys", "1", _UNUSED)

    def _by_age(self, rule: Rule) -> Iterator[list[int]]:
        before, failed_before = rule.before or 0.0, rule.failed_before or 0.0
        newest, last = max(before, failed_before), 0
        while True:
            rows = self._look.execute(
                "SELECT id, state, ended, created, flow FROM runs WHERE id>? ORDER BY id LIMIT ?",
                (last, _PAGE),
            ).fetchall()
            yield [
                id
                for id, state, ended, _, flow in rows
                if state > 3
                and flow is None
                and (ended or 0.0) < (failed_before if state == _FAILED else before)
            ]
            if len(rows) < _PAGE or rows[-1][3] >= newest:
                return  # what was made later has not ended earlier
            last = rows[-1][0]

    def _by_count(self, keep: int, failed_apart: bool) -> Iterator[list[int]]:
        ended = "state>3 AND flow IS NULL" + (" AND state<>5" if failed_apart else "")
        for (task,) in self._look.execute("SELECT id FROM tasks").fetchall():
            row = self._look.execute(
                f"SELECT id FROM runs WHERE task=? AND {ended} ORDER BY id DESC LIMIT 1 OFFSET ?",
                (task, keep),
            ).fetchone()
            last, newest = 0, 0 if row is None else row[0]
            while last < newest:
                page = self._look.execute(
                    f"SELECT id FROM runs WHERE task=? AND id>? AND id<=? AND {ended} "
                    "ORDER BY id LIMIT ?",
                    (task, last, newest, _PAGE),
                ).fetchall()
                if not page:
                    break
                yield [row[0] for row in page]
                last = page[-1][0]

    def remove_runs(self, ids: list[int], now: float) -> None:
        """Remove these runs, flows with all their children, as far as nothing needs them."""
        if self._dry:
            ids = [id for id in ids if id not in self._seen]
            self._seen.update(ids)
        flows = {
            row[0]
            for row in self._look.execute(
                f"SELECT DISTINCT flow FROM runs WHERE flow {_AMONG}", (json.dumps(ids),)
            )
        }
        self._remove([id for id in ids if id not in flows], now)
        for id in sorted(flows):
            parts = self._parts(id)
            # What goes, goes as a whole: the last thing is the flow itself, which is found again
            # if this comes to an end before.
            if len(self._free(parts, now)) == len(parts):
                self._remove(parts, now)

    def _parts(self, flow: int) -> list[int]:
        """All runs of a flow, the latest first, itself last."""
        rows = self._look.execute(
            "WITH RECURSIVE part(id) AS (SELECT ?1 UNION "
            "SELECT runs.id FROM part JOIN runs ON runs.flow=part.id) "
            "SELECT id FROM part WHERE id<>?1 ORDER BY id DESC",
            (flow,),
        ).fetchall()
        return [*(row[0] for row in rows), flow]

    def _free(self, ids: list[int], now: float) -> list[Doomed]:
        """Which of these nothing needs any more, and all that is to be removed with them."""
        free: list[Doomed] = []
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            found = {row[0] for row in self._look.execute(_FREE, (json.dumps(page),))}
            free += self._doomed([id for id in page if id in found], now)
        return free

    def _doomed(self, ids: list[int], now: float) -> list[Doomed]:
        wanted = json.dumps(ids)
        heavy: dict[int, int] = {}
        for table, column in (("edges", "parent"), ("edges", "child"), ("steps", "run")):
            for id, count in self._look.execute(
                f"SELECT {column}, count(*) FROM {table} WHERE {column} {_AMONG} GROUP BY 1",
                (wanted,),
            ):
                heavy[id] = heavy.get(id, 0) + count
        doomed: dict[int, Doomed] = {}
        columns = ("args", "value", "error")
        files = ", ".join(f"CASE WHEN {file_of(name)} THEN {name} END" for name in columns)
        size = "+".join(f"coalesce(length({name}),0)" for name in (*columns, "extra"))
        for id, task, name, created, extra, length, *named in self._look.execute(
            f"SELECT runs.id, task, name, created, extra, {size}, {files} "
            f"FROM runs JOIN tasks ON tasks.id=task WHERE runs.id {_AMONG}",
            (wanted,),
        ):
            unique = json.loads(extra).get("unique") if extra else None
            if unique is not None and self._is_met(unique, id, now):
                continue
            weight = 1 + heavy.get(id, 0) + length // _PAGE_BYTES
            log = log_name(task, name, created, id)
            doomed[id] = Doomed(id, weight, unique, self._files.names(named, log))
        for id, error in self._look.execute(
            f"SELECT run, error FROM attempts WHERE run {_AMONG}", (wanted,)
        ):
            if id in doomed:
                one = doomed[id]
                doomed[id] = one._replace(
                    weight=one.weight + 1, files=one.files + self._files.names([error], None)
                )
        return [doomed[id] for id in ids if id in doomed]

    def _is_met(self, unique: str, id: int, now: float) -> bool:
        """Whether a submit of the same work would still be told of this run."""
        return bool(
            self._look.execute(
                "SELECT 1 FROM uniques WHERE name=? AND run=? AND until>?", (unique, id, now)
            ).fetchone()
        )

    def _remove(self, ids: list[int], now: float) -> None:
        """Remove runs in batches, in the order given."""
        batch: list[Doomed] = []
        weight = 0
        for run in self._free(ids, now):
            if batch and weight + run.weight > ROWS:
                self._carry_out(batch)
                batch, weight = [], 0
            batch.append(run)
            weight += run.weight
        if batch:
            self._carry_out(batch)

    def _carry_out(self, batch: list[Doomed]) -> None:
        removed = {run.id for run in batch}
        if not self._dry:
            for run in batch:
                if run.weight > ROWS:
                    self._trim(run.id)
            removed = self._post(partial(self._forget, batch))
        self.runs += len(removed)
        for run in batch:
            if run.id in removed:
                self._files.remove(run.files)

    def _forget(self, batch: Sequence[Doomed], now: float) -> set[int]:
        """In a turn: remove what nobody has come to wait for meanwhile."""
        store = self._store
        store.open(False)
        store.flush()
        execute = store.db.execute
        wanted = json.dumps([run.id for run in batch])
        free = {row[0] for row in execute(_FREE, (wanted,))}
        wanted = json.dumps(sorted(free))
        store.db.executemany(
            "DELETE FROM uniques WHERE name=? AND run=?",
            [(run.unique, run.id) for run in batch if run.id in free and run.unique is not None],
        )
        for table, column in _BELONGINGS:
            execute(f"DELETE FROM {table} WHERE {column} {_AMONG}", (wanted,))
        if free:  # an id is never given twice, also not that of the newest run
            execute(
                "INSERT INTO counters (name, value) SELECT 'run', ?1 WHERE ?1 > "
                "(SELECT coalesce(max(id), 0) FROM runs) "
                "ON CONFLICT (name) DO UPDATE SET value=max(value, excluded.value)",
                (max(free),),
            )
        return free

    def _trim(self, id: int) -> None:
        """Remove most of what belongs to a run that has more of it than fits into a turn."""

        def part(table: str, column: str, now: float) -> int:
            store = self._store
            store.open(False)
            store.flush()
            if not store.db.execute(_FREE, (json.dumps([id]),)).fetchone():
                return 0
            keys = _KEYS[table]
            return store.db.execute(
                f"DELETE FROM {table} WHERE {column}=?1 AND ({keys}) IN "
                f"(SELECT {keys} FROM {table} WHERE {column}=?1 LIMIT ?2)",
                (id, ROWS),
            ).rowcount

        for table, column in _BELONGINGS[:4]:
            while self._post(partial(part, table, column)) == ROWS:
                pass

    # -- what nobody uses -------------------------------------------------------------------

    def _remove_known(self, now: float) -> None:
        """Keys of unique work that no submit would meet any more."""

        def part(names: list[str], now: float) -> None:
            self._store.open(False)
            self._store.flush()
            self._store.db.execute(
                f"DELETE FROM uniques WHERE name {_AMONG} AND {_OLD_KNOWN}",
                (json.dumps(names), now),
            )

        last = ""
        while not self._dry:
            rows = self._look.execute(
                f"SELECT name FROM uniques WHERE name>? AND {_OLD_KNOWN} ORDER BY name LIMIT ?",
                (last, now, ROWS),
            ).fetchall()
            if not rows:
                return
            names = [row[0] for row in rows]
            self._post(partial(part, names))
            last = names[-1]

    def _remove_turns(self) -> None:
        """Turns of values that say no more than the turn of their line."""

        def part(rows: list[tuple[int, str]], now: float) -> None:
            self._store.open(False)
            self._store.flush()
            self._store.db.executemany(
                "DELETE FROM turns WHERE lane=?1 AND value=?2 "
                "AND turn<coalesce((SELECT turn FROM lanes WHERE id=?1), turn+1)",
                rows,
            )

        last: tuple[int, str] = (0, "")
        while not self._dry:
            rows = self._look.execute(
                "SELECT lane, value FROM turns WHERE (lane, value)>(?,?) AND turn<coalesce("
                "(SELECT turn FROM lanes WHERE id=turns.lane), turn+1) "
                "ORDER BY lane, value LIMIT ?",
                (*last, ROWS),
            ).fetchall()
            if not rows:
                return
            self._post(partial(part, rows))
            last = rows[-1]

    def _remove_idle(self, table: str, where: str, idle: str) -> int:
        """Remove lines without a run, or keys without a line; returns how many."""
        last, removed = 0, 0
        while True:
            rows = self._look.execute(
                f"SELECT id FROM {table} WHERE id>? AND {where} ORDER BY id LIMIT ?", (last, ROWS)
            ).fetchall()
            if not rows:
                return removed
            last = rows[-1][0]
            wanted = json.dumps([row[0] for row in rows])
            found = [row[0] for row in self._look.execute(idle, (wanted,))]
            if found and self._dry:
                removed += len(found)
            elif found:
                removed += self._post(partial(self._forget_idle, table, idle, found))

    def _forget_idle(self, table: str, idle: str, ids: list[int], now: float) -> int:
        store = self._store
        store.open(False)
        store.flush()
        execute = store.db.execute
        kept: set[int] = set()
        if table == "lanes":  # what a limit has learned of its size is kept
            kept = store.epoch.in_use() | {
                row[0]
                for row in execute(
                    f"SELECT lane FROM lane_keys WHERE lane {_AMONG} AND "
                    "(SELECT level FROM keys WHERE id=lane_keys.key) IS NOT NULL",
                    (json.dumps(ids),),
                )
            }
        gone = [row[0] for row in execute(idle, (json.dumps(ids),)) if row[0] not in kept]
        wanted = json.dumps(gone)
        execute(f"DELETE FROM {table} WHERE id {_AMONG}", (wanted,))
        if table == "lanes":
            execute(f"DELETE FROM lane_keys WHERE lane {_AMONG}", (wanted,))
            execute(f"DELETE FROM turns WHERE lane {_AMONG}", (wanted,))
        if gone:
            store.epoch.renew(*((gone, ()) if table == "lanes" else ((), gone)))
        return len(gone)
