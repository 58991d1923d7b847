"""What must hold after every step of an engine, whatever happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..domain.limits import Claim, Keys, Then
from ..domain.model import Change, Run
from ..domain.states import (
    ALLOWED,
    BLOCKED,
    COMPLETED,
    ENDED,
    FIRST,
    PENDING,
    REASONS,
    RUNNING,
    Reason,
)


class InvariantBroken(AssertionError):
    """A promise of abreast does not hold."""


class Invariants:
    """Follows the changes of a store's runs and compares them with what was promised.

    It keeps its own books: units are counted from the limits the tasks declare, not from what the
    store says is held.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._ends: dict[Run, Change] = {}
        self._claims: dict[Run, tuple[Claim, ...]] = {}
        self._starts: dict[tuple[str, float], list[tuple[float, float, Run]]] = {}

    def note(self, changes: Sequence[Change], now: float) -> None:
        """Check changes one by one."""
        for change in changes:
            run, source, target = change.run, change.source, change.target
            new = source is BLOCKED and target in FIRST
            self._demand(new or target in ALLOWED[source], f"{change} is not allowed")
            self._demand(run not in self._ends, f"{change}: it had ended as {self._ends.get(run)}")
            if source is RUNNING and target is PENDING and not change.reason:
                self._take_start_back(run)
            if target is RUNNING:
                late = [parent for parent in run.after if parent.state is not COMPLETED]
                self._demand(not late, f"{run} started before {late} completed")
                self._count_start(run, change.at)
            if target in ENDED:
                self._ends[run] = change
                self._check_end_of(run, change)

    def _check_end_of(self, run: Run, change: Change) -> None:
        target, reason = change.target, change.reason
        if target is COMPLETED:
            self._demand(reason is None, f"{change} carries a reason")
            self._demand(run.attempt >= 1, f"{run} completed without an attempt")
            return
        self._demand(reason in REASONS[target], f"{change}: not among the ends there are")
        if reason is Reason.DEPENDENCY:
            gone = any(p.state in ENDED and p.state is not COMPLETED for p in run.after)
            self._demand(gone, f"{run} was skipped though all of {run.after} completed")
        if reason in (Reason.ERROR, Reason.TIMEOUT):
            retries = run.task.retry.n if run.task.retry is not None else 0
            self._demand(
                run.attempt - run.crashes <= retries + 1, f"{run} was tried {run.attempt} times"
            )
        if reason is Reason.CRASHED:
            most = 3 if run.task.on_crash == "retry" else 1
            self._demand(run.crashes <= most, f"{run} crashed {run.crashes} times")

    def _count_start(self, run: Run, at: float) -> None:
        for claim in self._claims_of(run):
            if claim.per is not None:
                starts = self._starts.setdefault((claim.key, claim.per), [])
                starts.append((at, claim.cost, run))
                within = sum(cost for start, cost, _ in starts if start > at - claim.per + 1e-9)
                self._demand(
                    within <= claim.n,
                    f"{within} starts of {claim.key!r} within {claim.per} seconds",
                )

    def _take_start_back(self, run: Run) -> None:
        """It was claimed and never begun."""
        for starts in self._starts.values():
            last = next((entry for entry in reversed(starts) if entry[2] is run), None)
            if last is not None:
                starts.remove(last)

    def _claims_of(self, run: Run) -> tuple[Claim, ...]:
        claims = self._claims.get(run)
        if claims is None:
            claims = Keys(run.task).claims(run.args, run.kwargs) if run.task.limits else ()
            self._claims[run] = claims
        return claims

    def check(self, runs: Sequence[Run], engine: Any, now: float) -> None:
        """Check what holds between steps: units, and that waiting is never in vain."""
        abandoned = set(engine.keeper.abandoned.values())
        held: dict[str, float] = {}
        most: dict[str, float] = {}
        for run in runs:
            if run.state is not RUNNING and run not in abandoned:
                continue
            for claim in self._claims_of(run):
                if claim.per is None:
                    held[claim.key] = held.get(claim.key, 0) + claim.cost
                    most[claim.key] = max(most.get(claim.key, 0), claim.n)
        for key, units in held.items():
            self._demand(
                units <= most[key], f"{units} units of {key!r} are held, {most[key]} exist"
            )
        counted = {
            usage.key: usage.held
            for usage in self._store.usages()
            if usage.per is None and usage.held
        }
        self._demand(counted == held, f"the store counts {counted}, held are {held}")
        for run in runs:
            self._demand(
                not (run.state is BLOCKED and all(p.state in ENDED for p in run.after)),
                f"{run} is blocked though all of {run.after} have ended",
            )
            if run.state is PENDING and any(c.then is not Then.WAIT for c in self._claims_of(run)):
                self._demand(run.lane is not None, f"{run} waits in no lane")

    def check_end(self, engine: Any, size: int) -> None:
        """Check that nothing is left over when all runs have ended."""
        left = [usage for usage in self._store.usages() if usage.held and usage.per is None]
        self._demand(not left, f"units are held after the end: {[usage.key for usage in left]}")
        self._demand(not engine.keeper.abandoned, "an abandoned attempt has not been taken off")
        free = engine.claimer.pools[0].free
        self._demand(free == size, f"{free} of {size} slots are free after the end")

    @staticmethod
    def _demand(holds: bool, otherwise: str) -> None:
        if not holds:
            raise InvariantBroken(otherwise)
