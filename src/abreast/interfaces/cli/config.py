"""``abreast config show`` and ``abreast config check``."""

from __future__ import annotations

from typing import Any

from .. import settings_toml
from ..settings import Settings, load
from ..settings_probe import probe
from .described import SCHEMA
from .exits import OK, USAGE
from .out import document, line, note


def show(folder: str | None, config: str | None, origin: bool, as_json: bool) -> int:
    """Carry out ``abreast config show``; returns the exit code."""
    settings = load(folder, config=config)
    if as_json:
        values = [
            {"key": key, "value": value, "origin": said} for key, value, said in settings.explain()
        ]
        document(
            {
                "schema": SCHEMA,
                "files": list(settings.files),
                "folder": settings.folder,
                "values": values,
            }
        )
        return OK
    for text in _pages(settings, origin):
        line(text)
    return OK


def _pages(settings: Settings, origin: bool) -> list[str]:
    """The configuration as TOML that could be written into a file; masked secrets apart."""
    read = ", ".join(settings.files) or "no file"
    found = [f"# from {read}; relative paths are relative to {settings.folder}"]
    section = ""
    rows: list[tuple[str, str]] = []
    for key, value, said in settings.explain():
        above, _, last = key.rpartition(".")
        if above != section:
            found += [*_aligned(rows, origin), "", f"[{above}]"]
            section, rows = above, []
        rows.append((f"# {last} is not set" if value is None else _said(last, value), said))
    return [*found, *_aligned(rows, origin)]


def _said(key: str, value: Any) -> str:
    return f"{key} = {settings_toml.value(value)}"


def _aligned(rows: list[tuple[str, str]], origin: bool) -> list[str]:
    if not origin:
        return [text for text, _ in rows]
    wide = min(60, max((len(text) for text, _ in rows if "\n" not in text), default=0))
    return [f"{text:<{wide}}  # {said}" for text, said in rows]


def check(folder: str | None, config: str | None, quiet: bool) -> int:
    """Carry out ``abreast config check``; returns the exit code."""
    found = probe(folder, config)
    for text in found.notes:
        if not quiet:
            note(f"note: {text}")
    for text in found.problems:
        note(f"Error: {text}")
    if found.problems:
        return USAGE
    if not quiet and found.settings is not None:
        line(_summary(found.settings))
    return OK


def _summary(settings: Settings) -> str:
    count = len(settings.tasks)
    tasks = f"{count} task{'' if count == 1 else 's'} in it" if count else "no tasks in it"
    file = settings.path or "no configuration file, defaults"
    return (
        f"ok: {file}; {tasks}, tasks folder {settings.tasks_dir}, store "
        f"{settings.service_store.removeprefix('sqlite:///')}, listens on "
        f"{', '.join(settings.server.listen)}, zone {settings.scheduler.timezone}"
    )
