"""An installation: what the files that start abreast have to know of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ... import __version__
from ...errors import UsageError

if TYPE_CHECKING:
    from ..settings import Settings

NAME = "abreast"
_STOP_S = 60  # beyond what running runs get: they are ended by force, and the store is closed
HOMES = ("/home/", os.path.expanduser("~root") + "/", "/run/user/")  # what ProtectHome= covers
SHARED = ("/tmp/", "/var/tmp/")
_CONTAINER_PYTHON = "3.13"
_VARIABLES = ("ABREAST_APP", "ABREAST_CONFIG", "ABREAST_STORE")


@dataclass(frozen=True)
class Installation:
    """Where abreast is, which folder it serves, and as whom it runs.

    Attributes
    ----------
    program : tuple of str
        What starts it: the path of ``abreast``, or a Python and ``-m abreast``.
    folder : str
        The folder it serves, absolute.
    config : str or None
        A configuration file that is not found by itself.
    home : str or None
        The folder for data, where that is not what the manager or the configuration says.
    writable : tuple of str
        Folders it writes to besides its own state.
    missing : str or None
        The one of these that does not exist yet.
    environment : dict of str
        Variables that say which configuration counts.
    zone : str or None
        The zone of schedules that name none; None: that of the machine it will run on.
    drain : float
        Seconds that running runs get when it stops.
    dedicated : bool
        Whether the user exists for it alone.
    """

    program: tuple[str, ...]
    folder: str
    config: str | None = None
    home: str | None = None
    writable: tuple[str, ...] = ()
    missing: str | None = None
    user: str = NAME
    group: str = NAME
    name: str = NAME
    zone: str | None = None
    zone_origin: str = ""
    drain: float = 30.0
    dedicated: bool = True
    python: str = _CONTAINER_PYTHON
    version: str = __version__
    environment: dict[str, str] = field(default_factory=dict)
    standard: bool = False

    @property
    def stop_s(self) -> int:
        """Seconds after which a manager may take stopping for hung."""
        return int(self.drain + 0.999) + _STOP_S

    @property
    def state(self) -> str:
        """The folder for data that a manager makes."""
        return f"/var/lib/{self.name}"

    def in_any_of(self, folders: tuple[str, ...]) -> bool:
        """Whether something it needs lies in one of these folders, each with a slash at its end."""
        places = (self.program[0], self.folder, self.config or "", self.home or "", *self.writable)
        return any(f"{place}/".startswith(folders) for place in places)

    def command(self, *words: str) -> tuple[str, ...]:
        """A call of the program about this folder: ``command("serve")``."""
        config = () if self.config is None else ("--config", self.config)
        return (*self.program, *words, *config, self.folder)

    def __post_init__(self) -> None:
        words = (*self.program, self.folder, self.config or "", self.home or "", *self.writable,
                 self.user, self.group, self.name, *self.environment.values())  # fmt: skip
        for word in words:
            if not word.isprintable() or '"' in word:
                raise UsageError(f"{word!r} cannot stand in a file for a service manager")
        if not self.name.replace("-", "").replace("_", "").isalnum() or not self.name.isascii():
            raise UsageError(f"the name of a service has letters, digits, - and _, not {self.name}")


def standard() -> Installation:
    """The standard installation, for which files are kept in ``deploy/``."""
    return Installation(
        program=("/opt/abreast/venv/bin/abreast",),
        folder="/etc/abreast",
        home="/var/lib/abreast",
        standard=True,
    )


def here(
    settings: Settings,
    folder: str,
    config: str | None = None,
    user: str | None = None,
    name: str = NAME,
    writable: Iterable[str] = (),
) -> Installation:
    """This very installation: the interpreter that executes this, a folder, its settings.

    Parameters
    ----------
    user : str, optional
        As whom it is to run; by default who calls this, or ``name`` when that is root.

    Raises
    ------
    UsageError
        When a name or a path cannot stand in such a file.
    """
    account, group, dedicated = _account(user, name)
    home, more = _data(settings, f"/var/lib/{name}")
    folders = dict.fromkeys([*more, *(os.path.abspath(path) for path in writable)])
    return Installation(
        program=_program(),
        folder=os.path.abspath(folder),
        config=None if config is None else os.path.abspath(config),
        home=home,
        writable=tuple(folders),
        missing=next((path for path in more if not os.path.isdir(path)), None),
        user=account,
        group=group,
        name=name,
        zone=settings.scheduler.timezone,
        zone_origin=settings.origin("scheduler.timezone"),
        drain=settings.scheduler.drain,
        dedicated=dedicated,
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        environment={key: os.environ[key] for key in _VARIABLES if os.environ.get(key)},
    )


def _program() -> tuple[str, ...]:
    """What starts this abreast again, whatever the PATH of a service manager is."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), NAME)
    if os.access(beside, os.X_OK):
        return (beside,)
    return (os.path.abspath(sys.executable), "-m", NAME)


def _account(user: str | None, name: str) -> tuple[str, str, bool]:
    import grp
    import pwd

    if user is None:
        uid = os.geteuid()
        try:
            user = name if uid == 0 else pwd.getpwuid(uid).pw_name
        except KeyError:
            raise UsageError(
                f"user {uid} has no name on this machine; say who is to run it: --user NAME"
            ) from None
    try:
        known = pwd.getpwnam(user)
    except KeyError:
        return user, user, True  # is to be made
    try:
        group = grp.getgrgid(known.pw_gid).gr_name
    except KeyError:
        group = str(known.pw_gid)
    return user, group, user == name or known.pw_shell.endswith(("nologin", "false"))


def _data(settings: Settings, state: str) -> tuple[str | None, list[str]]:
    """The folder for data, if it is another than ``state``, and what is written to besides."""
    if settings.store_url is not None:
        folder = os.path.dirname(settings.store_url.removeprefix("sqlite:///"))
        inside = "://" in settings.store_url.removeprefix("sqlite:///")
        inside = inside or folder == state or folder.startswith(state + "/")
        return None, [] if inside else [folder]
    folder = settings.data_dir
    if os.environ.get("ABREAST_HOME") or os.path.isdir(folder):  # has runs, which shall stay
        return (None, []) if folder == state else (folder, [folder])
    return None, []
