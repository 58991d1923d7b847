"""``abreast import crontab`` and ``abreast import cronpilot``."""

from __future__ import annotations

import os
import shlex
import sys

from ...errors import UsageError
from ..importing.found import Found, as_toml, put
from .exits import OK, NotFound
from .out import line, note

_SYSTEM = ("/etc/crontab", "/etc/cron.d/")


def crontab(path: str, into: str | None, system: bool) -> int:
    """Carry out ``abreast import crontab``; returns the exit code."""
    from ..importing.crontab import read_crontab

    text = _text(path)
    source = "standard input" if path == "-" else os.path.abspath(path)
    found = read_crontab(text, source, system=system or source.startswith(_SYSTEM))
    if not found.tasks:
        raise UsageError(_with_notes(found, f"{source} has no line that starts a command"))
    if into is None:
        sys.stdout.write(as_toml(found))
        _say_notes(found)
        return OK
    _say_written(found, into)
    line("  take these lines out of the crontab (crontab -e), or both start them")
    line("  abreast serve")
    return OK


def cronpilot(path: str, tasks: str | None, into: str) -> int:
    """Carry out ``abreast import cronpilot``; returns the exit code."""
    from ..importing.cronpilot import read_cronpilot

    if not os.path.isfile(path):
        raise NotFound(f"there is no file {path}")
    found = read_cronpilot(path, tasks)
    _say_written(found, into)
    line("  stop the CronPilot, or both start the same tasks")
    line("  abreast serve")
    return OK


def _text(path: str) -> str:
    if path == "-":
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; name one of its files") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _with_notes(found: Found, said: str) -> str:
    return "\n".join([said, *(f"  {text}" for text in found.notes)])


def _say_notes(found: Found) -> None:
    for text in found.notes:
        note(text)


def _say_written(found: Found, into: str) -> None:
    written = put(found, into)
    for path in written:
        line(f"wrote  {os.path.relpath(path) if not os.path.isabs(into) else path}")
    _say_notes(found)
    scheduled = sum("schedule" in task.keys for task in found.tasks)
    count = len(found.tasks)
    tasks = f"{count} task{'' if count == 1 else 's'}"
    line(f"{tasks} in abreast.toml, {scheduled} of them with a schedule.")
    line()
    line("Next:")
    line(f"  cd {shlex.quote(into)}")
    line("  abreast config check")
