"""Ends attempts: those past their time, those somebody wants gone, those that will not end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..domain.model import Attempt, Change, Run
from ..domain.states import Reason
from .attempt import substitute
from .claimer import Claimer
from .deadlines import Deadlines
from .hands import Hands, empty

if TYPE_CHECKING:
    from ..ports import Store


class Keeper:
    """Keeps time and order among attempts. Called with the engine's lock held.

    Parameters
    ----------
    later : callable
        Takes messages for the inbox.
    grace_s : float
        Seconds between the request to end an attempt and the use of force.
    """

    def __init__(
        self,
        store: Store,
        claimer: Claimer,
        deadlines: Deadlines,
        hands: Hands,
        later: Callable[[Attempt], None],
        grace_s: float,
    ) -> None:
        self.abandoned: dict[Attempt, Run] = {}  # threads that did not end when asked
        self.grace_s = grace_s
        self._store = store
        self._claimer = claimer
        self._deadlines = deadlines
        self._hands = hands
        self._later = later

    def turn(self, now: float, changes: list[Change]) -> None:
        """End what has reached its deadline and take back what lies in hands for too long."""
        if self._deadlines.next_at <= now:
            for attempt, reason in self._deadlines.pop(now):
                if attempt.run.trying is not attempt:
                    continue
                if reason is None:  # asked to end long ago, and it did not
                    self._abandon(attempt, now, changes)
                elif attempt.stop is None:
                    self._stop(attempt, reason, now, changes)
        if self._hands.next_at <= now:
            self._put_back(self._hands.recall(now), now, changes)

    def stop_flagged(self, now: float, changes: list[Change]) -> None:
        """Stop the running attempts of runs that were asked to end."""
        flagged, self._store.to_stop = self._store.to_stop, []
        for run in flagged:
            attempt = run.trying
            if attempt is not None and attempt.stop is None and run.asked is not None:
                self._stop(attempt, run.asked, now, changes)

    def stop_runs(
        self, runs: Iterable[Run], reason: Reason, now: float, changes: list[Change]
    ) -> None:
        """Stop the attempts of these runs whose executor can end them."""
        for run in list(runs):
            attempt = run.trying
            if attempt is None or attempt.stop is not None:
                continue
            if attempt.hand is None:
                self._stop(attempt, reason, now, changes)
            else:  # a thread: only what it has not begun
                self._withdraw(attempt, now, changes)

    def _stop(self, attempt: Attempt, reason: Reason, now: float, changes: list[Change]) -> None:
        if attempt.hand is not None and self._withdraw(attempt, now, changes):
            return
        attempt.stop, attempt.stop_at = reason, now
        executor = self._claimer.executors[attempt.run.task.executor]
        if not executor.stop(attempt, self.grace_s):
            self._abandon(attempt, now, changes)
        elif not executor.traits.can_kill:
            self._deadlines.add(now + self.grace_s, attempt, None)

    def _withdraw(self, attempt: Attempt, now: float, changes: list[Change]) -> bool:
        """End an attempt that its thread has not begun; False: it has."""
        try:
            attempt.hand.remove(attempt)
        except (ValueError, IndexError):  # IndexError: the thread took one while we looked
            return False
        self._put_back([attempt], now, changes)
        return True

    def _put_back(self, attempts: list[Attempt], now: float, changes: list[Change]) -> None:
        """Attempts that were given and never begun: their runs are pending again."""
        runs = [attempt.run for attempt in attempts]
        self._store.unclaim(runs, now, changes)
        for run in runs:
            run.trying = None
            if run.asked is not None:  # somebody wanted it to end meanwhile
                reason, run.asked = run.asked, None
                changes += self._store.cancel([run], reason, now)

    def _abandon(self, attempt: Attempt, now: float, changes: list[Change]) -> None:
        """Record the end of an attempt that goes on regardless, and refill its place."""
        name = attempt.run.task.executor
        stand_in = substitute(attempt, now)
        attempt.abandoned = True
        self.abandoned[attempt] = attempt.run
        hand = attempt.hand
        if hand is not None:
            self._put_back(empty(hand), now, changes)
            self._hands.close(hand)
            hand.freed = True
            stand_in.hand = hand
        if attempt.lent:  # its place has been refilled already
            attempt.lent = False
        else:
            if hand is not None:
                self._claimer.free(name)
            self._claimer.executors[name].abandon(attempt)
        import logging  # seldom needed, and a tenth of what importing abreast costs

        logging.getLogger("abreast").warning(
            "%s: the %s cannot be ended; it is abandoned and goes on in the background",
            attempt.run.label,
            name,
        )
        self._later(stand_in)
