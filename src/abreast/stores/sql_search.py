"""Looking through many runs: by what they have in common, by time, and what can be said of a task.

Ids are given in the order of submits, so a time is first made an id: no index on times is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.model import Run
from ..domain.states import COMPLETED, SKIPPED, State
from .sql_records import NUMBERS, STATES

if TYPE_CHECKING:
    from .database import Database

SYSTEM = "abreast:"  # what the names of our own tasks begin with
_SLACK = 1000  # ids that may be out of the order of times: those of callers' own transactions
_RECENT = 100
_LOOK_BACK_S = 86_400.0  # runs that were submitted longer before a period are not looked at


class Wanted(NamedTuple):
    """What runs are looked for; None: whatever."""

    tasks: Sequence[str] | None = None
    states: Iterable[State] | None = None
    since: float | None = None
    until: float | None = None
    text: str | None = None
    flow: int | None = None
    flows_only: bool = False
    worker: int | None = None
    reason: str | None = None
    before: int | None = None
    after: int | None = None
    system: bool = False


class TaskNumbers(NamedTuple):
    """What the last runs of a task were like. ``recent``: (id, state, seconds), newest first."""

    last: int | None
    last_ended: int | None
    counted: int
    success_rate: float | None
    median: float | None
    p95: float | None
    recent: list[tuple[int, str, float | None]]
    active: int
    waiting: int


class SqlSearch:
    """The part of a store's reading side that looks through many runs; from any thread."""

    db: Database

    if TYPE_CHECKING:

        def _snapshots(self, where: str, given: Iterable[Any]) -> list[Run]: ...

    def search(self, wanted: Wanted, limit: int, oldest_first: bool = False) -> list[Run]:
        """Snapshots of runs that match, the newest first."""
        where, given = self._conditions(wanted)
        order = "ASC" if oldest_first else "DESC"
        return self._snapshots(
            f"{' AND '.join(where)} ORDER BY id {order} LIMIT {int(limit)}", given
        )

    def count(self, wanted: Wanted) -> int:
        """How many runs match."""
        where, given = self._conditions(wanted)
        rows = self.db.read(f"SELECT count(*) FROM runs WHERE {' AND '.join(where)}", tuple(given))
        return int(rows[0][0])

    def _conditions(self, wanted: Wanted) -> tuple[list[str], list[Any]]:
        where, given = ["1"], []  # type: tuple[list[str], list[Any]]
        if wanted.tasks is not None:
            where.append("task IN (SELECT id FROM tasks WHERE name IN (SELECT value FROM "
                         "json_each(?)))")  # fmt: skip
            given.append(json.dumps(list(wanted.tasks)))
        elif not wanted.system:
            hidden = self.db.read("SELECT id FROM tasks WHERE name GLOB ?", (SYSTEM + "*",))
            if hidden:
                where.append(f"task NOT IN ({','.join(str(row[0]) for row in hidden)})")
        if wanted.states is not None:
            numbers = sorted({NUMBERS[State(state)] for state in wanted.states})
            where.append(f"state IN ({','.join(map(str, numbers))})")
        for column, value in (
            ("flow=?", wanted.flow), ("worker=?", wanted.worker), ("reason=?", wanted.reason),
            ("id<?", wanted.before), ("id>?", wanted.after),
        ):  # fmt: skip
            if value is not None:
                where.append(column)
                given.append(value)
        for word, time, column in (
            (">=", wanted.since, "created>=?"), ("<=", wanted.until, "created<?"),
        ):  # fmt: skip
            if time is not None:
                near = self.id_at(time) + (_SLACK if word == "<=" else -_SLACK)
                where += [f"id{word}{near}", column]
                given.append(time)
        if wanted.text:
            where.append(
                "(instr(lower(coalesce(label, '')), ?) OR task IN "
                "(SELECT id FROM tasks WHERE instr(lower(name), ?)))"
            )
            given += [wanted.text.lower()] * 2
        if wanted.flows_only:
            where.append("id IN (SELECT id FROM flows)")
        return where, given

    def id_at(self, time: float) -> int:
        """About the first id that was given at a time or later; 0 when there are no runs."""
        low, high = self.db.read(
            "SELECT coalesce((SELECT min(id) FROM runs), 0), "
            "coalesce((SELECT max(id) FROM runs), 0)", ()
        )[0]  # fmt: skip
        high += 1
        while low < high:
            middle = (low + high) // 2
            rows = self.db.read(
                "SELECT id, created FROM runs WHERE id>=? ORDER BY id LIMIT 1", (middle,)
            )
            if rows and rows[0][1] < time:
                low = rows[0][0] + 1
            else:
                high = middle
        return int(low)

    def during(
        self, since: float, until: float, tasks: Sequence[str] | None, limit: int
    ) -> list[Run]:
        """Snapshots of runs submitted before ``until`` that had not ended before ``since``; when
        there are more than ``limit``, the newest of them. Oldest first."""
        where, given = self._conditions(Wanted(tasks, until=until))
        first = self.id_at(since - _LOOK_BACK_S) - _SLACK
        where.append("(ended IS NULL OR ended>=?)")
        given.append(since)
        found = self._snapshots(
            f"{' AND '.join(where)} AND (id>={first} OR state=3) ORDER BY id DESC LIMIT "
            f"{int(limit)}", given
        )  # fmt: skip
        return found[::-1]

    # -- tasks ------------------------------------------------------------------------------

    def task_ids(self) -> dict[str, int]:
        """The number of every task that has one; it never changes."""
        return dict(self.db.read("SELECT name, id FROM tasks", ()))

    def numbers(self, names: Iterable[str]) -> dict[str, TaskNumbers]:
        """What can be said of the last runs of these tasks."""
        ids = self.task_ids()
        return {name: self._numbers(ids.get(name)) for name in names}

    def _numbers(self, task: int | None) -> TaskNumbers:
        if task is None:
            return TaskNumbers(None, None, 0, None, None, None, [], 0, 0)
        rows = self.db.read(
            "SELECT id, state, ended-started FROM runs WHERE task=? ORDER BY id DESC "
            f"LIMIT {_RECENT + 50}",
            (task,),
        )
        ended = [row for row in rows if row[1] > 3][:_RECENT]
        counted = [row for row in ended if STATES[row[1]] is not SKIPPED]
        good = [row for row in counted if STATES[row[1]] is COMPLETED]
        took = sorted(max(0.0, row[2]) for row in good if row[2] is not None)
        live = self._live(task)
        return TaskNumbers(
            rows[0][0] if rows else None,
            ended[0][0] if ended else None,
            len(counted),
            len(good) / len(counted) if counted else None,
            _quantile(took, 0.5),
            _quantile(took, 0.95),
            [(row[0], str(STATES[row[1]]), row[2]) for row in ended[:30]],
            *live,
        )

    def _live(self, task: int) -> tuple[int, int]:
        """How many runs of a task run, and how many wait."""
        part = (
            "(SELECT count(*) FROM lanes l CROSS JOIN runs r ON r.lane=l.id AND r.{} "
            "WHERE l.task=?1)"
        )
        rows = self.db.read(
            f"SELECT {part.format('state=3')}, {part.format('state=2')} + "
            f"{part.format('state<2')} + "
            "(SELECT count(*) FROM runs WHERE task=?1 AND state<2 AND lane IS NULL)",
            (task,),
        )
        active, waiting = rows[0]
        return active, waiting

    def live(self) -> dict[str, tuple[int, int]]:
        """How many runs run and how many are pending, by task; those without are left out."""
        found: dict[str, tuple[int, int]] = {}
        for state in (3, 2):
            for name, count in self.db.read(
                f"SELECT t.name, count(*) FROM runs r JOIN tasks t ON t.id=r.task "
                f"WHERE r.state={state} GROUP BY r.task",
                (),
            ):
                running, waiting = found.get(name, (0, 0))
                found[name] = (count, waiting) if state == 3 else (running, count)
        return found

    def waiters(self, key: str, limit: int) -> list[int]:
        """The pending runs in lines that use a key, in the order of their submits."""
        return [
            row[0]
            for row in self.db.read(
                "SELECT r.id FROM keys k JOIN lane_keys lk ON lk.key=k.id "
                "CROSS JOIN runs r ON r.lane=lk.lane AND r.state=2 WHERE k.name=? "
                "ORDER BY r.id LIMIT ?",
                (key, limit),
            )
        ]


def _quantile(values: list[float], share: float) -> float | None:
    """The nearest rank of sorted values."""
    if not values:
        return None
    return values[min(len(values) - 1, round(share * (len(values) - 1)))]
