"""The I/O thread: waits for all sockets of a pool at once and does what other threads ask."""

from __future__ import annotations

import atexit
import os
import select
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from .. import platform
from . import wire
from .brood import Child

IN, OUT = select.POLLIN, select.POLLOUT  # epoll has the same values
# Being woken costs more than a no-op run. When events follow one another this closely (seconds),
# look this often before going to sleep. Not otherwise: it would fight a busy main thread.
_DENSE_S, _SPINS = 0.0002, 10
_EXIT_S = 2.0  # how long the interpreter waits for processes at its exit


class Loop:
    """One daemon thread, started when there is something to do.

    Parameters
    ----------
    hear, flush : callable
        Called with a child whose socket can be read, or written.
    hear_nursery : callable
        Called when the control socket can be read or written.
    """

    def __init__(
        self,
        hear: Callable[[Child], Any],
        hear_nursery: Callable[[], None],
        flush: Callable[[Child], None],
    ) -> None:
        self._hear, self._hear_nursery, self._flush = hear, hear_nursery, flush
        self._opening = threading.Lock()
        self._todo: deque[Callable[[], None]] = deque()
        self._children: dict[int, Child] = {}  # by descriptor
        self._printing: dict[int, Child] = {}  # by descriptor of its pipe
        self._nursery = -1
        self._thread: threading.Thread | None = None
        self._ended = False

    # -- for any thread ----------------------------------------------------------------------

    @property
    def opened(self) -> bool:
        return self._thread is not None

    def is_here(self) -> bool:
        return self._thread is threading.current_thread()

    def later(self, action: Callable[[], None]) -> None:
        """Have the thread do something soon. Never blocks."""
        self._todo.append(action)
        if self._thread is None:
            with self._opening:
                if self._thread is None:
                    self._open()
        try:
            self._bell.send(b"!")
        except OSError:
            pass  # full: it is awake anyway; or closed: nothing is left to be done

    def join(self, timeout: float | None = None) -> None:
        if self._thread is not None and not self.is_here():
            self._thread.join(timeout)

    def _open(self) -> None:
        self._poller = platform.new_poller()
        self._ear, self._bell = wire.socket_pair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        self._poller.register(self._ear.fileno(), IN)
        thread = threading.Thread(target=self._attend, name="abreast-processes", daemon=True)
        thread.start()
        self._thread = thread

    # -- for the thread itself ---------------------------------------------------------------

    def add(self, sock: socket.socket, child: Child) -> None:
        self._children[sock.fileno()] = child
        self._poller.register(sock.fileno(), IN)
        if child.pipe is not None:
            self._printing[child.pipe] = child
            self._poller.register(child.pipe, IN)

    def unwatch_output(self, child: Child) -> None:
        """When it has no more to print, or before its pipe is closed."""
        if child.pipe is not None and self._printing.pop(child.pipe, None) is not None:
            self._poller.unregister(child.pipe)

    def add_nursery(self, sock: socket.socket) -> None:
        self._nursery = sock.fileno()
        self._poller.register(self._nursery, IN)

    def watch(self, sock: socket.socket, mask: int) -> None:
        """Change what a socket is watched for, if it is watched at all."""
        fd = sock.fileno()
        if fd in self._children or (fd == self._nursery and fd >= 0):
            self._poller.modify(fd, mask)

    def unwatch(self, sock: socket.socket) -> None:
        """Before a socket is closed: others may hold copies, which would keep it registered."""
        fd = sock.fileno()
        if fd == self._nursery:
            self._nursery = -1
        elif self._children.pop(fd, None) is None:
            return
        if fd >= 0:
            self._poller.unregister(fd)

    def end(self) -> None:
        self._ended = True

    def disown(self) -> None:
        """In a fork of this process, where the thread does not exist."""
        if self._thread is not None:
            self._poller.close()
            self._ear.close()
            self._bell.close()

    def _attend(self) -> None:
        monotonic, last, dense = time.monotonic, 0.0, False
        poll, children, hear = self._poller.poll, self._children, self._hear
        while not self._ended:
            events = None
            if dense:
                for _ in range(_SPINS):
                    if events := poll(0):
                        break
                    os.sched_yield()
            events = events or poll()
            now = monotonic()
            dense, last = now - last < _DENSE_S, now
            for fd, mask in events:
                try:
                    child = children.get(fd)
                    if child is None:
                        self._attend_other(fd, mask)
                    elif mask == IN:
                        hear(child)
                    else:
                        if mask & OUT:
                            self._flush(child)
                        if mask & ~OUT:
                            hear(child)
                except Exception as error:  # of the host; its trouble must not end everything
                    args = type(error), error, error.__traceback__, self._thread
                    threading.excepthook(threading.ExceptHookArgs(args))
        self._poller.close()
        self._ear.close()
        self._bell.close()

    def _attend_other(self, fd: int, mask: int) -> None:
        child = self._printing.get(fd)
        if child is not None:
            if not child.hear_output() and mask != IN:  # all who held it have gone
                self.unwatch_output(child)
        elif fd == self._nursery:
            self._hear_nursery()
        elif fd == self._ear.fileno():
            try:
                self._ear.recv(4096)
            except BlockingIOError:
                pass
            while self._todo and not self._ended:
                self._todo.popleft()()


# -- forks and exits of this process ---------------------------------------------------------

_pools: weakref.WeakSet[Any] = weakref.WeakSet()


def remember(pool: Any) -> None:
    """Take care of a pool when this process forks or exits."""
    if not _pools:
        _start_care()
    _pools.add(pool)


def _start_care() -> None:
    if not _started:
        _started.append(os.getpid())
        os.register_at_fork(after_in_child=_forget_all)
        atexit.register(_end_all)


_started: list[int] = []


def _forget_all() -> None:
    for pool in list(_pools):
        pool.forget()


def _end_all() -> None:
    pools = list(_pools)
    for pool in pools:
        pool.abandon()
    for pool in pools:
        pool.loop.join(_EXIT_S)
