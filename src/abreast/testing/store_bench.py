"""What the conformance tests of stores have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..domain.limits import Limit
from ..domain.model import OK, STOPPED, Attempt, Change, Extra, Flow, Outcome, Run, Task
from ..domain.states import (
    Reason,
)

NOW = 1_000_000.0


class StoreBench:
    """A store and the verbs the suites call on it."""

    def make_store(self, random: Callable[[], float]) -> Any:
        """Return a new, empty store that draws its random numbers from ``random``."""
        raise AssertionError(f"{type(self).__name__} has to override make_store(random)")

    # -- helpers ----------------------------------------------------------------------------

    def setup_method(self) -> None:
        """Make the store each test uses."""
        self.store = self.make_store(lambda: 0.5)
        self.store.serve("thread")
        self.flow = Flow()
        self._ids = 0

    def run_of(self, task: Task, *args: Any, after: tuple[Run, ...] = ()) -> Run:
        """Make a run that has not been submitted."""
        self._ids += 1
        run = Run(self._ids, task, args, {}, NOW, self.flow, given=f"r{self._ids}")
        run.after = after
        return run

    def submit(self, *runs: Run, now: float = NOW) -> list[Change]:
        """Submit runs together."""
        changes: list[Change] = self.store.submit(runs, now)
        return changes

    def claim(self, slots: int = 10, now: float = NOW) -> list[Run]:
        """Claim up to so many runs."""
        runs: list[Run] = self.store.claim(("thread",), slots, now)
        return runs

    def settle(
        self,
        run: Run,
        outcome: Outcome = OK,
        now: float = NOW,
        number: int | None = None,
        error: Exception | None = None,
    ) -> list[Change]:
        """Report the end of a run's attempt."""
        return self.settle_all([run], outcome, now, number, error)

    def settle_all(
        self,
        runs: list[Run],
        outcome: Outcome = OK,
        now: float = NOW,
        number: int | None = None,
        error: Exception | None = None,
    ) -> list[Change]:
        """Report the ends of the attempts of several runs together."""
        attempts = []
        for run in runs:
            attempt = Attempt(run, run.attempt if number is None else number, (), {}, None)
            attempt.outcome, attempt.ended = outcome, now
            if outcome is OK:
                attempt.value = "result"
            else:
                attempt.error = error or ValueError("no")
            if outcome is STOPPED:
                attempt.stop = Reason.TIMEOUT
            attempts.append(attempt)
        changes: list[Change] = []
        self.store.settle(attempts, now, changes)
        return changes

    def end(self, run: Run) -> str:
        """The state of a run and its reason."""
        return f"{run.state}({run.reason})" if run.reason else f"{run.state}"


def extra_of(run: Run) -> Extra:
    """What only some runs have, made if this one has none yet."""
    run.extra = run.extra or Extra()
    return run.extra


def task_with(*limits: Limit, executor: str = "thread", **policy: Any) -> Task:
    name = "t" if executor == "thread" else f"t-{executor}"  # a name stands for one task
    return Task(name, _body, executor, limits=limits, **policy)


def _body(key: str = "") -> None:
    """What a task would execute."""
