"""The store of ``memory://``: the runs of this process, with what an app asks of a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..clock import SystemClock
from ..domain import flows
from ..domain.limits import Usage, cost_of
from ..domain.model import NOTHING, Change, Flow, Run
from ..domain.states import (
    ENDED,
    PENDING,
    RUNNING,
    State,
)
from ..engine.engine import Engine
from ..engine.sentry import Sentry
from ..stores.memory import MemoryStore
from . import wiring
from .app_node import LimitRow, Node, Step

if TYPE_CHECKING:
    from ..ports import Clock

KEEP = 100_000  # ended runs that can still be looked up


class MemoryBook(MemoryStore):
    """A memory store that can be asked for its runs. Ids are given in the order of submits."""

    log_folder: str | None = None
    live = True  # records are the objects that were submitted

    def __init__(self) -> None:
        super().__init__(wiring.jitter)
        self._book: dict[int, Run] = {}  # oldest first
        self._steps: dict[int, dict[str, Step]] = {}
        self._look_at = 2 * KEEP  # when to forget ended runs

    def submit(self, runs: Sequence[Run], now: float) -> list[Change]:
        """Take in new runs; those with id 0 get one. The run of a flow comes before its runs."""
        try:
            changes = super().submit(runs, now)
        except BaseException:
            if len(runs) > 1:
                self._enter_book(runs)
            raise
        self._enter_book(runs)
        return changes

    def _enter_book(self, runs: Iterable[Run]) -> None:
        for run in runs:
            if run.id:  # else another run stands for it
                self._book[run.id] = run
        if len(self._book) > self._look_at:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        ended = [run.id for run in self._book.values() if run.state in ENDED]
        for id in ended[:-KEEP]:
            del self._book[id]
            self._steps.pop(id, None)
        self._look_at = len(self._book) + KEEP

    # -- looking ------------------------------------------------------------------------------

    def read(self, ids: Iterable[int]) -> dict[int, Run]:
        """The live records with these ids."""
        return {id: self._book[id] for id in ids if id in self._book}

    def find(
        self,
        task: str | None = None,
        states: Iterable[State] | None = None,
        flow: int | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """Runs that match, the newest first."""
        wanted = None if states is None else frozenset(states)
        found: list[Run] = []
        for run in reversed(list(self._book.values())):
            if len(found) >= limit:
                break
            if (
                (before is None or run.id < before)
                and (task is None or run.task.name == task)
                and (wanted is None or run.state in wanted)
                and (flow is None or (run.flow is not None and run.flow.run is not None
                                      and run.flow.run.id == flow))
            ):  # fmt: skip
                found.append(run)
        return found

    def counts(self, task: str | None = None) -> dict[State, int]:
        """How many runs are in each state."""
        found = dict.fromkeys(State, 0)
        for run in list(self._book.values()):
            if task is None or run.task.name == task:
                found[run.state] += 1
        return found

    def flow(self, id: int) -> Flow | None:
        """The flow whose run has this id, or None."""
        run = self._book.get(id)
        return None if run is None else flows.of(run)

    def executor_of(self, run: Run) -> tuple[str, int] | None:
        """Runs execute on this machine and, unless they say otherwise, in this process."""
        if run.started is None:
            return None
        import socket

        return socket.gethostname(), (run.extra or NOTHING).pid or os.getpid()

    def parents(self, id: int) -> list[Run]:
        """The runs that a run comes after."""
        return list(self._book[id].after) if id in self._book else []

    def limits(self) -> list[LimitRow]:
        """Every key in use."""
        runs = list(self._book.values())
        return [self._limit_row(usage, runs) for usage in self.usages()]

    def _limit_row(self, usage: Usage, runs: list[Run]) -> LimitRow:
        size: float | None = None
        holders, waiting = [], 0
        for run in runs:
            if run.lane is None or not cost_of(run, usage):
                continue
            size = next((c.n for c, key in run.lane.pairs if key is usage), size)
            if run.state is RUNNING:
                holders.append(run.id)
            waiting += run.state is PENDING
        return LimitRow(usage.key, usage.held, size, tuple(holders), waiting)

    def workers(self) -> list[Any]:
        """None: runs execute in this process."""
        return []

    # -- steps --------------------------------------------------------------------------------

    def steps(self, run: int) -> list[Step]:
        """The steps of a run in order."""
        return list(self._steps.get(run, {}).values())

    def step_begin(self, run: int, attempt: int, name: str, input: Any, now: float) -> None:
        """Note that a step has begun."""
        steps = self._steps.setdefault(run, {})
        known = steps.get(name)
        number = len(steps) + 1 if known is None else known.number
        steps[name] = Step(name, number, attempt, input, None, None, now, None)

    def step_end(
        self, run: int, attempt: int, name: str, output: Any, error: str | None, now: float
    ) -> None:
        """Note how a step ended."""
        step = self._steps[run][name]
        if step.attempt == attempt:
            self._steps[run][name] = step._replace(output=output, error=error, ended=now)

    def step_output(self, run: int, name: str) -> Any:
        """What a finished step returned; None when it has not finished."""
        step = self._steps.get(run, {}).get(name)
        return None if step is None or step.ended is None or step.error is not None else step.output


def open_memory(
    clock: Clock | None = None, sentry: Callable[[Callable[[], None], Clock], Any] = Sentry
) -> Node:
    """A new store in memory with an engine that executes nothing yet."""
    store = MemoryBook()
    engine = Engine(store, clock or SystemClock(), sentry=sentry)
    return Node("memory://", store, engine, live=True)
