"""``abreast import``: its options. The work is imported when it is needed."""

from __future__ import annotations

from typing import Any

import click

from .options import leave


@click.group("import")
def import_command() -> None:
    """Make a folder for 'abreast serve' of a crontab or of a CronPilot.

    What cannot be kept is said on standard error, line by line. Nothing is overwritten.

    \b
    crontab -l | abreast import crontab - --into jobs
    abreast import cronpilot /srv/cronpilot/config.yaml --into jobs
    """


@import_command.command("crontab")
@click.argument("path", metavar="PATH|-", type=click.Path())
@click.option(
    "--into",
    metavar="DIR",
    type=click.Path(),
    help="Write DIR/abreast.toml; without it the text goes to standard output.",
)
@click.option(
    "--system",
    is_flag=True,
    help="A user stands before the command, as in /etc/crontab and /etc/cron.d.",
)
def crontab_command(**options: Any) -> None:
    """Make tasks of the lines of a crontab; - reads standard input.

    \b
    crontab -l | abreast import crontab -              look at what it would be
    crontab -l | abreast import crontab - --into jobs
    abreast import crontab /etc/crontab --system --into jobs
    """
    from .imports import crontab

    leave(crontab(**options))


@import_command.command("cronpilot")
@click.argument("path", metavar="CONFIG_YAML", type=click.Path())
@click.option(
    "--tasks",
    metavar="DIR",
    type=click.Path(),
    help="The folder of its tasks; else as config.yaml says.",
)
@click.option("--into", metavar="DIR", type=click.Path(), required=True,
              help="Write abreast.toml and tasks/ into this folder.")  # fmt: skip
def cronpilot_command(**options: Any) -> None:
    """Make a folder of a CronPilot: its configuration, task files and schedules.

    Schedules come from the database that config.yaml names. The CronPilot itself is not changed.

    \b
    abreast import cronpilot config.yaml --into ../jobs
    """
    from .imports import cronpilot

    leave(cronpilot(**options))


COMMANDS = [import_command]
