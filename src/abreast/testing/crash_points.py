"""Kill -9 at every point of a simulated life: before and after every verb and every commit.

What a killed process leaves is its file as it is at that moment. So at every point the file is
copied, and another store, in a life of its own, takes over the copy: it declares the dead worker
dead and goes on until all has ended. Then nothing that was acknowledged may be lost and nothing may
have ended twice.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from math import inf
from random import Random
from typing import Any

from ..domain.model import Attempt, Change, Run, Task
from ..domain.states import ALLOWED, BLOCKED, CANCELLED, ENDED, FIRST, PENDING, RUNNING
from ..engine.engine import Engine
from ..engine.pool import Pool
from ..stores.sqlite import SqliteStore
from .actors import SimulatedExecutor
from .clock import ManualClock
from .invariants import InvariantBroken
from .simulation import Simulation, _NoSentry

_VERBS = frozenset(
    {"submit", "claim", "unclaim", "settle", "returned", "cancel", "due", "end_stuck", "end_turn"}
)
_STEPS = 2000
State = tuple[str, str | None, int]  # state, reason, attempt

MakeStore = Callable[..., SqliteStore]


class Watched:
    """A store that calls ``look(point)`` before and after every verb and every commit."""

    def __init__(self, store: Any, look: Callable[[str], None]) -> None:
        self.__dict__.update(_store=store, _look=look)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in _VERBS:
            return found

        def verb(*args: Any) -> Any:
            self._look(f"before {name}")
            answer = found(*args)
            self._look(f"after {name}")
            return answer

        return verb

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._store, name, value)


class CrashLife:
    """One simulated life, killed at every point.

    Parameters
    ----------
    seed : int
        Of the life; what comes after a crash follows from it, too.
    runs : int
        How many runs it submits.
    make : callable
        Opens a store: ``make(path, random, task_of=..., keep=...)``.
    check : callable, optional
        Is given the path of a store that took over, and raises if its rows disagree.

    Attributes
    ----------
    points : int
        Different points the life was killed at: whatever was done in between, what another store
        finds is the same between two commits, except for what had begun to execute.
    """

    def __init__(
        self,
        seed: int,
        runs: int = 10,
        make: MakeStore = SqliteStore,
        check: Callable[[str], None] = lambda path: None,
    ) -> None:
        self.points = 0
        self._seed = seed
        self._make = make
        self._check = check
        self._folder = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self._path = os.path.join(self._folder, "s.db")
        self._seen: set[Any] = set()
        self._commits = 0
        self._on_record: dict[int, State] = {}
        self._worker = 0
        self._store: SqliteStore
        self._life = Simulation(seed, runs, store=self._open)

    def run(self) -> None:
        """Live, and be killed at every point.

        Raises
        ------
        InvariantBroken
            Naming the seed and the point.
        """
        try:
            self._life.run()
        finally:
            self._store.close()
            shutil.rmtree(self._folder)

    def _open(self, random: Callable[[], float]) -> Any:
        self._store = self._make(self._path, random, durability="normal", keep=True)
        self._worker = self._store.workers_here.enter("dies", "here", 1, 4, None, 0.0)
        self._store.end_turn()
        return Watched(self._store, self._look)

    def _look(self, point: str) -> None:
        store = self._store
        if point == "after end_turn":
            self._commits += 1
            known = store.rows.known
            self._on_record = {id: _state_of(run) for id, run in known.items()}
        if not self._on_record:
            return
        begun = self._begun()
        key = self._commits, tuple(begun.items()), store.db.in_turn
        if key in self._seen:
            return
        self._seen.add(key)
        self.points += 1
        folder = tempfile.mkdtemp(dir=self._folder)
        path = os.path.join(folder, "s.db")
        for end in ("", "-wal"):
            if os.path.exists(self._path + end):
                shutil.copyfile(self._path + end, path + end)
        tasks = {task.name: task for task in self._life._tasks}
        after = _Afterlife(self._seed + self.points, path, tasks, self._make, self._life._clock)
        try:
            after.take_over(self._worker, begun, self._on_record)
            after.live()
            after.close()
            self._check(path)
        except Exception as error:
            raise InvariantBroken(
                f"seed {self._seed}, killed {point} (point {self.points}): {error!r}"
            ) from error
        finally:
            after.close()
            shutil.rmtree(folder)

    def _begun(self) -> dict[int, int]:
        """Runs that have begun to execute, with the number of their last attempt."""
        return {attempt.run.id: attempt.number for attempt in self._life._reported}


class _Afterlife:
    """The life of the store that finds the file of a dead one."""

    def __init__(
        self, seed: int, path: str, tasks: Mapping[str, Task], make: MakeStore, clock: ManualClock
    ) -> None:
        self._rng = Random(seed)
        self._clock = ManualClock(clock.now())
        self._store = make(
            path, Random(seed).random, durability="normal", task_of=lambda name, _: tasks.get(name)
        )
        self._ended: dict[int, State] = {}
        self._engine = Engine(self._store, self._clock, sentry=_NoSentry)
        pool = Pool(3)
        self._executors = [
            SimulatedExecutor(name, self._begins) for name in ("thread", "process", "coroutine")
        ]
        for executor in self._executors:
            self._engine.add_executor(executor, pool)
        self._engine.watch(self)

    def take_over(
        self, dead: int, begun: Mapping[int, int], on_record: Mapping[int, State]
    ) -> None:
        """Declare the dead worker dead, and look whether everything is there."""
        store, now = self._store, self._clock.now()
        found = self._states()
        _demand(found == on_record, f"found {found}, on record was {on_record}")
        self._ended = {id: state for id, state in found.items() if state[0] in ENDED}
        store.workers_here.enter("takes over", "here", 2, 4, None, now)
        store.end_turn()
        running = {
            run.id: run
            for run in store.find(states=[RUNNING], limit=1000)
            if run.task.executor != "flow"
        }
        crashed = {id for id, run in running.items() if begun.get(id) == run.attempt}
        store.workers_here.leave(dead, now, crashed)
        store.undo_turn([])  # it was killed, too; the next one finds all as it was
        _demand(self._states() == found, f"found {found} after a turn that was not recorded")
        changes = store.workers_here.leave(dead, now, crashed)
        store.end_turn()
        _demand(not store.workers_here.leave(dead, now, crashed), "it was taken over twice")
        store.end_turn()
        self.on_changes(changes)
        for id, run in store.read(running).items():
            was = running[id]
            _demand(run.state is not RUNNING, f"{run} is still running")
            if run.state is CANCELLED:
                continue  # it was to end, or was by the end of another one
            crashes = was.crashes + (id in crashed)
            _demand(run.crashes == crashes, f"{run} has crashed {run.crashes} times")
            if id not in crashed and run.state is PENDING:
                _demand(run.attempt == was.attempt - 1, f"{run}: its claim counts as an attempt")

    def live(self) -> None:
        """Go on until all has ended."""
        engine, rng = self._engine, self._rng
        engine.open()
        self._store.look_again()
        for _ in range(_STEPS):
            engine.attend()
            actors = [(x, actor) for x in self._executors for actor in x.actors]
            if actors:
                executor, actor = rng.choice(actors)
                executor.move(actor, rng, self._clock.now())
            elif engine.next_deadline() < inf:
                self._clock.advance_to(max(engine.next_deadline(), self._clock.now() + 0.0001))
            else:
                break
        states = self._states()
        left = {id: state for id, state in states.items() if state[0] not in ENDED}
        _demand(not left, f"never end: {left}")
        for id, state in self._ended.items():
            _demand(states[id] == state, f"run {id} had ended {state} and is now {states[id]}")
        held = {usage.key: usage.held for usage in self._store.usages() if usage.held}
        self._store.end_turn()
        _demand(not held, f"units are held after the end: {held}")

    def close(self) -> None:
        """Close the store; what it had not put on record is gone."""
        self._store.close()

    def _states(self) -> dict[int, State]:
        return {run.id: _state_of(run) for run in self._store.find(limit=10_000)}

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Called after every turn with changes."""
        for change in changes:
            id, source, target = change.run.id, change.source, change.target
            new = source is BLOCKED and target in FIRST
            _demand(new or target in ALLOWED[source], f"{change} is not allowed")
            _demand(id not in self._ended, f"{change}: it had ended {self._ended.get(id)}")
            if target in ENDED:
                self._ended[id] = str(target), change.reason, change.attempt

    def _begins(self, attempt: Attempt) -> None:
        _demand(attempt.run.id not in self._ended, f"{attempt.run} is executed after its end")


def _state_of(run: Run) -> State:
    return str(run.state), run.reason, run.attempt


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InvariantBroken(otherwise)
