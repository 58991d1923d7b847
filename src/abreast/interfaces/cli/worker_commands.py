"""Commands that execute runs of a store: their options."""

from __future__ import annotations

from typing import Any

import click

from .options import CountOrAuto, DurationType, leave, placed, where


@click.command("worker")
@click.argument("place", metavar="[MODULE:APP]", required=False)
@click.option(
    "-j",
    "--concurrency",
    "--max-concurrent",
    metavar="N",
    type=CountOrAuto(),
    default=5,
    show_default=True,
    help="How many runs at once; auto follows the load and the free memory of the machine.",
)
@click.option(
    "--executor",
    type=click.Choice(["process", "thread"]),
    help="Where tasks execute that do not say it themselves; process by default.",
)
@click.option(
    "--task",
    "tasks",
    metavar="NAME",
    multiple=True,
    help="Only runs of this task; may be given several times.",
)
@click.option(
    "--once",
    is_flag=True,
    help="Run what is due or pending, all of it, and leave; for "
    "cron. Prints nothing, and leaves at once when another one is at work.",
)
@click.option("--fresh", is_flag=True, help="Every run in a new process of its own.")
@click.option(
    "--drain",
    metavar="S",
    type=DurationType("0"),
    default=30.0,
    show_default=True,
    help="What running runs get to end when the worker is stopped.",
)
@click.option(
    "--pool",
    "pools",
    metavar="NAME=AMOUNT",
    multiple=True,
    help="What needs= of tasks "
    "are drawn from besides cpu and memory, as gpu=2; may be given several times.",
)
@placed(None)  # fmt: skip
def worker_command(**options: Any) -> None:
    """Execute the runs of an app.

    Ctrl-C or SIGTERM: nothing more is started, running runs get --drain seconds, what is left
    then is stopped and queued again. A second one stops at once.

    \b
    abreast worker shop.jobs:app
    abreast worker --concurrency auto --task send --task report
    abreast worker --once
    """
    from .worker import worker

    leave(worker(where(options), **options))


@click.command("execute")
@click.argument("run", metavar="RUN")
@placed(None)
def execute_command(**options: Any) -> None:
    """Execute one run now, in a process of its own. Exits 0 when it completed, else 1."""
    from .worker import execute

    leave(execute(where(options), **options))


COMMANDS = [worker_command, execute_command]
