"""Commands about the configuration: their options. The work is imported when it is needed."""

from __future__ import annotations

from typing import Any

import click

from .options import leave

_FOLDER = click.argument("folder", metavar="[DIR]", required=False, type=click.Path())
_CONFIG = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(),
    help="Read this file instead of the nearest abreast.toml (else ABREAST_CONFIG).",
)


@click.group("config")
def config_command() -> None:
    """Show the configuration that counts here, or check it.

    \b
    abreast config show --origin     every key, its value and who says so
    abreast config check             could a service start with it?
    """


@config_command.command("show")
@_FOLDER
@_CONFIG
@click.option("--origin", is_flag=True, help="Say of each value where it comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON document.")
def show_command(**options: Any) -> None:
    """Print every key with its value, as TOML. Secrets are masked.

    \b
    abreast config show
    abreast config show --origin /srv/jobs
    """
    from .config import show

    leave(show(**options))


@config_command.command("check")
@_FOLDER
@_CONFIG
@click.option("-q", "--quiet", is_flag=True, help="Print problems only.")
def check_command(**options: Any) -> None:
    """Check all that a service needs to start, without starting one.

    Keys and values, time zones, schedules, files that are named, addresses to listen on, the
    folder of the store. Prints a line for each problem and exits with 2 then. An app that the
    configuration names is imported.
    """
    from .config import check

    leave(check(**options))


COMMANDS = [config_command]
