"""What a store machine compares and demands after every step; see :mod:`.state_machine`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from ..domain import decide
from ..domain.adaptive import units
from ..domain.limits import Claim, Keys, Usage
from ..domain.model import NOTHING, Change, Run
from ..domain.states import BLOCKED, NOT_STARTED, PENDING, RUNNING, SCHEDULED
from ..stores.memory import MemoryStore
from .invariants import Invariants

Row = dict[str, Any]


class Expected:
    """The model: the memory store with its live records, and books of its own about time.

    What is expected of a store is what the memory store does with the same verbs; what is demanded
    of both comes from :class:`~abreast.testing.invariants.Invariants`, which counts by itself.
    """

    def __init__(self) -> None:
        self.store = MemoryStore(lambda: 0.5)
        self.store.serve("thread")
        self.store.telling = True
        self.runs: dict[int, Run] = {}  # those that were made, live
        self.rates: list[tuple[float, int]] = []  # when which run's unit returns
        self.abandoned: dict[Any, Run] = {}
        self.keeper = self  # what the invariants ask an engine for
        self.invariants = Invariants(self.store)

    def note(self, changes: Sequence[Change], now: float) -> None:
        """Hold changes against the promises."""
        self.invariants.note(changes, now)

    def claimed(self, runs: Iterable[Run], now: float) -> None:
        """Write down what was claimed."""
        runs = list(runs)
        self.note([Change(run, PENDING, RUNNING, now, run.attempt) for run in runs], now)
        for run in runs:
            self.rates += [
                (now + claim.per, run.id) for claim in claims_of(run) if claim.per is not None
            ]

    def unclaimed(self, id: int) -> None:
        """The units of rates of its last claim return at once."""
        count = sum(claim.per is not None for claim in claims_of(self.runs[id]))
        mine = [entry for entry in self.rates if entry[1] == id]
        for entry in mine[len(mine) - count :]:
            self.rates.remove(entry)

    def check(self, now: float) -> None:
        """Demand what holds between two steps."""
        self.invariants.check(list(self.runs.values()), self, now)

    def next_at(self) -> float:
        """When there is something to do next, from the records alone."""
        times = [at for at, _ in self.rates]
        for run in self.runs.values():
            extra = run.extra or NOTHING
            if run.state is SCHEDULED and run.due is not None:
                times.append(run.due)
            if run.state in NOT_STARTED:
                walls = [extra.deadline] if run.attempt else [extra.deadline, extra.expires]
                times += [at for at in walls if at is not None]
        return min(times, default=inf)

    def held_back(self) -> list[Run]:
        """Every pending run, once nothing more could be claimed: each waits for a full key, or
        behind one that does and came before it.

        Raises
        ------
        AssertionError
            Naming a run that waits for nothing.
        """
        usages = {(usage.key, usage.per): usage for usage in self.store.usages()}
        waiting = [run for run in self.runs.values() if run.state is PENDING and run.lane]
        left = {run.id: run for run in waiting}
        behind: dict[tuple[str, float | None], tuple[float, float, int]] = {}  # first to be waited
        found = True
        while found:
            found = False
            for run in sorted(left.values(), key=_place):
                claims = claims_of(run)
                if not any(_blocks(claim, usages, behind, run) for claim in claims):
                    continue
                del left[run.id]
                found = True
                for claim in claims:
                    key = claim.key, claim.per
                    first = (-inf, 0.0, 0) if run.task.fair_by is not None else _place(run)
                    behind[key] = min(behind.get(key, first), first)
        assert not left, f"{list(left.values())} wait for nothing"
        return waiting


def _blocks(
    claim: Claim,
    usages: dict[tuple[str, float | None], Usage],
    behind: dict[tuple[str, float | None], tuple[float, float, int]],
    run: Run,
) -> bool:
    usage = usages[claim.key, claim.per]
    if usage.held + claim.cost > units(claim, usage):
        return True
    first = behind.get((claim.key, claim.per))
    return first is not None and (first < _place(run) or run.task.fair_by is not None)


def _place(run: Run) -> tuple[float, float, int]:
    return decide.rank(run), -run.path, run.id


def claims_of(run: Run) -> tuple[Claim, ...]:
    """What a run asks for, from what its task declares."""
    return Keys(run.task).claims(run.args, run.kwargs) if run.task.limits else ()


def told(changes: Sequence[Change]) -> list[str]:
    """Changes as texts that are equal for equal changes."""
    return [
        f"{change.run.id} {change.source}->{change.target}"
        f"{f'({change.reason})' if change.reason else ''} at {change.at} #{change.attempt}"
        for change in changes
    ]


def row_of(run: Run) -> Row:
    """What a record says, as far as every store has to agree about it."""
    extra = run.extra or NOTHING
    waits = run.state in NOT_STARTED
    return {
        "state": str(run.state),
        "reason": run.reason,
        "attempt": run.attempt,
        "crashes": run.crashes,
        "backoffs": extra.backoffs,
        "args": tuple(run.args),
        "unique": extra.unique,
        "started": run.started,
        "ended": run.ended,
        "value": run.value,
        "error": None if run.error is None else type(run.error).__name__,
        "missing": run.missing if run.state is BLOCKED else 0,
        "due": run.due if run.state is SCHEDULED else None,
        "ready": run.ready if run.state is PENDING and extra.flow is None else None,
        "asked": run.asked if run.state is RUNNING else None,
        "path": run.path if waits else None,
        "fair": extra.fair if run.state is PENDING else None,
    }


def units_of(usages: Iterable[Usage]) -> dict[tuple[str, float], tuple[Any, ...]]:
    """What is held of which key, and what adaptive ones have learnt."""
    found: dict[tuple[str, float], tuple[Any, ...]] = {}
    for usage in usages:
        if usage.held or usage.usual is not None or usage.level is not None:
            found[usage.key, usage.per or 0.0] = (
                float(usage.held), usage.level, usage.streak, usage.usual, usage.cut,
            )  # fmt: skip
    return found
