"""The program's face: commands and their options. What they do is imported when it is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from ... import __version__
from ...errors import AbreastError
from . import (
    care_commands,
    config_commands,
    deploy_commands,
    import_commands,
    init_commands,
    notify_commands,
    queue_commands,
    schedule_commands,
    serve_commands,
    timeline_commands,
    user_commands,
    worker_commands,
)
from .options import DurationType

SIGNAL = 128  # exit codes above it: ended by a signal

_OUTPUT_FILE = click.Path(dir_okay=False, writable=True)
_SHARED = (
    click.option("-j", "--concurrency", metavar="N", type=click.IntRange(min=1),
                 help="How many runs at once; a sensible number for this machine by default."),
    click.option("--timeout", metavar="S", type=DurationType(),
                 help="Longest time for each run: seconds, or 250ms, 90s, 10m, 1h30m."),
    click.option("--fail-fast", is_flag=True, help="The first failure ends all the rest."),
    click.option("--html", metavar="FILE", type=_OUTPUT_FILE,
                 help="Write the report with its timeline as one HTML file."),
    click.option("--trace", metavar="FILE", type=_OUTPUT_FILE,
                 help="Write trace events, which open in https://ui.perfetto.dev."),
    click.option("--json", "as_json", is_flag=True,
                 help="Print the report as one JSON document on standard output, nothing else."),
    click.option("--dry-run", is_flag=True, help="Print what would run and start nothing."),
    click.option("--output", type=click.Choice(["grouped", "stream"]), default="grouped",
                 show_default=True, help="What runs print: whole when one ends, failures last; "
                 "or line by line as it comes."),
    click.option("--progress", type=click.Choice(["auto", "live", "plain", "none"]),
                 default="auto", show_default=True, help="On standard error: a live display, "
                 "one line per change, or nothing. auto: live on a terminal, else plain."),
)  # fmt: skip


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all commands which run something have."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all completed, 1 a run failed, 2 wrong call, 3 not found, 4 refused by a "
    "limit, 5 time-outs were the only failures, 130 interrupted.",
)
@click.version_option(__version__, "-V", "--version", prog_name="abreast",
                      message="%(prog)s %(version)s")  # fmt: skip
def cli() -> None:
    """Run tasks side by side, and keep abreast of them.

    \b
    abreast demo                                 see it at work, in a few seconds
    abreast run tasks.py                         the @task functions of a file
    abreast exec -j 4 -- gzip -k {} ::: *.csv    a command over many arguments
    abreast init jobs && abreast serve jobs      a folder of tasks: by hand, by the clock, by HTTP
    abreast submit send -a address=a@example.com write down a run of an app's task ...
    abreast worker                               ... and execute what was written down
    """


for _family in (init_commands, serve_commands, config_commands, import_commands, schedule_commands,
                user_commands, notify_commands, queue_commands, timeline_commands, worker_commands,
                care_commands, deploy_commands):  # fmt: skip
    for _command in _family.COMMANDS:
        cli.add_command(_command)


@cli.command("run")
@click.argument("file", metavar="FILE", type=click.Path())
@click.argument("tasks", metavar="[TASK]...", nargs=-1)
@click.option("-a", "--arg", "arguments", metavar="NAME=VALUE", multiple=True,
              help="A value for a parameter of the tasks; may be given several times.")  # fmt: skip
@click.option("--executor", type=click.Choice(["thread", "process"]),
              help="Where tasks execute that do not say it themselves.")  # fmt: skip
@shared
def run_command(**options: Any) -> None:
    """Run the @task functions of FILE as a graph, in the order of their after=.

    With names of tasks it runs these and what they come after. A parameter named like a task it
    comes after gets that task's result; other parameters get their values with -a.

    \b
    abreast run tasks.py
    abreast run tasks.py test docs -j 4 --html report.html
    abreast run tasks.py deploy -a target=staging --timeout 10m
    abreast run tasks.py --dry-run
    """
    from .run import run

    leave(run(**options))


@cli.command("exec", context_settings={"allow_interspersed_args": False})
@click.argument("words", metavar="-- CMD [{}]... [::: ARG...]", nargs=-1, type=click.UNPROCESSED)
@click.option("--shell", is_flag=True,
              help="CMD is a line for the shell; what replaces {} is quoted for it.")  # fmt: skip
@shared
def exec_command(**options: Any) -> None:
    """Run a command once per argument, side by side.

    Arguments follow ':::', or are the lines of standard input. {} stands for the argument and is
    appended when it is not there. Several ':::' lists give all combinations; {1} and {2} are
    then their members. {.} {/} {//} {/.} are the argument without its extension, its base name,
    its folder, its base name without extension; {#} is the number of the run.

    \b
    abreast exec -j 4 -- gzip -k {} ::: *.csv
    ls *.png | abreast exec -- optipng -quiet {}
    abreast exec -- ./train --model {1} --seed {2} ::: small large ::: 1 2 3
    abreast exec --shell -- 'sort {} | uniq -c > {.}.counts' ::: *.txt
    """
    from .exec import exec_

    leave(exec_(**options))


@cli.command("demo")
@click.option("--html", metavar="FILE", type=_OUTPUT_FILE,
              help="Where to write the timeline; a temporary folder by default.")  # fmt: skip
@click.option("--progress", type=click.Choice(["auto", "live", "plain", "none"]), default="auto",
              show_default=True, help="How to show what runs.")  # fmt: skip
@click.option("--serve", is_flag=True, help="Then serve sample tasks over HTTP, until Ctrl-C (for "
              "30 seconds when not on a terminal).")  # fmt: skip
def demo_command(**options: Any) -> None:
    """See it at work: eight real tasks side by side, one of which fails and one hangs.

    Makes its own data in a temporary folder, shows the tasks live, prints the report and writes
    the timeline. Exits 0 when everything went as it was meant to.
    """
    from .demo import demo

    leave(demo(**options))


def leave(code: int) -> None:
    """End the program with an exit code, whatever abandoned threads still do."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            _to_nowhere(stream)
    import threading

    left = any(thread.name.startswith("abreast-") for thread in threading.enumerate())
    if left or code > SIGNAL:
        os._exit(code)  # a task that does not return, or threads it made, would be waited for
    sys.exit(code)


def _to_nowhere(stream: Any) -> None:
    """Nobody reads a stream any more: let the interpreter's last flush not complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError, AttributeError):
        pass


def main() -> None:
    """Entry point of the program."""
    from ...errors import Busy, UnknownRun, UnknownSchedule
    from .exits import BUSY, INTERRUPTED, NOT_FOUND, USAGE

    try:
        code = cli.main(prog_name="abreast", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("abreast: interrupted", err=True)
        code = INTERRUPTED
    except AbreastError as error:
        click.echo(f"Error: {error}", err=True)
        codes = {Busy: BUSY, UnknownRun: NOT_FOUND, UnknownSchedule: NOT_FOUND}
        code = next((codes[kind] for kind in codes if isinstance(error, kind)), USAGE)
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
        code = 0
    leave(code if isinstance(code, int) else 0)
