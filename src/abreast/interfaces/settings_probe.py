"""Whether a service could start with a configuration, found out without starting one."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from typing import Any, NamedTuple

from ..errors import AbreastError, UsageError
from .settings import Settings, load
from .settings_env import secret_variable
from .settings_merge import Problems
from .settings_notify import Mail
from .settings_sections import address

_NEEDED = ("fastapi", "uvicorn", "rjsmin", "argon2", "prometheus_client")  # of [server]


class Findings(NamedTuple):
    """What was found. ``problems`` keep a service from starting, ``notes`` do not."""

    settings: Settings | None
    problems: list[str]
    notes: list[str]


def probe(start: str | None = None, config: str | None = None) -> Findings:
    """Read the configuration that counts in a folder and look at all that it names.

    An app that it names is imported. Nothing is written, no port stays open.
    """
    wrong, notes = Problems(strict=False), list[str]()
    try:
        settings = load(start, config=config, problems=wrong)
    except UsageError as error:
        return Findings(None, [str(error)], [])
    problems = list(wrong)
    problems += _extra()
    problems += _sources(settings)
    problems += _store(settings)
    for name, task in settings.tasks.items():
        problems += _files_of(settings, name, task)
        notes += _lint(settings, name, task)
    for channel in settings.notify.channels.values():
        if isinstance(channel, Mail) and channel.user and not channel.password:
            notes.append(
                f"the channel {channel.name!r} logs in as {channel.user} without a password; give "
                f"it password_file = '...' or {secret_variable(channel.name, 'password')}"
            )
    for kind, said in _listening(settings):
        (problems if kind == "problem" else notes).append(said)
    if not problems:
        problems += _app_and_users(settings)
    return Findings(settings, problems, notes)


def _extra() -> Iterator[str]:
    from importlib.util import find_spec

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        yield (
            f"a service needs {', '.join(missing)}, which this Python ({sys.executable}) does not "
            "have: pip install 'abreast[server]'"
        )


def _sources(settings: Settings) -> Iterator[str]:
    """Where the tasks come from."""
    folder, origin = settings.tasks_dir, settings.origin("app.tasks")
    if os.path.isdir(folder):
        if not os.access(folder, os.R_OK | os.X_OK):
            yield f"the tasks folder {folder} cannot be read by this user"
    elif origin != "default":
        yield f"{origin}: there is no folder {folder}"
    elif not settings.tasks and settings.app is None:
        yield (
            f"there is nothing to serve: no folder {folder}, no [tasks.NAME] and no app; "
            "'abreast init' writes samples"
        )


def _store(settings: Settings) -> Iterator[str]:
    """Whether the store's file can be written; the app may name another one, see below."""
    from .settings_secrets import masked_text

    url, origin = settings.service_store, settings.origin("store.url")
    if url == "memory://":
        if settings.app is None:
            yield f"{origin}: a service needs a store in a file, such as 'sqlite:///abreast.db'"
        return
    if url.startswith("sqlite:///"):
        yield from _writable(url.removeprefix("sqlite:///"), origin)
    else:
        yield f"{origin}: {masked_text(url)} is no store of this version"


def _writable(path: str, origin: str) -> Iterator[str]:
    where = "" if origin == "default" else f" ({origin})"
    if os.path.isdir(path):
        yield f"the store {path} is a folder{where}; name a file in it"
        return
    if os.path.exists(path) and not os.access(path, os.R_OK | os.W_OK):
        yield f"the store {path} cannot be written by this user{where}"
    folder = os.path.dirname(path)
    made = folder
    while not os.path.exists(made) and os.path.dirname(made) != made:
        made = os.path.dirname(made)
    if not os.path.isdir(made):
        yield f"the folder {folder} of the store cannot be made: {made} is no folder{where}"
    elif not os.access(made, os.W_OK | os.X_OK):
        how = "be written" if made == folder else f"be made in {made}"
        yield f"the folder {folder} of the store cannot {how} by this user{where}"


