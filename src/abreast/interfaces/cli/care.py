"""``abreast backup``, ``restore``, ``prune`` and ``check``."""

from __future__ import annotations

import os

from ..report_text import count
from .described import SCHEMA
from .exits import FAILED_RUNS, OK, NotFound, Refused
from .found import opened
from .options import Where
from .out import document, line


def backup(where: Where, file: str, as_json: bool) -> int:
    """Carry out ``abreast backup``; returns the exit code."""
    path = os.path.abspath(file)
    if not os.path.isdir(os.path.dirname(path)):
        raise Refused(f"the folder of {file!r} does not exist")
    with opened(where) as app:
        from ..care import backup

        size = backup(app, path)
        if as_json:
            document({"schema": SCHEMA, "file": path, "bytes": size})
        else:
            line(f"Wrote {path}, {_bytes(size)}.")
    return OK


def restore(where: Where, file: str, force: bool, as_json: bool) -> int:
    """Carry out ``abreast restore``; returns the exit code."""
    path = os.path.abspath(file)
    if not os.path.exists(path):
        raise NotFound(f"there is no file {file!r}")
    with opened(where, create=True) as app:
        from ..care import restore

        store = app.url.removeprefix("sqlite:///")
        if not force and os.path.exists(store) and (newest := app.runs(limit=1)):
            raise Refused(
                f"{store} has runs (the newest is {newest[0].id}), which the backup would replace; "
                "with --force it does, and keeps the file beside it"
            )
        kept = restore(app, path, force=force)
        if as_json:
            document({"schema": SCHEMA, "file": path, "store": store, "kept": kept})
        else:
            line(f"The store {store} is now the backup {path}.")
            if kept is not None:
                line(f"What it was before is {kept}.")
    return OK


def prune(
    where: Where,
    older_than: float | None,
    keep: int | None,
    failed_older_than: float | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Carry out ``abreast prune``; returns the exit code."""
    if older_than is None and keep is None and failed_older_than is None:
        raise Refused(
            "say what to delete: --older-than 30d, --keep 1000 or --failed-older-than 90d"
        )
    with opened(where) as app:
        from ..care import prune

        found = prune(
            app, older_than=older_than, keep=keep, failed_older_than=failed_older_than,
            dry_run=dry_run,
        )  # fmt: skip
        if as_json:
            document({"schema": SCHEMA, "dry_run": dry_run, **found})
            return OK
        size = found.pop("bytes", 0)
        said = ", ".join(
            count(number, name.removesuffix("s")) for name, number in found.items() if number
        )
        said += f" ({_bytes(size)})" if size else ""
        line(f"{'Would delete' if dry_run else 'Deleted'}: {said or 'nothing'}.")
    return OK


def check(where: Where, as_json: bool) -> int:
    """Carry out ``abreast check``; returns the exit code."""
    with opened(where) as app:
        from ..care import check

        problems = check(app)
        if as_json:
            document({"schema": SCHEMA, "sound": not problems, "problems": problems})
        elif not problems:
            line("The store is sound.")
        else:
            for problem in problems:
                line(problem)
    return FAILED_RUNS if problems else OK


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
