"""The text of a cron expression: read field by field, refused with the place that is wrong."""

from __future__ import annotations

import difflib
import hashlib
import re
from typing import NamedTuple, NoReturn

from ..errors import UsageError

LONGEST = 256  # characters; what is longer was not written by hand

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
OTHER_ALIASES = ("@reboot", "@every")
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
LAST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Kind(NamedTuple):
    """One of the five fields: what it is called and which numbers it may hold."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    hash_high: int = 0  # H takes a number up to this one


MINUTE = Kind("minute", 0, 59, (), 59)
HOUR = Kind("hour", 0, 23, (), 23)
DAY = Kind("day of month", 1, 31, (), 28)  # H: a day that every month has
MONTH = Kind("month", 1, 12, tuple(MONTHS), 12)
WEEKDAY = Kind("day of week", 0, 7, tuple(WEEKDAYS), 6)
KINDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


class Field(NamedTuple):
    """One field as it was read.

    Attributes
    ----------
    written : str
        As a person wrote it, in capitals.
    values : frozenset of int
        The numbers it names; Sunday is 0.
    special : frozenset of str
        What is no number: ``"L"``, ``"LW"``; ``"5L"``, ``"1#3"`` among weekdays.
    steps : tuple of int
        Every ``/n`` in it.
    text : str
        The same in plain numbers, for cronsim.
    """

    kind: Kind
    written: str
    values: frozenset[int]
    special: frozenset[str]
    steps: tuple[int, ...]
    text: str

    @property
    def starred(self) -> bool:
        """Whether it starts with ``*``, which decides how it takes clock changes and days."""
        return self.written.startswith("*")

    @property
    def every(self) -> bool:
        """Whether it leaves nothing out."""
        return len(self.values) == self.kind.high - self.kind.low + (self.kind is not WEEKDAY)


class Expression(NamedTuple):
    """A cron expression that was read: its fields, and what a person should know about it."""

    fields: tuple[Field, ...]
    notes: tuple[str, ...]

    @property
    def minute(self) -> Field:
        """The first field."""
        return self.fields[0]

    @property
    def hour(self) -> Field:
        """The second."""
        return self.fields[1]

    @property
    def day(self) -> Field:
        """The third: days of the month."""
        return self.fields[2]

    @property
    def month(self) -> Field:
        """The fourth."""
        return self.fields[3]

    @property
    def weekday(self) -> Field:
        """The fifth: days of the week."""
        return self.fields[4]

    @property
    def text(self) -> str:
        """Five fields in plain numbers."""
        return " ".join(field.text for field in self.fields)

    @property
    def fixed(self) -> bool:
        """Whether it names times of a clock; else it follows the time that really passes."""
        return not (self.minute.starred or self.hour.starred)


def refuse(whole: str, problem: str, start: int, length: int = 1) -> NoReturn:
    """Raise UsageError with the text and a line that points at the part that is wrong."""
    shown = "".join(char if char.isprintable() else " " for char in whole)
    marks = " " * start + "^" * max(1, length)
    raise UsageError(f"schedule {shown.strip()!r}: {problem}\n  {shown}\n  {marks}")


def read(whole: str, name: str = "") -> Expression:
    """Read a cron expression of five fields, or an alias such as ``@daily``.

    Parameters
    ----------
    whole : str
        What a person wrote.
    name : str
        The name that ``H`` is worked out from.

    Raises
    ------
    UsageError
        Naming the field, with a caret under the part that cannot be used.
    """
    words = [(match.start(), match[0]) for match in re.finditer(r"\S+", whole)]
    notes: list[str] = []
    if words and words[0][1].startswith("@"):
        whole = _alias(whole, words)
        words = [(match.start(), match[0]) for match in re.finditer(r"\S+", whole)]
    if len(words) == 6 and words[0][1].strip("0") == "":
        notes.append("the first of its six fields, second 0, is left out: there are five")
        del words[0]
    if len(words) != 5:
        _miscounted(whole, words, name)
    fields = tuple(
        _Reader(whole, start, word, kind, name).field()
        for (start, word), kind in zip(words, KINDS, strict=True)
    )
    expression = Expression(fields, tuple(notes))
    _check_days(whole, words, expression)
    return expression


def _alias(whole: str, words: list[tuple[int, str]]) -> str:
    start, word = words[0]
    text = ALIASES.get(word.lower())
    known = [*ALIASES, *OTHER_ALIASES]
    if text is None:
        near = difflib.get_close_matches(word.lower(), known, n=1)
        hint = f"did you mean {near[0]}?" if near else "there are " + ", ".join(known)
        refuse(whole, f"there is no {word}; {hint}", start, len(word))
    if len(words) > 1:
        start, more = words[1]
        refuse(whole, f"nothing can follow {word}", start, len(more))
    return text


def _miscounted(whole: str, words: list[tuple[int, str]], name: str) -> NoReturn:
    """Say what to do about a text that does not have five fields."""
    first, word = words[0]
    if re.match(r"(CRON_)?TZ=", word, re.IGNORECASE):
        zone = word.partition("=")[2]
        refuse(whole, f"give the zone beside it, as timezone={zone!r}", first, len(word))
    if len(words) < 5:
        if f"@{word.lower()}" in ALIASES and len(words) == 1:
            refuse(whole, f"did you mean @{word.lower()}?", first, len(word))
        wanted = "minute, hour, day of month, month, day of week"
        refuse(whole, f"cron needs five fields ({wanted}), and here are {len(words)}",
               len(whole.rstrip()) + 1)  # fmt: skip
    try:
        read(" ".join(part for _, part in words[:5]), name)
        five = True
    except UsageError:
        five = False
    start, rest = words[5]
    if five and not re.fullmatch(r"[\d*/,\-?#L]+|[A-Za-z]{3}([-,#].+)?", rest):
        refuse(whole, "a schedule has five fields; the command does not belong in it",
               start, len(whole.rstrip()) - start)  # fmt: skip
    if len(words) > 6:
        refuse(whole, f"a schedule has five fields, and here are {len(words)}",
               start, len(whole.rstrip()) - start)  # fmt: skip
    left = " ".join(part for _, part in words[1:])
    refuse(
        whole,
        "six fields begin with seconds, and schedules have none: leave the first out "
        f"({left!r}), or write an interval such as 'every 10s'",
        first, len(word),
    )  # fmt: skip


def _check_days(whole: str, words: list[tuple[int, str]], found: Expression) -> None:
    """Refuse a day that none of the months has."""
    either = not (found.day.starred or found.weekday.starred)
    if found.day.special or either or not found.day.values:
        return
    last = max(LAST_DAYS[month - 1] for month in found.month.values)
    if min(found.day.values) > last:
        start, word = words[2]
        refuse(whole, f"day of month {word} never comes in month {words[3][1]}", start, len(word))


class _Reader:
    """Reads one field of an expression."""

    def __init__(self, whole: str, start: int, word: str, kind: Kind, name: str) -> None:
        self.whole, self.start, self.word = whole, start, word
        self.kind, self.name = kind, name
        self.item, self.at = word, start

    def field(self) -> Field:
        """Return the field."""
        values: set[int] = set()
        special: set[str] = set()
        steps: list[int] = []
        texts = []
        at = self.start
        for item in self.word.upper().split(","):
            self.item, self.at = item, at
            at += len(item) + 1
            found = self._special()
            if found is not None:
                special.add(found)
                texts.append(found)
                continue
            numbers, step = self._numbers()
            values.update(numbers)
            if step is not None:
                steps.append(step)
            texts.append(item if item[0] == "*" else ",".join(map(str, numbers)))
        if self.kind is WEEKDAY:
            values = {value % 7 for value in values}
        return Field(self.kind, self.word.upper(), frozenset(values), frozenset(special),
                     tuple(steps), ",".join(texts))  # fmt: skip

    def fail(self, problem: str, part: str | None = None) -> NoReturn:
        """Refuse the item, or a part of it."""
        offset = 0 if part is None else max(0, self.item.find(part))
        length = len(self.item if part is None else part)
        refuse(self.whole, f"{self.kind.name} {problem}", self.at + offset, length)

    def _special(self) -> str | None:
        """What is not a number: the last day, the last or the nth of a weekday."""
        item, kind = self.item, self.kind
        if not item:
            self.fail("has an empty place in its list")
        if "?" in item:
            self.fail("cannot be '?'; write * for every one")
        if kind is DAY:
            if item in ("L", "LW"):
                return item
            if item.startswith(("L-", "L/")):
                self.fail(f"{item}: only L (the last day) and LW (the last weekday) can be used")
            if re.fullmatch(r"\d+W", item):
                self.fail(
                    f"{item}: the weekday nearest to a day cannot be named; LW is the last "
                    "weekday of the month, and a list such as 14-16 with a check in the task "
                    "does the rest"
                )
        if kind is WEEKDAY:
            if match := re.fullmatch(r"(\w+)#(\w*)", item):
                if match[2] not in ("1", "2", "3", "4", "5"):
                    self.fail(f"{item}: after # comes a number from 1 to 5", "#" + match[2])
                return f"{self._number(match[1])}#{match[2]}"
            if match := re.fullmatch(r"(\w+)L", item):
                return f"{self._number(match[1])}L"
            if item == "L":
                self.fail("L needs a day before it: 5L is the last Friday of the month")
        elif "#" in item:
            self.fail("knows no #; it belongs to the day of week, as in MON#2")
        return None

    def _numbers(self) -> tuple[list[int], int | None]:
        """The numbers of ``5``, ``1-5``, ``*/2``, ``10-50/20``, ``H`` …, and the step."""
        term, slash, step_text = self.item.partition("/")
        step = 1
        if slash:
            if not (step_text.isascii() and step_text.isdecimal()) or int(step_text) == 0:
                self.fail(f"{self.item}: after / comes a number of 1 or more", "/" + step_text)
            step = int(step_text)
        low, high = self._range(term, bool(slash), step)
        return list(range(low, high + 1, step)), step if slash else None

    def _range(self, term: str, stepped: bool, step: int) -> tuple[int, int]:
        kind = self.kind
        if term == "*":
            return kind.low, kind.high
        if match := re.fullmatch(r"H(?:\((\w+)-(\w+)\))?", term):
            low, high = kind.low, kind.high if stepped else kind.hash_high
            if match[1]:
                low, high = self._number(match[1]), self._number(match[2])
                if high < low:
                    self.fail(f"{self.item}: the range ends before it begins", term)
            most = min(step, high - low + 1) if stepped else high - low + 1
            start = low + self._hash() % most
            return start, high if stepped else start
        first, dash, last = term.partition("-")
        low = self._number(first)
        if not dash:
            return low, kind.high if stepped else low
        high = self._number(last)
        if kind is WEEKDAY and last == "SUN" and low > 0:
            self.fail(f"{term}: SUN is 0 and cannot end a range; write {first}-7", term)
        if high < low:
            top = kind.high - (kind is WEEKDAY)
            one = str(kind.low) if high == kind.low else f"{kind.low}-{high}"
            two = str(top) if low == top else f"{low}-{top}"
            self.fail(f"{term}: the range ends before it begins; write {two},{one}", term)
        return low, high

    def _hash(self) -> int:
        """A number that is always the same for a name and a field."""
        digest = hashlib.sha256(f"{self.kind.name}\0{self.name}".encode()).digest()
        return int.from_bytes(digest[:8])

    def _number(self, text: str) -> int:
        kind = self.kind
        if text in kind.names:
            return kind.names.index(text) + kind.low
        if text.isascii() and text.isdecimal():
            if len(text) <= 4 and kind.low <= int(text) <= kind.high:
                return int(text)
            self.fail(f"{text} is not between {kind.low} and {kind.high}", text)
        wanted = f"a number from {kind.low} to {kind.high}"
        if kind.names:
            wanted += f" or a name such as {kind.names[1]}"
            near = difflib.get_close_matches(text[:3], kind.names, n=1)
            if near and len(text) > 1:
                wanted += f"; did you mean {near[0]}?"
        if not text:
            self.fail(f"{self.item}: something is missing; a range is written like 1-5")
        self.fail(f"{text!r} is not {wanted}", text)
