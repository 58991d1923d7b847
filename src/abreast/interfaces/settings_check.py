"""Values of a configuration, checked: each names where it stands and what was expected.

A check is a function of the place of a value and the value; it returns what the program works
with, or raises :class:`abreast.errors.UsageError`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..domain.policy import amount, seconds
from ..errors import UsageError

Check = Callable[["Place", Any], Any]


class Place(NamedTuple):
    """Where a value stands, for people and for what is relative to it."""

    source: str  # a file, a variable, an option
    section: str = ""  # as in [section]
    key: str = ""
    folder: str = ""  # what relative paths are relative to

    def at(self, key: str) -> Place:
        """The place of a key of this section."""
        return self._replace(key=key)

    def within(self, name: str) -> Place:
        """The place of a section of this section."""
        above = f"{self.section}." if self.section else ""
        return self._replace(section=f"{above}{toml_key(name)}", key="")

    def __str__(self) -> str:
        if not self.key:
            return f"{self.source}: [{self.section}]" if self.section else self.source
        where = f" in [{self.section}]" if self.section else ""
        return f"{self.source}: {self.key}{where}"

    def wrong(self, expected: str, value: Any) -> UsageError:
        """The error of a value that is not as expected."""
        return UsageError(f"{self} must be {expected}, not {value!r}")

    def path(self, value: str) -> str:
        """A path as an absolute one; ``~`` and ``$VARIABLES`` stand for what they say."""
        plain = os.path.expanduser(os.path.expandvars(value))
        return os.path.normpath(os.path.join(self.folder or os.getcwd(), plain))


class Key(NamedTuple):
    """What a configuration may say under one key."""

    check: Check
    kind: str  # for people
    default: Any = None
    secret: bool = False
    spoken: Callable[[str], Any] = str  # from the text of a variable to what a file would say


def toml_key(name: str) -> str:
    """A name as a key of TOML, in quotes where that needs them."""
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isascii() and bare.isalnum() else toml_text(name)


def toml_text(value: str) -> str:
    """A text as TOML writes it in double quotes."""
    import json

    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def near(word: str, known: Iterable[str], form: str = "{!r}") -> str:
    """A hint at what may have been meant by an unknown word."""
    names = sorted(known)
    found = difflib.get_close_matches(word, names, n=1)
    if found:
        return f"did you mean {form.format(found[0])}?"
    return f"known: {', '.join(form.format(name) for name in names)}"


def check_known(table: Mapping[str, Any], known: Iterable[str], place: Place) -> None:
    """Refuse keys that mean nothing, with a hint at what may have been meant."""
    names = set(known)
    for key in table:
        if key not in names:
            raise UsageError(
                f"{place.source}: unknown key in [{place.section}]: {key!r}; {near(key, names)}"
            )


def table_of(value: Any, place: Place) -> dict[str, Any]:
    """A section of the file."""
    if not isinstance(value, dict):
        raise UsageError(
            f"{place.source}: {place.section!r} must be a section, [{place.section}], with keys"
        )
    return value


def checked(table: Mapping[str, Any], keys: Mapping[str, Key], place: Place) -> dict[str, Any]:
    """Return what a section says, every value checked; only what it says."""
    check_known(table, keys, place)
    return {key: keys[key].check(place.at(key), value) for key, value in table.items()}


# -- from the text of a variable --------------------------------------------------------------


def spoken_flag(said: str) -> Any:
    """True or false as people write it into a variable."""
    words = {"1": True, "true": True, "yes": True, "on": True,
             "0": False, "false": False, "no": False, "off": False}  # fmt: skip
    return words.get(said.strip().lower(), said)


def spoken_number(said: str) -> Any:
    """A whole number; anything else stays text."""
    plain = said.strip()
    return int(plain) if plain.isascii() and plain.isdecimal() else said


def spoken_list(said: str) -> list[str]:
    """Texts between commas."""
    return [item.strip() for item in said.split(",") if item.strip()]


# -- checks -----------------------------------------------------------------------------------


def text(place: Place, value: Any) -> str:
    """A text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise place.wrong("a text", value)
    return value


def flag(place: Place, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise place.wrong("true or false", value)
    return value


def whole(least: int = 0, most: int | None = None) -> Check:
    """A whole number of at least this many."""
    expected = f"a whole number of {least} or more"
    if most is not None:
        expected = f"a whole number from {least} to {most}"

    def check(place: Place, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise place.wrong(expected, value)
        if most is not None and value > most:
            raise place.wrong(expected, value)
        return value

    return check


def number(place: Place, value: Any) -> float:
    """Any number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise place.wrong("a number", value)
    return float(value)


def duration(place: Place, value: Any) -> float:
    """Seconds: a number, or text such as "30s", "10m"; 0 or more."""
    try:
        return seconds(value)
    except UsageError:
        raise place.wrong("a duration such as '30s', '10m' or 90 (seconds)", value) from None


def some_time(place: Place, value: Any) -> float:
    """A duration of more than nothing."""
    found = duration(place, value)
    if not found:
        raise place.wrong("a duration of more than 0, such as '30s' or '10m'", value)
    return found


def texts(place: Place, value: Any) -> tuple[str, ...]:
    """One text or a list of these."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(i, str) and i for i in items):
        raise place.wrong("a text or a list of texts", value)
    return tuple(items)


def variables(place: Place, value: Any) -> dict[str, str]:
    """Names with texts: a table. Numbers and true/false are written out."""
    if not isinstance(value, dict):
        raise place.wrong('a table of texts such as { NAME = "value" }', value)
    found = {}
    for name, item in value.items():
        if isinstance(item, bool):
            item = "true" if item else "false"
        if not isinstance(item, str | int | float) or not name or "=" in name or "\0" in str(item):
            raise place._replace(key=f"{place.key}.{toml_key(name)}").wrong("a text", item)
        found[name] = str(item)
    return found


def amounts(place: Place, value: Any) -> dict[str, float]:
    """Names with amounts such as 2 or "2GB"."""
    if not isinstance(value, dict):
        raise place.wrong('a table of amounts such as { cpu = 1, memory = "2GB" }', value)
    found = {}
    for name, item in value.items():
        try:
            found[name] = amount(item)
        except UsageError:
            inner = place._replace(key=f"{place.key}.{toml_key(name)}")
            raise inner.wrong("an amount such as 2 or '2GB'", item) from None
    return found


def choice(*words: str) -> Check:
    """One of these words."""
    listed = ", ".join(map(repr, words[:-1])) + f" or {words[-1]!r}" if words[1:] else repr(*words)

    def check(place: Place, value: Any) -> str:
        if value not in words or not isinstance(value, str):
            hint = difflib.get_close_matches(value, words, n=1) if isinstance(value, str) else []
            meant = f"; did you mean {hint[0]!r}?" if hint else ""
            raise UsageError(f"{place.wrong(listed, value)}{meant}")
        return value

    return check


def command(place: Place, value: Any) -> str | tuple[str, ...]:
    """A line for the shell, or a program and its arguments as a list."""
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(w, str) for w in value):
        return tuple(value)
    raise place.wrong(
        "a line for the shell or a list of words such as ['gzip', '-k', 'a.csv']", value
    )


def path(place: Place, value: Any) -> str:
    """A path, made absolute."""
    return place.path(text(place, value))


def zone(place: Place, value: Any) -> str:
    """A time zone by its IANA name."""
    from ..domain.zones import zone_of

    name = text(place, value)
    try:
        zone_of(name)
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None
    return name
