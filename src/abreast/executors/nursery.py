"""The nursery: one single-threaded process that forks the children and ends them.

It is started fresh, so forking from it is safe whatever threads the parent has. It and every
child are subreapers: what a run leaves behind stays below its child while the child lives, and
comes to the nursery as an *orphan* when the child dies. So every process directly below the
nursery is either a known child or an orphan, and none can get lost.

The nursery ends everything and itself as soon as the parent is gone.
"""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import socket
import sys
import time
import types
from typing import NoReturn

from .. import platform
from . import child, wire

_PACE_S = 0.05  # how often to look again at processes that should be gone by now


class Kid:
    """A child as the nursery knows it."""

    __slots__ = ("code", "forced", "kill_at", "kin", "number", "pid")

    def __init__(self, number: int, pid: int) -> None:
        self.number = number
        self.pid = pid
        self.code: int | None = None  # how it ended
        self.kill_at: float | None = None  # it was asked to end and has until then
        self.forced = False  # its time is over
        self.kin: dict[int, int] = {}  # its descendants when it was asked: pid and birth


class Nursery:
    """Attends the control socket, SIGCHLD and the clock, in one thread."""

    def __init__(
        self, control: socket.socket, wake: socket.socket, parent_watch: int | None, titles: bool
    ):
        self.control = control
        self.titles = titles
        self.wake = wake
        self.parent_watch = parent_watch
        self.pid = os.getpid()
        self.kids: dict[int, Kid] = {}  # by pid, until parent has been told of their end
        self.numbers: dict[int, Kid] = {}
        self.orphans = False  # some may be left

    def attend(self) -> None:
        """Serve until the parent is gone."""
        poll = select.poll()
        for fd in (self.control.fileno(), self.wake.fileno(), self.parent_watch):
            if fd is not None:
                poll.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll(self._wait_ms())}
            if self.parent_watch in ready:
                return
            if self.wake.fileno() in ready:
                self.wake.recv(4096)
                self._reap()
            if self.control.fileno() in ready and not self._obey():
                return
            if self.orphans or any(kid.kill_at is not None for kid in self.kids.values()):
                self._settle()

    def _wait_ms(self) -> float | None:
        if self.orphans:
            return _PACE_S * 1000
        times = [kid.kill_at for kid in self.kids.values() if kid.kill_at is not None]
        if not times:
            return None
        # A kid whose time is over is being killed: look again soon, in case it forks on.
        return max(min(times) - time.monotonic(), _PACE_S if self._forced() else 0.001) * 1000

    def _forced(self) -> bool:
        return any(kid.forced for kid in self.kids.values())

    # -- orders ------------------------------------------------------------------------------

    def _obey(self) -> bool:
        """Carry out one order; False when the parent has gone."""
        try:
            data, fds, _, _ = socket.recv_fds(self.control, wire.ORDER_SIZE, 2)
            if data and len(data) < wire.ORDER_SIZE:
                data += wire.receive_exactly(self.control, wire.ORDER_SIZE - len(data))
        except OSError:
            return False
        if len(data) < wire.ORDER_SIZE:
            return False
        kind, _, number, seconds = wire.ORDER.unpack(data)
        if kind == wire.FORK:
            self._fork(number, fds)
        elif kind == wire.STOP and number in self.numbers:
            self._stop(self.numbers[number], seconds)
        return True

    def _fork(self, number: int, fds: list[int]) -> None:
        if len(fds) > 1:
            import logging  # noqa: F401  - its runs may log; every child would load it otherwise
        try:
            pid = os.fork()
        except OSError as error:
            self._close(fds)
            self._tell(wire.NO_FORK, number, error.errno or 0)
            return
        if pid == 0:
            self._become_child(fds)
        self._close(fds)  # so that no sibling ever holds it
        self.kids[pid] = self.numbers[number] = Kid(number, pid)
        self._tell(wire.BORN, number, pid)

    def _close(self, fds: list[int]) -> None:
        for fd in fds:
            os.close(fd)

    def _become_child(self, fds: list[int]) -> NoReturn:
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            platform.become_subreaper()
            platform.die_with(self.pid)
            if self.titles:  # a worker's; rather one run than the worker with all of them
                platform.go_first()
            self.control.close()
            self.wake.close()
            os.close(signal_writer.fileno())
            if self.parent_watch is not None:
                os.close(self.parent_watch)
            gc.enable()
            for fd in fds:
                os.set_inheritable(fd, False)
            child.serve(socket.socket(fileno=fds[0]), fds[1] if len(fds) > 1 else None, self.titles)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        os._exit(1)

    def _stop(self, kid: Kid, grace_s: float) -> None:
        now = time.monotonic()
        if kid.code is None and kid.kill_at is None and grace_s > 0:
            kin = platform.descendants(kid.pid, platform.processes())
            kid.kin = {process.pid: process.born for process in kin}
            platform.send_group(signal.SIGTERM, kid.pid)
            platform.send(signal.SIGTERM, [p for p in kin if p.group != kid.pid])
        at = now + grace_s
        kid.kill_at = at if kid.kill_at is None else min(at, kid.kill_at)

    # -- ends --------------------------------------------------------------------------------

    def _reap(self) -> None:
        """Collect every child and orphan that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            kid = self.kids.get(pid)
            if kid is None:
                self.orphans = True  # it may have left children of its own
                continue
            kid.code = os.waitstatus_to_exitcode(status)
            if kid.code == wire.LEFT_CLEAN:
                self._say_ended(kid)
            else:
                self.orphans = True

    def _settle(self) -> None:
        """Kill what has run out of time, and tell of each child that is gone with all below it."""
        now = time.monotonic()
        # Of children that die later than this the table does not know all orphans yet.
        dead = [kid for kid in self.kids.values() if kid.code is not None]
        table = platform.processes()
        self._reap()  # what had ended is not in the table; nor shall it be a zombie when we tell
        for kid in self.kids.values():
            if kid.kill_at is not None and kid.kill_at <= now and kid.code is None:
                kid.forced = True
                kin = platform.descendants(kid.pid, table)
                platform.send_group(signal.SIGKILL, kid.pid)
                platform.send(signal.SIGKILL, kin)
                self.orphans = True
        left: list[platform.Process] = []
        for process in table:
            if process.parent == self.pid and process.pid not in self.kids:
                left.append(process)
        spared = {process.pid: kid for process in left for kid in dead if _owns(kid, process, now)}
        condemned = [process for process in left if process.pid not in spared]
        for process in condemned:
            platform.send(signal.SIGKILL, [process, *platform.descendants(process.pid, table)])
        if not condemned:
            waiting = set(spared.values())
            for kid in dead:
                if kid not in waiting:
                    self._say_ended(kid)
            self.orphans = any(kid.forced or kid.code is not None for kid in self.kids.values())

    def _say_ended(self, kid: Kid) -> None:
        del self.kids[kid.pid], self.numbers[kid.number]
        self._tell(wire.ENDED, kid.number, kid.code or 0)

    def _tell(self, kind: int, number: int, status: int) -> None:
        try:
            self.control.sendall(wire.ORDER.pack(kind, status, number, 0.0))
        except OSError:
            pass  # the parent is gone; attend() will see it

    def end_all(self) -> None:
        """Kill everything below this process and wait until it is gone."""
        while True:
            for kid in self.kids.values():
                if kid.code is None:
                    platform.send_group(signal.SIGKILL, kid.pid)
            platform.send(signal.SIGKILL, platform.descendants(self.pid, platform.processes()))
            self._reap()
            if platform.childless():
                return
            time.sleep(0.002)


def _owns(kid: Kid, process: platform.Process, now: float) -> bool:
    """Whether an orphan belongs to a dead child that still has time to end gracefully."""
    if kid.kill_at is None or kid.kill_at <= now:
        return False
    return process.session == kid.pid or kid.kin.get(process.pid) == process.born


signal_writer: socket.socket  # SIGCHLD writes here; kept open for the life of the nursery


def _nothing(*_: object) -> None:
    """Take a signal and do nothing. Unlike SIG_IGN this is not inherited by programs."""


def main(fd: int, parent: int) -> NoReturn:
    """Become a nursery that takes its orders from the socket ``fd``."""
    global signal_writer
    wire.fill_standard_streams()
    control = socket.socket(fileno=fd)
    control.setblocking(True)
    os.set_inheritable(fd, False)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _nothing)  # the parent decides, and its end is ours
    wake, signal_writer = socket.socketpair()
    wake.setblocking(False)
    signal_writer.setblocking(False)
    signal.signal(signal.SIGCHLD, _nothing)
    signal.set_wakeup_fd(signal_writer.fileno(), warn_on_full_buffer=False)
    platform.become_subreaper()
    parent_watch = platform.watch_process(parent)

    size = wire.HEAD.unpack(wire.receive_exactly(control, wire.HEAD_SIZE))[0]
    sys.path[:], sys.argv[:], titles, heirloom = pickle.loads(wire.receive_exactly(control, size))
    if heirloom is not None:
        os.set_inheritable(heirloom, False)  # forks keep it, programs they start do not
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # a killed run must not take its last lines with it
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    # Names in the parent's __main__ mean nothing here, and must not be found by accident.
    main_module = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    gc.disable()
    gc.freeze()

    if titles:
        platform.set_title("abreast: nursery")
    nursery = Nursery(control, wake, parent_watch, titles)
    try:
        if os.getppid() == parent:
            nursery.attend()
    finally:
        nursery.end_all()
        del main_module
    os._exit(0)
