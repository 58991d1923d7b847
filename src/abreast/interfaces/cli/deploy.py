"""``abreast systemd print`` and its like."""

from __future__ import annotations

import os
import shlex

from ...errors import UsageError
from ..deploy import others
from ..deploy import systemd as systemd_unit
from ..deploy.installation import NAME, Installation, here
from ..deploy.installation import standard as the_standard
from .exits import OK


def systemd(
    folder: str,
    config: str | None,
    user: str | None,
    name: str,
    standard: bool,
    strict: bool,
    writable: tuple[str, ...],
) -> int:
    """Carry out ``abreast systemd print``; returns the exit code."""
    installation = _installation(folder, config, user, name, standard, writable)
    flags = _flags(installation, standard, strict, writable)
    return _print(systemd_unit.unit(installation, strict, flags))


def supervisor(folder: str, config: str | None, user: str | None, name: str, standard: bool) -> int:
    """Carry out ``abreast supervisor print``; returns the exit code."""
    installation = _installation(folder, config, user, name, standard)
    return _print(others.supervisor(installation, _flags(installation, standard)))


def cron(folder: str, config: str | None, user: str | None, name: str, standard: bool) -> int:
    """Carry out ``abreast cron print``; returns the exit code."""
    installation = _installation(folder, config, user, name, standard)
    return _print(others.cron(installation, _flags(installation, standard)))


def docker(folder: str, config: str | None, standard: bool, compose: bool) -> int:
    """Carry out ``abreast docker print``; returns the exit code."""
    installation = _installation(folder, config, None, NAME, standard)
    if compose:
        return _print(others.compose(installation))
    return _print(others.dockerfile(installation))


def _installation(
    folder: str,
    config: str | None,
    user: str | None,
    name: str,
    standard: bool,
    writable: tuple[str, ...] = (),
) -> Installation:
    if standard:
        return the_standard()
    from ..settings import load

    if not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder!r}; 'abreast init {folder}' makes one")
    return here(load(folder, config=config), folder, config, user, name, writable)


def _flags(
    installation: Installation,
    standard: bool,
    strict: bool = False,
    writable: tuple[str, ...] = (),
) -> str:
    """The options by which the same is printed again, with a space in front."""
    if standard:
        words = ["--standard"]
    else:
        words = [installation.folder, "--user", installation.user]
        if installation.config is not None:
            words += ["--config", installation.config]
        if installation.name != NAME:
            words += ["--name", installation.name]
    if strict:
        words.append("--strict")
    for path in writable:
        words += ["--writable", path]
    return " " + shlex.join(words)


def _print(text: str) -> int:
    import sys

    sys.stdout.write(text)  # as it is: other programs read it
    return OK
