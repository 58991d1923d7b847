"""The engine: one inbox, attended by one thread at a time.

Reports of finished attempts, new runs, cancellations and deadlines all go into the inbox. Whoever
finds it unattended, be it a caller that adds runs, a worker thread that has just finished one or
the sentry that watches the clock, takes the lock, drains the inbox whole, lets the store decide
and commit, and hands out what may start now (flat combining; Hendler, Incze, Shavit and Tzafrir
2010). A worker that attends gets its own next attempt as the answer, so no work changes threads
when nothing else is idle.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING

from ..domain.model import Attempt, Change, Progress, Run
from ..domain.states import PENDING, RUNNING, Reason
from .attempt import finish, load, substitute
from .deadlines import Deadlines
from .hands import Hand, Hands, empty
from .notifier import Notifier
from .sentry import Sentry

if TYPE_CHECKING:
    from ..domain.limits import Usage
    from ..ports import Clock, Executor, Listener, Store

log = logging.getLogger("abreast")

Message = Callable[[float], Sequence[Change]]
Given = Attempt | Hand  # what an executor starts: threads take several attempts at once


class Pool:
    """Slots that one or several executors share."""

    __slots__ = ("executors", "free", "size")

    def __init__(self, size: int) -> None:
        self.executors: tuple[str, ...] = ()
        self.size = size
        self.free = size  # negative while a parent that waited for children has come back


class Engine:
    """Moves runs through a store and executors.

    Parameters
    ----------
    store, clock
        Where runs live and where time comes from.
    grace_s : float
        Seconds between the request to end an attempt and the use of force.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        grace_s: float = 2.0,
    ) -> None:
        self.store = store
        self.now = clock.now
        self.notifier = Notifier()
        self.abandoned: dict[Attempt, Run] = {}  # threads that did not end when asked
        self.executors: dict[str, Executor] = {}
        self.pools: list[Pool] = []  # every executor belongs to one
        self._pool_of: dict[str, Pool] = {}
        self._grace_s = grace_s
        self._inbox: deque[Attempt | Hand | Message] = deque()
        self._lock = threading.Lock()
        self._deadlines = Deadlines()
        self._hands = Hands()
        self._sentry = Sentry(self.attend, clock)
        self._open = False

    # -- what callers use -------------------------------------------------------------------

    def add_executor(self, executor: Executor, pool: Pool) -> None:
        """Make an executor available to the tasks that ask for its name."""
        executor.bind(self)

        def add() -> None:
            self.store.serve(executor.name)
            self.executors[executor.name] = executor
            self._pool_of[executor.name] = pool
            pool.executors = (*pool.executors, executor.name)
            if pool not in self.pools:
                self.pools.append(pool)

        self._tell(add)

    def when_ended(self, run: Run, call: Callable[[], None]) -> None:
        """Call once when a run has ended; at once when it has already."""
        self._tell(lambda: self.notifier.when_ended(run, call))

    def forget(self, run: Run, call: Callable[[], None]) -> None:
        """Take back :meth:`when_ended`."""
        self._tell(lambda: self.notifier.forget(run, call))

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call once when no run is left that has not ended; at once when that is so now."""
        self._tell(lambda: self.notifier.when_idle_once(call) if self.store.unfinished else call())

    def watch(self, listener: Listener, catch_up: Callable[[], None] = lambda: None) -> None:
        """Add a listener; ``catch_up`` is called before it can miss anything."""

        def add() -> None:
            catch_up()
            self.notifier.add(listener)

        self._tell(add)

    def unwatch(self, listener: Listener) -> None:
        """Remove a listener."""
        self._tell(lambda: self.notifier.remove(listener))

    def held_by(self, run: Run) -> Usage | None:
        """The key that keeps a pending run from starting, or None."""
        found: list[Usage | None] = []
        self._tell(lambda: found.append(self.store.held_by(run)))
        return found[0]

    def _tell(self, what: Callable[[], object]) -> None:
        """Do something between two turns, when nothing changes."""

        def message(now: float) -> Sequence[Change]:
            what()
            self.store.telling = self.notifier.wanted
            return ()

        self.post(message)

    def open(self) -> None:
        """Begin to start runs."""
        self.post(self._begin)

    def submit(self, runs: Sequence[Run]) -> None:
        """Take in new runs; raises what the store raises (``Busy``, ``UsageError``)."""
        failure: list[Exception] = []

        def message(now: float) -> Sequence[Change]:
            try:
                return self.store.submit(runs, now)
            except Exception as error:
                failure.append(error)
                return ()

        self.post(message)
        if failure:
            raise failure[0]

    def cancel(self, runs: Iterable[Run], reason: Reason) -> None:
        """End these runs: at once what has not started; what runs is asked to stop."""
        self.post(lambda now: self.store.cancel(runs, reason, now))

    def post(self, message: Message) -> None:
        """Put a message into the inbox and see that it is attended before returning."""
        self._inbox.append(message)
        self.attend()  # waits for a turn that is under way; it may have carried the message out

    def close(self) -> None:
        """End the executors and the sentry. Nothing may be reported afterwards."""
        self._tell(lambda: setattr(self, "_open", False))
        self._sentry.stop()
        for executor in self.executors.values():
            executor.close(self._grace_s)

    # -- what executors use (ports.Host) ----------------------------------------------------

    def report(self, attempt: Attempt) -> Attempt | None:
        """Take the outcome of an attempt; return the next one for its slot, if there is any."""
        self._inbox.append(attempt)
        # Never wait here: whoever holds the lock looks into the inbox again after letting go, and
        # threads that queue for a lock cost each other more than most runs take.
        if not self._lock.acquire(False):
            return None
        answer = self._attend(attempt.run.task.executor, None)
        return answer if isinstance(answer, Attempt) else None

    def finished(self, attempt: Attempt) -> None:
        """Note the outcome of an attempt of a hand; :meth:`next_hand` or the sentry takes it in."""
        self._inbox.append(attempt)

    def next_hand(self, hand: Hand) -> Hand | None:
        """Take back a hand that is done with; return the next one for its slot, if there is any."""
        self._inbox.append(hand)
        if not self._lock.acquire(False):
            return None
        answer = self._attend("thread", hand)
        return answer if isinstance(answer, Hand) else None

    def progress(
        self, attempt: Attempt, done: float, total: float | None = None, message: str = ""
    ) -> None:
        """Keep how far a run says it is."""
        self.store.note_progress(attempt.run, attempt.number, Progress(done, total, message))

    # -- a parent that waits for its children gives its slot back meanwhile -----------------

    def lend_slot(self, attempt: Attempt) -> None:
        """Let others use the slot of an attempt that only waits."""
        executor = attempt.run.task.executor

        def message(now: float) -> Sequence[Change]:
            self._pool_of[executor].free += 1
            self.executors[executor].resize(1)
            return ()

        self.post(message)

    def take_slot_back(self, attempt: Attempt) -> None:
        """End a loan. Until a slot is free again one more than the pool's size executes."""
        executor = attempt.run.task.executor

        def message(now: float) -> Sequence[Change]:
            self._pool_of[executor].free -= 1
            self.executors[executor].resize(-1)
            return ()

        self.post(message)

    # -- the turn ---------------------------------------------------------------------------

    def attend(self) -> None:
        """Do all that is to be done now."""
        self._lock.acquire()
        self._attend(None, None)

    def _attend(self, asks: str | None, hand: Hand | None) -> Given | None:
        """Take turns until the inbox is empty. Called with the lock held, returns without it.

        ``asks`` names the executor whose thread is calling and has a free slot; what is returned
        is for it. ``hand`` is the one it has just come back from.
        """
        inbox, lock = self._inbox, self._lock
        answer: Given | None = None
        while True:
            try:
                answer = self._turn(asks, hand, answer)
            finally:
                lock.release()
            if not inbox or not lock.acquire(False):
                return answer

    def next_deadline(self) -> float:
        """When :meth:`attend` has something to do although nothing was posted (inf: never)."""
        return min(self._deadlines.next_at, self.store.next_at, self._hands.next_at)

    def _begin(self, now: float) -> Sequence[Change]:
        self._open = True
        return ()

    def _turn(self, asks: str | None, hand: Hand | None, answer: Given | None) -> Given | None:
        """Drain the inbox, record, hand out. The lock is held."""
        store = self.store
        now = self.now()
        changes: list[Change] = []
        reports = self._drain(now, changes)
        if reports:
            store.settle(reports, now, changes)
        if self.next_deadline() <= now or store.to_stop:
            self._keep_time(now, changes)
        if self._open:
            if hand is not None and hand.freed:
                asks = None  # its thread goes home
            for pool in self.pools:
                if pool.free > 0:
                    answer = self._hand_out(pool, now, answer, asks, hand, changes)
        if not store.running:
            self._rest(now, changes)
        if store.telling:
            self.notifier.tell(changes)
            store.telling = self.notifier.wanted
        next_at = self.next_deadline()
        if next_at < self._sentry.until:
            self._sentry.watch(next_at)
        return answer

    def _drain(self, now: float, changes: list[Change]) -> list[Attempt]:
        """Carry out the messages in the inbox; return the reports that came after the last."""
        inbox, pool_of = self._inbox, self._pool_of
        reports: list[Attempt] = []
        while inbox:
            message = inbox.popleft()
            kind = type(message)
            if kind is Attempt:
                if message.stop is not None and not self._accept_stopped(message):
                    continue
                message.run.trying = None
                hand = message.hand
                if hand is None:
                    pool_of[message.run.task.executor].free += 1
                elif hand.size > 1:
                    message.started, hand.mark = hand.mark, message.ended
                reports.append(message)
            elif kind is Hand:
                if not message.freed:
                    pool_of["thread"].free += 1
                    if message.watched:
                        self._hands.close(message)
            else:
                if reports:
                    self.store.settle(reports, now, changes)
                    reports = []
                changes += message(now)
        return reports

    def _keep_time(self, now: float, changes: list[Change]) -> None:
        """Do what was to be done by now, and stop what was asked to stop."""
        store = self.store
        if self._deadlines.next_at <= now:
            self._expire(now)
        if self._hands.next_at <= now:
            self._put_back(self._hands.recall(now))
        if store.next_at <= now:
            changes += store.due(now)
        if store.to_stop:
            self._stop_flagged(now)
        reports = self._drain(now, changes)
        if reports:
            store.settle(reports, now, changes)

    def _rest(self, now: float, changes: list[Change]) -> None:
        """Nothing runs: either all is done, or the rest waits for a time or an abandoned thread."""
        store = self.store
        if store.unfinished and self.abandoned and not self._inbox and store.next_at == inf:
            changes += store.end_stuck(set(self.abandoned.values()), now)
        if not store.unfinished:
            self.notifier.idle()

    def _accept_stopped(self, attempt: Attempt) -> bool:
        """Look at the report of an attempt that was asked to end; False: it came too late."""
        if self.abandoned.pop(attempt, None) is not None:
            self.store.returned(attempt)  # its stand-in was settled when it was abandoned
            return False
        finish(attempt)
        return True

    def _hand_out(
        self,
        pool: Pool,
        now: float,
        answer: Given | None,
        asks: str | None,
        hand: Hand | None,
        changes: list[Change],
    ) -> Given | None:
        """Start as many runs as the pool has free slots; the slot of the one who asks comes first."""
        store, hands = self.store, self._hands
        if answer is None and asks in pool.executors:
            for run in store.claim(pool.executors, 1, now):
                answer = self._give(run, pool, now, changes, asks)
            if hand is not None and isinstance(answer, Hand):
                self._fill(answer, hand.next_size(now), now, changes)
        executors = pool.executors
        if "thread" in executors and hands.quick(now):
            executors = tuple(name for name in executors if name != "thread")
            hands.look_again()  # at what is left to others
        if executors and pool.free > 0:
            for run in store.claim(executors, pool.free, now):
                self._give(run, pool, now, changes, None)
        return answer

    def _give(
        self, run: Run, pool: Pool, now: float, changes: list[Change], asks: str | None
    ) -> Given | None:
        """Begin an attempt of a claimed run, or return it when it is for the one who asks."""
        attempt = self._begin_attempt(run, now, changes)
        pool.free -= 1
        if attempt is None:
            return None
        name = run.task.executor
        given: Given = attempt
        if name == "thread":
            given = attempt.hand = Hand(attempt, now)
        if name == asks:
            return given
        if run.task.limits and isinstance(given, Hand):
            self._hands.give(given, now)  # units must not lie idle until a thread wakes up
        self.executors[name].start(given)
        return None

    def _fill(self, hand: Hand, size: int, now: float, changes: list[Change]) -> None:
        """Add runs to the hand of a thread that is quick, up to ``size`` in all."""
        if size == 1:
            return
        hand.size = size
        for run in self.store.claim(("thread",), size - 1, now):
            attempt = self._begin_attempt(run, now, changes)
            if attempt is None:
                self._pool_of["thread"].free -= 1  # the slot its report gives back was never taken
            else:
                attempt.hand = hand
                hand.append(attempt)
        if len(hand) > 1:
            self._hands.deal(hand, now)

    def _begin_attempt(self, run: Run, now: float, changes: list[Change]) -> Attempt | None:
        """Make the attempt of a run that has just been claimed; None: it has failed already."""
        attempt = run.trying = Attempt(run, run.attempt, run.args, run.kwargs, self)
        if self.store.telling:
            changes.append(Change(run, PENDING, RUNNING, now, run.attempt))
        if run.needy and not load(attempt, now):
            self._inbox.append(attempt)  # its report gives the slot back
            return None
        if run.task.timeout is not None:
            self._deadlines.add(now + run.task.timeout, attempt, Reason.TIMEOUT)
        return attempt

    def _put_back(self, attempts: list[Attempt]) -> None:
        """Attempts that were given and never begun: their runs are pending again."""
        for attempt in attempts:
            attempt.run.trying = None
        self.store.unclaim([attempt.run for attempt in attempts])

    # -- ending attempts --------------------------------------------------------------------

    def _expire(self, now: float) -> None:
        for attempt, reason in self._deadlines.pop(now):
            if attempt.run.trying is not attempt:
                continue
            if reason is None:  # asked to end long ago, and it did not
                self._abandon(attempt, now)
            elif attempt.stop is None:
                self._stop(attempt, reason, now)

    def _stop_flagged(self, now: float) -> None:
        flagged, self.store.to_stop = self.store.to_stop, []
        for run in flagged:
            attempt = run.trying
            if attempt is not None and attempt.stop is None and run.asked is not None:
                self._stop(attempt, run.asked, now)

    def _stop(self, attempt: Attempt, reason: Reason, now: float) -> None:
        if attempt.hand is not None and self._withdraw(attempt, reason):
            return
        attempt.stop, attempt.stop_at = reason, now
        executor = self.executors[attempt.run.task.executor]
        if not executor.stop(attempt, self._grace_s):
            self._abandon(attempt, now)
        elif not executor.traits.can_kill:
            self._deadlines.add(now + self._grace_s, attempt, None)

    def _withdraw(self, attempt: Attempt, reason: Reason) -> bool:
        """End an attempt that its thread has not begun; False: it has."""
        try:
            attempt.hand.remove(attempt)
        except ValueError:
            return False
        self._put_back([attempt])
        if reason is not Reason.TIMEOUT:
            run = attempt.run
            self._inbox.append(lambda now: self.store.cancel([run], reason, now))
        return True

    def _abandon(self, attempt: Attempt, now: float) -> None:
        """Record the end of an attempt that goes on regardless, and refill its place."""
        executor = attempt.run.task.executor
        stand_in = substitute(attempt, now)
        stand_in.hand = attempt.hand
        attempt.abandoned = True
        self.abandoned[attempt] = attempt.run
        self.executors[executor].abandon(attempt)
        if attempt.hand is not None:
            self._put_back(empty(attempt.hand))
            self._hands.close(attempt.hand)
            attempt.hand.freed = True
            self._pool_of[executor].free += 1
        log.warning(
            "%s: the %s cannot be ended; it is abandoned and goes on in the background",
            attempt.run.label,
            executor,
        )
        self._inbox.append(stand_in)
