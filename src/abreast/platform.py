"""Everything that differs from one operating system to the next, in one place.

Linux is supported in full. macOS has no subreaper and no ``/proc``: there only the process group
of a run can be ended, not descendants that left it. Windows has no process executor.
"""

from __future__ import annotations

import functools
import importlib
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .errors import UsageError

LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36


def require_posix(what: str) -> None:
    """Raise :class:`~abreast.errors.UsageError` where processes cannot be handled our way."""
    if os.name != "posix":
        raise UsageError(
            f"{what} needs Linux or macOS, and this is {sys.platform}; "
            'use executor="thread" (or WSL) instead'
        )


# -- ties between a process, its parent and its descendants ----------------------------------


def _prctl(option: int, value: int | bytes) -> bool:
    if not LINUX:
        return False
    import ctypes

    return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)


def become_subreaper() -> bool:
    """Make orphaned descendants children of this process. False where that is unknown."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Let the kernel end this process as soon as its parent, ``parent``, is gone."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before the kernel knew
        os._exit(1)


def set_title(text: str) -> bool:
    """Let the process table show what this process does.

    With the package ``setproctitle`` ``ps aux`` shows the whole text. False: it is not there, and
    only the name of the process (``ps -e``, ``top``) has changed, to the first 15 characters.
    """
    setter = _title_setter()
    if setter is not None:
        setter(text)
        return True
    _prctl(_PR_SET_NAME, text.encode("utf-8", "replace")[:15])
    return False


def go_first(score: int = 500) -> None:
    """Let the kernel end this process before those it serves, should memory run out.

    Raises ``oom_score_adj`` to ``score``, which programs started from here inherit; a higher one
    stays. Where that is not possible nothing happens.
    """
    try:
        with open("/proc/self/oom_score_adj", "r+", encoding="ascii") as file:
            if int(file.read()) < score:
                file.seek(0)
                file.write(str(score))
    except (OSError, ValueError):
        pass


@functools.cache
def _title_setter() -> Callable[[str], None] | None:
    try:
        setter: Callable[[str], None] = importlib.import_module("setproctitle").setproctitle
    except ImportError:
        return None
    return setter


def childless() -> bool:
    """Whether this process has no children, not even ended ones. About one microsecond.

    In a subreaper this proves that there are no descendants at all.
    """
    try:
        if LINUX:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        else:
            os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def watch_process(pid: int) -> int | None:
    """Return a file descriptor that becomes readable when ``pid`` ends; None if unsupported."""
    try:
        return os.pidfd_open(pid)  # type: ignore[attr-defined,unused-ignore]
    except (AttributeError, OSError):
        return None


# -- who is there ----------------------------------------------------------------------------


class Process(NamedTuple):
    """One line of the process table."""

    pid: int
    parent: int
    group: int
    session: int
    born: int  # clock ticks since boot; tells a process from a later one with the same number


def _process(pid: str) -> Process | None:
    """Read one living process, or None if it is gone or has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name may contain anything
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return Process(int(pid), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def processes() -> list[Process]:
    """List the living processes of this machine; empty where there is no ``/proc``."""
    if not LINUX:
        return []
    found = (_process(name) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process is not None]


def descendants(root: int, table: Iterable[Process]) -> list[Process]:
    """Return all processes below ``root``, parents before their children."""
    below: dict[int, list[Process]] = {}
    for process in table:
        below.setdefault(process.parent, []).append(process)
    found = list(below.get(root, ()))
    for process in found:  # grows while it is walked
        found.extend(below.get(process.pid, ()))
    return found


def carriers(mark: str) -> list[Process]:
    """List the living processes that were started with ``mark`` ("NAME=value") set."""
    wanted, found = mark.encode(), []
    for process in processes():
        try:
            with open(f"/proc/{process.pid}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(process)
        except OSError:
            continue  # gone, or somebody else's
    return found


# -- signals ---------------------------------------------------------------------------------


def send(signum: int, targets: Iterable[Process]) -> None:
    """Signal each process that is still the one that was listed."""
    for process in targets:
        now = _process(str(process.pid))
        if now is not None and now.born == process.born:
            try:
                os.kill(process.pid, signum)
            except (ProcessLookupError, PermissionError):
                continue


def send_group(signum: int, leader: int) -> None:
    """Signal the process group of ``leader``, a child of this process that was not reaped yet."""
    try:
        os.killpg(leader, signum)
    except (ProcessLookupError, PermissionError):
        try:
            os.kill(leader, signum)  # it has not reached setsid yet
        except ProcessLookupError:
            pass


def describe_exit(code: int) -> str:
    """Say in words how a process ended; ``code`` is negative for a signal."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "number"
    hint = "; the machine may have run out of memory" if -code == signal.SIGKILL else ""
    return f"killed by signal {name} ({-code}){hint}"


# -- waiting for many sockets ----------------------------------------------------------------


def new_poller() -> Any:
    """Return ``select.epoll()``, or the nearest thing with the same methods."""
    return select.epoll() if hasattr(select, "epoll") else _Poll()


class _Poll:
    """``select.poll`` with the face of ``select.epoll``; the masks have the same values."""

    def __init__(self) -> None:
        self._poll: Any = select.poll()
        self.register = self._poll.register
        self.modify = self._poll.modify
        self.unregister = self._poll.unregister

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = self._poll.poll(
            None if timeout is None or timeout < 0 else timeout * 1000
        )
        return found

    def close(self) -> None:
        pass
