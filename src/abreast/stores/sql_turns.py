"""What changes in lanes and keys besides runs: turns of ``fair_by``, sizes of adaptive keys."""

from __future__ import annotations

from ..domain import fair
from ..domain.adaptive import adapted, is_full, units
from ..domain.model import Attempt, Run
from .sql_known import KnownLanes, Place, SqlKey, SqlLane


class Turns(KnownLanes):
    """The part of the lanes that gives turns, and lets keys learn."""

    def first_of(self, lane: SqlLane) -> Place | None:
        """The place of the first run in line."""
        raise NotImplementedError

    def _post(self, lane: SqlLane) -> None:
        raise NotImplementedError

    def give_turn(self, run: Run) -> None:
        """Give a run that enters a lane with turns its own."""
        self.move_up()
        lane, extra = self.fresh(run.lane), run.extra
        assert extra is not None
        row = self.db.execute(
            "SELECT turn FROM turns WHERE lane=? AND value=?", (lane.id, extra.fair)
        ).fetchone()
        extra.turn = fair.next_turn(lane.turn, row[0] if row else 0)
        self.db.execute(
            "INSERT OR REPLACE INTO turns (lane, value, turn) VALUES (?,?,?)",
            (lane.id, extra.fair, extra.turn),
        )

    def move_up(self) -> None:
        """Let runs behind those that went away without a start have an earlier turn."""
        while self._left:
            (lane, value), gone = self._left.popitem()
            gone.sort()
            self.rows.flush()
            for run in self.rows.select(
                "lane=? AND fair=? AND state=2 AND turn>?", (lane.id, value, gone[0])
            ):
                assert run.extra is not None
                run.extra.turn = fair.moved_up(run.extra.turn, gone)
                self.rows.touch(run)
            row = self.db.execute(
                "SELECT turn FROM turns WHERE lane=? AND value=?", (lane.id, value)
            ).fetchone()
            if row is not None:
                self.db.execute(
                    "UPDATE turns SET turn=? WHERE lane=? AND value=?",
                    (fair.given_after(row[0], gone), lane.id, value),
                )
            self.fresh(lane)
            first = self.first_of(lane)
            if first != lane.place:
                lane.place = first
                self._post(lane)

    def adapt(self, attempt: Attempt, full: dict[SqlKey, bool]) -> list[SqlKey]:
        """Let the adaptive keys a run holds learn from the end of its attempt; return those that
        have more units now.

        ``full`` keeps which keys were full before the first of the ends recorded together.
        """
        grown = []
        for claim, key in self.pairs(attempt.run.lane):
            if claim.lo is None:
                continue
            before = units(claim, key)
            if key not in full:
                full[key] = is_full(claim, key)
            level = adapted(key, claim, attempt, full[key])
            key.level, key.streak, key.usual, key.cut = level
            self.dirty_keys[key] = None
            if units(claim, key) > before:
                grown.append(key)
        return grown
