"""What must hold after every step of an engine, whatever happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..domain.limits import Claim, Keys, Then
from ..domain.model import NOTHING, Change, Flow, Run
from ..domain.states import (
    ALLOWED,
    BLOCKED,
    COMPLETED,
    ENDED,
    FIRST,
    NOT_STARTED,
    PENDING,
    REASONS,
    RUNNING,
    Reason,
)
from ..domain.unique import DELAY, REPLACE


def _will_do(run: Run, parent: Run) -> bool:
    """Whether a parent that has ended lets a run start."""
    soft = any(parent is known for known in (run.extra or NOTHING).soft)
    return parent.state is COMPLETED or (soft and parent.state in ENDED)


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
        self.flows: list[Flow] = []  # those that are runs
        self._claims: dict[Run, tuple[object, tuple[Claim, ...]]] = {}
        self._turns = Turns()
        self._taken_back: set[Run] = set()
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
                self._taken_back.add(run)
            if target is RUNNING:
                late = [parent for parent in run.after if not _will_do(run, parent)]
                self._demand(not late, f"{run} started before {late} completed")
                self._count_start(run, change.at)
            other = self._turns.broken_by(change)
            self._demand(other is None, f"{change}: twice while {other!r} waits for its turn")
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
            gone = any(p.state in ENDED and not _will_do(run, p) for p in run.after)
            self._demand(gone, f"{run} was skipped though all of {run.after} completed")
        if reason in (Reason.ERROR, Reason.TIMEOUT):
            retries = run.task.retry.n if run.task.retry is not None else 0
            tries = run.attempt - run.crashes - (run.extra or NOTHING).backoffs
            self._demand(tries <= retries + 1, f"{run} was tried {run.attempt} times")
        if reason is Reason.EXPIRED:
            extra = run.extra or NOTHING
            times = [at for at in (extra.expires, extra.deadline) if at is not None]
            self._demand(run.attempt == 0, f"{run} had started")
            self._demand(bool(times) and min(times) <= change.at, f"{run} was not too late")
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
        args, claims = self._claims.get(run, (None, ()))
        if args is not run.args:  # they may be replaced while it waits
            claims = Keys(run.task).claims(run.args, run.kwargs) if run.task.limits else ()
            self._claims[run] = run.args, claims
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

        self._turns.look_at(runs)
        self._check_known(runs)
        for flow in self.flows:
            self._check_flow(flow)

    def _check_known(self, runs: Sequence[Run]) -> None:
        """Under a key that joins, skips or refuses there is one run at a time."""
        known: dict[str, Run] = {}
        for run in runs:
            unique, key = run.task.unique, (run.extra or NOTHING).unique
            if unique is None or key is None or not isinstance(unique.until, str):
                continue
            if run.state in ENDED or run in self._taken_back:
                continue
            started = run.state not in NOT_STARTED or run.attempt > 0
            if started and (unique.until == "start" or unique.then in (REPLACE, DELAY)):
                continue
            self._demand(key not in known, f"{run} and {known.get(key)} are the same work")
            known[key] = run

    def _check_flow(self, flow: Flow) -> None:
        """A flow ends with the last of its children, and not before."""
        run = flow.run
        assert run is not None
        over = [child for child in flow.runs if child.state in ENDED]
        counted = (flow.ended, flow.total, flow.bad)
        bad = sum(child.state is not COMPLETED for child in over)
        self._demand(counted == (len(over), len(flow.runs), bad), f"{run} counts {counted}")
        ended = run.state in ENDED
        self._demand(ended == (flow.ended == flow.total), f"{run} with {counted}")
        self._demand(not ended or (run.state is COMPLETED) == (not bad), f"{run} with {counted}")
        begun = any(child.attempt for child in flow.runs)
        self._demand(not begun or run.state is not PENDING, f"{run} though children have started")

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


class Turns:
    """Promise g, as it can be seen from outside: nobody starts twice in a lane while a value that
    has never started there waits for its turn."""

    def __init__(self) -> None:
        self._started: dict[object, set[str]] = {}  # per lane, the values that ever started
        self._passed: dict[object, dict[str, set[str]]] = {}  # per lane and waiting newcomer
        self._back: set[Run] = set()  # had their turn, and their start was taken back

    def broken_by(self, change: Change) -> str | None:
        """Take note of a change; return the value it should not have come before."""
        run, value = change.run, (change.run.extra or NOTHING).fair
        if value is None or run.lane is None:
            return None
        passed = self._passed.setdefault(run.lane, {})
        if change.target is PENDING and change.source is RUNNING and not change.reason:
            passed.clear()  # a start was taken back
            self._back.add(run)
        elif change.source is PENDING and change.target is not RUNNING:
            passed.pop(value, None)
        elif change.target is RUNNING:
            self._started.setdefault(run.lane, set()).add(value)
            passed.pop(value, None)
            if run in self._back:
                self._back.discard(run)
                return None
            for other, seen in passed.items():
                if value in seen:
                    return other
                seen.add(value)
        return None

    def look_at(self, runs: Sequence[Run]) -> None:
        """See which values wait now."""
        waiting: dict[object, set[str]] = {}
        for run in runs:
            value, unique = (run.extra or NOTHING).fair, run.task.unique
            if value is None or run.state is not PENDING or run.lane is None:
                continue
            if unique is not None and unique.then in (REPLACE, DELAY):
                continue  # it may become one of another value meanwhile
            waiting.setdefault(run.lane, set()).add(value)
        for lane, passed in self._passed.items():
            for value in set(passed) - waiting.get(lane, set()):
                del passed[value]
        for lane, values in waiting.items():
            passed = self._passed.setdefault(lane, {})
            for value in values - self._started.get(lane, set()):
                passed.setdefault(value, set())
