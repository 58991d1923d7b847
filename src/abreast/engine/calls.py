"""What may be asked of an engine, from any thread: every call is a message in its inbox."""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..domain.model import Change, Run
from ..domain.states import Reason
from ..errors import AbreastError
from .claimer import Claimer
from .keeper import Keeper
from .notifier import Notifier
from .pool import Pool

if TYPE_CHECKING:
    from ..domain.limits import Usage
    from ..ports import Executor, Listener, Store

Message = Callable[[float], Sequence[Change]]


class Note:
    """A message in the inbox, and what prevented it from being recorded."""

    __slots__ = ("done", "error", "heeded", "message", "waiter")

    def __init__(self, message: Message, heeded: bool) -> None:
        self.message = message
        self.heeded = heeded  # whether its sender wants to hear of an error
        self.error: AbreastError | None = None
        self.done = False  # on record, or given up with ``error``
        self.waiter: Any = None  # a lock that is released then

    def settle(self) -> None:
        """Let go who waits for it."""
        self.done = True
        if self.waiter is not None:
            self.waiter.release()

    def wait(self) -> None:
        """Return when it has been settled by whoever attends the inbox."""
        waiter = allocate_lock()
        waiter.acquire()
        self.waiter = waiter
        if not self.done:  # else nobody may have seen the waiter
            waiter.acquire()


class Calls:
    """The side of an engine that its callers see."""

    store: Store
    notifier: Notifier
    claimer: Claimer
    keeper: Keeper
    _inbox: deque[Any]
    _attendant: int
    _open: bool
    _at_rest: list[Callable[[], bool]]

    _lock: Any

    def _attend(self, asks: str | None, hand: Any) -> Any:
        """Take turns until the inbox is empty; called with the lock held."""
        raise NotImplementedError

    def add_executor(self, executor: Executor, pool: Pool) -> None:
        """Make an executor available to the tasks that ask for its name."""
        executor.bind(self)
        self._between_turns(lambda: self.claimer.add(executor, pool))

    def when_ended(self, run: Run, call: Callable[[], None]) -> None:
        """Call once when a run has ended; at once when it has already."""
        self._between_turns(lambda: self.notifier.when_ended(run, call))

    def forget(self, run: Run, call: Callable[[], None]) -> None:
        """Take back :meth:`when_ended`."""
        self._between_turns(lambda: self.notifier.forget(run, call))

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call once when no run is left that has not ended; at once when that is so now."""
        self._between_turns(
            lambda: self.notifier.when_idle_once(call) if self.store.unfinished else call()
        )

    def when_at_rest(self, call: Callable[[], bool]) -> None:
        """Call after every turn in which nothing runs here, until it returns True."""
        self._between_turns(lambda: self._at_rest.append(call))

    def resize(self, pool: Pool, size: int) -> None:
        """Change how many attempts a pool's executors execute at once."""

        def change() -> None:
            by, pool.size = size - pool.size, size
            pool.free += by
            for name in pool.executors:
                self.claimer.executors[name].resize(by)

        self._between_turns(change)

    def execute(self, claim: Callable[[float], Run | None]) -> None:
        """Execute the run that ``claim(now)`` claims from the store, whether or not it is open."""

        def message(now: float) -> Sequence[Change]:
            changes: list[Change] = []
            run = claim(now)
            if run is not None:
                self.store.running += 1
                self.claimer.give(run, now, changes)
            return changes

        self.post(message)

    def pause(self) -> None:
        """Start nothing more; what runs goes on."""
        self._between_turns(lambda: setattr(self, "_open", False))

    def stop_all(self, runs: Callable[[], Iterable[Run]], reason: Reason) -> None:
        """Stop what can be stopped of the attempts of these runs. Their ends are reported."""

        def message(now: float) -> Sequence[Change]:
            changes: list[Change] = []
            self.keeper.stop_runs(runs(), reason, now, changes)
            return changes

        self.post(message)

    def watch(self, listener: Listener, catch_up: Callable[[], None] = lambda: None) -> None:
        """Add a listener; ``catch_up`` is called before it can miss anything."""

        def add() -> None:
            catch_up()
            self.notifier.add(listener)

        self._between_turns(add)

    def unwatch(self, listener: Listener) -> None:
        """Remove a listener."""
        self._between_turns(lambda: self.notifier.remove(listener))

    def held_by(self, run: Run) -> Usage | None:
        """The key that keeps a pending run from starting, or None."""
        found: list[Usage | None] = []
        self._between_turns(lambda: found.append(self.store.held_by(run)))
        return found[0]

    def _between_turns(self, what: Callable[[], object]) -> None:
        """Do something while nothing changes."""
        if self._attendant == get_ident():  # a callback of the turn that is under way
            what()
            self.store.telling = self.notifier.wanted
            return

        def message(now: float) -> Sequence[Change]:
            what()
            self.store.telling = self.notifier.wanted
            return ()

        self.post(message, heeded=False)

    def open(self) -> None:
        """Begin to start runs."""
        self._between_turns(lambda: setattr(self, "_open", True))

    def submit(self, runs: Sequence[Run]) -> None:
        """Take in new runs; raises what the store raises (``Busy``, ``UsageError``)."""
        failure: list[Exception] = []

        def message(now: float) -> Sequence[Change]:
            try:
                changes = self.store.submit(runs, now)
            except Exception as error:
                if self.store.trouble_of(error) is not None:
                    raise  # the whole turn comes to nothing, and with it this message
                failure.append(error)
                return ()
            if self.store.unfinished:
                self.notifier.busy()
            return changes

        self.post(message)
        if failure:
            raise failure[0]

    def cancel(self, runs: Iterable[Run], reason: Reason) -> None:
        """End these runs: at once what has not started; what runs is asked to stop."""
        self.post(lambda now: self.store.cancel(runs, reason, now))

    def post(self, message: Message, heeded: bool = True) -> None:
        """Put a message into the inbox. It has been carried out and recorded on return, unless the
        caller is a callback of the turn under way: then it is by the end of that.

        Raises
        ------
        StoreError
            When the store could not record it, if ``heeded``; nothing of it has happened.
        """
        note = Note(message, heeded)
        self._inbox.append(note)
        if self._attendant != get_ident():
            # Who attends looks into the inbox again after letting go of the lock: to wait for that
            # lock, together with all others, would cost each of them a turn of its own.
            if self._lock.acquire(False):
                self._attend(None, None)
            if not note.done:
                note.wait()
            if note.error is not None:
                raise note.error
