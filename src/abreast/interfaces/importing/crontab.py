"""A crontab as tasks with schedules."""

from __future__ import annotations

import getpass
import os
import re
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import UsageError
from ..settings_check import toml_key
from ..settings_sections import local_zone
from .crontab_lines import Blank, Entry, Remark, Setting, Unknown, read_lines, split_percent
from .found import STORE, Found, FoundTask
from .names import Names, name_of

_MACROS: Final = {"@annually": "@yearly", "@midnight": "@daily", "@every_minute": "* * * * *"}
_HEADS: Final = re.compile(r"m(in\w*)?\s+h", re.IGNORECASE)  # of the columns, in a comment
_OVERLAP: Final = (
    "cron starts a command also while its last start still goes on; here such an instant is "
    "skipped and recorded (write concurrent = true and overlap = 'allow(2)' where both may run)"
)
_IGNORED: Final = {
    "LOGNAME": "is the user of the service here",
    "USER": "is the user of the service here",
    "MAILFROM": "is sender of a [notify.channels.NAME] here",
    "CONTENT_TYPE": "mail is plain text in UTF-8 here",
    "CONTENT_TRANSFER_ENCODING": "mail is plain text in UTF-8 here",
    "START_HOURS_RANGE": "is of anacron",
}


@dataclass
class _State:
    """What the settings above a line say."""

    env: dict[str, str] = field(default_factory=dict)
    shell: str = "/bin/sh"
    home: str | None = None
    mail_to: str | None = None
    mail_line: int = 0
    zone: str | None = None
    delay: str | None = None  # at most so many minutes, drawn anew each time


def read_crontab(text: str, source: str, *, system: bool = False) -> Found:
    """Make tasks of a crontab.

    Parameters
    ----------
    source : str
        Where it comes from, for people.
    system : bool
        Whether a user stands between the time and the command, as in ``/etc/crontab``.
    """
    return _Reader(source, system).read(text)


