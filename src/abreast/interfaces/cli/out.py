"""What commands print: lines, tables, documents."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any

import click

_COLOURS = {
    "completed": "green", "failed": "red", "cancelled": "magenta", "skipped": "yellow",
    "running": "cyan",
}  # fmt: skip


def line(text: str = "") -> None:
    """Write a line to standard output."""
    from ..report_text import for_encoding

    click.echo(for_encoding(text, getattr(sys.stdout, "encoding", None)))


def note(text: str) -> None:
    """Write a line to standard error."""
    click.echo(text, err=True)  # standard error writes what it cannot show as escapes


def document(value: Any) -> None:
    """Write one JSON document to standard output."""
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=True, default=_plain))


def _plain(value: Any) -> Any:
    """What stands for another run, or was never JSON."""
    from ...domain.model import Run

    return {"$run": value.id} if isinstance(value, Run) else repr(value)


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[str] = (),
    style: Callable[[str, str], str] = lambda head, cell: cell,
) -> list[str]:
    """Return heads and rows as aligned lines; the last column is as wide as it is.

    Parameters
    ----------
    right : collection of str
        Heads of the columns that are aligned to the right.
    style : callable
        Called with head and padded cell; returns the cell as it is written.
    """
    from ..report_text import width

    sizes = [max([width(head), *(width(row[at]) for row in rows)]) for at, head in enumerate(heads)]
    lines = []
    for number, row in enumerate([heads, *rows]):
        cells = []
        for at, cell in enumerate(row):
            pad = " " * (sizes[at] - width(cell))
            if heads[at] in right:
                cell = pad + cell
            elif at + 1 < len(heads):
                cell += pad
            cells.append(style(heads[at], cell) if number else cell)
        lines.append("  ".join(cells).rstrip())
    return lines


def state_colours(head: str, cell: str) -> str:
    """Colour the column of states, on a terminal that wants it; for :func:`table`."""
    if head != "STATE" or not colourful():
        return cell
    colour = _COLOURS.get(cell.partition("(")[0].strip())
    return click.style(cell, fg=colour) if colour else cell


def colourful() -> bool:
    """Whether standard output should be coloured."""
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return on_terminal() and not dumb and not os.environ.get("NO_COLOR")


def on_terminal() -> bool:
    """Whether a person looks at standard output."""
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False
