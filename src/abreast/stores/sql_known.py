"""Lanes and keys a process has met: made when they are needed, read again when others wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING, Any

from ..domain.graph import with_results
from ..domain.keys import Template
from ..domain.limits import Claim, Keys, Then, Usage
from ..domain.model import Extra, Run, Task

if TYPE_CHECKING:
    from .sql_rows import Rows

Place = tuple[float, float, int]  # rank, -path, id: smaller starts first
Entry = tuple[float, float, int, "SqlLane"]

LAST: Place = (inf, inf, 0)


class SqlKey(Usage):
    """The usage of one key, with its row's number."""

    __slots__ = ("bound", "id", "lines", "seen")

    def __init__(self, id: int, key: str, per: float | None) -> None:
        super().__init__(key, per)
        self.id = id
        self.seen = -1  # in which generation it was read
        self.lines = -1  # in which generation the lanes parked here were read
        self.bound = LAST  # lanes behind this place were not read


class SqlLane:
    """One line of pending runs of one task that make the same claims."""

    __slots__ = ("claims", "executor", "fair", "id", "pairs", "parked", "place", "plain", "seen",
                 "task", "turn", "woken_by")  # fmt: skip

    def __init__(self, id: int, task: int, claims: tuple[Claim, ...]) -> None:
        self.id = id
        self.task = task
        self.claims = claims
        self.executor = ""
        self.fair = False
        self.plain = False  # its first run may start together with those of other lanes
        self.pairs: tuple[tuple[Claim, SqlKey], ...] = ()
        self.parked: SqlKey | None = None
        self.woken_by: SqlKey | None = None
        self.turn = 0  # of the last run that started
        self.place: Place | None = None  # of its first run
        self.seen = -1

    def learn(self, task: Task) -> None:
        """Take over what its task says."""
        self.executor, self.fair = task.executor, task.fair_by is not None
        self.plain = bool(self.claims) and not (self.fair or task.needs or task.rated)

    def __lt__(self, other: SqlLane) -> bool:
        # only asked when a run has moved from one lane to another and old entries are left
        return self.id < other.id


