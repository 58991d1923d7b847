"""Commands about schedules: their options. What they do is imported when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .options import leave, placed, where

_NAME = click.argument("name", metavar="NAME")
_NAMES = click.argument("names", metavar="NAME...", nargs=-1, required=True)
_SAID = "2026-12-24, 2026-12-24T18:00 (in the zone of the schedule, or with +01:00), -2d or now"


def _expression(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that an expression needs which is no schedule yet."""
    for option in (
        click.option("--hash-name", metavar="NAME", default="",
                     help="The name from which H in an expression is worked out."),
        click.option("--zone", metavar="ZONE",
                     help="Time zone of an expression, as Europe/Berlin; the configured one by "
                     "default."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group("schedule")
def schedule_group() -> None:
    """Look at schedules before and after they act, pause them, make up for the past.

    \b
    abreast schedule list                                  what is scheduled, and when next
    abreast schedule next '30 2 * * *' --zone Europe/Berlin
    abreast schedule lint                                  what is surprising about them
    abreast schedule simulate --to +7d                     what a week will bring
    abreast schedule ledger nightly                        what became of past instants
    """


@schedule_group.command("list")
@click.option("--task", metavar="NAME", help="Only schedules of this task.")
@placed("Print the list as one JSON document.")
def list_command(**options: Any) -> None:
    """List the schedules in the store: when they run next, what became of their last instant."""
    from .schedule import list_

    leave(list_(where(options), **options))


@schedule_group.command("next")
@click.argument("words", metavar="NAME|EXPRESSION", nargs=-1, required=True)
@click.option(
    "-n",
    "count",
    metavar="N",
    type=click.IntRange(min=1, max=1000),
    default=10,
    show_default=True,
    help="How many instants.",
)
@click.option("--from", "start", metavar="WHEN", default="now", help=f"From then on: {_SAID}.")
@_expression
@placed("Print them as one JSON document.")  # fmt: skip
def next_command(**options: Any) -> None:
    """Say when a schedule runs next, and what it does at the next two clock changes.

    It is one in the store, by its name, or an expression in quotes.

    \b
    abreast schedule next nightly
    abreast schedule next '30 2 * * *' --zone Europe/Berlin -n 3
    abreast schedule next 'every 90s'
    """
    from .schedule import next_

    leave(next_(where(options), **options))


@schedule_group.command("lint")
@click.argument("texts", metavar="[NAME|EXPRESSION]...", nargs=-1)
@click.option("--strict", is_flag=True, help="Exit with 1 when there is anything to say.")
@_expression
@placed("Print what there is to say as one JSON document.")  # fmt: skip
def lint_command(**options: Any) -> None:
    """Say what is surprising about schedules: all in the store, some of them, or expressions.

    \b
    abreast schedule lint
    abreast schedule lint '*/15 2 * * *' --zone Europe/Berlin
    """
    from .schedule import lint_

    leave(lint_(where(options), **options))


@schedule_group.command("simulate")
@click.option(
    "--from",
    "start",
    metavar="WHEN",
    default="now",
    show_default=True,
    help="Start of the period: 2026-12-24, 2026-12-24T18:00, +2h or now.",
)
@click.option(
    "--to",
    "end",
    metavar="WHEN",
    default="+24h",
    show_default=True,
    help="Its end; +7d counts from its start.",
)
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    help="List that many instants at most; all are counted.",
)
@placed("Print it as one JSON document.")  # fmt: skip
def simulate_command(**options: Any) -> None:
    """Say what a period will bring: instants in order, runs per task, and what comes together.

    With the median duration of the runs that each task has had, it says how many will run at
    once, and which instants will find their task still running. Nothing is changed.

    \b
    abreast schedule simulate --to +7d
    abreast schedule simulate --from 2027-03-28 --to 2027-03-29
    """
    from .schedule_simulate import simulate

    leave(simulate(where(options), **options))


@schedule_group.command("pause")
@_NAMES
@placed("Print the schedules as one JSON document.")
def pause_command(**options: Any) -> None:
    """Let schedules start nothing until they are resumed. The ledger says what they left out."""
    from .schedule import pause

    leave(pause(where(options), **options))


@schedule_group.command("resume")
@_NAMES
@placed("Print the schedules as one JSON document.")
def resume_command(**options: Any) -> None:
    """Let paused schedules go on with their next instant. What they left out is not made up for."""
    from .schedule import resume

    leave(resume(where(options), **options))


@schedule_group.command("backfill")
@_NAME
@click.option("--since", metavar="WHEN", required=True, help=f"Start of the period: {_SAID}.")
@click.option("--until", metavar="WHEN", default="now", show_default=True,
              help="Its end, which is a part of it.")  # fmt: skip
@click.option(
    "--overlap",
    metavar="HOW",
    help="Instead of what the schedule says: skip, queue_one, queue_all, cancel_running, "
    "allow(3). queue_all makes all of them, one after the other.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be made and make nothing.")
@placed("Print the instants as one JSON document.")
def backfill_command(**options: Any) -> None:
    """Make the runs that a schedule would have made in a past period.

    \b
    abreast schedule backfill nightly --since 2026-11-01 --until 2026-11-03 --dry-run
    abreast schedule backfill nightly --since -7d --overlap queue_all
    """
    from .schedule_ledger import backfill

    leave(backfill(where(options), **options))


@schedule_group.command("ledger")
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--outcome",
    "outcomes",
    metavar="OUTCOME",
    type=click.Choice(["ran", "skipped", "missed", "merged", "paused"]),
    multiple=True,
    help="Only these: ran, skipped, missed, merged, paused; may be given several times.",
)
@click.option("--since", metavar="WHEN", help=f"Only instants from then on: {_SAID}.")
@click.option("--until", metavar="WHEN", help="Only instants up to then.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1, max=100_000),
    default=50,
    show_default=True,
    help="That many at most.",
)
@click.option("--before", metavar="ID", type=int, help="Only older ones than this: the next page.")
@placed("Print the list as one JSON document.")  # fmt: skip
def ledger_command(**options: Any) -> None:
    """Say what became of past instants, of all schedules or of one, the newest first.

    \b
    abreast schedule ledger nightly
    abreast schedule ledger --outcome missed --outcome skipped --since -7d
    """
    from .schedule_ledger import ledger

    leave(ledger(where(options), **options))


COMMANDS = [schedule_group]
