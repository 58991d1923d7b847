"""Looking through many runs: by what they have in common, by time, and what can be said of a task.

Ids are given in the order of submits, so a time is first made an id: no index on times is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.model import Run
from ..domain.states import COMPLETED, SKIPPED, State
from .sql_records import NUMBERS, STATES

if TYPE_CHECKING:
    from .database import Database

SYSTEM = "abreast:"  # what the names of our own tasks begin with
_SLACK = 1000  # ids that may be out of the order of times: those of callers' own transactions
_RECENT = 100
_FEW = 5000  # ids that are looked up one by one
_APART = 10  # tasks that are looked through one by one
Part = tuple[str, tuple[Any, ...]]  # a condition with its values
# The conditions of the partial indexes, by state.
_LIVE = (
    ("state<2 AND lane IS NOT NULL AND state=0", "state<2 AND lane IS NULL AND state=0"),
    ("state=1",),
    ("state=2",),
    ("state=3",),
)
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
        order = "ASC" if oldest_first else "DESC"
        queries, given = self._queries(wanted)
        ids = " UNION ".join(
            f"SELECT id FROM (SELECT id FROM runs WHERE {where} ORDER BY id {order} "
            f"LIMIT {int(limit)})"
            for where in queries
        )
        found = self.db.read(f"{ids} ORDER BY id {order} LIMIT {int(limit)}", given)
        listed = json.dumps([row[0] for row in found])
        return self._snapshots(
            f"id IN (SELECT value FROM json_each(?)) ORDER BY id {order}", (listed,)
        )

    def count(self, wanted: Wanted) -> int:
        """How many runs match."""
        queries, given = self._queries(wanted)
        ids = " UNION ".join(f"SELECT id FROM runs WHERE {where}" for where in queries)
        return int(self.db.read(f"SELECT count(*) FROM ({ids})", given)[0][0])

    def _queries(self, wanted: Wanted) -> tuple[list[str], tuple[Any, ...]]:
        """Conditions whose results together are wanted, each of a kind that an index answers in the
        order of ids; and the values for all of them."""
        always, values = self._conditions(wanted)
        queries: list[str] = []
        given: list[Any] = []
        for (task, named), state, (text, said) in product(
            self._by_task(wanted), self._by_state(wanted), self._by_text(wanted)
        ):
            queries.append(" AND ".join([task, state, text, *always]))
            given += [*named, *said, *values]
        return queries, tuple(given)

    def _by_task(self, wanted: Wanted) -> list[Part]:
        if wanted.tasks is None:
            return [("1", ())]
        named = json.dumps(list(wanted.tasks))
        ids = [row[0] for row in self.db.read(
            "SELECT id FROM tasks WHERE name IN (SELECT value FROM json_each(?))", (named,)
        )]  # fmt: skip
        if len(ids) > _APART:
            return [(f"task IN ({','.join(map(str, ids))})", ())]
        return [(f"task={id}", ()) for id in ids] or [("0", ())]

    def _by_text(self, wanted: Wanted) -> list[Part]:
        """Runs whose label, or whose task's name, has a text in it."""
        if not wanted.text:
            return [("1", ())]
        like = "%" + re.sub(r"([%_\\])", r"\\\1", wanted.text) + "%"
        names = self.db.read("SELECT id FROM tasks WHERE name LIKE ? ESCAPE '\\'", (like,))
        label = "label IS NOT NULL AND label LIKE ? ESCAPE '\\'"
        few = self.db.read(f"SELECT id FROM runs WHERE {label} LIMIT {_FEW + 1}", (like,))
        parts: list[Part] = []
        if names:
            parts.append((f"task IN ({','.join(str(row[0]) for row in names)})", ()))
        if len(few) > _FEW:
            parts.append((label.replace("label", "+label"), (like,)))
        elif few:
            listed = json.dumps([row[0] for row in few])
            parts.append(("id IN (SELECT value FROM json_each(?))", (listed,)))
        return parts or [("0", ())]

    def _by_state(self, wanted: Wanted) -> list[str]:
        """What SQLite finds by its partial indexes, it finds only when their conditions stand there
        to the letter."""
        if wanted.states is None:
            return ["1"] if wanted.reason is None else ["state>4"]
        parts = []
        for state in sorted({NUMBERS[State(state)] for state in wanted.states}):
            if state > 4:
                parts.append(f"state>4 AND state={state}")
            else:
                parts.append("state=4" if state == 4 else self._live_part(state))
        return parts or ["0"]

    def _live_part(self, state: int) -> str:
        """Runs in a state that usually few are in: by their index, as long as they are few."""
        ids = " UNION ALL ".join(f"SELECT id FROM runs WHERE {where}" for where in _LIVE[state])
        rows = self.db.read(f"SELECT count(*) FROM (SELECT 1 FROM ({ids}) LIMIT {_FEW + 1})", ())
        return f"id IN ({ids})" if rows[0][0] <= _FEW else f"state={state}"

    def _conditions(self, wanted: Wanted) -> tuple[list[str], list[Any]]:
        """The conditions that need no query of their own."""
        where, given = ["1"], []  # type: tuple[list[str], list[Any]]
        if wanted.tasks is None and not wanted.system:
            hidden = self.db.read("SELECT id FROM tasks WHERE name GLOB ?", (SYSTEM + "*",))
            if hidden:
                where.append(f"+task NOT IN ({','.join(str(row[0]) for row in hidden)})")
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
        if tasks is not None:
            where.append("task IN (SELECT id FROM tasks WHERE name IN (SELECT value FROM "
                         "json_each(?)))")  # fmt: skip
            given.append(json.dumps(list(tasks)))
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
                f"SELECT t.name, n FROM (SELECT task, count(*) n FROM runs WHERE state={state} "
                "GROUP BY +task) JOIN tasks t ON t.id=task",
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
