"""The seams: what a store, an executor, a clock and a listener must offer.

Concrete classes live in ``stores/`` and ``executors/``; only ``interfaces/`` puts them together.
The conformance suites in :mod:`abreast.testing` say what each method promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .domain.limits import Usage
    from .domain.model import Attempt, Change, Progress, Run, Traits
    from .domain.states import Reason
    from .errors import StoreError


class Clock(Protocol):
    """Where time comes from. Seconds since 1970 in UTC; never steps backwards within a process."""

    def now(self) -> float: ...


class Host(Protocol):
    """What an executor is given to talk back. Every method may be called from any thread."""

    def report(self, attempt: Attempt) -> Attempt | None:
        """Hand in a finished attempt, exactly once, with ``outcome`` and ``ended`` filled.

        Returns the next attempt for the slot that has become free, or None. An executor that
        is given one executes it as if it had come through :meth:`Executor.start`.
        """
        ...

    def progress(self, attempt: Attempt, done: float, total: float | None, message: str) -> None:
        """Record how far an attempt says it is. Never blocks for long."""
        ...

    def now(self) -> float: ...


class HandHost(Host, Protocol):
    """What the thread executor is given to talk back about hands; see :class:`Executor`."""

    def finished(self, attempt: Attempt) -> None:
        """Note a finished attempt of a hand. Costs next to nothing and never waits."""
        ...

    def next_hand(self, hand: Any) -> Any:
        """Hand in an empty hand and return the next one, or None."""
        ...


class Executor(Protocol):
    """How one attempt executes. Knows nothing of dependencies, limits, retries or time-outs.

    ``start`` and ``stop`` are called by the engine with its lock held: they must not block and
    must not call back into the host on the same thread.

    What is started is an :class:`~abreast.domain.model.Attempt`, bound to a :class:`Host`, with
    one exception: the executor named ``"thread"`` is bound to a :class:`HandHost` and takes a
    *hand*, a deque of attempts. One thread executes them in turn: it takes each from the left,
    hands it to :meth:`HandHost.finished`, and when none is left hands the empty hand to
    :meth:`HandHost.next_hand` for the next. The engine may take attempts from the right at any
    time, so taking one can find the hand empty. A thread whose hand says ``freed`` after
    ``next_hand`` ends: its place was refilled when it was abandoned.

    What an executor reports:

    - ``outcome`` OK with ``value``, ERROR with ``error`` (and ``trace``, when the exception came
      from another process), CRASHED with ``error``, or STOPPED.
    - ``SystemExit`` and other exceptions that are no ``Exception`` are the task's like any other:
      ERROR with that very exception as ``error``.
    - After a stop whatever came of it: the engine compares ``ended`` with the time of its request.
      What ended before counts as it is, OK included; anything later becomes STOPPED, whether
      the executor says so or not. What it calls STOPPED stays that.
    - ``pid`` may be set shortly after ``start`` has returned, and never is where an attempt has
      no process of its own.
    """

    name: str
    traits: Traits

    def bind(self, host: Any) -> None:
        """Called once before anything else, with a :class:`Host` (threads: :class:`HandHost`)."""
        ...

    def start(self, given: Any) -> None:
        """Begin an attempt (threads: a hand) and return at once.

        The end of every attempt is reported, whatever happens.
        """
        ...

    def stop(self, attempt: Attempt, grace_s: float) -> bool:
        """Ask a started attempt to end; after ``grace_s`` seconds end it by force.

        True: the attempt will be reported (``STOPPED``, or what it was about to report) once it
        is really over, descendants included. False: it cannot be ended; it is abandoned, its
        place is refilled at once, and it is reported when it returns, if ever.
        """
        ...

    def abandon(self, attempt: Attempt) -> None:
        """The engine has given up on an attempt: refill its place."""
        ...

    def resize(self, by: int) -> None:
        """Make room for more or fewer attempts at once; a place is lent or taken back."""
        ...

    def close(self, grace_s: float) -> None:
        """End everything and free all resources. May block up to about ``grace_s`` seconds."""
        ...


class Listener(Protocol):
    """Hears of changes after they are recorded, in order. Must return quickly and never raise."""

    def on_changes(self, changes: Sequence[Change]) -> None: ...


class Store(Protocol):
    """Where runs live. It locks, loads, asks :mod:`abreast.domain.decide`, applies, commits.

    A store holds rows and no rules. The verbs of one turn of the engine are one transaction, which
    ``end_turn`` commits; each returns the changes it applied, in order. The engine calls with its
    lock held.

    Attributes: ``unfinished`` runs that have not ended; ``running`` runs; ``next_at`` the time
    at which :meth:`due` has something to do (inf: never); ``to_stop`` running runs that were asked
    to end since the engine last looked; ``telling`` whether changes are wanted that only listeners
    need; ``crowded`` whether other processes have lately waited for turns.
    """

    unfinished: int
    running: int
    next_at: float
    telling: bool
    to_stop: list[Run]

    @property
    def crowded(self) -> bool: ...

    def serve(self, executor: str) -> None: ...

    def submit(self, runs: Sequence[Run], now: float) -> list[Change]: ...

    def claim(
        self, executors: tuple[str, ...], slots: int, now: float, like: Run | None = None
    ) -> list[Run]: ...

    def unclaim(self, runs: Iterable[Run], now: float, changes: list[Change]) -> None: ...

    def settle(self, attempts: Iterable[Attempt], now: float, changes: list[Change]) -> None: ...

    def returned(self, attempt: Attempt) -> None: ...

    def cancel(self, runs: Iterable[Run], reason: Reason, now: float) -> list[Change]: ...

    def due(self, now: float) -> list[Change]: ...

    def end_stuck(self, abandoned: Iterable[Run], now: float) -> list[Change]: ...

    def held_by(self, run: Run) -> Usage | None: ...

    def note_progress(self, run: Run, attempt: int, progress: Progress, now: float = 0.0) -> bool:
        """Keep progress. True: a turn is needed soon to write it down."""
        ...

    def usages(self) -> list[Usage]: ...

    def end_turn(self) -> None:
        """Put on record what the verbs since the last call have done.

        Raises :class:`~abreast.errors.StoreError` when that is impossible; so may every verb.
        """
        ...

    def trouble_of(self, error: BaseException) -> StoreError | None:
        """What a verb raised, as an error of the store a person can act on; None: it is not."""
        ...

    def undo_turn(self, reports: Sequence[Attempt]) -> None:
        """Forget what the verbs have done since the last ``end_turn``. ``reports`` will be settled
        again: their runs are running as before."""
        ...
