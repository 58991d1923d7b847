"""The command about periods: its options. What it does is imported when it is needed."""

from __future__ import annotations

from typing import Any

import click

from .options import leave, placed, where

_FILE = click.Path(dir_okay=False, writable=True)
_SAID = "2026-12-24T18:00 (or with +01:00), 18:00 (the last time it was that late)"


@click.command("timeline")
@click.option("--since", metavar="WHEN", default="1h", show_default=True,
              help=f"Where the period begins: so long ago, {_SAID}.")  # fmt: skip
@click.option("--until", metavar="WHEN", default="now", show_default=True,
              help="Where it ends, the same way; +10m also shows what comes next.")  # fmt: skip
@click.option("--task", "tasks", metavar="NAME", multiple=True,
              help="Only this task; may be given several times.")  # fmt: skip
@click.option("--html", metavar="FILE", type=_FILE,
              help="Write the picture of the dashboard as one HTML file.")  # fmt: skip
@click.option("--trace", metavar="FILE", type=_FILE,
              help="Write trace events, which open in https://ui.perfetto.dev.")  # fmt: skip
@placed("Print the runs with their places, and what was and is scheduled, as one JSON document.")
def timeline_command(**options: Any) -> None:
    """Show what ran beside what in a period: one lane per task, as thick as its runs overlapped.

    \b
    abreast timeline
    abreast timeline --since 09:00 --until 09:30 --task import --task report
    abreast timeline --since 2d --html incident.html
    """
    from .timeline import timeline

    leave(timeline(where(options), **options))


COMMANDS = [timeline_command]
