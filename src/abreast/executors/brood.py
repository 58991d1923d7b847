"""The children a parent has: which exist, which rest, and the nursery they come from."""

from __future__ import annotations

import socket
import threading

from ..domain.model import Attempt
from . import wire
from .launch import NurseryLine


class Child:
    """A child process as the parent knows it."""

    __slots__ = ("attempt", "frames", "gone", "known", "last", "number", "out", "pid", "serial",
                 "sock", "stopping", "used")  # fmt: skip

    def __init__(self, number: int, sock: socket.socket) -> None:
        self.number = number
        self.sock = sock
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

    def dismiss(self) -> None:
        """Let it leave once it has nothing to do."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has gone already


class Brood:
    """All children of one pool. ``take`` wants the lock held, the others take it themselves."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self.idle: list[Child] = []
        self.unused: list[Child] = []  # idle ones that never ran anything: fit for fresh runs
        self.children: dict[int, Child] = {}
        self.nursery: NurseryLine | None = None
        self._last_number = 0

    def take(self) -> Child | None:
        """Take a resting child, if any: the one that ran last, whose caches are warm."""
        if self.idle:
            return self.idle.pop()
        return self.unused.pop() if self.unused else None

    def take_any(self) -> Child | None:
        with self._lock:
            return self.take()

    def take_new(self) -> Child | None:
        """Take a child that never ran anything, if there is one."""
        with self._lock:
            return self.unused.pop() if self.unused else None

    def rest(self, child: Child) -> None:
        with self._lock:
            if not child.gone:
                (self.idle if child.used else self.unused).append(child)

    def hatch(self) -> tuple[Child, bool]:
        """Order a new child; also returns whether a nursery was started for it."""
        is_first = self.nursery is None
        if self.nursery is None:
            self.nursery = NurseryLine()
        ours, theirs = wire.socket_pair()
        ours.setblocking(False)
        self._last_number += 1
        child = self.children[self._last_number] = Child(self._last_number, ours)
        self.nursery.order(wire.FORK, child.number, end=theirs)
        return child, is_first

    def remove(self, child: Child) -> None:
        with self._lock:
            self.children.pop(child.number, None)
            for resting in (self.idle, self.unused):
                if child in resting:
                    resting.remove(child)
        child.sock.close()

    def disown(self) -> None:
        """In a fork of the parent: close our copies and touch nothing else."""
        if self.nursery is not None:
            self.nursery.disown()
        for child in self.children.values():
            child.sock.close()
