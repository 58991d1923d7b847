"""The engine: one inbox, attended by one thread at a time.

Reports of finished attempts, new runs, cancellations and deadlines all go into the inbox. Whoever
finds it unattended, be it a caller that adds runs, a worker thread that has just finished one or
the sentry that watches the clock, takes the lock, drains the inbox whole, lets the store decide
and commit, and hands out what may start now (flat combining; Hendler, Incze, Shavit and Tzafrir
2010). A worker that attends gets its own next attempt as the answer, so no work changes threads
when nothing else is idle.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from math import inf
from threading import get_ident
from typing import TYPE_CHECKING, Any

from ..domain.model import Attempt, Change, Progress
from ..errors import InternalError, StoreError
from .attempt import finish
from .calls import Calls, Note
from .claimer import Claimer, Given
from .deadlines import Deadlines
from .hands import Hand, Hands
from .keeper import Keeper
from .notifier import Notifier
from .sentry import Sentry

if TYPE_CHECKING:
    from ..ports import Clock, Store

_TRY_AGAIN_S = 0.5  # after a turn that the store could not record


class Engine(Calls):
    """Moves runs through a store and executors.

    Parameters
    ----------
    store, clock
        Where runs live and where time comes from.
    grace_s : float
        Seconds between the request to end an attempt and the use of force.
    sentry : callable
        Makes what watches the clock; the simulation watches it itself.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        grace_s: float = 2.0,
        sentry: Callable[[Callable[[], None], Clock], Any] = Sentry,
    ) -> None:
        self.store = store
        self.now = clock.now
        self.notifier = Notifier()
        self._inbox: deque[Attempt | Hand | Note] = deque()
        self._reports: list[Attempt] = []  # taken from the inbox, not yet on record
        self._settled = 0  # how many of them the store has been told in this turn
        self._notes: list[Note] = []  # carried out in this turn
        self.trouble: StoreError | None = None  # why the last turn could not be recorded
        self._again_at = inf
        self._at_rest: list[Callable[[], bool]] = []
        self._lock = threading.Lock()
        self.broken: BaseException | None = None  # what a turn raised; it never should
        self._attendant = 0  # the thread that holds the lock
        self._open = False
        self._deadlines = Deadlines()
        self._hands = Hands()
        later = self._inbox.append
        # Notes the outcome of an attempt of a hand; next_hand or the sentry takes it in.
        self.finished: Callable[[Attempt], None] = self._inbox.append
        self.claimer = Claimer(self, store, self._deadlines, self._hands, later)
        self.keeper = Keeper(store, self.claimer, self._deadlines, self._hands, later, grace_s)
        self._sentry = sentry(self.attend, clock)

    # -- what callers use -------------------------------------------------------------------

    def close(self, grace_s: float | None = None) -> None:
        """End the executors and the sentry. Nothing may be reported afterwards.

        ``grace_s`` replaces the engine's own for what still executes.
        """
        grace_s = self.keeper.grace_s if grace_s is None else grace_s
        self._between_turns(lambda: setattr(self, "_open", False))
        self._sentry.stop()
        for executor in self.claimer.executors.values():
            executor.close(grace_s)

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
        note = Progress(done, total, message)
        if self.store.note_progress(attempt.run, attempt.number, note, self.now()) and (
            self._lock.acquire(False)
        ):
            self._attend(None, None)  # somebody has to write it down before long

    # -- a parent that waits for its children gives its slot back meanwhile -----------------

    def lend_slot(self, attempt: Attempt) -> None:
        """Let others use the slot of an attempt that only waits."""
        self._between_turns(lambda: self._resize(attempt, 1))

    def take_slot_back(self, attempt: Attempt) -> None:
        """End a loan. Until a slot is free again one more than the pool's size executes."""
        self._between_turns(lambda: self._resize(attempt, -1))

    def _resize(self, attempt: Attempt, by: int) -> None:
        if attempt.abandoned:
            return  # the loan has become the refill of its place
        attempt.lent = by > 0
        executor = attempt.run.task.executor
        self.claimer.free(executor, by)
        self.claimer.executors[executor].resize(by)

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
            self._attendant = get_ident()
            try:
                given = self._turn(asks, hand)
                if given is not None:
                    answer, asks = given, None
            except BaseException as error:  # a mistake in abreast: nobody may wait for ever
                self.broken = error
                self._give_up(error)
                self.notifier.idle()
                raise
            finally:
                self._attendant = 0
                lock.release()
            if not inbox or not lock.acquire(False):
                return answer

    def next_deadline(self) -> float:
        """When :meth:`attend` has something to do although nothing was posted (inf: never)."""
        return min(self._deadlines.next_at, self.store.next_at, self._hands.next_at, self._again_at)

    def _turn(self, asks: str | None, hand: Hand | None) -> Given | None:
        """Drain the inbox, record, hand out. The lock is held."""
        store = self.store
        changes: list[Change] = []
        began = self.now()
        try:
            answer = self._decide(began, asks, hand, changes)
            store.end_turn()
        except Exception as error:
            trouble = store.trouble_of(error)
            if trouble is None:
                raise
            self._undo(trouble)
            return None
        if self._reports:
            self._reports, self._settled = [], 0
        notes = self._notes
        if notes:
            self._notes = []
        now = self.now()
        self._hands.turned(now - began)
        self.claimer.start(now)  # only now, because putting it on record may have taken time
        if not store.running:
            if not store.unfinished:
                self.notifier.idle()
            if self._at_rest:
                self._at_rest = [call for call in self._at_rest if not call()]
        if store.telling:
            self.notifier.tell(changes)
            store.telling = self.notifier.wanted
        next_at = self.next_deadline()
        if next_at < self._sentry.until:
            self._sentry.watch(next_at)
        for note in notes:
            note.settle()
        return answer

    def _decide(
        self, now: float, asks: str | None, hand: Hand | None, changes: list[Change]
    ) -> Given | None:
        """Let the store decide about all that is to be done now; nothing is on record yet."""
        store = self.store
        answer: Given | None = None
        self._drain(now, changes)
        if store.to_stop or self.next_deadline() <= now:
            self._again_at = inf
            self._keep_time(now, changes)
        if self._open:
            now = self.now()  # not before the end of what made room
            if hand is not None and hand.freed:
                asks = None  # its thread goes home
            for pool in self.claimer.pools:
                if pool.free > 0:
                    given = self.claimer.fill(pool, now, asks, hand, changes)
                    if given is not None:
                        answer, asks = given, None
        if not store.running and self.keeper.abandoned:
            self._end_stuck(now, changes)
        return answer

    def _undo(self, error: StoreError) -> None:
        """The store could not record the turn: nothing of it has happened, ends are told again."""
        self.trouble = error
        self.claimer.take_back()
        self.store.undo_turn(self._reports)
        self._settled = 0
        notes, self._notes = self._notes, []
        for note in notes:
            if note.heeded:
                note.error = error
            note.settle()
        self._again_at = self.now() + _TRY_AGAIN_S
        self._sentry.watch(self._again_at)

    def _give_up(self, error: BaseException) -> None:
        """Tell those who wait for this turn that it failed."""
        notes, self._notes = self._notes, []
        for note in notes:
            note.error = InternalError(f"a mistake in abreast: {error!r}")
            note.settle()

    def _drain(self, now: float, changes: list[Change]) -> None:
        """Carry out the messages in the inbox; reports between two are recorded together."""
        inbox, free = self._inbox, self.claimer.free
        reports = self._reports
        while inbox:
            message: Any = inbox.popleft()
            kind = type(message)
            if kind is Attempt:
                if message.stop is not None and not self._accept_stopped(message):
                    continue
                message.run.trying = None
                hand = message.hand
                if hand is None:
                    free(message.run.task.executor)
                else:
                    if hand.size > 1:
                        message.started = hand.mark
                    hand.mark = message.ended
                reports.append(message)
            elif kind is Hand:
                self._hands.learn(message)
                if not message.freed:
                    free("thread")
                    if message.watched:
                        self._hands.close(message)
            else:
                self._settle(now, changes)
                self._notes.append(message)
                changes += message.message(now)
        self._settle(now, changes)

    def _settle(self, now: float, changes: list[Change]) -> None:
        reports, settled = self._reports, self._settled
        if len(reports) > settled:
            self._settled = len(reports)
            self.store.settle(reports[settled:] if settled else reports, now, changes)

    def _keep_time(self, now: float, changes: list[Change]) -> None:
        """Do what was to be done by now, stop what was asked to stop, record what came of it."""
        self.keeper.turn(now, changes)
        if self.store.next_at <= now:
            changes += self.store.due(now)
        self._drain(now, changes)
        while self.store.to_stop:
            self.keeper.stop_flagged(now, changes)
            self._drain(now, changes)

    def _end_stuck(self, now: float, changes: list[Change]) -> None:
        """Nothing runs: the rest waits for a time, or for an abandoned thread."""
        store = self.store
        if store.unfinished and not self._inbox and store.next_at == inf:
            changes += store.end_stuck(list(self.keeper.abandoned.values()), now)

    def _accept_stopped(self, attempt: Attempt) -> bool:
        """Look at the report of an attempt that was asked to end; False: it came too late."""
        if self.keeper.abandoned.pop(attempt, None) is not None:
            self.store.returned(attempt)  # its stand-in was settled when it was abandoned
            return False
        finish(attempt)
        return True
