"""The whole engine, driven from a seed: random graphs, failures, time-outs, cancels, limits.

Nothing here has threads. What a real machine does by chance (which worker reports first, what
piles up while another attends, when the clock strikes) a random generator does, so that any
failure can be repeated from its seed. Modelled on TigerBeetle's simulator (docs/internals/vopr.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from ..domain import flows
from ..domain.adaptive import Adaptive
from ..domain.keys import ARGS
from ..domain.limits import Limit
from ..domain.model import NOTHING, Attempt, Change, Extra, Flow, Run, Task
from ..domain.policy import Retry
from ..domain.states import ENDED, RUNNING, Reason
from ..domain.unique import Unique
from ..engine.engine import Engine
from ..engine.pool import Pool
from ..errors import Busy
from ..ports import Store
from ..stores.memory import MemoryStore
from .actors import SimulatedExecutor, executing
from .clock import ManualClock
from .invariants import InvariantBroken, Invariants


class Simulation:
    """One simulated life of an engine.

    Parameters
    ----------
    seed : int
        Equal seeds give equal traces, whatever the store.
    runs : int
        How many runs are submitted.
    store : callable, optional
        Makes the store from a function that returns random numbers; the memory store by default.

    Attributes
    ----------
    trace : list of str
        One line per change of a run, in order.
    """

    def __init__(
        self,
        seed: int,
        runs: int = 30,
        store: Callable[[Callable[[], float]], Store] = MemoryStore,
    ) -> None:
        self.seed = seed
        self.trace: list[str] = []
        self._rng = Random(seed)
        self._clock = ManualClock()
        self._to_submit = runs
        self._cancels = self._rng.randint(0, 3)
        self._reported: list[Attempt] = []
        self._flow = Flow(fail_fast=self._rng.random() < 0.1)
        self._engine = Engine(
            store(Random(seed + 1).random), self._clock, grace_s=2.0, sentry=_NoSentry
        )
        self._size = self._rng.randint(1, 4)
        shared = Pool(self._size)
        # some lives know only short runs without a policy, which come in hands
        self._plain = self._rng.random() < 0.3
        names = ("thread",) if self._plain else ("thread", "process", "coroutine")
        self._executors = [SimulatedExecutor(name, self._begun) for name in names]
        for executor in self._executors:
            self._engine.add_executor(executor, shared)
        self._invariants = Invariants(self._engine.store)
        self._engine.watch(self)
        self._runs: list[Run] = []  # those the store has taken in
        self._last_id = 0
        self._tasks = [self._make_task(number) for number in range(8)]

    def run(self) -> None:
        """Live it to the end, checking the invariants after every step.

        Raises
        ------
        InvariantBroken
            Naming the seed and the last changes.
        """
        try:
            self._engine.open()
            steps = 0
            while self._to_submit or self._engine.store.unfinished or self._actors():
                steps += 1
                if steps > 5000:
                    raise InvariantBroken("it does not come to an end")
                self._step()
                self._check()
            self._invariants.check_end(self._engine, self._size)
        except Exception as error:
            story = "\n  ".join(self.trace[-25:])
            raise InvariantBroken(
                f"seed {self.seed}: {error!r}; last changes:\n  {story}"
            ) from error

    # -- what can happen --------------------------------------------------------------------

    def _step(self) -> None:
        rng = self._rng
        choice = rng.random()
        if choice < 0.2 and self._to_submit:
            self._submit()
        elif choice < 0.7 and self._actors():
            self._move_some(rng.randint(1, 3))
        elif choice < 0.75:
            self._while_somebody_attends()
        elif choice < 0.78 and self._runs and self._cancels:
            # so few, because a run that hangs must not be saved by being cancelled
            self._cancels -= 1
            everything = rng.random() < 0.05
            left = [run for run in self._runs if run.state not in ENDED]
            runs = left if everything else [rng.choice(self._runs)]
            self._engine.cancel(runs, Reason.USER)
        elif choice < 0.8 and self._reported:
            self._report_again(rng.choice(self._reported))
        else:
            self._pass_time()

    def _actors(self) -> list[tuple[SimulatedExecutor, Any]]:
        return [(executor, actor) for executor in self._executors for actor in executor.actors]

    def _move_some(self, count: int) -> None:
        for _ in range(count):
            actors = self._actors()
            if actors:
                executor, actor = self._rng.choice(actors)
                executor.move(actor, self._rng, self._clock.now())

    def _while_somebody_attends(self) -> None:
        """Reports that come while another thread holds the lock stay in the inbox."""
        self._engine._lock.acquire()
        try:
            self._move_some(self._rng.randint(1, 6))
        finally:
            self._engine._lock.release()
        self._engine.attend()

    def _pass_time(self) -> None:
        next_at = self._engine.next_deadline()
        if next_at < float("inf") and self._rng.random() < 0.7:
            self._clock.advance_to(next_at)
        else:
            self._clock.advance(self._rng.choice((0.00001, 0.001, 0.3, 2.0)))
        self._engine.attend()
        self._look_for_idle_hands()

    def _report_again(self, attempt: Attempt) -> None:
        """A report that comes late, or twice, must not change anything."""
        run = attempt.run
        if run.attempt == attempt.number and run.state is RUNNING:
            return  # this is its first
        if getattr(self._engine.store, "aside", None):
            return  # what a claim has brought about would come with it
        changes: list[Change] = []
        self._engine.store.settle([attempt], self._clock.now(), changes)
        if changes:
            raise InvariantBroken(f"a stale report had consequences: {changes}")

    def _look_for_idle_hands(self) -> None:
        """No run lies in the hand of a busy thread while a slot is free."""
        if self._engine.claimer.pools[0].free <= 0:
            return
        for executor, actor in self._actors():
            if executor.name == "thread" and actor.attempt is not None and actor.given:
                age = self._clock.now() - actor.given.given
                if age > 0.0021:
                    raise InvariantBroken(f"{list(actor.given)} waited {age} s behind {actor}")

    def _submit(self) -> None:
        count = min(self._to_submit, self._rng.choice((1, 1, 5)))
        self._to_submit -= count
        batch: list[Run] = []
        flow = self._flow
        if count > 1 and not self._plain and self._rng.random() < 0.4:
            flow = Flow(fail_fast=self._rng.random() < 0.2)
            batch.append(self._make_record(flow))
        for _ in range(count):
            batch.append(self._make_run(flow, batch[1:] if flow.run is not None else []))
        with suppress(Busy):  # it was alone in its batch, and it never was
            self._engine.submit(batch)
            self._runs += [run for run in batch if (run.extra or NOTHING).joined is None]
            if flow.run is not None:
                self._invariants.flows.append(flow)

    def _make_record(self, flow: Flow) -> Run:
        """A flow that is a run, sometimes inside another."""
        run = Run(self._next_id(), flows.task_of("flow"), (), {}, self._clock.now())
        run.given = f"r{run.id}"
        flow.become(run)
        return run

    def _make_run(self, flow: Flow, siblings: list[Run]) -> Run:
        rng = self._rng
        known = [*self._runs, *siblings]
        run = Run(
            self._next_id(),
            rng.choice(self._tasks),
            (rng.randint(0, 2),),
            {},
            self._clock.now(),
            flow,
        )
        run.given = f"r{run.id}"
        if known and rng.random() < 0.5:
            run.after = tuple(rng.sample(known, min(len(known), rng.randint(1, 3))))
        if rng.random() < 0.1:
            run.due = self._clock.now() + rng.random()
        if not self._plain and rng.random() < 0.2:
            run.extra = Extra()
            run.extra.soft = tuple(parent for parent in run.after if rng.random() < 0.5)
            run.extra.note = f"now {run.given}"
        return run

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _make_task(self, number: int) -> Task:
        rng = self._rng
        if self._plain:
            return Task(f"t{number}", _body, timeout=rng.choice((None, 1.0)))
        limits: list[Limit] = []
        while rng.random() < 0.45:
            limits.append(
                Limit(
                    rng.choice((1, 2, 3, Adaptive(1, 3))),
                    rng.choice(("", "{key}", ARGS, "/shared", "/shared/{key}")),
                    per=rng.choice((None, None, 1.0)),
                    waiting=rng.choice((None, None, 0, 2)),
                    then=rng.choice(("wait", "wait", "skip", "replace", "cancel", "fail")),
                )
            )
        return Task(
            f"t{number}",
            _body,
            rng.choice(("thread", "process", "coroutine")),
            timeout=rng.choice((None, None, 0.5)),
            retry=rng.choice((None, Retry(2), Retry(1, 0.2), Retry(2, "exponential"))),
            priority=rng.choice((0.0, 0.0, 5.0)),
            limits=tuple({(limit.key, limit.per): limit for limit in limits}.values()),
            on_crash=rng.choice(("retry", "fail")),
            unique=self._make_unique() if rng.random() < 0.4 else None,
            fair_by="{key}" if rng.random() < 0.3 else None,
            expires=rng.choice((None, None, None, 1.5)),
            deadline=rng.choice((None, None, None, 2.5)),
        )

    def _make_unique(self) -> Unique:
        rng = self._rng
        then = rng.choice(("join", "skip", "replace", "delay", "fail"))
        return Unique(
            rng.choice(("", "{key}", ARGS)),
            until=rng.choice(("start", "end", 0.5)),
            then=then,
            delay=rng.choice((0.0, 0.5)) if then == "delay" else None,
        )

    # -- what is watched --------------------------------------------------------------------

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Called by the engine after every turn with changes."""
        for change in changes:
            reason = f"({change.reason})" if change.reason else ""
            at = round(change.at - 1_000_000, 6)
            number = f"{change.run.label} #{change.run.attempt}"
            self.trace.append(f"{at} {number} {change.source}->{change.target}{reason}")
        self._invariants.note(changes, self._clock.now())

    def _begun(self, attempt: Attempt) -> None:
        run = attempt.run
        self._reported.append(attempt)
        if run.state is not RUNNING and not attempt.abandoned:
            raise InvariantBroken(f"{run.label} is executed while it is {run.state}")
        if attempt.number != run.attempt and run.state not in ENDED:
            raise InvariantBroken(
                f"{run.label}: attempt {attempt.number} is executed, not {run.attempt}"
            )

    def _check(self) -> None:
        executed = executing(self._executors)
        if len(executed) > self._size:
            raise InvariantBroken(f"{len(executed)} runs execute in {self._size} slots: {executed}")
        if len(set(executed)) < len(executed):
            raise InvariantBroken(f"a run is executed twice at the same time: {executed}")
        if self._engine.notifier.raised:
            raise self._engine.notifier.raised
        self._invariants.check(self._runs, self._engine, self._clock.now())


class _NoSentry:
    """The simulation looks at the deadlines itself."""

    def __init__(self, attend: Callable[[], None], clock: Any) -> None:
        self.until = float("inf")

    def watch(self, at: float) -> None:
        """Nobody sleeps here."""

    def stop(self) -> None:
        """Nobody to end."""


def _body(key: int) -> None:
    """What the simulated tasks would execute."""