def _files_of(settings: Settings, name: str, task: Mapping[str, Any]) -> Iterator[str]:
    place = settings.places[name]
    if not task.get("enabled", True):
        return
    for key in ("file", "requirements"):
        if key in task and not os.path.isfile(task[key]):
            yield f"{place.at(key)}: there is no file {task[key]}"
    if "cwd" in task and not os.path.isdir(task["cwd"]):
        yield f"{place.at('cwd')}: there is no folder {task['cwd']}"
    if "python" in task and not _interpreter(task["python"]):
        yield (
            f"{place.at('python')}: {task['python']} is neither an interpreter nor a virtual "
            "environment"
        )
    command = task.get("command")
    if isinstance(command, tuple):
        path = task.get("env", {}).get("PATH")
        cwd = task.get("cwd") or settings.folder
        program = os.path.join(cwd, command[0]) if os.sep in command[0] else command[0]
        if shutil.which(program, path=path) is None:
            yield f"{place.at('command')}: there is no program {command[0]!r}"


def _interpreter(path: str) -> bool:
    inside = os.path.join(path, "bin", "python")
    return shutil.which(inside if os.path.isdir(path) else path) is not None


def _lint(settings: Settings, name: str, task: Mapping[str, Any]) -> Iterator[str]:
    """What is odd about the schedules of a task."""
    from ..domain.schedule import lint

    said = task.get("schedule")
    zone = task.get("timezone", settings.scheduler.timezone)
    for item in [said] if isinstance(said, str) else said or ():
        table = {"spec": item} if isinstance(item, str) else item
        named = table.get("name", name)
        try:
            for odd in lint(
                table["spec"], zone=table.get("timezone", zone), now=time.time(), name=named
            ):
                yield f"{settings.places[name].at('schedule')} {table['spec']!r}: {odd}"
        except UsageError as error:
            yield f"{settings.places[name].at('schedule')}: {error}"


def _listening(settings: Settings) -> Iterator[tuple[str, str]]:
    """Whether the addresses can be listened on."""
    origin = settings.origin("server.listen")
    for said in settings.server.listen:
        host, port = address(said)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM,
                                       flags=socket.AI_PASSIVE)  # fmt: skip
            family, kind, protocol, _, place = found[0]
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(place)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                yield "note", f"{said} is in use now, by a service that runs already? ({origin})"
                continue
            why = error.strerror or str(error)
            if error.errno == errno.EACCES:
                why += "; ports below 1024 are the superuser's"
            yield "problem", f"{origin}: {said} cannot be listened on: {why}"


def _app_and_users(settings: Settings) -> Iterator[str]:
    """What only the app and its store know."""
    app = None
    try:
        if settings.app is not None:
            from .discovery import load_app

            try:
                with redirect_stdout(sys.stderr):
                    app = load_app(settings.app, settings.app_folder)
            except UsageError as error:
                raise UsageError(f"{settings.origin('app.app')}: {error}") from None
            if app.given_url is None or settings.origin("store.url").startswith("--"):
                app.bind(settings.service_store)
            elif app.url.startswith("sqlite:///"):
                yield from _writable(app.url.removeprefix("sqlite:///"), f"app {settings.app}")
            else:
                yield f"the app {settings.app} keeps its runs in {app.url}; a service needs a file"
                return
        yield from _users(settings, app)
    except AbreastError as error:
        yield str(error)
    finally:
        if app is not None:
            app.close()


def _users(settings: Settings, app: Any) -> Iterator[str]:
    """Whether there is somebody to log in, where others can reach the service."""
    if settings.server.loopback and not settings.server.anonymous:
        return
    from .access import Access
    from .access_listen import check_may_listen
    from .app import App

    url = app.url if app is not None else settings.service_store
    if not os.path.exists(url.removeprefix("sqlite:///")):
        if not settings.server.loopback:
            yield (
                f"{settings.origin('server.listen')}: {', '.join(settings.server.listen)} can be "
                "reached from other machines and there are no users yet; add one first: "
                "abreast user add NAME"
            )
        return
    own = App(url) if app is None else app
    try:
        check_may_listen(settings, Access(own))
    finally:
        if app is None:
            own.close()
