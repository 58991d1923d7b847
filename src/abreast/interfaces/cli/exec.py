"""``abreast exec -- CMD {} ::: a b c``: a command once per argument."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from ...domain.command import Command
from . import fill
from .exits import OK, Refused
from .feeder import Feeder
from .printing import result_of
from .screen import Screen
from .session import Options, Session

if TYPE_CHECKING:
    from ..report import Report
    from ..runner import Runner

_AHEAD = 1000  # arguments read before their turn


def exec_(words: Sequence[str], shell: bool = False, **given: Any) -> int:
    """Carry out the command; returns the exit code."""
    options = Options(**given)
    options.check()
    command, lists = fill.split(words)
    if not command:
        raise click.UsageError(
            "no command is given; for example: abreast exec -- gzip -k {} ::: *.csv"
        )
    for number, values in enumerate(lists, 1):
        if not values:
            which = "" if len(lists) == 1 else f" {number}"
            raise Refused(f"nothing follows ':::'{which}; there is nothing to run the command on")
    template = fill.Template(command, len(lists) or 1, shell)
    arguments = _arguments(lists)
    screen = Screen(only_document=options.as_json)
    if options.dry_run:
        return _show(template, arguments, options, screen)
    runner = options.runner("exec", executor=None)
    makers = _adders(runner, template, arguments, options)
    session = Session(
        runner,
        options,
        screen,
        heads=False,
        feeder=Feeder(makers, max(_AHEAD, 4 * (options.concurrency or 1))),
        needs_reader=True,
    )
    report = session.carry_out()
    if not report and session.signal is None:
        screen.say("There were no arguments, so nothing was run.")
    return session.finish(report, lambda: _document(report))


def _arguments(lists: list[list[str]]) -> Iterator[tuple[str, ...]]:
    if lists:
        return fill.combinations(lists)
    if sys.stdin is None or sys.stdin.isatty():
        raise click.UsageError(
            "no arguments are given: put them after ':::', or one a line on standard input"
        )
    return ((line,) for line in fill.lines_of(sys.stdin.fileno()))


def _adders(
    runner: Runner,
    template: fill.Template,
    arguments: Iterable[tuple[str, ...]],
    options: Options,
) -> Iterator[Callable[[], object]]:
    """Yield what adds one run each."""
    seen: Counter[str] = Counter()
    # A stream takes what is written as it comes; otherwise it is kept until the run has ended.
    capture = options.as_json or options.output == "grouped"
    for number, values in enumerate(arguments, 1):
        label = " ".join(values) or "''"
        while again := seen[label]:
            seen[label] += 1
            label = f"{label} ({again + 1})"
        seen[label] = 1
        filled = template.fill(values, number)
        if template.shell:
            command = Command(shell=filled[0], capture=capture, text=False)
        else:
            command = Command(*filled, capture=capture, text=False)
        yield lambda command=command, label=label: runner.add(command, label=label)  # type: ignore[misc]


def _show(
    template: fill.Template,
    arguments: Iterable[tuple[str, ...]],
    options: Options,
    screen: Screen,
) -> int:
    """Print the commands and start none."""
    lines = (template.shown(values, number) for number, values in enumerate(arguments, 1))
    if options.as_json:
        screen.document(json.dumps({"dry_run": True, "commands": list(lines)}, indent=2))
        return OK
    for line in lines:
        screen.line(line)
    return OK


def _document(report: Report) -> dict[str, Any]:
    """The report, with the output of every command in full."""
    document = report.to_dict()
    for run, entry in zip(report.runs, document["runs"], strict=True):
        result = result_of(run)
        if result is not None:
            entry["result"] = {
                "returncode": result.returncode,
                "stdout": _text(result.stdout),
                "stderr": _text(result.stderr),
            }
    return document


def _text(output: str | bytes | None) -> str | None:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output
