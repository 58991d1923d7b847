"""The lines of a crontab: what each one says, before anything is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_SETTING = re.compile(r"""\s*(["']?)([A-Za-z_][A-Za-z0-9_-]*)\1\s*=\s*(.*?)\s*""")
_MACRO = re.compile(r"\s*-?(@\w+)\s+(.*)")
_FIELDS = re.compile(r"\s*-?((?:[^\s#@]\S*\s+){4}\S+)\s+(.*)")
_FIELD = re.compile(r"[\d*,/~LW#?H()A-Za-z-]+")
_STARS = re.compile(r"[\d*]")


class Setting(NamedTuple):
    """``NAME = value``."""

    line: int
    name: str
    value: str


class Remark(NamedTuple):
    """A comment without its ``#``; ``entry``: it is an entry that was switched off."""

    line: int
    text: str
    entry: bool


class Entry(NamedTuple):
    """When to start what. ``rest``: everything after the time, as it stands there."""

    line: int
    when: str
    rest: str


class Blank(NamedTuple):
    """An empty line, which ends a comment."""

    line: int


class Unknown(NamedTuple):
    """A line that cron would refuse, too."""

    line: int
    text: str


Line = Setting | Remark | Entry | Blank | Unknown


def read_lines(text: str) -> Iterator[Line]:
    """Tell what every line of a crontab is."""
    for number, raw in enumerate(text.replace("\0", "").split("\n"), 1):
        line = raw.strip()
        if not line:
            yield Blank(number)
        elif line.startswith("#"):
            said = line.lstrip("#").strip()
            yield Remark(number, said, _entry(number, said) is not None)
        elif match := _SETTING.fullmatch(line):
            yield Setting(number, match[2], _unquoted(match[3]))
        else:
            yield _entry(number, line) or Unknown(number, line)


def _entry(number: int, line: str) -> Entry | None:
    if match := _MACRO.fullmatch(line):
        return Entry(number, match[1].lower(), match[2].strip())
    match = _FIELDS.fullmatch(line)
    if match is None:
        return None
    fields = match[1].split()
    plain = all(_FIELD.fullmatch(field) for field in fields)
    if not plain or not all(_STARS.match(field) for field in fields[:2]):
        return None
    return Entry(number, " ".join(fields), match[2].strip())


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def split_percent(rest: str) -> tuple[str, str | None]:
    """Split a command at its first ``%``: what is executed, and what it reads.

    As cron has it, further ``%`` are ends of lines, and ``\\%`` is a plain ``%``.
    """
    parts = [part.replace("\\%", "%") for part in re.split(r"(?<!\\)%", rest)]
    if len(parts) == 1:
        return parts[0].strip(), None
    return parts[0].strip(), "\n".join(parts[1:])
