"""Invocations: what a call of a task returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from abreast import Reason, State
from abreast.errors import Skipped

from .exceptions import InvocationDroppedError

if TYPE_CHECKING:
    from .app import Pynenc
    from .task import Task


class InvocationStatus(StrEnum):
    """Where an invocation is."""

    REGISTERED = "registered"  # it waits, for a runner or for others under running control
    RUNNING = "running"
    RETRY = "retry"  # it failed and will be tried again
    SUCCESS = "success"
    FAILED = "failed"
    KILLED = "killed"  # it was cancelled
    CONCURRENCY_CONTROLLED_FINAL = "concurrency_controlled_final"  # dropped: it never ran

    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in _FINAL


_FINAL = frozenset(
    {InvocationStatus.SUCCESS, InvocationStatus.FAILED, InvocationStatus.KILLED,
     InvocationStatus.CONCURRENCY_CONTROLLED_FINAL}
)  # fmt: skip
_STATUS = {
    State.RUNNING: InvocationStatus.RUNNING,
    State.COMPLETED: InvocationStatus.SUCCESS,
    State.FAILED: InvocationStatus.FAILED,
    State.CANCELLED: InvocationStatus.KILLED,
    State.SKIPPED: InvocationStatus.CONCURRENCY_CONTROLLED_FINAL,
}


class Invocation:
    """One call of a task, and its result once it has run. Those with the same id are equal."""

    __slots__ = ("_app", "_run", "invocation_id")

    def __init__(self, app: Pynenc, id: int, run: Any = None) -> None:
        self._app = app
        self._run = run
        self.invocation_id = str(id)

    @property
    def run(self) -> Any:
        """The run behind it, with everything abreast knows: ``state``, ``why()``, ``log()``, …"""
        if self._run is None:
            self._run = self._app.abreast.run(int(self.invocation_id))
        return self._run

    @property
    def status(self) -> InvocationStatus:
        """Where it is now."""
        run = self.run
        state = run.state
        if state is State.SCHEDULED and run.attempt:
            return InvocationStatus.RETRY
        return _STATUS.get(state, InvocationStatus.REGISTERED)

    @property
    def result(self) -> Any:
        """What the task returned; waits for it.

        Raises
        ------
        InvocationDroppedError
            A ``KeyError``: it was dropped, because running control left no room for it.
        Exception
            What the task raised.
        """
        try:
            return self.run.result()
        except Skipped as error:
            raise self._dropped(error) from error

    async def async_result(self) -> Any:
        """Return the same without blocking the event loop."""
        try:
            return await self.run
        except Skipped as error:
            raise self._dropped(error) from error

    def _dropped(self, error: Skipped) -> Exception:
        run = self.run
        if run.state is State.SKIPPED and run.reason is Reason.LIMIT:
            return InvocationDroppedError(
                f"Result for invocation {self.invocation_id} not found: {error}"
            )
        return error  # a result of another run that this one waited for

    @property
    def num_retries(self) -> int:
        """How often it has been tried again."""
        return max(0, int(self.run.attempt) - 1)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Its arguments by name."""
        return self.task.named(self.run.args, self.run.kwargs)

    @property
    def task(self) -> Task:
        """The task it is a call of."""
        return self._app.get_task(self.run.name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Invocation):
            return NotImplemented
        return self._app is other._app and self.invocation_id == other.invocation_id

    def __hash__(self) -> int:
        return hash((id(self._app), self.invocation_id))

    def __repr__(self) -> str:
        return f"<Invocation {self.invocation_id}>"


class InvocationGroup:
    """The invocations of one ``parallelize``, in its order."""

    def __init__(self, invocations: Sequence[Invocation]) -> None:
        self.invocations = list(invocations)

    @property
    def results(self) -> Iterator[Any]:
        """Yield the results in order, each as soon as it and those before it are there."""
        return (invocation.result for invocation in self.invocations)

    async def async_results(self) -> AsyncIterator[Any]:
        """Yield the same without blocking the event loop."""
        for invocation in self.invocations:
            yield await invocation.async_result()

    def __iter__(self) -> Iterator[Invocation]:
        return iter(self.invocations)

    def __len__(self) -> int:
        return len(self.invocations)
