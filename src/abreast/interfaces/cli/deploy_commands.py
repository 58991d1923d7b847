"""Commands that print what starts abreast on a machine: their options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .options import leave

_FOLDER = click.argument("folder", metavar="[DIR]", required=False, default=".")
_CONFIG = click.option("--config", metavar="FILE",
                       help="Read this instead of the nearest abreast.toml.")  # fmt: skip
_OPTIONS = (
    _FOLDER,
    _CONFIG,
    click.option("--user", metavar="NAME", help="As whom it is to run; you by default, the name of "
                 "the service for root."),
    click.option("--name", metavar="NAME", default="abreast", show_default=True,
                 help="What the service is called."),
    click.option("--standard", is_flag=True, help="For the standard installation instead: program "
                 "in /opt/abreast/venv, configuration in /etc/abreast, data in /var/lib/abreast."),
)  # fmt: skip


def _about(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group("systemd")
def systemd_command() -> None:
    """Start abreast with systemd.

    \b
    abreast systemd print /srv/jobs --user jobs
    """


@systemd_command.command("print")
@_about
@click.option("--strict", is_flag=True, help="Also forbid what some programs need: to compile at "
              "run time, to look at the memory of the machine, to change niceness.")  # fmt: skip
@click.option("--writable", metavar="DIR", multiple=True,
              help="A folder that tasks write to; may be given several times.")  # fmt: skip
def systemd_print(**options: Any) -> None:
    """Print a hardened unit that serves DIR with this very installation.

    It reports when it is ready, is restarted when it hangs, and outlives a run that takes all the
    memory.
    """
    from .deploy import systemd

    leave(systemd(**options))


@click.group("supervisor")
def supervisor_command() -> None:
    """Start abreast with supervisor.

    \b
    abreast supervisor print /srv/jobs --user jobs
    """


@supervisor_command.command("print")
@_about
def supervisor_print(**options: Any) -> None:
    """Print a program section that serves DIR with this very installation."""
    from .deploy import supervisor

    leave(supervisor(**options))


@click.group("cron")
def cron_command() -> None:
    """Let cron do the work, where no service can run.

    \b
    abreast cron print /srv/jobs
    """


@cron_command.command("print")
@_about
def cron_print(**options: Any) -> None:
    """Print a crontab that does what is due in DIR, every minute."""
    from .deploy import cron

    leave(cron(**options))


@click.group("docker")
def docker_command() -> None:
    """Put abreast into a container.

    \b
    abreast docker print > Dockerfile
    abreast docker print --compose > compose.yaml
    """


@docker_command.command("print")
@_FOLDER
@_CONFIG
@click.option("--standard", is_flag=True, help="Not for DIR, but for a folder ./etc.")
@click.option("--compose", is_flag=True, help="Print the file for docker compose instead.")
def docker_print(**options: Any) -> None:
    """Print a Dockerfile: no root, data in /data, what DIR holds in /etc/abreast."""
    from .deploy import docker

    leave(docker(**options))


@click.command("health")
@_FOLDER
@_CONFIG
@click.option("--url", metavar="URL", help="Where the service is; by default where the "
              "configuration says that it listens.")  # fmt: skip
@click.option("--ready", is_flag=True, help="Ask whether it can take on work, not only whether it "
              "is alive.")  # fmt: skip
@click.option("--timeout", metavar="S", type=click.FloatRange(min=0.1), default=5.0,
              show_default=True, help="How long to wait for an answer, in seconds.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Say nothing when it is well.")
def health_command(**options: Any) -> None:
    """Ask a running service how it is. Exits 0 when it is well, else 69.

    \b
    abreast health || systemctl restart abreast
    """
    from .health import health

    leave(health(**options))


COMMANDS = [systemd_command, supervisor_command, cron_command, docker_command, health_command]
