"""Batches: one task for every combination of values, parts side by side, results joined."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..domain.limits import Limit
from ..domain.model import Extra
from ..domain.model import Run as Record
from ..domain.states import COMPLETED
from ..errors import UsageError, WrongType
from .flows import flow_record
from .stored_run import StoredRun, children

if TYPE_CHECKING:
    from .app import App
    from .app_node import Node
    from .app_task import AppTask

Values = Mapping[str, Iterable[Any]]


class Job(StoredRun):
    """A batch as one run; see :meth:`abreast.App.batch`.

    Its progress is the number of its runs that have ended, of all, and never falls.
    """

    __slots__ = ()

    def result(self, timeout: float | None = None) -> list[dict[str, Any]]:
        """Wait for the end and return, for every combination in order, its values and ``result``.

        ``result`` is what ``join`` returned, or without one the list of the parts' results; in a
        batch without ``parallel`` it is the result of the one part.

        Raises
        ------
        TimeoutError
            When the batch has not ended within ``timeout`` seconds (it goes on).
        RunError
            When a run of the batch did not complete; :meth:`partial` has what did.
        """
        super().result(timeout)
        return self.partial()

    def partial(self) -> list[dict[str, Any]]:
        """What :meth:`result` will return, as far as it is there: combinations that are through.

        Those that failed are left out.
        """
        self._check_submitted()
        plan = self.known.kwargs
        over, size = plan["over"], plan["parts"] + bool(plan["join"])
        runs = children(self.app, self.id)
        found = []
        for number, values in enumerate(_combinations(over)):
            mine = runs[number * size : (number + 1) * size]
            if len(mine) < size or any(run.state is not COMPLETED for run in mine):
                continue
            found.append({**values, "result": _result_of(mine, plan)})
        return found


def _result_of(runs: list[Record], plan: Mapping[str, Any]) -> Any:
    if plan["join"]:
        return runs[-1].value
    values = [run.value for run in runs]
    return values if plan["parallel"] else values[0]


def submit_batch(
    app: App,
    task: AppTask | str,
    over: Values,
    parallel: Values | None,
    join: Any,
    concurrency: int,
    part_concurrency: int,
    constants: Mapping[str, Any],
) -> Job:
    """Make the runs of a batch and submit them at once; see :meth:`abreast.App.batch`."""
    found = app.find_task(task)
    joiner = None if join is None else _joiner(app, join)
    named = _listed(over, "over")
    inner = {} if parallel is None else _listed(parallel, "parallel")
    _whole(concurrency, "concurrency")
    _whole(part_concurrency, "part_concurrency")
    _check_names(found.name, named, inner, constants)
    parts = list(_combinations(inner))
    if len(parts) * concurrency > part_concurrency:
        limit = Limit(part_concurrency, f"/batch/{secrets.token_hex(6)}")
        found = found.with_options(limits=[*_limits_of(found), limit])
    node = app.node
    flow = flow_record(f"{found.name}.batch", node.now())
    assert flow.run is not None
    flow.run.kwargs = {
        "over": named, "parallel": inner or None, "parts": len(parts),
        "join": None if joiner is None else joiner.name,
    }  # fmt: skip
    assert flow.run.extra is not None
    flow.run.extra.options = {"batch": True}
    if node.writes_json:
        from ..values import dump_call

        dump_call(flow.run.task.name, (), flow.run.kwargs)
    combinations = list(_combinations(named))
    maker = _Maker(app, node, found, joiner, flow, constants, len(combinations))
    last: list[list[Record]] = []  # per combination: what has to have ended before another begins
    for number, values in enumerate(combinations):
        ahead = last[number - concurrency] if number >= concurrency else []
        last.append(maker.combination(number + 1, values, parts, ahead))
    node.submit_flow(flow, maker.records)
    app.note_many(
        (task, record.args, dict(record.kwargs), StoredRun(app, record))
        for task, record in maker.made
    )
    node.execute_inline()
    return Job(app, flow.run)


class _Maker:
    """Makes the runs of one combination after the other."""

    def __init__(
        self,
        app: App,
        node: Node,
        task: AppTask,
        joiner: AppTask | None,
        flow: Any,
        constants: Mapping[str, Any],
        total: int,
    ) -> None:
        self.records: list[Record] = []
        self.made: list[tuple[AppTask, Record]] = []
        self._app = app
        self._node = node
        self._task = task
        self._joiner = joiner
        self._flow = flow
        self._constants = constants
        self._total = total

    def combination(
        self, number: int, values: dict[str, Any], parts: list[dict[str, Any]], ahead: list[Record]
    ) -> list[Record]:
        """Make the runs of one combination; returns those that end it."""
        made = []
        for position, part in enumerate(parts):
            note = ""
            if position == 0:
                note = f"Processing combination {number}/{self._total}..."
            elif position == 1:
                note = f"Running {len(parts)} parts..."
            arguments = {**values, **part, **self._constants}
            record = self._make(self._task, (), arguments, note)
            record.given = f"{self._task.name}[{number}]" + (
                f"[{position + 1}]" if len(parts) > 1 else ""
            )
            if ahead:
                record.after = (*record.after, *ahead)
                assert record.extra is not None
                record.extra.soft = tuple(ahead)
            made.append(record)
        if self._joiner is None:
            return made
        results = [StoredRun(self._app, record) for record in made]
        join = self._make(self._joiner, (results,), {}, "Evaluating results...")
        join.given = f"{self._joiner.name}[{number}]"
        return [join]

    def _make(
        self, task: AppTask, args: tuple[Any, ...], kwargs: dict[str, Any], note: str
    ) -> Record:
        record = self._app.record(self._node, task, args, kwargs, self._flow)
        record.extra = record.extra or Extra()
        record.extra.note = note
        self.records.append(record)
        self.made.append((task, record))
        return record


def _combinations(values: Mapping[str, Iterable[Any]]) -> Iterable[dict[str, Any]]:
    """Every combination in the order of nested loops; of nothing, the empty one."""
    for items in itertools.product(*values.values()):
        yield dict(zip(values, items, strict=True))


def _listed(values: Any, name: str) -> dict[str, list[Any]]:
    if not isinstance(values, Mapping):
        raise WrongType(
            f"batch: {name} must map argument names to values, such as {{'model': ['a', 'b']}}, "
            f"not {values!r}"
        )
    if not values:
        raise UsageError(f"batch: {name} is empty; give at least one argument with its values")
    found = {}
    for key, items in values.items():
        if isinstance(items, (str, bytes)) or not hasattr(items, "__iter__"):
            raise WrongType(f"batch: {name}[{key!r}] must be a list of values, not {items!r}")
        found[key] = list(items)
    return found


def _check_names(task: str, *groups: Mapping[str, Any]) -> None:
    seen: set[str] = set()
    for group in groups:
        for name in group:
            if name in seen:
                raise UsageError(f"batch of {task!r}: argument {name!r} is given twice")
            seen.add(name)
    if "result" in groups[0]:
        raise UsageError("batch: an argument in over= cannot be named 'result', which the list "
                         "of results uses")  # fmt: skip


def _whole(value: Any, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType(f"batch: {name} must be a whole number, not {value!r}")
    if value < 1:
        raise UsageError(f"batch: {name} must be 1 or more, not {value}")


def _limits_of(task: AppTask) -> list[Any]:
    limits = task.options.get("limits")
    if limits is None:
        return []
    return [limits] if isinstance(limits, (int, Limit)) else list(limits)


def _joiner(app: App, join: AppTask | str | Callable[..., Any]) -> AppTask:
    try:
        return app.find_task(join)
    except UsageError as error:
        if isinstance(join, str):
            raise
        raise UsageError(f"batch: join: {error}") from None
