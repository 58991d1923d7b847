"""How Sphinx builds these pages: `make docs`. Warnings are errors; nothing is fetched."""

import tomllib
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer

_project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))

project = "abreast"
author = copyright = "The abreast authors"
version = release = _project["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = False
# docstrings name types in plain words, some of which several attributes have as their name
suppress_warnings = ["ref.python"]

myst_heading_anchors = 3
napoleon_google_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "undoc-members": False}

html_theme = "furo"
html_title = f"abreast {version}"
html_show_sourcelink = False


def setup(app: Any) -> None:
    """Show diagrams as their source: drawing them would need a script from elsewhere."""
    app.add_lexer("mermaid", TextLexer)
