"""Commands about runs in a store: their options. What they do is imported when it is needed."""

from __future__ import annotations

from typing import Any

import click

from .options import DurationType, leave, placed, where

_RUN = click.argument("run", metavar="RUN")
_RUNS = click.argument("runs", metavar="RUN...", nargs=-1, required=True)


@click.command("submit")
@click.argument("task", metavar="TASK")
@click.option(
    "-a",
    "--arg",
    "arguments",
    metavar="NAME=VALUE",
    multiple=True,
    help="A value for a parameter of the task; may be given several times.",
)
@click.option("--delay", metavar="S", type=DurationType("0"), help="Start that long from now.")
@click.option(
    "--at",
    metavar="WHEN",
    help="Start then: 2026-12-24T18:00, with or without a zone "
    "(+01:00), else local time; or 18:00, the next time it is that late.",
)
@click.option(
    "--priority",
    metavar="S",
    type=float,
    help="Seconds of head start before what was submitted earlier.",
)
@click.option("--label", metavar="TEXT", help="What the run is called; the task's name by default.")
@click.option("--wait", is_flag=True, help="Wait for the end; the exit code says how it ended.")
@placed("Print the run as one JSON document.")  # fmt: skip
def submit_command(**options: Any) -> None:
    """Write down a run of TASK; a worker executes it. Prints the id of the run.

    \b
    abreast submit send -a address=a@example.com
    abreast submit report --at 18:00 --label "evening report"
    abreast submit build -a level=9 --wait && echo built
    """
    from .submit import submit

    leave(submit(where(options), **options))


@click.command("runs")
@click.option("--task", metavar="NAME", help="Only runs of this task.")
@click.option(
    "--state",
    "states",
    metavar="STATE",
    multiple=True,
    help="Only runs in this state: blocked, scheduled, pending, running, completed, "
    "failed, cancelled, skipped; may be given several times.",
)
@click.option("--flow", metavar="RUN", help="Only runs of this flow.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1, max=100_000),
    default=50,
    show_default=True,
    help="That many at most.",
)
@click.option("--before", metavar="RUN", help="Only older ones than this: the next page.")
@placed("Print the list as one JSON document.")  # fmt: skip
def runs_command(**options: Any) -> None:
    """List runs, the newest first.

    \b
    abreast runs --state failed --task send
    abreast runs --flow 12
    abreast runs --before 950
    """
    from .queue import runs

    leave(runs(where(options), **options))


@click.command("show")
@_RUN
@placed("Print it as one JSON document.")
def show_command(**options: Any) -> None:
    """Show one run: state, times, arguments, result or error, attempts, steps."""
    from .queue import show

    leave(show(where(options), **options))


@click.command("logs")
@_RUN
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    help="Go on printing until the run has ended; Ctrl-C leaves, the run goes on.",
)
@click.option("--tail", metavar="N", type=click.IntRange(min=0), help="Only the last N lines.")
@placed("Print it as one JSON document (with -f when the run has ended).")  # fmt: skip
def logs_command(**options: Any) -> None:
    """Print what a run has printed so far."""
    from .logs import logs

    leave(logs(where(options), **options))


@click.command("cancel")
@_RUNS
@placed("Print the runs as one JSON document.")
def cancel_command(**options: Any) -> None:
    """End runs. What has not started ends at once, a flow ends with all its runs."""
    from .queue import cancel

    leave(cancel(where(options), **options))


@click.command("retry")
@_RUNS
@placed("Print the new runs as one JSON document.")
def retry_command(**options: Any) -> None:
    """Submit ended runs again, as new runs with the same arguments. Prints the new ids."""
    from .queue import retry

    leave(retry(where(options), **options))


@click.command("wait")
@_RUNS
@click.option("--timeout", metavar="S", type=DurationType("0"),
              help="Wait no longer than that; the runs go on.")  # fmt: skip
@placed("Print the runs as one JSON document.")
def wait_command(**options: Any) -> None:
    """Wait until runs have ended; the exit code says how. Ctrl-C leaves, the runs go on.

    \b
    abreast wait 12 13 --timeout 10m
    abreast wait $(abreast submit build) && echo built
    """
    from .queue import wait

    leave(wait(where(options), **options))


@click.command("why")
@_RUN
@placed("Print it as one JSON document.")
def why_command(**options: Any) -> None:
    """Say why a run is in the state it is in: what it waits for, and who holds that."""
    from .queue import why

    leave(why(where(options), **options))


@click.command("top")
@click.option("--once", is_flag=True, help="Print the present state and leave, as on a pipe.")
@placed("Print the present state as one JSON document.")  # fmt: skip
def top_command(**options: Any) -> None:
    """Watch workers, tasks and limits on the terminal. q or Ctrl-C leaves.

    One lane per task shows its last two minutes: as thick as runs of it ran side by side.
    """
    from .top import top

    leave(top(where(options), **options))


COMMANDS = [submit_command, runs_command, show_command, logs_command, cancel_command,
            retry_command, wait_command, why_command, top_command]  # fmt: skip
