"""``abreast serve`` and ``abreast once``: their options."""

from __future__ import annotations

from typing import Any

import click

from .options import CountOrAuto, DurationType, leave

_FOLDER = click.argument("folder", metavar="[DIR]", required=False, default=".")
_SHARED = (
    click.option("--config", metavar="FILE", help="Read this instead of the nearest abreast.toml."),
    click.option("--app", metavar="MODULE:APP", help="Serve the tasks of this app, too."),
    click.option("--store", metavar="URL", help="Where runs are kept, as sqlite:///jobs.db."),
    click.option("-j", "--max-workers", "--concurrency", "--max-concurrent", "max_workers",
                 metavar="N", type=CountOrAuto(),
                 help="How many runs at once (10); auto follows the load of the machine."),
)  # fmt: skip


def _shared(command: Any) -> Any:
    for option in reversed(_SHARED):
        command = option(command)
    return command


@click.command("serve")
@_FOLDER
@_shared
@click.option(
    "--listen",
    metavar="HOST:PORT",
    multiple=True,
    help="Where to listen (127.0.0.1:7000); may be given several times. Port 0: any free one.",
)
@click.option(
    "--drain",
    metavar="S",
    type=DurationType("0"),
    help="What running runs get to end when the service is stopped (30).",
)
@click.option(
    "--ready-file",
    metavar="FILE",
    help="Write address and login link there, as JSON, when it is ready.",
)
@click.option("--for", "for_s", metavar="S", type=DurationType(), help="Stop by itself after that.")
def serve_command(**options: Any) -> None:
    """Run the tasks of a folder: by hand, by the clock, over HTTP.

    Serves DIR/tasks/*.py, the [tasks] of abreast.toml and the app it names. Ctrl-C or SIGTERM:
    nothing more is started, running runs get --drain seconds, what is left then is stopped and
    queued again; a second one stops at once. SIGHUP reads the configuration again.

    \b
    abreast init mytasks && abreast serve mytasks
    abreast serve --listen 0.0.0.0:7000 --max-workers 5
    abreast serve --app shop.jobs:app
    """
    from .serve import serve

    leave(serve(**options))


@click.command("once")
@_FOLDER
@_shared
@click.option("-q", "--quiet", is_flag=True, help="Print nothing unless a run fails.")
def once_command(**options: Any) -> None:
    """Do what is due now, then leave: for cron, where no service runs.

    Makes the runs of schedules that are due, executes all that waits, and ends. Leaves at once when
    another one is at it.

    \b
    * * * * *  abreast once -q /srv/jobs
    """
    from .serve import once

    leave(once(**options))


COMMANDS = [serve_command, once_command]
