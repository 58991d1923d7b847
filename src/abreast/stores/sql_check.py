"""Whether the rows of a store agree with one another: the promises, as far as rows can show them.

Every turn leaves rows that agree, so one snapshot read at any time has to. Each problem becomes
one sentence that names the run or key and says what to do.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator

from ..domain.states import COMPLETED, ENDED, REASONS, State
from .alive import is_alive
from .leftovers import named_in, orphans
from .sql_known import claims_of

_STATES = tuple(State)
_MOST = 20  # problems of one kind that are told
_TINY = 1e-6
_REPORT = "that is a mistake in abreast: please report it with this text"
_AGAIN = f"cancel and retry it, and {_REPORT.removeprefix('that is a mistake in abreast: ')}"
_RESTORE = "restore a backup (abreast restore FILE)"


class Checker:
    """Reads a store through a connection that only reads.

    Parameters
    ----------
    look : sqlite3.Connection
        See :func:`abreast.stores.leftovers.look_only`.
    path, folder : str
        The file of the store and the folder beside it.
    """

    def __init__(self, look: sqlite3.Connection, path: str, folder: str) -> None:
        self._look = look
        self._path = path
        self._folder = folder

    def check(self) -> list[str]:
        """Return the problems there are; none when all is well."""
        found = list(self._damage())
        if found:
            return found  # what damaged pages say of one another is worth nothing
        self._look.execute("BEGIN")
        try:
            for kind in (self._states, self._units, self._lines, self._parked, self._parents,
                         self._flows, self._uniques, self._orphans, self._files):  # fmt: skip
                found += self._some(kind())
            suspects = self._running()
        finally:
            self._look.execute("COMMIT")
        return found + self._some(self._without_worker(suspects))

    def _some(self, problems: Iterator[str]) -> list[str]:
        told: list[str] = []
        for problem in problems:
            if len(told) == _MOST:
                return [*told, "there are more problems of this kind; look again after these"]
            told.append(problem)
        return told

    def _damage(self) -> Iterator[str]:
        for (text,) in self._look.execute(f"PRAGMA integrity_check({_MOST})"):
            if text != "ok":
                yield f"{self._path} is damaged: {text}; {_RESTORE}"

    # -- runs -------------------------------------------------------------------------------

    def _states(self) -> Iterator[str]:
        for number, reason, count, id in self._look.execute(
            "SELECT state, reason, count(*), min(id) FROM runs GROUP BY 1, 2"
        ):
            state = _STATES[number] if 0 <= number < len(_STATES) else None
            if state is None:
                yield f"{_runs(id, count)}: there is no state {number}; {_RESTORE}"
            elif state in ENDED and state is not COMPLETED:
                if reason not in REASONS[state]:
                    yield f"{_runs(id, count)}: no end is {state}({reason}); {_REPORT}"
            elif reason is not None:
                yield f"{_runs(id, count)}: {state} with the reason {reason!r}; {_REPORT}"
        for id, number in self._look.execute(
            "SELECT id, state FROM runs WHERE (state>3) <> (ended IS NOT NULL) "
            f"OR (state=3 AND started IS NULL) LIMIT {_MOST + 1}"
        ):
            yield f"run {id} is {_STATES[number]} and its times say otherwise; {_REPORT}"
        for (task,) in self._look.execute(
            "SELECT DISTINCT task FROM runs WHERE task NOT IN (SELECT id FROM tasks)"
        ):
            yield f"task {task} has runs and no name; {_RESTORE}"

    def _running(self) -> list[tuple[int, int | None]]:
        """Runs that are running on a worker that does not look alive."""
        rows = self._look.execute(
            "SELECT id, worker FROM runs WHERE state=3 AND id NOT IN (SELECT id FROM flows)"
        ).fetchall()
        alive: dict[int | None, bool] = {None: False}
        for _, worker in rows:
            if worker not in alive:
                alive[worker] = is_alive(self._folder, worker)
        return [(id, worker) for id, worker in rows if not alive[worker]]

    def _without_worker(self, suspects: list[tuple[int, int | None]]) -> Iterator[str]:
        """Those of them that still are: others ended meanwhile, and their worker left."""
        for id, worker in suspects:
            if worker is not None and is_alive(self._folder, worker):
                continue
            if self._look.execute(
                "SELECT 1 FROM runs WHERE id=? AND state=3 AND worker IS ?", (id, worker)
            ).fetchone():
                known = "SELECT 1 FROM workers WHERE id=? AND state<>'gone'"
                if self._look.execute(known, (worker,)).fetchone():
                    yield (
                        f"run {id} is running on worker {worker}, which is dead; start a worker: "
                        "it takes over"
                    )
                else:
                    yield f"run {id} is running on no worker; {_REPORT}"

    # -- limits -----------------------------------------------------------------------------

    def _units(self) -> Iterator[str]:
        """Units held are those of running runs and those that outlive their run."""
        held: dict[tuple[str, float], float] = {}
        most: dict[tuple[str, float], float] = {}
        for id, text, count in self._look.execute(
            "SELECT l.id, l.claims, count(*) FROM runs r LEFT JOIN lanes l ON l.id=r.lane "
            "WHERE r.state=3 AND r.lane IS NOT NULL GROUP BY r.lane"
        ):
            if id is None:
                yield f"{count} running runs are in a line that does not exist; {_REPORT}"
                continue
            for claim in claims_of(text):
                key = claim.key, claim.per or 0.0
                if claim.per is None:
                    held[key] = held.get(key, 0.0) + claim.cost * count
                most[key] = max(most.get(key, 0.0), claim.n)
        for name, per, cost in self._look.execute(
            "SELECT k.name, k.per, sum(u.cost) FROM units u JOIN keys k ON k.id=u.key "
            "GROUP BY u.key"
        ):
            held[name, per] = held.get((name, per), 0.0) + cost
        for name, per, counted in self._look.execute("SELECT name, per, held FROM keys"):
            real = held.pop((name, per), 0.0)
            if abs(real - counted) > _TINY * max(1.0, real):
                yield (
                    f"of key {name!r} {counted:g} units count as held, and runs hold {real:g}; "
                    f"{_REPORT}"
                )
            limit = most.get((name, per))
            if limit is not None and real > limit + _TINY * limit:
                yield f"of key {name!r} {real:g} units are held, and there are {limit:g}; {_REPORT}"
        for name, _ in held:
            yield f"units of key {name!r} are held, and there is no such key; {_REPORT}"

    def _lines(self) -> Iterator[str]:
        """Every waiting run stands in a line, and every line knows its first run."""
        for (id,) in self._look.execute(
            "SELECT id FROM runs WHERE state=2 AND id NOT IN (SELECT id FROM flows) AND "
            f"(lane IS NULL OR lane NOT IN (SELECT id FROM lanes)) LIMIT {_MOST + 1}"
        ):
            yield f"run {id} is pending in no line and would wait for ever; {_AGAIN}"
        for lane, known, first in self._look.execute(
            "SELECT * FROM (SELECT l.id, l.h_id AS h, (SELECT r.id FROM runs r WHERE r.lane=l.id "
            "AND r.state=2 ORDER BY r.turn, r.rank, r.path, r.id LIMIT 1) AS f FROM lanes l) "
            f"WHERE h IS NOT f LIMIT {_MOST + 1}"
        ):
            whose = f"run {first}" if first is not None else "no run"
            said = f"run {known}" if known is not None else "none"
            yield f"{whose} is the first of line {lane}, and the line says {said}; {_REPORT}"
        for lane, id in self._look.execute(
            "SELECT l.id, l.h_id FROM lanes l JOIN runs r ON r.id=l.h_id WHERE r.state=2 AND "
            f"(r.rank IS NOT l.h_rank OR r.path IS NOT l.h_path) LIMIT {_MOST + 1}"
        ):
            yield f"line {lane} has another place than its first run {id}; {_REPORT}"

    def _parked(self) -> Iterator[str]:
        """No line is held back by a key that nobody holds, unless another is about to use it.

        While somebody holds some of it, the line is looked at again when that returns.
        """
        for lane, key in self._look.execute(
            "SELECT id, parked FROM lanes WHERE parked IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "
            f"lane_keys k WHERE k.lane=lanes.id AND k.key=lanes.parked) LIMIT {_MOST + 1}"
        ):
            yield f"line {lane} is held back by key {key}, which its runs do not need; {_REPORT}"
        for key, name, per, held, level in self._look.execute(
            "SELECT id, name, per, held, level FROM keys WHERE id IN "
            "(SELECT parked FROM lanes WHERE parked IS NOT NULL AND h_id IS NOT NULL)"
        ):
            if self._look.execute(
                "SELECT 1 FROM lane_keys k JOIN lanes l ON l.id=k.lane WHERE k.key=? AND "
                "l.parked IS NULL AND l.h_id IS NOT NULL LIMIT 1",
                (key,),
            ).fetchone():
                continue
            lane, text, run = self._look.execute(
                "SELECT id, claims, h_id FROM lanes WHERE parked=? AND h_id IS NOT NULL "
                "ORDER BY h_rank, h_path, h_id LIMIT 1",
                (key,),
            ).fetchone()
            for claim in claims_of(text):
                size = claim.n if claim.lo is None else min(claim.n, level or claim.lo)
                if (claim.key, claim.per or 0.0) == (name, per) and held <= _TINY < size:
                    yield (
                        f"run {run} waits for key {name!r}, of whose {size:g} units nobody holds "
                        f"any (line {lane}); {_REPORT}"
                    )

    # -- what belongs together --------------------------------------------------------------

    def _parents(self) -> Iterator[str]:
        """A blocked run counts the runs it waits for; there is at least one."""
        for id, missing, count in self._look.execute(
            "SELECT * FROM (SELECT c.id, c.missing AS m, (SELECT count(*) FROM edges e JOIN runs p "
            "ON p.id=e.parent LEFT JOIN releases q ON q.parent=p.id WHERE e.child=c.id AND "
            "(p.state<4 OR c.id>q.child)) AS n FROM runs c WHERE c.state=0) "
            f"WHERE m<>n OR n=0 LIMIT {_MOST + 1}"
        ):
            yield (
                f"run {id} waits for {missing} runs, and {count} it comes after have not ended; "
                f"{_AGAIN}"
            )

    def _flows(self) -> Iterator[str]:
        for id, *counts in self._look.execute(
            "SELECT f.id, f.total, f.ended, f.bad, count(c.id), count(CASE WHEN c.state>3 THEN 1 "
            "END), count(CASE WHEN c.state>4 THEN 1 END) FROM flows f JOIN runs r ON r.id=f.id "
            "LEFT JOIN runs c ON c.flow=f.id WHERE r.state<4 GROUP BY f.id"
        ):
            if counts[:3] != counts[3:]:
                yield (
                    f"flow {id} counts {counts[0]} runs, {counts[1]} ended, {counts[2]} not "
                    f"completed; there are {counts[3]}, {counts[4]}, {counts[5]}; {_REPORT}"
                )
            elif counts[0] and counts[1] == counts[0]:
                yield f"all runs of flow {id} have ended, and it has not; {_REPORT}"
        for id, flow in self._look.execute(
            "SELECT c.id, c.flow FROM runs c JOIN runs f ON f.id=c.flow "
            f"WHERE c.state<4 AND f.state>3 LIMIT {_MOST + 1}"
        ):
            yield f"run {id} has not ended, and its flow {flow} has; {_REPORT}"

    def _uniques(self) -> Iterator[str]:
        seen: dict[str, int] = {}
        for id, extra in self._look.execute(
            "SELECT id, extra FROM runs WHERE state<3 AND attempt=0 AND "
            "extra LIKE '%\"unique\"%' ORDER BY id"
        ):
            name = json.loads(extra).get("unique")
            if name is None:
                continue
            row = self._look.execute("SELECT until FROM uniques WHERE name=?", (name,)).fetchone()
            if name in seen and (row is None or row[0] is None):
                yield f"runs {seen[name]} and {id} are the same work {name!r}; {_AGAIN}"
            seen[name] = id

    def _orphans(self) -> Iterator[str]:
        for what, table, column, other in (
            ("a dependency", "edges", "child", "runs"),
            ("an attempt", "attempts", "run", "runs"),
            ("a step", "steps", "run", "runs"),
            ("a flow", "flows", "id", "runs"),
            ("a line's key", "lane_keys", "lane", "lanes"),
            ("a line's key", "lane_keys", "key", "keys"),
            ("a turn", "turns", "lane", "lanes"),
            ("a unit", "units", "key", "keys"),
        ):
            for id, count in self._look.execute(
                f"SELECT {column}, count(*) FROM {table} WHERE {column} NOT IN "
                f"(SELECT id FROM {other}) GROUP BY 1 LIMIT {_MOST + 1}"
            ):
                yield (
                    f"{what} ({count} rows of {table}) is of {other[:-1]} {id}, which does not "
                    f"exist; {_REPORT}"
                )

    def _files(self) -> Iterator[str]:
        payload = os.path.join(self._folder, "payload")
        for name in named_in(self._look):
            path = os.path.join(payload, name)
            if not os.path.exists(path):
                yield f"the file {path} with a large value is missing; restore it from a backup"
        left = orphans(self._folder, self._look)
        if left:
            yield (
                f"{len(left)} files in {payload} belong to no run, such as "
                f"{os.path.basename(left[0])}; abreast prune removes them"
            )


def _runs(id: int, count: int) -> str:
    return f"run {id}" if count == 1 else f"run {id} and {count - 1} more"
