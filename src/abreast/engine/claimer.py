"""Fills free slots: claims runs, makes their attempts and hands them to executors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..domain.model import Attempt, Change, Run
from ..domain.states import PENDING, RUNNING, Reason
from .attempt import load
from .deadlines import Deadlines
from .hands import Hand, Hands
from .pool import Pool

if TYPE_CHECKING:
    from ..ports import Executor, Host, Store

Given = Attempt | Hand  # what an executor starts: threads take several attempts at once


class Claimer:
    """Owns the slots. Every method is called with the engine's lock held.

    Parameters
    ----------
    later : callable
        Takes an attempt that ended before it began, because its arguments could not be made.
    """

    def __init__(
        self,
        host: Host,
        store: Store,
        deadlines: Deadlines,
        hands: Hands,
        later: Callable[[Attempt], None],
    ) -> None:
        self.pools: list[Pool] = []  # every executor belongs to one
        self.executors: dict[str, Executor] = {}
        self.log_path: Callable[[Run], Any] | None = None  # where an attempt's output goes
        self.origin: str | None = None  # the store that attempts belong to
        self._pool_of: dict[str, Pool] = {}
        self._host = host
        self._store = store
        self._deadlines = deadlines
        self._hands = hands
        self._later = later
        self._given: list[tuple[Executor, Given, Pool]] = []  # to be started, once on record
        self._answer: tuple[Given, Pool] | None = None  # likewise, by the thread that asks

    def add(self, executor: Executor, pool: Pool) -> None:
        """Make an executor available, with slots from ``pool``."""
        self._store.serve(executor.name)
        self.executors[executor.name] = executor
        self._pool_of[executor.name] = pool
        pool.executors = (*pool.executors, executor.name)
        if pool not in self.pools:
            self.pools.append(pool)

    def free(self, executor: str, slots: int = 1) -> None:
        """Slots of an executor have become free (or, negative, are taken back)."""
        self._pool_of[executor].free += slots

    def fill(
        self, pool: Pool, now: float, asks: str | None, hand: Hand | None, changes: list[Change]
    ) -> Given | None:
        """Start as many runs as the pool has free slots.

        ``asks`` names the executor whose thread is calling; its slot is filled first and what
        it is to execute is returned. ``hand`` is the one it has just come back from.
        """
        store, hands = self._store, self._hands
        answer: Given | None = None
        if asks in pool.executors:
            for run in store.claim(pool.executors, 1, now):
                answer = self._give(run, pool, now, asks, changes)
            if hand is not None and isinstance(answer, Hand):
                size = max(hand.next_size(now), hands.size(1, store.crowded))
                if size > 1 and not answer[0].run.fails_fast:
                    self._enlarge(answer, pool, size, now, changes)
        executors = pool.executors
        if "thread" in executors and hands.quick(now):
            executors = tuple(name for name in executors if name != "thread")
            hands.look_again()  # at what is left to others
        if executors and pool.free > 0:
            for run in store.claim(executors, pool.free, now):
                self._give(run, pool, now, None, changes)
            size = hands.size(len(self._given), store.crowded)
            if size > 1:
                for _, given, _ in self._given:
                    if isinstance(given, Hand) and not given[0].run.fails_fast:
                        self._enlarge(given, pool, size, now, changes)
        return answer

    def _give(
        self, run: Run, pool: Pool, now: float, asks: str | None, changes: list[Change]
    ) -> Given | None:
        """Begin an attempt of a claimed run, or return it when it is for the one who asks."""
        attempt = self._begin(run, now, changes)
        pool.free -= 1
        if attempt is None:
            return None
        name = run.task.executor
        given: Given = attempt
        if name == "thread":
            given = attempt.hand = Hand(attempt, now)
        if name == asks:
            self._answer = given, pool
            return given
        if run.task.limits and isinstance(given, Hand):
            self._hands.give(given, now)  # units must not lie idle until a thread wakes up
        self._given.append((self.executors[name], given, pool))
        return None

    def give(self, run: Run, now: float, changes: list[Change]) -> None:
        """Begin an attempt of a run that was claimed by itself."""
        self._give(run, self._pool_of[run.task.executor], now, None, changes)

    def start(self, now: float) -> None:
        """The claims of this turn are on record: hand them to their executors."""
        if self._answer is not None:
            answer, self._answer = self._answer[0], None
            if isinstance(answer, Hand):
                answer.given = answer.mark = now
        if self._given:
            all_given, self._given = self._given, []
            for executor, given, _ in all_given:
                if isinstance(given, Hand):
                    given.given = given.mark = now
                executor.start(given)

    def take_back(self) -> None:
        """The claims of this turn could not be recorded: nobody has them."""
        taken = [(given, pool) for _, given, pool in self._given]
        if self._answer is not None:
            taken.append(self._answer)
        self._given, self._answer = [], None
        for given, pool in taken:
            pool.free += 1
            for attempt in given if isinstance(given, Hand) else (given,):
                attempt.run.trying = None
            if isinstance(given, Hand):
                self._hands.close(given)

    def _enlarge(
        self, hand: Hand, pool: Pool, size: int, now: float, changes: list[Change]
    ) -> None:
        """Add runs to the hand of a thread that is quick, up to ``size`` in all."""
        hand.size = size
        for run in self._store.claim(pool.executors, size - 1, now, hand[0].run):
            attempt = self._begin(run, now, changes)
            if attempt is None:
                self.free("thread", -1)  # its report gives back a slot that was never taken
            else:
                attempt.hand = hand
                hand.append(attempt)
        if len(hand) > 1:
            self._hands.deal(hand, now)

    def _begin(self, run: Run, now: float, changes: list[Change]) -> Attempt | None:
        """Make the attempt of a run that has just been claimed; None: it has failed already."""
        attempt = run.trying = Attempt(run, run.attempt, run.args, run.kwargs, self._host)
        if self._store.telling:
            changes.append(Change(run, PENDING, RUNNING, now, run.attempt))
        if run.needy and not load(attempt, now):
            self._later(attempt)
            return None
        if self.log_path is not None:
            attempt.log = self.log_path(run)
        if self.origin is not None:
            attempt.origin = self.origin
        timeout, extra = run.task.timeout, run.extra
        if extra is not None and extra.deadline is not None:
            left = extra.deadline - now
            timeout = left if timeout is None else min(timeout, left)
        if timeout is not None:
            self._deadlines.add(now + timeout, attempt, Reason.TIMEOUT)
        return attempt
