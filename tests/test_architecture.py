"""The rules of the house: imports, sizes, documentation that keeps up with the code."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import abreast
from abreast import errors

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "abreast"
MODULES = sorted(SOURCE.rglob("*.py"))

MAX_NAMES = 30
MAX_FILE_LINES = 400
MAX_BODY_LINES = 70

# Exceptions shrink: what is listed here may not grow, and leaves the list when it fits.
LONG_FILES: dict[str, int] = {}
LONG_BODIES: dict[str, int] = {}


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_imports_follow_the_layers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- sizes ---


def test_a_file_can_be_read_at_one_sitting() -> None:
    sizes = {str(p.relative_to(SOURCE)): len(p.read_text().splitlines()) for p in MODULES}
    assert sizes
    long = {name: size for name, size in sizes.items() if size >= MAX_FILE_LINES}
    check_ratchet(long, LONG_FILES)


def bodies() -> Iterator[tuple[str, int]]:
    """Yield every function of the package with the lines of its body, docstring left out."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                code = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (code[-1].end_lineno or 0) - code[0].lineno + 1 if code else 0
                yield f"{path.relative_to(SOURCE)}:{node.name}", lines


def test_a_function_fits_on_a_screen() -> None:
    long = {name: lines for name, lines in bodies() if lines >= MAX_BODY_LINES}
    check_ratchet(long, LONG_BODIES)


def check_ratchet(found: dict[str, int], known: dict[str, int]) -> None:
    new = {name: size for name, size in found.items() if size > known.get(name, 0)}
    gone = [name for name in known if name not in found]
    assert not new, f"too long: {new}"
    assert not gone, f"short enough now, take them off the list: {gone}"


def test_tests_wait_for_signals_and_never_sleep() -> None:
    sleeping = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            # A task may sleep, if sleeping is what the task does; then the line says so.
            if re.search(r"\btime\.sleep\(", line) and "# the task sleeps" not in line:
                sleeping.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not sleeping, "\n".join(sleeping)


# --- the public surface ---


def test_few_public_names() -> None:
    assert len(abreast.__all__) <= MAX_NAMES
    assert len(set(abreast.__all__)) == len(abreast.__all__)


@pytest.mark.parametrize("name", abreast.__all__)
def test_public_name_is_documented(name: str) -> None:
    thing = getattr(abreast, name)
    if inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing):
        assert inspect.getdoc(thing), f"abreast.{name} has no docstring"
        if inspect.isclass(thing):
            assert thing.__doc__, f"abreast.{name} has no docstring of its own"
    assert re.search(rf"\babreast(\.errors)?\.{name}$", text("docs/reference.md"), re.MULTILINE), (
        f"docs/reference.md does not name abreast.{name}"
    )


def test_public_methods_have_docstrings() -> None:
    silent = []
    for name in abreast.__all__:
        thing = getattr(abreast, name)
        if not inspect.isclass(thing):
            continue
        for part, value in vars(thing).items():
            shown = inspect.isroutine(value) or isinstance(value, property)
            if part.startswith("_") or not shown:
                continue
            if not inspect.getdoc(getattr(thing, part)):
                silent.append(f"{name}.{part}")
    assert not silent


def test_every_error_is_documented() -> None:
    page = text("docs/reference.md")
    for name, thing in vars(errors).items():
        if inspect.isclass(thing) and thing.__module__ == errors.__name__:
            assert thing.__doc__, f"errors.{name} has no docstring"
            assert issubclass(thing, errors.AbreastError)
            assert f"abreast.errors.{name}\n" in page, f"docs/reference.md does not name {name}"


def test_import_is_cheap() -> None:
    """Importing the package loads nothing that only some programs need."""
    heavy = ["asyncio", "click", "cloudpickle", "cronsim", "msgspec", "multiprocessing", "psutil"]
    heavy += ["rich", "sqlite3", "subprocess"]
    code = f"import sys, abreast; print(*[m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# --- pages that follow the code ---


def test_state_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "states_page.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_cli_command_and_option_is_documented() -> None:
    import click

    from abreast.interfaces.cli.main import cli

    page = text("docs/cli.md")
    undocumented = []
    for name, command in sorted(cli.commands.items()):
        if command.hidden:
            continue
        found = re.search(rf"^## abreast {name}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        section = found.group(1) if found else ""
        if not found:
            undocumented.append(name)
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                undocumented += [
                    f"{name} {opt}"
                    for opt in (*option.opts, *option.secondary_opts)
                    if not re.search(rf"(?<![\w-]){re.escape(opt)}(?![\w-])", section)
                ]
    assert not undocumented


def test_pages_and_links_exist() -> None:
    """Every relative link of the pages outside docs/ leads somewhere."""
    broken = []
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text(name)):
            if not (ROOT / target).exists():
                broken.append(f"{name}: {target}")
    assert not broken


def test_decisions_are_numbered() -> None:
    names = sorted(p.name for p in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [int(name[:3]) for name in names] == list(range(1, len(names) + 1))
    for name in names:
        body = text(f"docs/decisions/{name}")
        for heading in ("## Context", "## Choice", "## Consequences"):
            assert heading in body, f"{name} has no {heading}"


SECTION = r"(?:Parameters|Returns|Raises|Yields)\n-+\n"


def test_docstrings_end_with_their_sections() -> None:
    """Prose below a section such as Parameters would be shown as a part of it."""
    misplaced = []
    for name in abreast.__all__:
        thing = getattr(abreast, name)
        parts = [thing, *vars(thing).values()] if inspect.isclass(thing) else [thing]
        for part in parts:
            if not inspect.isclass(part) and not inspect.isroutine(part):
                continue
            _, *sections = re.split(rf"^{SECTION}", inspect.getdoc(part) or "", flags=re.MULTILINE)
            if any(re.search(r"\n\n(?=\S)", section.strip()) for section in sections):
                misplaced.append(part.__qualname__)
    assert not misplaced
