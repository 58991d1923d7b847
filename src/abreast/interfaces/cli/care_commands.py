"""Commands that look after a store: their options."""

from __future__ import annotations

from typing import Any

import click

from .options import DurationType, leave, placed, where

_DOCUMENT = "Print what was done as one JSON document."


@click.command("backup")
@click.argument("file", metavar="FILE", type=click.Path())
@placed(_DOCUMENT)
def backup_command(**options: Any) -> None:
    """Copy the store to FILE while it is in use. A copy made with cp may lose data."""
    from .care import backup

    leave(backup(where(options), **options))


@click.command("restore")
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--force", is_flag=True, help="Also when the store has runs; its file is kept.")
@placed(_DOCUMENT)
def restore_command(**options: Any) -> None:
    """Put a backup in the place of the store. No worker may be alive meanwhile."""
    from .care import restore

    leave(restore(where(options), **options))


@click.command("prune")
@click.option(
    "--older-than",
    metavar="S",
    type=DurationType("0"),
    help="Delete runs that ended longer ago than that: 30d, 12h, 90m.",
)
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(min=0),
    help="Keep only the newest N ended runs of every task.",
)
@click.option(
    "--failed-older-than",
    metavar="S",
    type=DurationType("0"),
    help="Delete failed runs only when they ended longer ago than that; "
    "--keep does not count them then.",
)
@click.option("--dry-run", is_flag=True, help="Count what would be deleted and delete nothing.")
@placed(_DOCUMENT)  # fmt: skip
def prune_command(**options: Any) -> None:
    """Delete ended runs with their logs, a few at a time, beside running workers.

    \b
    abreast prune --older-than 30d --failed-older-than 90d
    abreast prune --keep 1000 --dry-run
    """
    from .care import prune

    leave(prune(where(options), **options))


@click.command("check")
@placed("Print the problems as one JSON document.")
def check_command(**options: Any) -> None:
    """Prove that the store is sound. Prints what is wrong, a line each, and exits 1 then."""
    from .care import check

    leave(check(where(options), **options))


COMMANDS = [backup_command, restore_command, prune_command, check_command]
