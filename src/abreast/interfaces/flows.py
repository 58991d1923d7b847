"""Graphs of runs: described in a ``with`` block, submitted as a whole at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..domain import flows
from ..domain.model import Flow
from ..domain.model import Run as Record
from ..errors import UsageError

if TYPE_CHECKING:
    from .app import App
    from .app_task import AppTask
    from .stored_run import StoredRun
    from .tasks import TaskFunction


def flow_record(name: str, now: float, fail_fast: bool = False) -> Flow:
    """A new flow with the run that stands for it, not yet in any store."""
    flow = Flow(fail_fast)
    flow.become(Record(0, flows.task_of(name), (), {}, now))
    return flow


class FlowBuilder:
    """A graph of runs in the making; see :meth:`abreast.App.flow`.

    ::

        with app.flow("import") as flow:
            rows = flow.add(download, url)
            flow.add(store, rows)                 # after download, with its result
        flow.run.result()

    Nothing is submitted when the block raises.
    """

    def __init__(self, app: App, name: str | None, fail_fast: bool) -> None:
        self.app = app
        self.name = name or "flow"
        self._node = app.node
        self._flow = flow_record(self.name, self._node.now(), fail_fast)
        self._records: list[Record] = []
        self._calls: list[tuple[AppTask, tuple[Any, ...], dict[str, Any], StoredRun]] = []
        self._counts: dict[str, int] = {}
        self._submitted = False

    def add(
        self,
        task: AppTask | TaskFunction | str,
        /,
        *args: Any,
        after: Any = None,
        label: str | None = None,
        **kwargs: Any,
    ) -> StoredRun:
        """Add one run and return its handle, which further runs may take as an argument.

        Parameters
        ----------
        task : task or name
            Options: ``task.with_options(...)``.
        after : run or list of runs, optional
            Runs that have to complete first, besides those among the arguments.
        label : str, optional
            Name of this run; the task's name, then ``name-2`` and so on, when not given.

        Raises
        ------
        UsageError, WrongType, NotStorable
            Naming the task and what is wrong.
        """
        if self._submitted:
            raise UsageError("this flow has been submitted; runs are added inside its with block")
        found = self.app.find_task(task)
        if "conn" in found.overrides:
            raise UsageError("conn= goes with a single run, not with a flow")
        overrides: dict[str, Any] = {}
        if after is not None:
            before = self.app.parents(found.overrides.get("after"))
            overrides["after"] = [*self._handles(before), *self._as_list(after)]
        if label is not None:
            overrides["label"] = label
        if overrides:
            found = found.with_options(**overrides)
        record = self.app.record(self._node, found, args, kwargs, self._flow)
        if record.given is None:
            count = self._counts[found.name] = self._counts.get(found.name, 0) + 1
            if count > 1:
                record.given = f"{found.name}-{count}"
        for parent in record.after:
            if not parent.id and parent.flow is not self._flow:
                raise UsageError(f"{parent.label!r} belongs to a flow that was not submitted")
        self._records.append(record)
        handle = self.app.handle(record)
        self._calls.append((found, args, kwargs, handle))
        return handle

    def _handles(self, records: list[Record]) -> list[StoredRun]:
        return [self.app.handle(record) for record in records]

    def _as_list(self, after: Any) -> list[Any]:
        return list(after) if isinstance(after, (list, tuple, set, frozenset)) else [after]

    @property
    def run(self) -> StoredRun:
        """The flow as a run: its progress is the number of its runs that have ended, of all."""
        assert self._flow.run is not None
        return self.app.handle(self._flow.run)

    def submit(self) -> StoredRun:
        """Submit what was added and return the flow as a run. The end of ``with`` does it."""
        if self._submitted:
            return self.run
        self._submitted = True
        self._node.submit_flow(self._flow, self._records)
        self.app.note_many(self._calls)
        self._node.execute_inline()
        return self.run

    def __enter__(self) -> FlowBuilder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.submit()

    def __repr__(self) -> str:
        return f"<FlowBuilder {self.name!r}: {len(self._records)} runs>"
