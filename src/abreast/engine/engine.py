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
from ..domain.states import Reason
from .attempt import begin, finish, substitute
from .deadlines import Deadlines
from .notifier import Notifier
from .sentry import Sentry

if TYPE_CHECKING:
    from ..domain.limits import Usage
    from ..ports import Clock, Executor, Listener, Store

log = logging.getLogger("abreast")

Message = Callable[[float], Sequence[Change]]


class Pool:
    """Slots that one or several executors share."""

    __slots__ = ("executors", "free", "size")

    def __init__(self, executors: tuple[str, ...], size: int) -> None:
        self.executors = executors
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
        self._inbox: deque[Attempt | Message] = deque()
        self._lock = threading.Lock()
        self._deadlines = Deadlines()
        self._sentry = Sentry(self.attend, clock)
        self._open = False

    # -- what callers use -------------------------------------------------------------------

    def add_executor(self, executor: Executor, pool: Pool) -> None:
        """Make an executor available to the tasks that ask for its name."""
        executor.bind(self)
        with self._lock:
            self.executors[executor.name] = executor
            self._pool_of[executor.name] = pool
            if pool not in self.pools:
                self.pools.append(pool)

    def when_ended(self, run: Run, call: Callable[[], None]) -> None:
        """Call once when a run has ended; at once when it has already."""
        with self._lock:
            self.notifier.when_ended(run, call)

    def forget(self, run: Run, call: Callable[[], None]) -> None:
        """Take back :meth:`when_ended`."""
        with self._lock:
            self.notifier.forget(run, call)

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call once when no run is left that has not ended; at once when that is so now."""
        with self._lock:
            if self.store.unfinished:
                self.notifier.when_idle_once(call)
            else:
                call()

    def watch(self, listener: Listener, catch_up: Callable[[], None]) -> None:
        """Add a listener; ``catch_up`` is called before it can miss anything."""
        with self._lock:
            catch_up()
            self.notifier.add(listener)

    def held_by(self, run: Run) -> Usage | None:
        """The key that keeps a pending run from starting, or None."""
        with self._lock:
            return self.store.held_by(run)

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
        self.attend()

    def close(self) -> None:
        """End the executors and the sentry. Nothing may be reported afterwards."""
        with self._lock:
            self._open = False
        self._sentry.stop()
        for executor in self.executors.values():
            executor.close(self._grace_s)

    # -- what executors use (ports.Host) ----------------------------------------------------

    def report(self, attempt: Attempt) -> Attempt | None:
        """Take the outcome of an attempt; return the next one for its slot, if there is any."""
        self._inbox.append(attempt)
        with self._lock:
            return self._turn(attempt) if self._inbox else None

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
        with self._lock:
            self._turn(None)

    def next_deadline(self) -> float:
        """When :meth:`attend` has something to do although nothing was posted (inf: never)."""
        return min(self._deadlines.next_at, self.store.next_at)

    def _begin(self, now: float) -> Sequence[Change]:
        self._open = True
        return ()

    def _turn(self, reporter: Attempt | None) -> Attempt | None:
        """Drain the inbox, record, hand out. The lock is held."""
        store = self.store
        now = self.now()
        answer = None
        while True:
            changes = self._drain(now)
            if self._deadlines.next_at <= now:
                self._expire(now)
            if store.next_at <= now:
                changes += store.due(now)
            if store.to_stop:
                self._stop_flagged(now)
            if self._open:
                answer = self._hand_out(now, answer, reporter, changes)
            if self.abandoned and store.unfinished and not store.running:
                changes += self._end_stuck(now)
            if self.notifier.wanted and changes:
                self.notifier.tell(changes)
            if not self._inbox:
                break
            now = self.now()
        if not store.unfinished:
            self.notifier.idle()
        next_at = min(self._deadlines.next_at, store.next_at)
        if next_at < self._sentry.until:
            self._sentry.watch(next_at)
        return answer

    def _drain(self, now: float) -> list[Change]:
        inbox = self._inbox
        changes: list[Change] = []
        reports: list[Attempt] = []
        while inbox:
            message = inbox.popleft()
            if type(message) is Attempt:
                if self._accept(message):
                    reports.append(message)
                continue
            if reports:
                changes += self.store.settle(reports, now)
                reports = []
            changes += message(now)  # type: ignore[operator]
        if reports:
            settled = self.store.settle(reports, now)
            return changes + settled if changes else settled
        return changes

    def _accept(self, attempt: Attempt) -> bool:
        """Free the slot of a reported attempt; tell whether its outcome is to be settled."""
        if attempt.abandoned and self.abandoned.pop(attempt, None) is not None:
            self.store.returned(attempt)  # late; its stand-in was settled when it was abandoned
            return False
        run = attempt.run
        self._pool_of[run.task.executor].free += 1
        run.trying = None
        if attempt.stop is not None:
            finish(attempt)
        return True

    def _hand_out(
        self,
        now: float,
        answer: Attempt | None,
        reporter: Attempt | None,
        changes: list[Change],
    ) -> Attempt | None:
        for pool in self.pools:
            while pool.free > 0:
                started = self.store.claim(pool.executors, pool.free, now)
                if not started:
                    break
                pool.free -= len(started)
                changes += started
                for change in started:
                    run = change.run
                    task = run.task
                    attempt = begin(run, self, now)
                    if attempt.outcome is not None:  # its arguments could not be made
                        self._inbox.append(attempt)
                        continue
                    if task.timeout is not None:
                        self._deadlines.add(now + task.timeout, attempt, Reason.TIMEOUT)
                    if (
                        answer is None
                        and reporter is not None
                        and reporter.run.task.executor == task.executor
                        and not reporter.abandoned
                    ):
                        answer = attempt
                    else:
                        self.executors[task.executor].start(attempt)
        return answer

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
        attempt.stop, attempt.stop_at = reason, now
        executor = self.executors[attempt.run.task.executor]
        if not executor.stop(attempt, self._grace_s):
            self._abandon(attempt, now)
        elif not executor.traits.can_kill:
            self._deadlines.add(now + self._grace_s, attempt, None)

    def _abandon(self, attempt: Attempt, now: float) -> None:
        """Record the end of an attempt that goes on regardless, and refill its place."""
        executor = attempt.run.task.executor
        stand_in = substitute(attempt, now)
        attempt.abandoned = True
        self.abandoned[attempt] = attempt.run
        self.executors[executor].abandon(attempt)
        log.warning(
            "%s: the %s cannot be ended; it is abandoned and goes on in the background",
            attempt.run.label,
            executor,
        )
        self._inbox.append(stand_in)

    def _end_stuck(self, now: float) -> list[Change]:
        if self._inbox or self.store.next_at < inf:
            return []
        return self.store.end_stuck(set(self.abandoned.values()), now)