class _Reader:
    def __init__(self, source: str, system: bool) -> None:
        self._system = system
        self._found = Found(source)
        self._state = _State()
        self._names = Names()
        self._remarks: list[str] = []
        self._mails: dict[str, list[str]] = {}
        self._me = _user()

    def read(self, text: str) -> Found:
        found = self._found
        for line in read_lines(text):
            if isinstance(line, Setting):
                self._set(line)
            elif isinstance(line, Entry):
                self._add(line)
            elif isinstance(line, Remark):
                if line.entry:
                    self._note(line.line, f"is switched off by its '#' and left out: {line.text}")
                    self._remarks.clear()
                elif _HEADS.match(line.text):
                    self._remarks.clear()
                elif line.text.strip("-=#*_ "):
                    self._remarks.append(line.text)
            elif isinstance(line, Unknown):
                self._note(line.line, f"is no line of a crontab and left out: {line.text}")
            if isinstance(line, Blank | Setting):
                self._remarks.clear()
        zone, _ = local_zone()
        found.sections["store"] = {"url": STORE}
        found.sections["scheduler"] = {"timezone": zone}
        self._suggest_mail()
        if found.tasks:
            found.notes.append(_OVERLAP)
        return found

    def _note(self, line: int, said: str) -> None:
        self._found.note(f"line {line}", said)

    # -- NAME = value --

    def _set(self, line: Setting) -> None:
        state, name, value = self._state, line.name, line.value
        if name == "SHELL":
            state.shell = value or "/bin/sh"
        elif name == "HOME":
            state.home = value
            state.env["HOME"] = value
        elif name == "MAILTO":
            state.mail_to, state.mail_line = value, line.line
        elif name == "CRON_TZ":
            state.zone = self._zone(line)
        elif name == "RANDOM_DELAY":
            state.delay = f"{value}m" if value.isdecimal() and int(value) else None
            if state.delay:
                self._note(
                    line.line,
                    f"RANDOM_DELAY={value} became jitter = '{state.delay}', which is "
                    "the same for the same instant instead of drawn anew",
                )
        elif name in _IGNORED:
            self._note(line.line, f"{name}={value} is not kept: it {_IGNORED[name]}")
        else:
            state.env[name] = value
            if name == "TZ":
                self._note(
                    line.line,
                    "TZ is what commands see, as in cron; when they start follows the time zone "
                    "of the service (timezone = '...' in [tasks.NAME] changes that)",
                )

    def _zone(self, line: Setting) -> str | None:
        from ...domain.zones import zone_of

        if not line.value:
            return None
        try:
            zone_of(line.value)
        except UsageError as error:
            self._note(line.line, f"CRON_TZ is not kept: {error}")
            return None
        return line.value

    # -- times and commands --

    def _add(self, line: Entry) -> None:
        remarks, self._remarks = self._remarks, []
        user, rest = None, line.rest
        if self._system:
            user, _, rest = rest.partition(" ")
            rest = rest.strip()
        elif rest.startswith(("root ", "www-data ")):
            self._note(line.line, "looks as if a user stood before the command; if so: --system")
        command, stdin = split_percent(rest)
        if not command:
            self._note(line.line, "names no command and is left out")
            return
        name = self._names.free(name_of(command))
        keys = self._keys(line, command, stdin, user)
        keys["description"] = " ".join(remarks) or None
        task = FoundTask(name, {key: value for key, value in keys.items() if value is not None})
        self._schedule(line, task)
        if user is not None and user != self._me:
            self._note(
                line.line,
                f"runs as {user}; the service starts everything as its own user, so run one as "
                f"{user}, or write sudo -u {user} into the command",
            )
        if self._state.mail_to:
            self._mails.setdefault(self._state.mail_to, []).append(name)
        self._found.tasks.append(task)

    def _keys(
        self, line: Entry, command: str, stdin: str | None, user: str | None
    ) -> dict[str, Any]:
        state = self._state
        if stdin is not None:
            command = _with_input(command, stdin)
        shell = os.path.basename(state.shell)
        home = state.home or self._home(line, user)
        return {
            "command": command if shell == "sh" else [state.shell, "-c", command],
            "env": dict(state.env) or None,
            "cwd": home,
        }

    def _home(self, line: Entry, user: str | None) -> str | None:
        """The folder in which cron starts a command: the home of its user."""
        if user is None or user == self._me:
            return "~"
        import pwd

        try:
            return pwd.getpwnam(user).pw_dir
        except KeyError:
            self._note(line.line, f"there is no user {user} here, so cwd, their home, is left out")
            return None

    def _schedule(self, line: Entry, task: FoundTask) -> None:
        from ...domain.schedule import Schedule

        state = self._state
        said: dict[str, Any] = {"schedule": _MACROS.get(line.when, line.when)}
        if line.when != "@reboot":
            said |= {"timezone": state.zone, "jitter": state.delay}
        try:
            Schedule.parse(said["schedule"])
        except UsageError as error:
            said_first = str(error).splitlines()[0]
            reason = said_first.partition(f"{line.when!r}: ")[2] or said_first
            self._note(line.line, f"its time {line.when!r} is not kept: {reason}")
            task.left.append(f"schedule = {line.when!r}  # {reason}")
            return
        if line.when == "@reboot":
            self._note(line.line, "@reboot starts it when the service starts, not the machine")
        keys = {key: value for key, value in said.items() if value is not None}
        task.keys = {"command": task.keys.pop("command"), **keys, **task.keys}

    # -- mail --

    def _suggest_mail(self) -> None:
        suggested = self._found.suggested
        for address, names in self._mails.items():
            channel = toml_key(f"mail-{len(suggested)}" if suggested else "mail")
            self._found.notes.append(
                f"MAILTO={address}: cron mails all that commands print; here mail is sent when a "
                "run fails, once you take the '#' off the [notify] lines of abreast.toml"
            )
            told = ", ".join(names)
            to = ", ".join(f'"{one.strip()}"' for one in address.split(",") if one.strip())
            suggested += [
                f"cron mailed what these print to {address}: {told}",
                f"[notify.channels.{channel}]",
                'type = "mail"',
                f"to = [{to}]",
                'host = "localhost"',
            ]
            suggested += (
                ["[notify]", f'on_failure = ["{channel}"]']
                if len(self._mails) == 1
                else [f"and in [tasks.NAME] of each: notify = ['{channel}']"]
            )


def _with_input(command: str, stdin: str) -> str:
    """A line for the shell that gives a command something to read."""
    end = "END_OF_INPUT"
    while end in stdin.split("\n"):
        end += "_"
    return f"{{ {command}\n}} <<'{end}'\n{stdin}\n{end}\n"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
