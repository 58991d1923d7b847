"""The door: limits that may refuse a newcomer look at who holds and who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain import decide
from ..domain.limits import Then, at_the_door
from ..domain.model import Change, Run
from ..domain.states import Reason
from .sql_records import COLUMNS

if TYPE_CHECKING:
    from .sql_apply import SqlApplying
    from .sql_known import SqlKey


class Door:
    """Judges newcomers of tasks whose limits have a ``then``."""

    def __init__(self, store: SqlApplying) -> None:
        self._store = store

    def judge(
        self, change: Change, now: float, moved: list[Run], changes: list[Change], refuse: bool
    ) -> Change:
        """Return the change to make instead of letting a run wait, or the one given.

        Raises :class:`~abreast.errors.Busy` when ``refuse`` and a limit says so.
        """
        store, run = self._store, change.run
        try:
            run.lane = run.lane or store.lanes.lane_of(run)
        except Exception as error:  # a callable or an argument of the user's
            return decide.broken(run, error, now)
        if not run.task.bounded:
            return change
        pairs = store.lanes.pairs(run.lane)
        for claim, key in pairs:
            if claim.then is not Then.WAIT:
                self._look(key)
        verdict = at_the_door(pairs)
        usage = verdict.usage
        if usage is None:
            return change
        holder = usage.holder()
        if verdict.then is Then.FAIL and refuse:
            raise decide.busy(run, usage.key, holder)
        if verdict.then >= Then.SKIP:
            return decide.skip_at_limit(run, usage.key, holder, now)
        for other in verdict.out:
            if store.apply(decide.skip_at_limit(other, usage.key, run, now), changes):
                moved.append(other)
        store.cancel_all(verdict.stop, Reason.LIMIT, now, changes)
        return change

    def _look(self, key: SqlKey) -> None:
        """Read who holds a key and who waits in its lanes."""
        store = self._store
        store.flush()
        line = self._runs(
            "lane IN (SELECT lane FROM lane_keys WHERE key=?) AND state=2 ORDER BY ready, id", key
        )
        key.line = dict.fromkeys(run for run in line if run.id not in store.on_the_way)
        where = (
            "lane IN (SELECT lane FROM lane_keys WHERE key=?) AND state=3 ORDER BY started, id"
            if key.per is None
            else "id IN (SELECT run FROM units WHERE key=?) ORDER BY started, id"
        )
        key.holders = dict.fromkeys(self._runs(where, key), 0.0)

    def _runs(self, where: str, key: SqlKey) -> list[Run]:
        store = self._store
        rows = store.db.execute(f"SELECT {COLUMNS} FROM runs WHERE {where}", (key.id,)).fetchall()
        return [store.rows.take_in(row) for row in rows]
