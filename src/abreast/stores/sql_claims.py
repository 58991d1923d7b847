"""Runs this process executes: how they are claimed, and the units they hold."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ..domain.adaptive import units
from ..domain.decide import rank
from ..domain.limits import Usage, blocked_on
from ..domain.model import Attempt, Extra, Run, Task
from ..domain.states import PENDING, RUNNING, Reason
from .sql_records import COLUMNS

if TYPE_CHECKING:
    from .sql_apply import SqlApplying
    from .sql_known import Entry, SqlKey, SqlLane

_START = "UPDATE runs SET state=3, attempt=attempt+1, started=?, worker=? WHERE id IN "
_TAKE = f"""{_START} (SELECT id FROM runs WHERE lane=? AND state=2 AND turn=0
    AND (rank, path, id) <= (?,?,?) ORDER BY rank, path, id LIMIT ?) RETURNING {COLUMNS}, rank"""
_TAKE_FAIR = f"""{_START} (SELECT id FROM runs WHERE lane=? AND state=2
    ORDER BY turn, rank, path, id LIMIT 1) RETURNING {COLUMNS}, rank"""
_TAKE_FIRST = f"{_START} (SELECT value FROM json_each(?)) AND state=2 RETURNING {COLUMNS}, rank"
_NO_ID = 1 << 62  # behind every run


class Claims:
    """Claims runs for this process and keeps the units they hold."""

    def __init__(self, store: SqlApplying) -> None:
        self._store = store
        self.room: Callable[[Task], int] | None = None  # how many more runs the machine can take
        self.full: dict[SqlKey, bool] = {}  # adaptive keys, before the ends of a turn
        self._armed: dict[int, list[tuple[int, SqlKey, float]]] = {}  # units of rates, by run
        self._taken: list[Run] = []  # in this turn
        self._given_up: list[Run] = []
        self._asked: list[Run] = []

    # -- the next to start ------------------------------------------------------------------

    def take(
        self, executors: tuple[str, ...], slots: int, now: float, like: Run | None
    ) -> list[Run]:
        """Start up to ``slots`` runs; see :meth:`SqlStore.claim`."""
        store, lanes = self._store, self._store.lanes
        same = like is not None and like.flow is not None  # else ranks are times, and in order
        wanted = None if like is None else (like.task.executor, rank(like), -like.path)

        def stop(entry: Entry) -> bool:
            if wanted is None:
                return False
            if same:
                return (entry[3].executor, entry[0], entry[1]) != wanted
            # ranks are times: a lane that is held back is no reason to stop
            return entry[3].id != 0 and entry[3].executor != wanted[0]

        store.flush()
        taken: list[Run] = []
        full: list[SqlLane] = []  # there is no room for their tasks on this machine now
        picked: list[SqlLane] = []  # of which just the first run starts
        while len(taken) + len(picked) < slots:
            entry = lanes.next(executors, stop)
            if entry is None:
                break
            lane = entry[3]
            count = self._count(lane, slots - len(taken) - len(picked))
            if count == 0:
                lanes.set_aside(lane)
                full.append(lane)
                continue
            if count == 1 and lane.plain and not same:
                lanes.pick(lane)
                picked.append(lane)
                continue
            if picked:  # their next runs may come before this one
                taken += self._start_first(picked, now)
                picked = []
                continue
            bound = lanes.bound_for(lane, executors)
            if same and wanted is not None:
                bound = min(bound, (wanted[1], wanted[2], _NO_ID))
            taken += self._start(lane, count, bound, now)
        if picked:
            taken += self._start_first(picked, now)
        for lane in full:
            lanes.put_back(lane)
        if not taken and like is None and set(executors) >= set(lanes.served) and not full:
            lanes.more = False
        return taken

    def _count(self, lane: SqlLane, slots: int) -> int:
        """How many runs of a lane may start at once."""
        if self.room is not None:
            task = self._store.rows.task_named(lane.task)
            if task is not None and task.needs:
                slots = min(slots, self.room(task))
        for claim, key in lane.pairs:
            if claim.cost:
                slots = min(slots, int((units(claim, key) - key.held) // claim.cost))
        return slots

    def _start(
        self, lane: SqlLane, count: int, bound: tuple[float, float, int], now: float
    ) -> list[Run]:
        store = self._store
        worker = store.worker
        store.rows.flush()
        if lane.fair:
            cursor = store.db.execute(_TAKE_FAIR, (now, worker, lane.id))
        else:
            cursor = store.db.execute(_TAKE, (now, worker, lane.id, *bound, count))
        rows = cursor.fetchall()
        if len(rows) > 1:
            rows.sort(key=itemgetter(26, 23, 0))
        runs = []
        running = store.rows.running
        for row in rows:
            run = running[row[0]] = self._started(row, worker, now)
            if run.task.rated:
                self._arm(run, lane, now)
            if run.extra is not None:
                store.child_started(run, now)
                store._ahead = True
            runs.append(run)
        self._taken += runs
        store.lanes.took(lane, len(runs), runs[-1].extra.turn if runs[-1].extra else 0)
        return runs

    def _start_first(self, lanes: list[SqlLane], now: float) -> list[Run]:
        """Start the first run of each of these lanes, whose units have been counted."""
        store, worker, running = self._store, self._store.worker, self._store.rows.running
        store.rows.flush()
        ids = [lane.place[2] for lane in lanes if lane.place is not None]
        found = {
            row[0]: row for row in store.db.execute(_TAKE_FIRST, (now, worker, str(ids))).fetchall()
        }
        runs = []
        for id in ids:
            run = running[id] = self._started(found[id], worker, now)
            if run.extra is not None:
                store.child_started(run, now)
                store._ahead = True
            runs.append(run)
        self._taken += runs
        store.lanes.find_first(lanes)
        return runs

    def take_this(self, id: int, now: float) -> Run | None:
        """Start one certain run, if it is pending and no limit holds it; else None."""
        store = self._store
        found = store.rows.get([id])
        if not found or found[0].state is not PENDING:
            return None
        lane = store.lanes.fresh(found[0].lane)
        if blocked_on(store.lanes.pairs(lane)) is not None:
            return None
        store.rows.flush()
        row = store.db.execute(
            f"{_START} (?) RETURNING {COLUMNS}, rank", (now, store.worker, id)
        ).fetchone()
        run = store.rows.running[id] = self._started(row, store.worker, now)
        self._taken.append(run)
        if run.task.rated:
            self._arm(run, lane, now)
        store.child_started(run, now)
        store.lanes.took(lane, 1, run.extra.turn if run.extra else 0)
        return run

    def _started(self, row: tuple[Any, ...], worker: int | None, now: float) -> Run:
        run = self._store.rows.take_in(row)
        if run.state is not RUNNING:  # it was known before it was claimed
            run.state = RUNNING
            run.attempt = row[11]
            run.started = now
            if worker is not None:
                run.extra = run.extra or Extra()
                run.extra.worker = worker
        return run

    def _arm(self, run: Run, lane: SqlLane, now: float) -> None:
        store = self._store
        armed = self._armed[run.id] = []
        for claim, key in lane.pairs:
            if claim.per is not None:
                cursor = store.db.execute(
                    "INSERT INTO units (key, run, cost, until, attempt) VALUES (?,?,?,?,?)",
                    (key.id, run.id, claim.cost, now + claim.per, run.attempt),
                )
                armed.append((int(cursor.lastrowid or 0), key, claim.cost))
                store.next_at = min(store.next_at, now + claim.per)

    # -- the end of a claim -----------------------------------------------------------------

    def give_up(self, run: Run) -> None:
        """A claimed run was never begun: its units of rates return at once."""
        store = self._store
        if store.rows.running.pop(run.id, None) is not None:  # else it was a dead worker's
            self._given_up.append(run)
        for id, key, cost in self._armed.pop(run.id, ()):
            if store.db.execute("DELETE FROM units WHERE id=?", (id,)).rowcount:
                store.lanes.return_units(key, cost)
                store._ahead = True

    def done(self, attempt: Attempt) -> None:
        """An attempt has ended and that is recorded: return what it held."""
        store, run = self._store, attempt.run
        store.rows.running.pop(run.id, None)
        store.rows.known[run.id] = run
        if run.task.rated:
            self._armed.pop(run.id, None)
        if not run.task.keyed:
            return
        grown = store.lanes.adapt(attempt, self.full) if run.task.adaptive else ()
        if attempt.abandoned:
            self._keep_units(attempt)
        else:
            store.lanes.give_back(run)
        for key in grown:
            store.lanes.wake(key)

    def _keep_units(self, attempt: Attempt) -> None:
        store, run = self._store, attempt.run
        for claim, key in run.lane.pairs:  # its thread goes on: so do its units
            if claim.per is None:
                store.db.execute(
                    "INSERT INTO units (key, run, cost, attempt, worker) VALUES (?,?,?,?,?)",
                    (key.id, run.id, claim.cost, attempt.number, store.worker),
                )

    def returned(self, attempt: Attempt) -> None:
        """The thread of an abandoned attempt has returned: so do its units."""
        store = self._store
        rows = store.db.execute(
            "DELETE FROM units WHERE run=? AND attempt=? AND until IS NULL RETURNING key, cost",
            (attempt.run.id, attempt.number),
        ).fetchall()
        for key, cost in rows:
            store.lanes.return_units(store.lanes.key_by_id(key), cost)
        if rows:
            store.work = True

    def return_units(self, now: float) -> None:
        """Return the units of rates whose time has come."""
        store = self._store
        rows = store.db.execute(
            "SELECT id, key, cost FROM units WHERE until<=? ORDER BY until, id", (now,)
        ).fetchall()
        if rows:
            store.work = True
            store.db.executemany("DELETE FROM units WHERE id=?", [(row[0],) for row in rows])
        for _, key, cost in rows:
            store.lanes.return_units(store.lanes.key_by_id(key), cost)

    def recorded(self) -> None:
        """The claims of this turn, and those that it gave up, are on record."""
        self._taken.clear()
        self._given_up.clear()
        self._asked.clear()

    def undo(self) -> list[Run]:
        """Nothing of them is. Return runs that are to be given up again, as they are claimed."""
        running = self._store.rows.running
        taken, again, asked = self._taken, self._given_up, self._asked
        self._taken, self._given_up, self._asked = [], [], []
        for run in asked:
            run.asked = None
        self._store.to_stop[:] = [run for run in self._store.to_stop if run.asked is not None]
        for run in again:
            run.state = RUNNING
            run.reason = run.ended = run.error = run.trace = None
            run.attempt += 1
            running[run.id] = run
        for run in taken:
            run.attempt -= 1
            running.pop(run.id, None)
            self._armed.pop(run.id, None)
        return [run for run in again if run.id in running]

    def ours(self, attempts: list[Attempt]) -> list[Attempt]:
        """Those attempts whose runs the rows still say are executed here (the fence)."""
        store = self._store
        kept = []
        for attempt in attempts:
            row = store.db.execute(
                "SELECT crashes, extra FROM runs "
                "WHERE id=? AND state=3 AND attempt=? AND worker IS ?",
                (attempt.run.id, attempt.number, store.worker),
            ).fetchone()
            if row is not None:
                attempt.run.crashes = row[0]  # a turn that was undone may have counted this one
                if attempt.run.extra is not None:
                    extra = store.rows.values.from_row(row[1]) or {}
                    attempt.run.extra.backoffs = extra.get("backoffs", 0)
                kept.append(attempt)
            else:
                self._lose(attempt.run)
        return kept

    # -- wishes of others -------------------------------------------------------------------

    def ask(self, run: Run) -> None:
        """Have a running run stopped, by whoever executes it."""
        store = self._store
        store.db.execute("UPDATE runs SET asked=? WHERE id=?", (run.asked, run.id))
        if run.id in store.rows.running:
            store.to_stop.append(run)
            self._asked.append(run)
        else:
            store.work = True  # its worker is rung

    def look_at(self, run: Run) -> bool:
        """Read what others have written of a run that is about to be tried again: that it is to
        end, that more comes after it. False: it is executed here no more (the fence)."""
        worker = run.extra.worker if run.extra is not None else None
        self._store.rows.write(run)
        row = self._store.db.execute(
            "SELECT asked, path FROM runs WHERE id=? AND state=3 AND attempt=? AND worker IS ?",
            (run.id, run.attempt, worker),
        ).fetchone()
        if row is None:
            self._lose(run)
            return False
        if row[0] is not None and run.asked is None:
            run.asked = Reason(row[0])
        run.path = -row[1]
        return True

    def _lose(self, run: Run) -> None:
        """A run was given to somebody else."""
        self._store.rows.running.pop(run.id, None)
        self._store.running -= 1
        self._store.unfinished -= 1

    def look_for_asked(self) -> None:
        """Others have written: have they asked one of our runs to end?"""
        store = self._store
        if not store.rows.running or store.worker is None:
            return
        for id, asked in store.db.execute(
            "SELECT id, asked FROM runs WHERE state=3 AND worker=? AND asked IS NOT NULL",
            (store.worker,),
        ).fetchall():
            run = store.rows.running.get(id)
            if run is not None and run.asked is None:
                run.asked = Reason(asked)
                store.to_stop.append(run)

    # -- looking ----------------------------------------------------------------------------

    def held_by(self, run: Run) -> SqlKey | None:
        """The key that keeps a pending run from starting, or None."""
        store = self._store
        store.open(False)
        found = store.rows.current([run])
        lane: SqlLane | None = found[0].lane if found else None
        if lane is None or found[0].state is not PENDING:
            return None
        lane = store.lanes.fresh(lane)
        return lane.parked or blocked_on(store.lanes.pairs(lane))  # type: ignore[return-value]

    def usages(self) -> list[Usage]:
        """Every key in use, with the units held."""
        store = self._store
        store.open(False)
        store.flush()
        rows = store.db.execute("SELECT id FROM keys ORDER BY name, per").fetchall()
        return [store.lanes.key_by_id(row[0]) for row in rows]

    def stuck(self, abandoned: list[Run]) -> list[tuple[Run, SqlKey, Run]]:
        """Pending runs whose key is held by abandoned threads only: run, key, holder."""
        store, found = self._store, []
        held: dict[int, dict[int, float]] = {}
        store.flush()
        for id, run, cost in store.db.execute(
            "SELECT key, run, sum(cost) FROM units JOIN keys ON keys.id=key WHERE until IS NULL "
            "GROUP BY key, run ORDER BY name, per"
        ).fetchall():
            held.setdefault(id, {})[run] = cost
        for id, units_of in held.items():
            key = store.lanes.key_by_id(id)
            holders = [run for run in abandoned if run.id in units_of]
            if holders and sum(units_of[run.id] for run in holders) >= key.held:
                lines = "lane IN (SELECT id FROM lanes WHERE parked=?)"
                waiting = store.rows.select(f"state=2 AND {lines} ORDER BY rank, path, id", (id,))
                found += [(run, key, holders[0]) for run in waiting]
        return found
