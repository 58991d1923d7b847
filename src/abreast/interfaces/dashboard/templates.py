"""Template literals in scripts: where they are, so that nothing changes the texts in them.

The minifier knows them, but takes the inner one of two nested ones for code, and its spaces too.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# What can hide a backquote or a brace, or is one; and what matters inside of a template. A slash
# begins a regular expression where no value can stand before it.
_CODE = re.compile(
    r"""//[^\n]*|/\*[\s\S]*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"""
    r"""|(?<=[(,=:\[!&|?{};\n>])[ ]?/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/"""
    r"""|[`{}]"""
)
_TEXT = re.compile(r"\\[\s\S]|`|\$\{")


def templates(script: str) -> list[tuple[int, int]]:
    """Where template literals begin and end; those inside of others are not listed."""
    found: list[tuple[int, int]] = []
    open_: list[str] = []  # backquotes and braces
    start = place = 0
    while True:
        inside = bool(open_) and open_[-1] == "`"
        token = (_TEXT if inside else _CODE).search(script, place)
        if token is None:
            return found
        place = token.end()
        sign = token[0]
        if sign == "`" and inside:
            open_.pop()
            if "`" not in open_:
                found.append((start, place))
        elif sign == "`":
            if "`" not in open_:
                start = token.start()
            open_.append(sign)
        elif sign in ("{", "${"):
            open_.append("{")
        elif sign == "}" and open_:
            open_.pop()


def around_templates(script: str, change: Callable[[str], str]) -> str:
    """Change a script, but not its template literals: ``change`` sees texts in quotes instead."""
    kept: list[str] = []
    parts: list[str] = []
    place = 0
    for start, end in templates(script):
        parts += [script[place:start], f'"\0{len(kept)}\0"']
        kept.append(script[start:end])
        place = end
    changed = change("".join([*parts, script[place:]]))
    return re.sub('"\0(\\d+)\0"', lambda found: kept[int(found[1])], changed)
