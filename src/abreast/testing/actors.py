"""Executors for the simulation: they execute nothing, and end attempts when they are told to."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from ..domain.model import CRASHED, ERROR, OK, STOPPED, Attempt, Run, Traits
from ..errors import Backoff, Crashed


class Actor:
    """One simulated thread, process or coroutine: begins attempts and reports them later."""

    def __init__(self, name: str, given: Any) -> None:
        self.name = name
        self.given = given  # an attempt, or a hand of several
        self.attempt: Attempt | None = None  # what it executes now

    def __repr__(self) -> str:
        return f"<{self.name} with {self.attempt.run.label if self.attempt else 'nothing'}>"


class SimulatedExecutor:
    """Stands for all executors of one name; the simulation moves its actors.

    Parameters
    ----------
    name : str
        ``"thread"`` takes hands and cannot be stopped, ``"process"`` can be killed,
        ``"coroutine"`` can be asked.
    """

    def __init__(self, name: str, begun: Callable[[Attempt], None]) -> None:
        self.name = name
        self.traits = Traits(can_kill=name == "process", keeps_objects=name != "process")
        self.actors: list[Actor] = []
        self._begun = begun
        self._host: Any = None

    def bind(self, host: Any) -> None:
        """Remember the engine."""
        self._host = host

    def start(self, given: Any) -> None:
        """Note what an actor has to do."""
        self.actors.append(Actor(self.name, given))

    def stop(self, attempt: Attempt, grace_s: float) -> bool:
        """Threads cannot be stopped; others report later, as they do."""
        return self.name != "thread"

    def abandon(self, attempt: Attempt) -> None:
        """Nothing to refill: actors are made as they are needed."""

    def resize(self, by: int) -> None:
        """Nothing to do."""

    def close(self, grace_s: float) -> None:
        """Nothing to free."""

    def move(self, actor: Actor, rng: Random, now: float) -> None:
        """Let one actor do its next thing: begin an attempt, end one, or come back for more."""
        if actor.attempt is None:
            self._begin(actor)
            return
        attempt, actor.attempt = actor.attempt, None
        self._decide(attempt, rng)
        attempt.ended = now
        if self.name == "thread":
            self._host.finished(attempt)
        else:
            self._next(actor, self._host.report(attempt))

    def _begin(self, actor: Actor) -> None:
        if self.name == "thread" and not actor.given:
            hand, actor.given = actor.given, None
            following = self._host.next_hand(hand)
            self._next(actor, None if hand.freed else following)
            return
        actor.attempt = actor.given.popleft() if self.name == "thread" else actor.given
        assert actor.attempt is not None
        self._begun(actor.attempt)

    def _next(self, actor: Actor, given: Any) -> None:
        if given is None:
            self.actors.remove(actor)
        else:
            actor.given = given

    def _decide(self, attempt: Attempt, rng: Random) -> None:
        chance = rng.random()
        if attempt.stop is not None and self.name != "thread" and chance < 0.9:
            attempt.outcome = STOPPED
        elif self.name == "process" and chance < 0.08:
            attempt.outcome, attempt.error = CRASHED, Crashed("simulated")
        elif chance < 0.12 and attempt.run.task.keyed:
            attempt.outcome, attempt.error = ERROR, Backoff(rng.choice((0.0, 0.2, 1.0)))
        elif chance < 0.25:
            attempt.outcome, attempt.error = ERROR, ValueError("simulated")
        else:
            attempt.outcome, attempt.value = OK, attempt.number


def executing(executors: list[SimulatedExecutor]) -> list[Run]:
    """The runs that some actor is executing, abandoned ones left out."""
    return [
        actor.attempt.run
        for executor in executors
        for actor in executor.actors
        if actor.attempt is not None and not actor.attempt.abandoned
    ]
