"""The children a parent has: which exist, which rest, and the nursery they come from."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from typing import Any

from ..domain.model import Attempt
from . import wire
from .launch import NurseryLine
from .runlog import RunLog

_PIECE = 1 << 16
_MOST = 1 << 20  # bytes a pipe can hold


class Child:
    """A child process as the parent knows it."""

    __slots__ = ("attempt", "frames", "gone", "known", "last", "lent", "number", "out", "pid",
                 "pipe", "serial", "slot", "sock", "stopping", "used")  # fmt: skip

    def __init__(self, number: int, sock: socket.socket, pipe: int | None) -> None:
        self.number = number
        self.sock = sock
        self.pipe = pipe  # what it prints can be read here
        self.slot = -1  # where its run is marked as begun
        self.lent = False  # its run waits for others, which may use its slot
        self.pid: int | None = None
        self.attempt: Attempt | None = None
        self.serial = 0  # of what it executes, among all that was sent
        self.used = False  # it has executed something
        self.last = False  # it leaves by itself after this run
        self.stopping = False  # it is being ended; what it still answers is kept until then
        self.gone = False  # it has ended
        self.known: set[int] = set()  # the functions it has been sent
        self.frames = wire.Assembler()
        self.out: memoryview | None = None  # what its socket did not take yet

    def give(self, attempt: Attempt) -> None:
        """Record who has what. With the lock of the pool held."""
        self.attempt = attempt
        attempt.handle = self
        attempt.pid = self.pid

    def end_by_force(self) -> None:
        """Kill it and its group, when there is no nursery that could."""
        pid = self.pid
        try:
            if pid is not None and os.getsid(pid) == pid:  # still it: children lead sessions
                os.killpg(pid, signal.SIGKILL)
        except OSError:
            pass  # it is gone

    def wait_for_end(self, timeout_s: float) -> None:
        """Wait until its end of the socket is closed, which the kernel does when it has ended."""
        poll = select.poll()
        # only the end: what it has answered stays to be read
        poll.register(self.sock, select.POLLRDHUP if hasattr(select, "POLLRDHUP") else 0)
        poll.poll(timeout_s * 1000)

    def hear_output(self, ended: Attempt | None = None) -> bool:
        """Read once what it has printed. False: nothing is there, now or ever.

        It is from the attempt that has just ended, or else from the one that executes now.
        """
        if self.pipe is None:
            return False
        try:
            data = os.read(self.pipe, _PIECE)
        except BlockingIOError:
            return False
        # Looked up after reading: what another thread gives it meanwhile can have printed already.
        attempt = ended or self.attempt
        log: Any = None if attempt is None else attempt.log
        if type(log) is RunLog:
            log.write(data)
        return bool(data)

    def finish_output(self, attempt: Attempt) -> None:
        """Read all an attempt has printed that has said all it will say.

        A thread it left behind may print for ever, so this ends with what a pipe can hold.
        """
        log: Any = attempt.log
        if type(log) is RunLog:
            left = _MOST
            while left > 0 and self.hear_output(attempt):
                left -= _PIECE
            log.end()

    def close(self) -> None:
        self.sock.close()
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None

    def dismiss(self) -> None:
        """Let it leave once it has nothing to do."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has gone already


class Brood:
    """All children of one pool. ``take`` wants the lock held, the others take it themselves.

    ``piped`` says whether a child with a pipe for its output is wanted.
    """

    def __init__(self, lock: threading.Lock, titles: bool, heirloom: int | None) -> None:
        self._lock = lock
        self._titles = titles
        self._heirloom = heirloom
        self._piped = False  # one with a pipe was wanted, so all new ones get one
        self.idle: list[Child] = []
        self.unused: list[Child] = []  # idle ones that never ran anything: fit for fresh runs
        self.children: dict[int, Child] = {}
        self.nursery: NurseryLine | None = None
        self._last_number = 0

    def take(self, piped: bool) -> Child | None:
        """Take a resting child, if any: the one that ran last, whose caches are warm."""
        return self._take(self.idle, piped) or self._take(self.unused, piped)

    def take_any(self, piped: bool) -> Child | None:
        with self._lock:
            return self.take(piped)

    def take_new(self, piped: bool) -> Child | None:
        """Take a child that never ran anything, if there is one."""
        with self._lock:
            return self._take(self.unused, piped)

    def _take(self, resting: list[Child], piped: bool) -> Child | None:
        while resting:
            child = resting.pop()
            if not piped or child.pipe is not None:
                return child
            child.dismiss()  # from before the first run with a log; another takes its place
        return None

    def rest(self, child: Child) -> None:
        with self._lock:
            if not child.gone:
                (self.idle if child.used else self.unused).append(child)

    def hatch(self, piped: bool) -> tuple[Child, bool]:
        """Order a new child; also returns whether a nursery was started for it."""
        is_first = self.nursery is None
        if self.nursery is None:
            self.nursery = NurseryLine(self._titles, self._heirloom)
        self._piped = self._piped or piped
        pipe, output = wire.output_pipe() if self._piped else (None, None)
        try:
            ours, theirs = wire.socket_pair()
        except OSError:
            for fd in (pipe, output):
                if fd is not None:
                    os.close(fd)
            raise
        ours.setblocking(False)
        self._last_number += 1
        child = self.children[self._last_number] = Child(self._last_number, ours, pipe)
        fds = (theirs.detach(),) if output is None else (theirs.detach(), output)
        self.nursery.order(wire.FORK, child.number, fds=fds)
        return child, is_first

    def remove(self, child: Child) -> None:
        with self._lock:
            self.children.pop(child.number, None)
            for resting in (self.idle, self.unused):
                if child in resting:
                    resting.remove(child)
        child.close()

    def disown(self) -> None:
        """In a fork of the parent: close our copies and touch nothing else."""
        if self.nursery is not None:
            self.nursery.disown()
        for child in self.children.values():
            child.close()
