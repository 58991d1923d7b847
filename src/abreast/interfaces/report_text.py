"""Words and numbers as people read them, safe to print whatever a label or an error contains."""

from __future__ import annotations

import traceback
import unicodedata
from typing import IO, TYPE_CHECKING, Any

from ..domain.states import State
from ..errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .run import Run

ICONS = {
    "completed": "✓", "failed": "✕", "cancelled": "■", "skipped": "◇",
    "running": "▶", "pending": "·", "blocked": "·", "scheduled": "↻",
}  # fmt: skip
PLAIN_ICONS = {
    "completed": "+", "failed": "x", "cancelled": "#", "skipped": "-",
    "running": ">", "pending": ".", "blocked": ".", "scheduled": "~",
}  # fmt: skip


def one_line(text: str, most: int = 200) -> str:
    """Return text as one line without control characters, cut at ``most`` characters."""
    if len(text) > 4 * most:
        text = text[: 4 * most]
    if not text.isprintable():
        words = " ".join(text.split())
        text = "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode() for char in words
        )
    return text if len(text) <= most else text[: most - 1] + "…"


def for_encoding(text: str, encoding: str | None) -> str:
    """Return text that a stream of this encoding can hold."""
    name = encoding or "utf-8"
    try:
        text.encode(name)
    except UnicodeEncodeError:
        text = text.replace("…", "...").replace("–", "-").replace("─", "-").replace("·", ".")
        return text.encode(name, "backslashreplace").decode(name)
    except LookupError:
        return text.encode("ascii", "backslashreplace").decode("ascii")
    return text


def speaks_unicode(stream: IO[str]) -> bool:
    """Whether a stream can show the signs used here."""
    try:
        "✓✕■◇▶·↻─…–".encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def width(text: str) -> int:
    """Columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def duration(seconds: float | None) -> str:
    """Return a duration as ``0.42 s``, ``1 min 05 s`` or ``2 h 03 min``; ``–`` for None."""
    if seconds is None:
        return "–"
    seconds = max(0.0, seconds)
    if seconds < 0.000995:
        return f"{seconds * 1000:.2f} ms"
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02} min"


def error_text(error: BaseException | None, most: int = 200) -> str:
    """Return ``Type: message`` on one line, whatever the error's own ``str`` does."""
    if error is None:
        return ""
    name, text = type(error).__name__, said(error)
    return one_line(f"{name}: {text}" if text else name, most)


def said(error: BaseException) -> str:
    """Return the message of an error, also of one that cannot make it."""
    try:
        return str(error)
    except Exception:
        return "(its message could not be made)"


def message(run: Run, most: int = 200) -> str:
    """What a person needs to know about how a run ended, in one line; empty when it completed."""
    if isinstance(run.error, RunError):  # says it all without its type
        return one_line(said(run.error), most)
    return error_text(run.error, most)


def traceback_text(run: Run, most: int = 20_000) -> str:
    """The traceback of a run's error as text, cut in the middle; empty when there is none."""
    try:
        text = run.traceback or ""
    except Exception:
        text = "".join(traceback.format_exception_only(run.error))
    if len(text) > most:
        cut = f"\n… ({len(text) - most:,} characters left out)\n"
        text = text[: most // 2] + cut + text[-most // 2 :]
    return text


def ending(run: Run) -> str:
    """State and reason: ``failed(timeout)``."""
    return f"{run.state}({run.reason})" if run.reason else str(run.state)


def count(number: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def tally(counts: Mapping[State, int]) -> str:
    """``8 completed, 1 failed, 1 skipped``: what there is, ended runs first."""
    order = [State.COMPLETED, State.FAILED, State.CANCELLED, State.SKIPPED,
             State.RUNNING, State.PENDING, State.SCHEDULED, State.BLOCKED]  # fmt: skip
    return ", ".join(f"{counts[state]:,} {state}" for state in order if counts.get(state))


def jsonable(value: Any, most: int = 2000, depth: int = 4) -> Any:
    """Return a value that JSON can hold: as it is where possible, else its shortened ``repr``."""
    if value is None or value is True or value is False:
        return value
    if type(value) is int:
        return value if -(2**63) <= value < 2**64 else short_repr(value, most)
    if type(value) is float:
        return value if value - value == 0 else repr(value)  # infinity is not JSON
    if type(value) is str:
        return value if len(value) <= most else value[: most - 1] + "…"
    if depth and type(value) in (list, tuple) and len(value) <= 100:
        return [jsonable(item, most, depth - 1) for item in value]
    if depth and type(value) is dict and len(value) <= 100 and all(type(k) is str for k in value):
        return {key: jsonable(item, most, depth - 1) for key, item in value.items()}
    return short_repr(value, most)


def short_repr(value: Any, most: int) -> str:
    """``repr`` of at most so many characters, also of objects whose own ``repr`` fails."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
    return text if len(text) <= most else text[: most - 1] + "…"
