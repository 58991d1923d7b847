"""What runs print, line by line as it comes."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..domain.states import ENDED
from .output import PIECE, SEPARATE

if TYPE_CHECKING:
    from ..domain.model import Run

_MOST = 1 << 20  # bytes; a longer line is passed on in parts
_WRITE_ONLY = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)
_READ_ONLY = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)


class _Pipe:
    """The FIFO that a run in a process of its own writes to."""

    def __init__(self, run: Run, path: str) -> None:
        self.run = run
        self.path = path
        os.mkfifo(path, 0o600)
        self.fd = os.open(path, _READ_ONLY)
        self.guard = os.open(path, _WRITE_ONLY)  # so that the end of one attempt is not the end

    def close(self) -> None:
        os.close(self.fd)
        os.close(self.guard)
        os.unlink(self.path)


class Lines:
    """A capture that passes every finished line on at once, and the rest when its run ends.

    One thread reads what processes write; it sleeps until there is something.

    Parameters
    ----------
    folder : str
        An existing folder for FIFOs; its owner removes it.
    emit : callable
        Gets the run and one line without its line break. Called on any thread, one line of one
        run at a time.
    last_words : callable
        Gets a run that has ended, after its last line, on the reading thread.
    """

    def __init__(
        self,
        folder: str,
        emit: Callable[[Run, bytes], None],
        last_words: Callable[[Run], None] = lambda run: None,
    ) -> None:
        self._folder = folder
        self._emit = emit
        self._last_words = last_words
        self._lock = threading.Lock()  # of the rests, and keeps lines whole
        self._rests: dict[int, bytes] = {}
        self._pipes: dict[int, _Pipe] = {}  # by run
        self._by_fd: dict[int, _Pipe] = {}  # the reading thread's
        self._orders: deque[Run | _Pipe | None] = deque()  # ended, begun, leave
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._thread = threading.Thread(target=self._attend, name="cli-lines", daemon=True)
        self._thread.start()

    def write(self, run: Run, data: bytes) -> None:
        """Take what a run in this process has printed."""
        if run.state not in ENDED:
            self._add(run, data)

    def path(self, run: Run) -> str | None:
        """Return the FIFO for a run in a process of its own; all its attempts share it."""
        if run.task.executor not in SEPARATE:
            return None
        pipe = self._pipes.get(run.id)
        if pipe is None:
            pipe = _Pipe(run, os.path.join(self._folder, str(run.id)))
            self._pipes[run.id] = pipe
            self._order(pipe)
        return pipe.path

    def ended(self, run: Run) -> None:
        """Say that a run has ended: everything it printed is on its way."""
        self._order(run)

    def close(self) -> None:
        """Pass on what is left, and end."""
        self._order(None)
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _order(self, order: Run | _Pipe | None) -> None:
        self._orders.append(order)
        try:
            os.write(self._wake_write, b".")
        except BlockingIOError:
            pass  # it has been woken often enough

    def _add(self, run: Run, data: bytes) -> None:
        with self._lock:
            lines = (self._rests.pop(run.id, b"") + data).split(b"\n")
            rest = lines.pop()
            for line in lines:
                self._emit(run, line)
            if len(rest) > _MOST:
                self._emit(run, rest)
            elif rest:
                self._rests[run.id] = rest

    # -- the reading thread -----------------------------------------------------------------

    def _attend(self) -> None:
        while True:
            for fd, _ in self._poll.poll():
                if fd == self._wake_read:
                    os.read(fd, PIECE)
                elif fd in self._by_fd:
                    self._read(self._by_fd[fd])
            while self._orders:
                order = self._orders.popleft()
                if order is None:
                    for pipe in list(self._by_fd.values()):
                        self._finish(pipe.run)
                    return
                if isinstance(order, _Pipe):
                    self._by_fd[order.fd] = order
                    self._poll.register(order.fd, select.POLLIN)
                else:
                    self._finish(order)

    def _read(self, pipe: _Pipe) -> bool:
        try:
            data = os.read(pipe.fd, PIECE)
        except BlockingIOError:
            return False
        self._add(pipe.run, data)
        return bool(data)

    def _finish(self, run: Run) -> None:
        pipe = self._pipes.pop(run.id, None)
        if pipe is not None:
            while self._read(pipe):
                pass
            self._poll.unregister(pipe.fd)
            del self._by_fd[pipe.fd]
            pipe.close()
        with self._lock:
            rest = self._rests.pop(run.id, b"")
            if rest:
                self._emit(run, rest)
            if run.state in ENDED:
                self._last_words(run)
