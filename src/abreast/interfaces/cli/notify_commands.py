"""Commands about notifications: their options."""

from __future__ import annotations

from typing import Any

import click

from .options import leave

_FOLDER = click.option("--dir", "folder", metavar="DIR", default=".",
                       help="The folder of the service; this one by default.")  # fmt: skip
_CONFIG = click.option("--config", metavar="FILE",
                       help="Read this instead of the nearest abreast.toml.")  # fmt: skip


@click.group("notify")
def notify_command() -> None:
    """Who is told when something happens, and whether that works.

    \b
    abreast notify list          the channels, and what they hear of
    abreast notify test ops      send something through a channel
    """


@notify_command.command("list")
@_FOLDER
@_CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print them as one JSON document.")
def list_command(**options: Any) -> None:
    """List the channels of [notify.channels], and what each hears of. Secrets are not shown."""
    from .notify import list_

    leave(list_(**options))


@notify_command.command("test")
@click.argument("channel", metavar="[CHANNEL]", required=False)
@_FOLDER
@_CONFIG
def test_command(**options: Any) -> None:
    """Send a test through CHANNEL, or through every one. Exits 1 when one did not get through."""
    from .notify import test

    leave(test(**options))


COMMANDS = [notify_command]
