"""The files of a store beside its database: large values and logs, and who still needs them."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from urllib.parse import quote

_MARK = '{"$file":'
_HEX_MARK = _MARK.encode().hex()
_YOUNG_S = 3600.0  # a file is written before the row that names it
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_RUN = re.compile(r"_(\d+)\.log$")
_COLUMNS = (
    ("runs", "args"), ("runs", "value"), ("runs", "error"), ("runs", "extra"),
    ("attempts", "error"), ("steps", "input"), ("steps", "output"),
)  # fmt: skip


def look_only(path: str) -> sqlite3.Connection:
    """A connection that only reads, also from another thread; it never checkpoints."""
    connection = sqlite3.connect(
        f"file:{quote(path)}?mode=ro",
        uri=True,
        timeout=30.0,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA query_only=1")
    return connection


def file_of(column: str) -> str:
    """The condition, in SQL, under which a column only names a file with its value."""
    return f"substr({column},1,{len(_MARK)})=X'{_HEX_MARK}'"


def named_in(look: sqlite3.Connection) -> Iterator[str]:
    """The names of all files of large values that the rows of a store name."""
    for table, column in _COLUMNS:
        for (data,) in look.execute(f"SELECT {column} FROM {table} WHERE {file_of(column)}"):
            yield os.path.basename(json.loads(data)["$file"])


class Files:
    """Removes files of a store, or only counts them.

    Parameters
    ----------
    folder : str
        The folder of the store.
    logs : str or None
        The folder of its logs.
    dry : bool
        Only count.
    """

    def __init__(self, folder: str, logs: str | None, dry: bool) -> None:
        self._folder = folder
        self._payload = os.path.join(folder, "payload")
        self._logs = logs
        self._dry = dry
        self.count = self.bytes = 0

    def names(self, values: Iterable[bytes | None], log: str | None) -> tuple[str, ...]:
        """The paths of the files that values of a row name, and of its log."""
        found = [
            os.path.join(self._payload, os.path.basename(json.loads(data)["$file"]))
            for data in values
            if data is not None and data.startswith(_MARK.encode())
        ]
        if log is not None and self._logs is not None:
            found.append(os.path.join(self._logs, log))
        return tuple(found)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files whose rows are gone."""
        for path in paths:
            try:
                size = os.stat(path).st_size
                if not self._dry:
                    os.unlink(path)
            except OSError:
                continue  # gone already
            self.count += 1
            self.bytes += size

    def sweep(self, look: sqlite3.Connection) -> None:
        """Remove files that no row names: of turns that were undone, of processes that died."""
        self.remove(orphans(self._folder, look))
        if self._logs == os.path.join(self._folder, "logs"):  # else others may log there, too
            self.remove(self._logs_of_nobody(look))
        if not self._dry:
            self._remove_empty_days()

    def _logs_of_nobody(self, look: sqlite3.Connection) -> Iterator[str]:
        for path in self._old_days():
            for name in os.listdir(path):
                match = _RUN.search(name)
                if (
                    match
                    and not look.execute(
                        "SELECT 1 FROM runs WHERE id=?", (int(match[1]),)
                    ).fetchone()
                ):
                    yield os.path.join(path, name)

    def _old_days(self) -> list[str]:
        """Folders of logs to which nothing is added any more."""
        assert self._logs is not None
        today = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 3600))
        try:
            names = os.listdir(self._logs)
        except OSError:
            return []
        days = (name for name in names if _DAY.fullmatch(name) and name < today)
        return [os.path.join(self._logs, name) for name in sorted(days)]

    def _remove_empty_days(self) -> None:
        if self._logs is None:
            return
        for path in self._old_days():
            try:
                if time.time() - os.stat(path).st_mtime > _YOUNG_S:
                    os.rmdir(path)
            except OSError:
                pass  # not empty


def orphans(folder: str, look: sqlite3.Connection) -> list[str]:
    """Files with large values that no row names, and that are not just being written."""
    payload = os.path.join(folder, "payload")
    try:
        names = set(os.listdir(payload))
    except OSError:
        return []
    names -= set(named_in(look)) if names else set()
    found = []
    for name in sorted(names):
        path = os.path.join(payload, name)
        try:
            if time.time() - os.stat(path).st_mtime > _YOUNG_S:
                found.append(path)
        except OSError:
            pass  # gone meanwhile
    return found
