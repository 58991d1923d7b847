"""Print the requirements of groups in pyproject.toml, one a line, for ``pip install -r``.

Usage: ``python scripts/requirements.py GROUP...``
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def requirements(groups: dict[str, Any], names: list[str]) -> list[str]:
    """Return what the named groups list, included groups followed, each line once."""
    found: dict[str, None] = {}
    for name in names:
        if name not in groups:
            raise SystemExit(f"no group {name!r} in pyproject.toml; there are {sorted(groups)}")
        for entry in groups[name]:
            if isinstance(entry, str):
                found[entry] = None
            else:
                found.update(dict.fromkeys(requirements(groups, [entry["include-group"]])))
    return list(found)


if __name__ == "__main__":
    table = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["dependency-groups"]
    print("\n".join(requirements(table, sys.argv[1:])))
