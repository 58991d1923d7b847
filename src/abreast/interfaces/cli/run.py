"""``abreast run FILE``: the tasks of a file as a graph."""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from ...errors import AbreastError
from . import plan
from .exits import OK, Refused
from .load import importable, load, tasks_of
from .screen import Screen
from .session import Options, Session

if TYPE_CHECKING:
    from ..run import Run


def run(
    file: str,
    tasks: tuple[str, ...],
    arguments: tuple[str, ...] = (),
    executor: str | None = None,
    **given: Any,
) -> int:
    """Carry out the command; returns the exit code."""
    options = Options(**given)
    options.check()
    values = plan.read_values(arguments)
    screen = Screen(only_document=options.as_json)
    with redirect_stdout(sys.stderr if options.as_json or options.dry_run else sys.stdout):
        module = load(file)
    steps = plan.make(tasks_of(module, file), tasks, values)
    name = os.path.basename(file).removesuffix(".py")
    try:
        runner = options.runner(name, executor=executor)
        runs: dict[str, Run] = {}
        for step in steps:
            where = step.task.options.get("executor") or executor
            task = importable(step.task, file) if where == "process" else step.task
            args = [runs[arg.of] if isinstance(arg, plan.Result) else arg for arg in step.args]
            kwargs: Any = {
                key: runs[value.of] if isinstance(value, plan.Result) else value
                for key, value in step.kwargs.items()
            }
            after = [runs[parent] for parent in step.after]
            runs[step.name] = runner.add(task, *args, label=step.name, after=after, **kwargs)
    except AbreastError as error:
        raise Refused(f"{file}: {error}") from None
    if options.dry_run:
        _show_plan(list(runs.values()), options, screen)
        runner.close()
        return OK
    session = Session(runner, options, screen)
    return session.finish(session.carry_out(session.show_table))


def _show_plan(runs: list[Run], options: Options, screen: Screen) -> None:
    """Print what would run, in an order in which it could."""
    rows = []
    for run in runs:
        notes: list[str] = (
            [f"after {', '.join(parent.label for parent in run.after)}"] if run.after else []
        )
        if run.task.timeout is not None:
            notes.append(f"timeout {run.task.timeout:g} s")
        if run.task.retry is not None and run.task.retry.n:
            notes.append(f"tries up to {run.task.retry.n + 1}")
        rows.append((run.label, run.executor, "; ".join(notes)))
    if options.as_json:
        document = [
            {"label": run.label, "executor": run.executor,
             "after": [parent.label for parent in run.after], "timeout": run.task.timeout}
            for run in runs
        ]  # fmt: skip
        screen.document(json.dumps({"dry_run": True, "runs": document}, indent=2))
        return
    widest = max(len(row[0]) for row in rows)
    for number, (label, executor, said) in enumerate(rows, 1):
        screen.line(f"{number:>3}. {label:<{widest}}  {executor:<9}  {said}".rstrip())
    count = f"{len(runs)} task" + ("s" if len(runs) > 1 else "")
    once = f"{options.concurrency}" if options.concurrency else "as many as suit this machine"
    fail_fast = "; the first failure ends the rest" if options.fail_fast else ""
    screen.line(f"\n{count}, at once: {once}{fail_fast}. Nothing was started.")
