"""Values as TOML writes them, for files that people go on editing.

Written here because the libraries that write TOML know no comments and no texts of several lines,
which are what such files are made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any

from ..errors import WrongType
from .settings_check import toml_key, toml_text

_WIDTH = 100


def value(said: Any) -> str:
    """A text, number, true or false, time, list or table as TOML."""
    if isinstance(said, bool):
        return "true" if said else "false"
    if isinstance(said, str):
        return _text(said)
    if isinstance(said, int | float):
        return repr(said)
    if isinstance(said, datetime | date | time):
        return said.isoformat()
    if isinstance(said, Mapping):
        inner = ", ".join(f"{toml_key(str(k))} = {value(v)}" for k, v in said.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(said, Iterable):
        items = [value(item) for item in said]
        line = f"[{', '.join(items)}]"
        if len(line) <= _WIDTH - 20:
            return line
        return "[\n" + "".join(f"    {item},\n" for item in items) + "]"
    raise WrongType(f"{said!r} cannot be written as TOML")


def _text(said: str) -> str:
    shown = all(line.isprintable() for line in said.split("\n"))
    if "\n" in said and "'''" not in said and not said.endswith("'") and shown:
        return f"'''\n{said}'''"
    if ('"' in said or "\\" in said) and "'" not in said and said.isprintable():
        return f"'{said}'"
    return toml_text(said)


def lines(table: Mapping[str, Any]) -> list[str]:
    """The keys of a table, one ``key = value`` each; None is left out."""
    return [f"{toml_key(k)} = {value(v)}" for k, v in table.items() if v is not None]


def comment(said: str) -> list[str]:
    """A text as comments; what comments may not hold becomes ``?``."""
    plain = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in said)
    return [f"# {line}".rstrip() for line in plain.split("\n")] if plain else []