class KnownLanes:
    """What is known of lanes and keys.

    Parameters
    ----------
    rows : Rows
        For what needs the runs themselves.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.db = rows.db
        self.more = True  # whether a claim may find something
        self._generation = 0
        self._lanes: dict[int, SqlLane] = {}
        self._by_claims: dict[tuple[int, tuple[Claim, ...]], SqlLane] = {}
        self._keys: dict[tuple[str, float], SqlKey] = {}
        self._keys_by_id: dict[int, SqlKey] = {}
        self._unkeyed: dict[Task, SqlLane] = {}  # of tasks whose runs ask for nothing
        self._makers: dict[Task, Keys] = {}
        self._templates: dict[Task, Template] = {}  # of fair_by
        self._ready: dict[str, list[Entry]] = {}  # awake lanes by executor, once they are read
        self._left: dict[tuple[SqlLane, str], list[int]] = {}  # turns of those that went away
        self.dirty_lanes: dict[SqlLane, None] = {}
        self.dirty_keys: dict[SqlKey, None] = {}

    def stale(self) -> None:
        """Another process has written: everything that can change is read again."""
        self._generation += 1
        self._ready.clear()
        self.more = True

    def forget(self) -> None:
        """A turn was undone, or rows were pruned: also what was made in it is gone."""
        self.stale()
        self._lanes.clear()
        self._by_claims.clear()
        self._unkeyed.clear()
        self._keys.clear()
        self._keys_by_id.clear()
        self._left.clear()
        self.dirty_lanes.clear()
        self.dirty_keys.clear()
        for run in self.rows.running.values():  # rows that are in use are still there
            if run.lane is not None:
                self._lanes[run.lane.id] = self._by_claims[run.lane.task, run.lane.claims] = (
                    run.lane
                )
                for _, key in run.lane.pairs:
                    self._keys[key.key, key.per or 0.0] = self._keys_by_id[key.id] = key

    def drop(self, lanes: Iterable[int], keys: Iterable[int]) -> None:
        """Forget lanes without runs and keys without lanes, whose rows are gone."""
        self._unkeyed.clear()
        for id in lanes:
            lane = self._lanes.pop(id, None)
            if lane is not None:
                self._by_claims.pop((lane.task, lane.claims), None)
        for id in keys:
            key = self._keys_by_id.pop(id, None)
            if key is not None:
                self._keys.pop((key.key, key.per or 0.0), None)

    def by_id(self, id: int) -> SqlLane:
        """The lane with this number."""
        lane = self._lanes.get(id)
        if lane is None:
            task, text = self.db.execute(
                "SELECT task, claims FROM lanes WHERE id=?", (id,)
            ).fetchone()
            lane = self._known(id, task, claims_of(text))
        return lane

    def lane_of(self, run: Run) -> SqlLane:
        """The lane for a run's task and claims, made when it is the first."""
        task = run.task
        if not task.keyed:
            known = self._unkeyed.get(task)
            if known is not None:
                return known
        claims: tuple[Claim, ...] = ()
        if task.limits:
            maker = self._makers.get(task)
            if maker is None:
                maker = self._makers[task] = Keys(task)
            claims = maker.fixed or ()
            if maker.fixed is None:
                args, kwargs = run.args, run.kwargs
                if run.needy:
                    args, kwargs = with_results(args), with_results(dict(kwargs))
                claims = maker.claims(args, kwargs)
        number = self.rows.task_id(task)
        lane = self._by_claims.get((number, claims))
        if lane is None:
            text = text_of(claims)
            row = self.db.execute(
                "SELECT id FROM lanes WHERE task=? AND claims=?", (number, text)
            ).fetchone()
            if row is None:
                id = int(
                    self.db.execute(
                        "INSERT INTO lanes (task, claims) VALUES (?,?)", (number, text)
                    ).lastrowid
                    or 0
                )
                lane = self._known(id, number, claims)
                lane.seen = self._generation
                self.db.executemany(
                    "INSERT OR IGNORE INTO lane_keys (key, lane) VALUES (?,?)",
                    [(key.id, id) for _, key in lane.pairs],
                )
            else:
                lane = self._known(row[0], number, claims)
        lane.learn(task)
        if not task.keyed:
            self._unkeyed[task] = lane
        if lane.fair:
            run.extra = run.extra or Extra()
            run.extra.fair = self._value_of(run)
        return lane

    def _value_of(self, run: Run) -> str:
        """The value of a run whose turn it is or is not."""
        task = run.task
        template = self._templates.get(task)
        if template is None:
            assert task.fair_by is not None
            template = self._templates[task] = Template(task.fair_by, task, "fair_by")
        args, kwargs = run.args, run.kwargs
        if run.needy:
            args, kwargs = with_results(args), with_results(dict(kwargs))
        return template.fill(args, kwargs)

    def _known(self, id: int, task: int, claims: tuple[Claim, ...]) -> SqlLane:
        lane = SqlLane(id, task, claims)
        lane.pairs = tuple((claim, self._key(claim.key, claim.per)) for claim in claims)
        found = self.rows.task_named(task)
        if found is not None:
            lane.learn(found)
        self._lanes[id] = self._by_claims[task, claims] = lane
        return lane

    def _key(self, name: str, per: float | None) -> SqlKey:
        key = self._keys.get((name, per or 0.0))
        if key is None:
            row = self.db.execute(
                "SELECT id FROM keys WHERE name=? AND per=?", (name, per or 0.0)
            ).fetchone()
            if row is None:
                cursor = self.db.execute(
                    "INSERT INTO keys (name, per) VALUES (?,?)", (name, per or 0.0)
                )
                row = (cursor.lastrowid,)
            key = self._keys[name, per or 0.0] = SqlKey(row[0], name, per)
            self._keys_by_id[row[0]] = key
        return key

    def key_by_id(self, id: int) -> SqlKey:
        """The key with this number, as it is now."""
        key = self._keys_by_id.get(id)
        if key is None:
            name, per = self.db.execute("SELECT name, per FROM keys WHERE id=?", (id,)).fetchone()
            key = self._key(name, per or None)
        return self.fresh_key(key)

    def fresh_key(self, key: SqlKey) -> SqlKey:
        """Read what is held of a key, unless that is known."""
        if key.seen != self._generation:
            key.held, key.level, key.streak, key.usual, key.cut = self.db.execute(
                "SELECT held, level, streak, usual, cut FROM keys WHERE id=?", (key.id,)
            ).fetchone()
            key.seen = self._generation
        return key

    def fresh(self, lane: SqlLane) -> SqlLane:
        """Read the state of a lane, unless that is known."""
        if lane.seen != self._generation:
            self._fill(
                lane,
                self.db.execute(
                    "SELECT parked, woken, turn, h_rank, h_path, h_id FROM lanes WHERE id=?",
                    (lane.id,),
                ).fetchone(),
            )
        return lane

    def _fill(self, lane: SqlLane, row: tuple[Any, ...]) -> None:
        parked, woken, lane.turn, first, path, id = row
        lane.parked = None if parked is None else self.key_by_id(parked)
        lane.woken_by = None if woken is None else self.key_by_id(woken)
        lane.place = None if id is None else (first, path, id)
        lane.seen = self._generation

    def pairs(self, lane: SqlLane) -> tuple[tuple[Claim, SqlKey], ...]:
        """The claims of a lane with the keys as they are now."""
        for _, key in lane.pairs:
            if key.seen != self._generation:
                self.fresh_key(key)
        return lane.pairs


def text_of(claims: tuple[Claim, ...]) -> str:
    """Claims as a text that is equal for equal claims."""
    return json.dumps([list(claim) for claim in claims])


def claims_of(text: str) -> tuple[Claim, ...]:
    """Claims from their text."""
    return tuple(
        Claim(key, per, n, cost, places, Then(then), lo)
        for key, per, n, cost, places, then, lo in json.loads(text)
    )
