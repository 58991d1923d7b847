"""A unit for systemd.

Two profiles. *tasks* runs the user's own programs, so it leaves out what breaks some of them;
*strict* has everything, for a service whose tasks are known to do with less.
"""

from __future__ import annotations

from .installation import HOMES, SHARED, Installation

_HEAD = """\
# {name}.service: abreast, concurrent tasks and schedules. Printed by 'abreast systemd print'.
# To install it:
#     abreast systemd print{flags} | sudo tee /etc/systemd/system/{name}.service
#     sudo systemctl daemon-reload && sudo systemctl enable --now {name}
# What it has to say, errors of its own included:   journalctl -u {name} -f
# {zone}

[Unit]
Description=abreast: concurrent tasks and schedules
After=network-online.target time-sync.target
Wants=network-online.target
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
# It says itself when it is ready, and its scheduler says that it turns.
Type=notify
NotifyAccess=main
WatchdogSec=30
{prepare}ExecStartPre={check}
ExecStart={serve}
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory={folder}
Restart=on-failure
RestartSec=5
TimeoutStartSec=120

# Stopping: running runs get {drain:g} s, then they are ended and queued again.
KillMode=mixed
KillSignal=SIGTERM
TimeoutStopSec={stop}
SuccessExitStatus=143

# A run that takes all the memory is ended alone; the service goes on.
OOMPolicy=continue
TasksMax=4096
LimitNOFILE=65536

User={user}
Group={group}
UMask=0077
StateDirectory={name}
StateDirectoryMode=0700
CacheDirectory={name}
CacheDirectoryMode=0700
"""

_SANDBOX = """\

# What it may do. Tasks are started below it and may do no more than that.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome={homes}
PrivateTmp={tmp}
PrivateMounts=yes
# Tasks that need a GPU or another device: PrivateDevices=no
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged {resources}@mount @swap @reboot @raw-io @obsolete
SystemCallErrorNumber=EPERM
"""

# Breaks programs that compile at run time, that look at /proc/meminfo, that change their niceness,
# or that read files of other users.
_STRICT = """\
MemoryDenyWriteExecute=yes
ProcSubset=pid
PrivateUsers=yes
"""

_TAIL = """\

[Install]
WantedBy=multi-user.target
"""


def unit(installation: Installation, strict: bool = False, flags: str = "") -> str:
    """The text of a unit.

    Parameters
    ----------
    strict : bool
        Also what breaks programs that compile at run time, look at the memory of the machine, or
        change their niceness.
    flags : str
        The options by which it can be printed again, with a space in front.
    """
    here = installation
    found = _HEAD.format(
        name=here.name,
        flags=flags,
        zone=_zone(here),
        prepare=_prepare(here),
        check=words(here.command("config", "check", "--quiet")),
        serve=words(here.command("serve")),
        folder=path(here.folder),
        drain=here.drain,
        stop=here.stop_s,
        user=here.user,
        group=here.group,
    )
    found += "".join(f"{line}\n" for line in _environment(here))
    found += "".join(f"ReadWritePaths={quoted(place)}\n" for place in here.writable)
    found += _SANDBOX.format(
        homes="read-only" if here.in_any_of(HOMES) else "yes",
        tmp="no" if here.in_any_of(SHARED) else "yes",
        resources="@resources " if strict else "",
    )
    if here.dedicated:  # of a person's account it would take away what others of it use
        found += "RemoveIPC=yes\n"
    return found + (_STRICT if strict else "") + _TAIL


def _zone(here: Installation) -> str:
    if here.zone is None:
        return "Schedules that name no zone go by that of the machine, or [scheduler] timezone."
    return f"Schedules that name no zone go by {here.zone} ({here.zone_origin})."


def _prepare(here: Installation) -> str:
    """Make the folder of the store, without which the rest could not be locked up."""
    if here.missing is None:
        return ""
    owner = ("-o", here.user, "-g", here.group)
    return (
        "ExecStartPre=+"
        + words(("/usr/bin/install", "-d", "-m", "0700", *owner, here.missing))
        + "\n"
    )


def _environment(here: Installation) -> list[str]:
    cache = {"XDG_CACHE_HOME": f"/var/cache/{here.name}"}  # of pip and others
    found = {"PYTHONUNBUFFERED": "1", **cache, **here.environment}
    if here.home is not None and here.home != here.state:  # else StateDirectory= says it
        found["ABREAST_HOME"] = here.home
    lines = [f"Environment={quoted(f'{name}={value}')}" for name, value in found.items()]
    return [*lines, f"EnvironmentFile=-{path(f'/etc/{here.name}/{here.name}.env')}"]


def words(command: tuple[str, ...]) -> str:
    """A command line as systemd reads it."""
    return " ".join(quoted(word.replace("$", "$$")) for word in command)


def quoted(text: str) -> str:
    """One word as systemd reads it; ``%`` begins a specifier there."""
    text = text.replace("%", "%%")
    if not text or any(char in " \t\"'\\;" for char in text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def path(text: str) -> str:
    """A path that takes the whole value, where systemd knows no quotes."""
    return text.replace("%", "%%")
