"""What variables of the environment and options of a command say of a configuration.

``ABREAST_SERVER_LISTEN`` is ``listen`` in ``[server]``; ``ABREAST_APP`` and ``ABREAST_STORE`` are
``app`` in ``[app]`` and ``url`` in ``[store]``. Secrets have a form with ``_FILE``, which names a
file that holds the secret.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ..errors import UsageError
from .settings_check import Place, near
from .settings_notify import CHANNELS, RULES, said_in_file
from .settings_sections import SECTIONS

_SHORT: Final = {("app", "app"): "ABREAST_APP", ("store", "url"): "ABREAST_STORE"}
_OPTIONS: Final = {"app": ("app", "app"), "store": ("store", "url")}
_OURS: Final = ("ABREAST_SERVER_", "ABREAST_SCHEDULER_", "ABREAST_RETENTION_", "ABREAST_NOTIFY_")
_SECRETS: Final = sorted(
    {key for keys in CHANNELS.values() for key in keys if keys[key].secret} - {"headers", "env"}
)


class Said(NamedTuple):
    """One value and where it stands."""

    section: str
    key: str
    value: Any
    place: Place


def variable(section: str, key: str) -> str:
    """The name of the variable that says a key of a section."""
    return _SHORT.get((section, key)) or f"ABREAST_{section}_{key}".upper().replace("-", "_")


def secret_variable(channel: str, key: str) -> str:
    """The name of the variable that says a secret of a channel."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in channel).upper()
    return f"ABREAST_NOTIFY_{plain}_{key.upper()}"


def from_options(flags: Mapping[str, Any] | None, here: str) -> Iterator[Said]:
    """What options say: ``app``, ``store``, or a key such as ``server.listen``; None: nothing."""
    for name, value in (flags or {}).items():
        if value is None or value == ():
            continue
        section, key = _OPTIONS.get(name) or (name.partition(".")[0], name.partition(".")[2])
        if key not in SECTIONS.get(section, {}):
            raise UsageError(f"there is no setting {name!r}")
        option = name if name in _OPTIONS else key
        yield Said(section, key, value, Place(f"--{option.replace('_', '-')}", folder=here))


def from_variables(here: str) -> Iterator[Said]:
    """What variables say of the plain sections and the rules of ``[notify]``."""
    for section, keys in {**SECTIONS, "notify": RULES}.items():
        for key, about in keys.items():
            name = variable(section, key)
            text = os.environ.get(name)
            place = Place(name, folder=here)
            if text:
                spoken = about.spoken
                if section == "notify" and key.startswith("on_"):
                    yield Said(section, key, text.replace(",", " ").split(), place)
                else:
                    yield Said(section, key, spoken(text), place)
            elif section == "store" and os.environ.get(f"{name}_FILE"):
                place = Place(f"{name}_FILE", folder=here)
                file = place.path(os.environ[f"{name}_FILE"])
                yield Said(section, key, said_in_file(place, file), place)


def secrets_of(channels: Iterable[str], here: str) -> Iterator[tuple[str, str, str, Place]]:
    """What variables say of the secrets of channels: channel, key, value, place."""
    for channel in channels:
        for key in _SECRETS:
            name = secret_variable(channel, key)
            if os.environ.get(name):
                yield channel, key, os.environ[name], Place(name, folder=here)
            elif os.environ.get(f"{name}_FILE"):
                place = Place(f"{name}_FILE", folder=here)
                yield channel, key, said_in_file(place, place.path(os.environ[place.source])), place


def check_variables(channels: Iterable[str]) -> None:
    """Refuse variables that look like settings and are none, with a hint at what was meant.

    Secrets of channels pass where there are no channels at all: they are for another folder.
    """
    known = {variable(section, key) for section, keys in SECTIONS.items() for key in keys}
    known |= {variable("notify", key) for key in RULES}
    names = list(channels)
    for channel in names:
        for key in _SECRETS:
            known |= {secret_variable(channel, key), f"{secret_variable(channel, key)}_FILE"}
    ends = tuple(f"_{key}{end}".upper() for key in _SECRETS for end in ("", "_file"))
    for name in os.environ:
        if not name.startswith(_OURS) or name in known:
            continue
        if names or not (name.startswith("ABREAST_NOTIFY_") and name.endswith(ends)):
            raise UsageError(f"the variable {name} is no setting; {near(name, known, '{}')}")
