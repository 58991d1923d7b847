"""Every verb in every order: the memory store, and two SQLite stores taking turns on one file."""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from abreast.domain import decide
from abreast.domain.limits import Usage
from abreast.domain.model import Attempt, Change, Run
from abreast.stores.leftovers import Files, look_only
from abreast.stores.memory import MemoryStore
from abreast.stores.sql_care import Pruner, Rule
from abreast.stores.sql_check import Checker
from abreast.stores.sql_rows import Lost
from abreast.stores.sqlite import SqliteStore
from abreast.testing.state_checks import told
from abreast.testing.state_inputs import attempt_of, picks, who
from abreast.testing.state_machine import StoreMachine

EXAMPLES = int(os.environ.get("ABREAST_EXAMPLES", "0"))  # 0: few, and the same every time
BOUNDED = settings(
    max_examples=EXAMPLES or 120,
    stateful_step_count=40,
    deadline=None,
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class MemoryMachine(StoreMachine):
    """The memory store: whether equal verbs have equal effects, and the promises."""

    can_fail = False

    def make_stores(self) -> Sequence[MemoryStore]:
        return [MemoryStore(lambda: 0.5)]

    def read(self, ids: Sequence[int]) -> dict[int, Run]:
        return {id: self.given[id] for id in ids}


class SqliteMachine(StoreMachine):
    """Two stores on one file, neither of which keeps records."""

    def make_stores(self) -> Sequence[SqliteStore]:
        self.folder = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.path = os.path.join(self.folder, "s.db")
        shutil.copyfile(empty(), self.path)  # a new one takes as long as a hundred steps
        stores = [self.open(), self.open()]
        self.look = look_only(stores[0].path)
        return stores

    def open(self) -> SqliteStore:
        store = SqliteStore(
            self.path, lambda: 0.5, durability="normal", task_of=lambda n, o: self.task_of(n, o)
        )
        store.workers_here.enter("w", "here", os.getpid(), 9, None, 0.0)
        store.end_turn()
        return store

    def usages(self) -> Sequence[Usage]:
        found = []
        for name, per, *rest in self.look.execute(
            "SELECT name, per, held, level, streak, usual, cut FROM keys"
        ):
            usage = Usage(name, per or None)
            usage.held, usage.level, usage.streak, usage.usual, usage.cut = rest
            found.append(usage)
        return found

    def check_store(self) -> None:
        """The store's own check, its view of living processes left aside."""
        checker = Checker(self.look, self.path, self.folder)
        for kind in ("states", "units", "lines", "parked", "parents", "flows", "uniques",
                     "orphans"):  # fmt: skip
            found = list(getattr(checker, f"_{kind}")())
            assert not found, found

    @precondition(lambda self: self.model.runs)
    @rule(by=who, begun=st.lists(picks, max_size=3), last=st.sampled_from([None, "ok", "error"]))
    def die(self, by: int, begun: list[int], last: str | None) -> None:
        """A worker is killed; the other one takes over what it executed. Should it have been taken
        for dead by mistake, it can write nothing any more (``last`` words)."""
        number = by % 2
        mine = sorted(id for id, (owner, _) in self.claimed.items() if owner == number)
        begun = sorted({mine[-1 - pick % len(mine)] for pick in begun}) if mine else []
        dead, other = self.stores[number], self.stores[1 - number]
        records = [self.claimed[id][1] for id in mine]
        self._in_vain(
            other, lambda: other.workers_here.leave(dead.worker, self.now, frozenset(begun))
        )
        if last is None:
            kill(dead)
        with self._step():
            changes = other.workers_here.leave(dead.worker, self.now, frozenset(begun))
            self.take_over(number, mine, begun, changes)
            self.end_turn(other)
            if last is not None:
                self.hear(dead, [attempt_of(run, last, None, self.now) for run in records])
                kill(dead)
            self.stores[number] = self.open()
            self.prepare(self.stores[number])

    def hear(self, zombie: SqliteStore, attempts: list[Attempt]) -> None:
        """Let a worker report runs that are not its own any more."""
        changes: list[Change] = []
        zombie.unclaim([attempt.run for attempt in attempts[1:]], self.now, changes)
        zombie.end_turn()
        try:
            zombie.settle(attempts[:1], self.now, changes)
            zombie.end_turn()
        except Lost:
            zombie.undo_turn(attempts)
            changes.clear()
            zombie.settle(attempts, self.now, changes)
            zombie.end_turn()
        assert not changes, f"a worker that counts as dead has written {changes}"

    def take_over(
        self, number: int, mine: list[int], begun: list[int], changes: list[Change]
    ) -> None:
        """The same for the model."""
        model, wish = self.model.store, []

        def crashed() -> Iterator[Attempt]:  # one may ask the next one to end
            for id in begun:
                run = self.model.runs[id]
                attempt = attempt_of(run, "crash", None, self.now)
                attempt.stop = run.asked
                yield attempt

        model.settle(crashed(), self.now, wish)
        for id in mine:
            run = self.model.runs[id]
            del self.claimed[id]
            if id not in begun:
                self.model.unclaimed(id)
                model.unclaim([run], self.now, wish)
                if run.asked is not None and decide.cancel(run, run.asked, self.now):
                    wish += model.cancel([run], run.asked, self.now)
        for id, (owner, _, attempt) in list(self.abandoned.items()):
            if owner == number:
                model.returned(attempt)
                del self.abandoned[id], self.model.abandoned[id]
        assert sorted(told(changes)) == sorted(told(wish)), (told(changes), told(wish))
        self.model.note(wish, self.now)

    @precondition(lambda self: not any(task.fair_by for task in self.tasks.values()))
    @rule(by=who, age=st.sampled_from([0.0, 0.5]), keep=st.sampled_from([None, 0, 1]))
    def prune(self, by: int, age: float, keep: int | None) -> None:
        """What ended long ago is forgotten; nothing else changes. (A line that is forgotten with
        its turns begins anew, so that tasks with ``fair_by`` would start in another order.)"""
        store = self._store(by)

        def post(what: Any) -> Any:
            found = what(self.now)
            store.end_turn()
            return found

        with self._step(), closing(look_only(store.path)) as look:
            files = Files(store.folder, store.log_folder, False)
            Pruner(store, post, look, files, False).prune(
                Rule(self.now - age, None, keep, False), self.now
            )
            left = {row[0] for row in look.execute("SELECT id FROM runs")}
            for id, run in self.model.runs.items():
                assert id in left or run.ended is not None, f"{run} was forgotten"
                if id not in left:
                    self.gone.add(id)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.look.close()
            for store in self.stores:
                kill(store)
            shutil.rmtree(self.folder)


@cache
def empty() -> str:
    """The file of a store without runs."""
    path = os.path.join(tempfile.mkdtemp(), "empty.db")
    atexit.register(shutil.rmtree, os.path.dirname(path))
    SqliteStore(path, lambda: 0.5, durability="normal").close()
    return path


def kill(store: SqliteStore) -> None:
    """Let go of a store as the kernel does with that of a killed process: nothing is committed."""
    store.bells.close()
    for connection in (store.db._connection, store.db._reader):
        if isinstance(connection, sqlite3.Connection):
            connection.close()
    store.db._turnstile.close()


TestMemory = MemoryMachine.TestCase
TestSqlite = SqliteMachine.TestCase
TestMemory.settings = TestSqlite.settings = BOUNDED
