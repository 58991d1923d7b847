"""Modules of the dashboard as one script: what browsers fetch at once, and what a file for a ticket
has in it.

Nothing is made when abreast is built or released: the modules are read as they are, and what they
import is put before them, each in a scope of its own.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from importlib import resources

_FORM = r'\s*from\s*"(\.{1,2}/[^"]+)";[ \t]*$'
_IMPORT = re.compile(r"^import\s*\{([^}]*)\}" + _FORM, re.MULTILINE)
_IMPORT_ALL = re.compile(r"^import\s*\*\s*as\s+(\w+)" + _FORM, re.MULTILINE)
_IMPORT_LATER = re.compile(r'\bimport\("(\.{1,2}/[^"]+)"\)')
_EXPORT = re.compile(
    r"^export\s+(?=(?:async\s+function|function|class|const)\s+"
    r"(?:(\w+)|\[([^\]=]*)\]\s*=|\{([^}=]*)\}\s*=))",
    re.MULTILINE,
)
_LEFT = re.compile(r"^\s*(?:import|export)\b.*|.*\bimport\s*\(.*", re.MULTILINE)
_LEFT_ALONE = re.compile(r"^\s*(?:import|export)\b.*|.*\bimport\s*[.(].*", re.MULTILINE)


@cache
def module(name: str) -> str:
    """The text of a module, by its path below ``static/js``."""
    file = resources.files(__package__) / "dashboard" / "static" / "js" / name
    return file.read_text(encoding="utf-8")


def bundle(
    entry: str,
    *names: str,
    replaced: tuple[tuple[str, str], ...] = (),
    meta: bool = False,
    shown: tuple[str, ...] = (),
) -> str:
    """Return a module and all it imports as one script; of what the module exports, ``names`` are
    constants in it.

    Modules may write ``import { a, b } from "./x.js";``, ``import * as x from "./x.js";``,
    ``import("./x.js")``, and ``export`` before a function, a class or a constant; the imports must
    not form a circle.

    Parameters
    ----------
    replaced : tuple of pairs
        What stands in the modules, and what is to stand there instead.
    meta : bool
        Whether modules may ask for their address: that of the script, which is a module then.
    shown : tuple of str
        Modules that the script exports, in ``parts``: who imports it meets those that are at work.

    Raises
    ------
    ValueError
        Naming the module and the line that is none of these.
    """
    return _Bundle(replaced, meta).of(entry, names, shown)


class _Bundle:
    """Modules in an order in which each comes after what it imports."""

    def __init__(self, replaced: tuple[tuple[str, str], ...], meta: bool) -> None:
        self._replaced = replaced
        self._left = _LEFT if meta else _LEFT_ALONE
        self._order: list[str] = []

    def of(self, entry: str, names: tuple[str, ...], shown: tuple[str, ...]) -> str:
        """The script."""
        self._visit(entry, [])
        text = "".join(self._wrapped(name) for name in self._order)
        if names:
            text += f"const {{ {', '.join(names)} }} = {self._variable(entry)};\n"
        if shown:
            parts = ", ".join(f'"{name}": {self._variable(name)}' for name in shown)
            text += f"export const parts = {{ {parts} }};\n"
        return text

    def _visit(self, name: str, above: list[str]) -> None:
        if name in above:
            raise ValueError(f"modules import each other: {' → '.join([*above, name])}")
        if name in self._order:
            return
        source = self._source(name)
        for form in (_IMPORT, _IMPORT_ALL):
            for found in form.finditer(source):
                self._visit(_beside(name, found[2]), [*above, name])
        for found in _IMPORT_LATER.finditer(source):
            self._visit(_beside(name, found[1]), [*above, name])
        self._order.append(name)

    def _source(self, name: str) -> str:
        text = module(name)
        for before, after in self._replaced:
            text = text.replace(before, after)
        return text

    def _variable(self, name: str) -> str:
        return f"${self._order.index(name)}"

    def _wrapped(self, name: str) -> str:
        def members(found: re.Match[str]) -> str:
            said = re.sub(r"\s+as\s+", ": ", found[1])
            return f"const {{{said}}} = {self._variable(_beside(name, found[2]))};"

        def whole(found: re.Match[str]) -> str:
            return f"const {found[1]} = {self._variable(_beside(name, found[2]))};"

        def later(found: re.Match[str]) -> str:
            return f"Promise.resolve({self._variable(_beside(name, found[1]))})"

        source = self._source(name)
        exports = [word for found in _EXPORT.finditer(source) for word in _names(found)]
        source = _IMPORT_ALL.sub(whole, _IMPORT.sub(members, source))
        source = _EXPORT.sub("", _IMPORT_LATER.sub(later, source))
        left = self._left.search(_without_comments(source))
        if left:
            raise ValueError(f"{name}: a form of module that is not known here: {left[0].strip()}")
        return (
            f"const {self._variable(name)} = (() => {{\n{source}\n"
            f"return {{ {', '.join(exports)} }};\n}})();\n"
        )


def _beside(name: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def _names(found: re.Match[str]) -> list[str]:
    words = found[1] or found[2] or found[3]
    return [word.split(":")[-1].strip() for word in words.split(",") if word.strip()]


def _without_comments(source: str) -> str:
    return re.sub(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", "", source, flags=re.DOTALL)
