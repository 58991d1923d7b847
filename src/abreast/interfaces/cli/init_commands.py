"""``abreast init``: its options. The work is imported when it is needed."""

from __future__ import annotations

from typing import Any

import click

from .options import leave


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path())
def init_command(**options: Any) -> None:
    """Write a folder that 'abreast serve' can work with: abreast.toml and two sample tasks.

    Files that are there are kept as they are.

    \b
    abreast init jobs && cd jobs && abreast serve
    """
    from .init import init

    leave(init(**options))


COMMANDS = [init_command]
