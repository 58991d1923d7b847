"""Looking up the runs, limits and workers of an app."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..domain.model import Run as Record
from ..domain.states import State
from ..errors import UsageError, WrongType
from .tasks import TaskFunction

if TYPE_CHECKING:
    from .app_node import Node
    from .app_task import AppTask
    from .stored_run import StoredRun


class Looking:
    """The part of :class:`abreast.App` that reads."""

    if TYPE_CHECKING:

        @property
        def node(self) -> Node: ...

        def handle(self, record: Record) -> StoredRun: ...

    def run(self, id: int) -> StoredRun:
        """Return the run with this id; raises ``UnknownRun``."""
        if isinstance(id, bool) or not isinstance(id, int):
            raise WrongType(f"the id of a run is a whole number, not {id!r}")
        return self.handle(self.node.record(id))

    def runs(
        self,
        task: AppTask | str | None = None,
        state: State | str | Iterable[State | str] | None = None,
        flow: StoredRun | int | None = None,
        before: StoredRun | int | None = None,
        limit: int = 50,
    ) -> list[StoredRun]:
        """List runs, the newest first.

        Parameters
        ----------
        task, state, flow : optional
            Only runs of this task, in this state (or these), of this flow.
        before : run or id, optional
            Only older runs than this one: the last of the page before.
        limit : int
            Runs at most.
        """
        name = task.name if isinstance(task, TaskFunction) else task
        records = self.node.store.find(
            task=name,
            states=as_states(state),
            flow=getattr(flow, "id", flow),
            before=getattr(before, "id", before),
            limit=limit,
        )
        return [self.handle(record) for record in records]

    def counts(self, task: AppTask | str | None = None) -> dict[State, int]:
        """How many runs there are in each state."""
        name = task.name if isinstance(task, TaskFunction) else task
        found: dict[State, int] = self.node.store.counts(name)
        return found

    def limits(self) -> list[Any]:
        """The keys of limits in use: ``key``, ``held``, ``n``, ``holders`` (ids), ``waiting``."""
        return list(self.node.store.limits())

    @property
    def log_folder(self) -> str | None:
        """The folder with what runs print, or None: the store keeps none."""
        found: str | None = self.node.store.log_folder
        return found

    def workers(self) -> list[Any]:
        """The workers that are alive."""
        return list(self.node.store.workers())


def as_states(state: State | str | Iterable[State | str] | None) -> list[State] | None:
    if state is None:
        return None
    items: Iterable[Any] = [state] if isinstance(state, str) else state
    try:
        return [State(item) for item in items]
    except ValueError as error:
        raise UsageError(f"state: {error}; states are {', '.join(State)}") from None
