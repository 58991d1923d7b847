"""Texts of scripts stay as they are, also those inside of others."""

from __future__ import annotations

import pytest

from abreast.interfaces.dashboard.pages import shortened
from abreast.interfaces.dashboard.templates import templates


@pytest.mark.parametrize(
    ("script", "texts"),
    [
        ("a = `one`;", ["`one`"]),
        ('a = `${b} min${c ? ` ${d} s` : ""} z`;', ['`${b} min${c ? ` ${d} s` : ""} z`']),
        ("a = `${`${`x  y`} `} `; b = ` `", ["`${`${`x  y`} `} `", "` `"]),
        ("a = `\\` ${({ b: `}` }).b} }`; { c = `{`; }", ["`\\` ${({ b: `}` }).b} }`", "`{`"]),
        ("// don`t\n/* ` */ a = '`' + \"`\"; b = /[`/]`/g; c = `d`", ["`d`"]),
        ("a = b / c; d = `e`; f = g / h", ["`e`"]),
        ("a.replace(/`/g, `b`)", ["`b`"]),
    ],
)
def test_where_texts_are(script: str, texts: list[str]) -> None:
    assert [script[start:end] for start, end in templates(script)] == texts
    short = shortened("x.js", script)
    for text in texts:
        assert text in short
