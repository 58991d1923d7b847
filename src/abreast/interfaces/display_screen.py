"""How the live display looks: one row per running run, a bar and the figures. Needs rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .display_live import counts_text, elapsed, row_texts
from .report_text import for_encoding

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from .display_live import LiveView

_BAR = 20  # columns
_NARROW = 60  # columns; below that a row has no bar


def _bar(total: float, done: float, width: int | None = None) -> ProgressBar:
    return ProgressBar(total, done, width, complete_style="cyan", finished_style="green")


class Screen:
    """Rendered anew at every refresh, and as high as the terminal allows."""

    def __init__(self, view: LiveView) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = max(1, console.size.height - 4)
        running = list(self._view.running)
        shown = running if len(running) <= rows else running[: rows - 1]
        narrow = options.max_width < _NARROW
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=options.max_width // 2)
        table.add_column(justify="right", no_wrap=True, min_width=8)
        if not narrow:
            table.add_column(width=_BAR)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for run in shown:
            label, elapsed, message, fraction = row_texts(self._view, run)
            icon = self._fit(self._view.icons["running"], options)
            cells: list[Text | ProgressBar] = [
                Text(icon, style="cyan"),
                Text(self._fit(label, options)),
                Text(elapsed),
            ]
            if not narrow:
                cells.append(Text("") if fraction is None else _bar(1.0, fraction, width=_BAR))
            elif fraction is not None:
                message = f"{fraction:.0%} {message}"
            table.add_row(*cells, Text(self._fit(message, options), style="dim"))
        yield table
        if len(shown) < len(running):
            yield Text(self._fit(f"… and {len(running) - len(shown):,} more", options), style="dim")
        yield self._overall(options)
        yield Text(
            self._fit(counts_text(self._view, short=narrow), options),
            style="bold",
            no_wrap=True,
            overflow="ellipsis",
        )

    def _overall(self, options: ConsoleOptions) -> Table:
        view = self._view
        ended = sum(view.counts.values())
        passed = elapsed(view.now - (view.began or view.now))
        left = view.left
        times = passed
        if ended < view.total:
            times += f", {'–' if left is None else f'about {elapsed(left)}'} left"
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True, justify="right")
        bar.add_row(
            _bar(max(1, view.total), min(ended, view.total)), Text(self._fit(times, options))
        )
        return bar

    @staticmethod
    def _fit(text: str, options: ConsoleOptions) -> str:
        return for_encoding(text, options.encoding)
