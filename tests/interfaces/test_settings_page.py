"""The pages about configuration name every key, and their examples are configurations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from abreast.interfaces.importing.crontab import read_crontab
from abreast.interfaces.settings import load
from abreast.interfaces.settings_notify import CHANNELS, RULES
from abreast.interfaces.settings_sections import SECTIONS
from abreast.interfaces.settings_tasks import LIMIT, RETRY, SCHEDULE, TASK

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGES = ["configuration.md", "coming-from-cron.md", "coming-from-cronpilot.md"]


def text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def part(heading: str) -> str:
    """What stands under a heading of the page of all keys."""
    level, said = heading.split(" ", 1)
    found = re.search(
        rf"^{level} {re.escape(said)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)",
        text("configuration.md"),
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"the page has no {heading!r}"
    return found[1]


PARTS = {
    **{f"## [{section}]": list(keys) for section, keys in SECTIONS.items()},
    "## [notify]": list(RULES),
    "## [notify.channels.NAME]": [key for keys in CHANNELS.values() for key in keys],
    "## [tasks.NAME]": list(TASK),
    "### Schedules": list(SCHEDULE),
    "### Limits and retries": [*LIMIT, *RETRY],
}


@pytest.mark.parametrize("heading", PARTS)
def test_every_key_is_described(heading: str) -> None:
    said = part(heading)
    rows = " ".join(line.split("|")[1] for line in said.splitlines() if line.startswith("|"))
    missing = [key for key in PARTS[heading] if f"`{key}`" not in rows and key != "type"]
    assert not missing


@pytest.mark.parametrize("heading", [heading for heading in PARTS if heading.startswith("## ")])
def test_every_key_that_is_described_exists(heading: str) -> None:
    known = {*PARTS[heading], *SCHEDULE, *LIMIT, *RETRY}
    cells = [line.split("|")[1] for line in part(heading).splitlines() if line.startswith("| `")]
    named = {key for cell in cells for key in re.findall(r"`([a-z_]+)`", cell)}
    assert named <= known


@pytest.mark.parametrize("heading", [f"## [{section}]" for section in SECTIONS] + ["## [notify]"])
def test_defaults_are_as_described(heading: str) -> None:
    keys = {**RULES, **{k: v for section in SECTIONS.values() for k, v in section.items()}}
    for line in part(heading).splitlines():
        if not line.startswith("| `"):
            continue
        key, default = re.findall(r"`([a-z_]+)`", line)[0], line.split("|")[3].strip()
        plain = keys[key].default
        if default.startswith("`"):
            said = plain[0] if isinstance(plain, list) else plain
            assert default.strip("`") == str(said).replace("False", "false")
        else:
            assert plain in (None, [], ()), line


def examples() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in re.finditer(r"^```toml\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL):
            line = text(page)[: block.start()].count("\n") + 1
            found.append((f"{page}:{line}", block[1]))
    return found


@pytest.mark.parametrize("example", examples(), ids=[place for place, _ in examples()])
def test_examples_are_configurations(
    example: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    (tmp_path / "abreast.toml").write_text(example[1], encoding="utf-8")
    assert load(str(tmp_path)).files[0] == str(tmp_path / "abreast.toml")


def test_the_crontab_of_the_page_becomes_what_the_page_says() -> None:
    page = text("coming-from-cron.md")
    crontab, notes = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    found = read_crontab(crontab, "crontab")
    assert found.notes == notes.splitlines()
    assert [task.name for task in found.tasks] == ["tar", "sync", "echo"]
    count = len(found.tasks)
    assert f"{count} tasks in abreast.toml, {count} of them with a schedule." in page
    example = re.search(r"^```toml\n\[tasks.tar\]\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert example
    from abreast.interfaces.importing.found import as_toml

    assert example[1] in as_toml(found)
