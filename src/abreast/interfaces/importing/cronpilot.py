"""A CronPilot - its ``config.yaml``, tasks folder and database - as tasks of a service."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from ...errors import UsageError
from ..settings_env import secret_variable
from .cronpilot_db import Row, read_rows, schedule_of
from .found import STORE, Found, FoundTask, files_below

_KNOWN: Final[dict[str, frozenset[str]]] = {
    "admin": frozenset({"username", "password"}),
    "server": frozenset({"host", "port"}),
    "database": frozenset({"url"}),
    "scheduler": frozenset({"timezone", "max_workers"}),
    "email": frozenset({"smtp_host", "smtp_port", "username", "password", "from_email", "use_tls"}),
    "logging": frozenset({"retention_days", "log_dir", "max_log_size_mb"}),
    "tasks": frozenset({"directory", "auto_discover"}),
}
_CHANNEL: Final = "mail"


def read_cronpilot(path: str, tasks: str | None = None) -> Found:
    """Read a ``config.yaml`` and what it names.

    Parameters
    ----------
    tasks : str, optional
        The folder of its tasks, when it is not where the file says.

    Raises
    ------
    UsageError
        When the file or the folder cannot be read, or PyYAML is missing.
    """
    full = os.path.abspath(os.path.expanduser(path))
    return _Reader(full, _yaml(full)).read(tasks)


def _yaml(path: str) -> dict[str, Any]:
    try:
        import yaml
    except ModuleNotFoundError:
        raise UsageError(
            "reading a config.yaml needs PyYAML: pip install 'abreast[import]' (or pyyaml)"
        ) from None
    try:
        with open(path, encoding="utf-8") as file:
            found = yaml.safe_load(file)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid YAML: {error}") from None
    if found is None:
        found = {}
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no configuration of a CronPilot: it has no sections")
    return found


class _Reader:
    def __init__(self, path: str, config: Mapping[str, Any]) -> None:
        self._path = path
        self._folder = os.path.dirname(path)
        self._config = config
        self._found = Found(path)
        self._to: dict[tuple[str, ...], str] = {}  # channels by their addresses

    def read(self, tasks: str | None) -> Found:
        self._check_known()
        found = self._found
        found.sections["store"] = {"url": STORE}
        self._plain_sections()
        folder = self._tasks_folder(tasks)
        self._copy(folder)
        rows = self._rows()
        for row in rows:
            self._task(row, folder)
        self._mail()
        return found

    def _said(self, section: str, key: str, default: Any = None) -> Any:
        table = self._config.get(section)
        return table.get(key, default) if isinstance(table, dict) else default

    def _note(self, place: str, said: str) -> None:
        self._found.note(place, said)

    def _check_known(self) -> None:
        for section, content in self._config.items():
            if section not in _KNOWN:
                self._note(str(section), "is not known here and left out")
            elif isinstance(content, dict):
                for key in content.keys() - _KNOWN[section]:
                    self._note(f"{section}.{key}", "is not known here and left out")

    # -- sections --

    def _plain_sections(self) -> None:
        sections = self._found.sections
        host, port = self._said("server", "host", "0.0.0.0"), self._said("server", "port", 7000)
        shown = f"[{host}]" if ":" in str(host) else host
        sections["server"] = {
            "listen": f"{shown}:{port}",
            "compat": True,
            "#": "compat answers at the addresses that clients of CronPilot know: /api/tasks/...",
        }
        if str(host) not in ("127.0.0.1", "localhost", "::1"):
            self._note(
                "server.host",
                f"others can reach {host}, so the service starts once there is a user: "
                "abreast user add NAME",
            )
        sections["scheduler"] = {
            "max_workers": self._whole("scheduler", "max_workers", 10),
            "timezone": str(self._said("scheduler", "timezone", "UTC")),
        }
        days = self._whole("logging", "retention_days", 7)
        sections["retention"] = {"older_than": f"{days}d"}
        self._notes()

    def _whole(self, section: str, key: str, default: int) -> int:
        value = self._said(section, key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self._note(f"{section}.{key}", f"{value!r} is no whole number, {default} is taken")
            return default
        return value

    def _notes(self) -> None:
        """What has no place here."""
        if self._said("admin", "username") or self._said("admin", "password"):
            name = self._said("admin", "username", "NAME")
            self._note(
                "admin",
                "user and password are not copied, passwords are kept as hashes only: "
                f"abreast user add {name} --role admin",
            )
        for section, key, why in (
            ("logging", "log_dir", "every run has its own log, see abreast logs RUN"),
            ("logging", "max_log_size_mb", "the log of a run is cut in its middle by itself"),
            ("database", "url", "its runs stay in the old database, the history begins anew"),
        ):
            if self._said(section, key) is not None:
                self._note(f"{section}.{key}", f"is not kept: {why}")
        if self._said("tasks", "auto_discover") is False:
            self._note("tasks.auto_discover", "is not kept: every file in tasks/ is a task here")

    # -- files --

    def _tasks_folder(self, given: str | None) -> str:
        said = given or os.path.join(self._folder, str(self._said("tasks", "directory", "tasks")))
        folder = os.path.abspath(os.path.expanduser(said))
        if not os.path.isdir(folder):
            raise UsageError(f"there is no tasks folder {folder}; name it with --tasks")
        return folder

    def _copy(self, folder: str) -> None:
        for inner in files_below(folder):
            source = os.path.join(folder, inner)
            self._found.copies[os.path.join("tasks", inner)] = source
            top = os.sep not in inner and inner.endswith(".py") and inner != "__init__.py"
            if top and not _has_task(source):
                self._note(f"tasks/{inner}", "is copied but is no task: it has no run_task")

    # -- the database --

    def _rows(self) -> list[Row]:
        url = str(self._said("database", "url", "sqlite:///./cronpilot.db"))
        if not url.startswith("sqlite:///"):
            self._note("database.url", f"schedules in {url.partition('://')[0]} are not read")
            return []
        path = os.path.join(self._folder, url.removeprefix("sqlite:///"))
        if not os.path.isfile(path):
            self._note("database.url", f"there is no {path}, so all tasks are without a schedule")
            return []
        try:
            return read_rows(path)
        except (sqlite3.Error, OSError) as error:
            self._note("database.url", f"schedules in {path} cannot be read: {error}")
            return []

    def _task(self, row: Row, folder: str) -> None:
        place = f"task {row.name!r}"
        source = os.path.join(self._folder, row.file_path)
        inner = os.path.relpath(source, folder) if row.file_path else ""
        if inner.startswith(os.pardir) or not inner:
            beside = os.path.join(folder, os.path.basename(row.file_path))
            inner = os.path.basename(row.file_path)
            if not os.path.isfile(beside):
                if not os.path.isfile(source):
                    self._note(place, f"is left out: there is no file {source}")
                    return
                self._found.copies[os.path.join("tasks", inner)] = source
        elif not os.path.isfile(source):
            self._note(place, f"is left out: there is no file {source}")
            return
        name = os.path.splitext(os.path.basename(inner))[0]
        if name != row.name:
            self._note(place, f"is called {name!r} here, as its file")
        keys: dict[str, Any] = {"description": row.description or None}
        if os.sep in inner:
            keys["file"] = os.path.join("tasks", inner)
        task = FoundTask(name, keys)
        self._schedule(place, row, task)
        self._environment(place, row, folder, task)
        self._notify(row, task)
        task.keys = {key: value for key, value in task.keys.items() if value is not None}
        if task.keys or task.left:
            self._found.tasks.append(task)

    def _schedule(self, place: str, row: Row, task: FoundTask) -> None:
        from ...domain.schedule import Schedule

        try:
            said = schedule_of(row.schedule_type, row.schedule_config)
            if said is not None:
                Schedule.parse(said)
        except ValueError as error:  # UsageError is one
            reason = str(error).splitlines()[0]
            self._note(place, f"its schedule is not kept: {reason}")
            return
        if said is None:
            return
        if row.active:
            task.keys["schedule"] = said
        else:
            self._note(place, f"is not active there, so its schedule {said!r} is a comment here")
            task.left.append(f'schedule = "{said}"')

    def _environment(self, place: str, row: Row, folder: str, task: FoundTask) -> None:
        for key, said in (("python", row.environment), ("requirements", row.requirements)):
            if not said:
                continue
            path = os.path.normpath(os.path.join(self._folder, said))
            inner = os.path.relpath(path, folder)
            copied = key == "requirements" and not inner.startswith(os.pardir)
            task.keys[key] = os.path.join("tasks", inner) if copied else path
            if not os.path.exists(path):
                self._note(place, f"its {key} {path} does not exist")
        if row.environment:
            task.keys["timeout"] = "1h"  # its own limit for tasks in environments

    # -- mail --

    def _notify(self, row: Row, task: FoundTask) -> None:
        said = {}
        for event, addresses in row.mail.items():
            to = tuple(dict.fromkeys(addresses))
            if to not in self._to:
                number = len(self._to) + 1
                self._to[to] = _CHANNEL if number == 1 else f"{_CHANNEL}-{number}"
            said[event] = [self._to[to]]
        if said:
            task.keys["notify"] = said

    def _mail(self) -> None:
        """A channel for every group of addresses."""
        table = self._config.get("email")
        if not self._to and not (isinstance(table, dict) and table.get("username")):
            return
        user, sender = self._said("email", "username"), self._said("email", "from_email")
        if not self._to:
            address = sender or user
            if "@" not in str(address):
                self._note("email", "is left out: it names nobody to write to")
                return
            self._to[(str(address),)] = _CHANNEL
            self._note("email", f"no task names whom to tell, so the channel writes to {address}")
        secret = bool(self._said("email", "password"))
        for to, name in self._to.items():
            keys: dict[str, Any] = {
                "type": "mail",
                "to": list(to),
                "host": str(self._said("email", "smtp_host", "smtp.gmail.com")),
                "port": self._whole("email", "smtp_port", 587),
                "starttls": bool(self._said("email", "use_tls", True)),
                "user": str(user) if user else None,
                "sender": str(sender) if sender else None,
            }
            if keys["port"] == 465 and keys["starttls"]:
                keys |= {"starttls": None, "tls": True}
            if secret:
                variable = secret_variable(name, "password")
                keys["#"] = f'the password: in the variable {variable}, or password_file = "..."'
                self._note(
                    "email.password",
                    "is not copied into a file that others may read; put it into the variable "
                    f"{variable}, or write password_file = '...' into [notify.channels.{name}]",
                )
            self._found.sections[f"notify.channels.{name}"] = keys


def _has_task(path: str) -> bool:
    """Whether a file has a ``run_task`` or something marked as a task; it is not executed."""
    import ast

    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return True  # the service says what is wrong with it
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.name == "run_task" or node.decorator_list)
        for node in tree.body
    )
