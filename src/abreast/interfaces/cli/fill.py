"""What ``{}`` stands for: from the words of a command and its arguments to commands."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from .exits import Refused

_SIGN = re.compile(r"\{(\d+|#|)(\.|//|/\.|/|)\}")
SEPARATOR = ":::"


def split(words: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return the words of the command and the lists that follow ``:::``."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == SEPARATOR:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts[0], parts[1:]


def combinations(lists: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Yield all combinations, the last list turning fastest."""
    yield from product(*lists)


class Template:
    """The command before anything is filled in.

    Parameters
    ----------
    words : sequence of str
        Program and arguments, or with ``shell`` the parts of a line.
    lists : int
        How many arguments there will be each time.
    shell : bool
        Join to a line for the shell, with every value quoted.
    """

    def __init__(self, words: Sequence[str], lists: int, shell: bool) -> None:
        self.words = list(words)
        self.shell = shell
        signs = [match for word in words for match in _SIGN.finditer(word)]
        for match in signs:
            if match[1].isdigit() and not 1 <= int(match[1]) <= lists:
                there = "one list" if lists == 1 else f"{lists} lists"
                raise Refused(f"{match[0]}: there is no such list of arguments, only {there}")
        if not any(match[1] != "#" for match in signs):
            self.words.append("{}")

    def fill(self, values: Sequence[str], number: int) -> list[str]:
        """Return the words with the values in place; with ``shell`` one word, the line."""
        if self.shell:
            line = " ".join(self.words)
            return [_SIGN.sub(lambda match: _quoted(_values(match, values, number)), line)]
        filled: list[str] = []
        for word in self.words:
            whole = _SIGN.fullmatch(word)
            if whole is not None:  # several lists: several words
                filled += _values(whole, values, number)
            else:
                filled.append(
                    _SIGN.sub(lambda match: " ".join(_values(match, values, number)), word)
                )
        return filled

    def shown(self, values: Sequence[str], number: int) -> str:
        """Return the command as one would type it."""
        filled = self.fill(values, number)
        return filled[0] if self.shell else shlex.join(filled)


def _values(match: re.Match[str], values: Sequence[str], number: int) -> list[str]:
    which, part = match[1], match[2]
    if which == "#":
        return [str(number)]
    chosen = [values[int(which) - 1]] if which else list(values)
    return [_part(value, part) for value in chosen]


def _part(value: str, part: str) -> str:
    if part == "/":
        return os.path.basename(value)
    if part == "//":
        return os.path.dirname(value) or "."
    if part == "/.":
        return os.path.splitext(os.path.basename(value))[0]
    return os.path.splitext(value)[0] if part == "." else value


def _quoted(values: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, values))


def lines_of(descriptor: int) -> Iterator[str]:
    """Yield the lines of a stream without their line breaks, as they come; blank ones are left out.

    Reads the descriptor itself, so that a thread which waits for it holds nothing.
    """
    rest = b""
    while data := os.read(descriptor, 1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield from _line(line)
    yield from _line(rest)


def _line(line: bytes) -> Iterator[str]:
    text = os.fsdecode(line.removesuffix(b"\r"))
    if text:
        yield text
