"""What a child does: read a run from its socket, execute it, answer, clean up, wait again."""

from __future__ import annotations

import os
import pickle
import select
import socket
import sys
import time
import traceback
from threading import Lock
from types import CoroutineType
from typing import Any, NoReturn

from .. import codec, platform
from ..context import attempt_here
from ..domain.model import Attempt, Run, Task
from ..errors import NotPicklable
from . import leftovers, wire
from .child_output import ChildOutput, flush

# The next run often arrives within microseconds of an answer. Looking this often before going to
# sleep (some 40 us in all) spares the sleep and the wake-up, which cost several times that.
_SPINS = 40
_IDLE = "abreast: child, idle"
_NONE = wire.frame(wire.VALUE, pickle.dumps(None, 5))
_ADVICE = 'return plain data, or run the task in a thread: executor="thread"'


def serve(sock: socket.socket, pipe: int | None = None, titles: bool = False) -> NoReturn:
    """Execute runs until the parent closes the socket; never returns.

    ``pipe`` is where runs with a ``RunLog`` print; ``titles``: show in ``ps`` what is going on.
    """
    server = _Server(sock, pipe, titles)
    clean = False
    try:
        clean = server.attend()
    finally:
        flush()
        os._exit(wire.LEFT_CLEAN if clean else 1)


class _Server:
    """One child: its functions by key, its end of the socket."""

    def __init__(self, sock: socket.socket, pipe: int | None, titles: bool) -> None:
        self.sock = sock
        self.titles = titles
        self.pid = os.getpid()
        self.functions: dict[int, tuple[Any, Task]] = {}
        self.line = ParentLine(sock)
        self.output = ChildOutput(pipe)
        if titles:
            platform.set_title(_IDLE)

    def attend(self) -> bool:
        """Return True if the child may leave and has left nothing behind."""
        recv, unpack, size = self.sock.recv, wire.HEAD.unpack_from, wire.HEAD_SIZE
        buffer: bytes = b""
        poll = select.poll()
        poll.register(self.sock.fileno(), select.POLLIN)
        ready = poll.poll
        while True:
            if not buffer:
                for _ in range(_SPINS):
                    if ready(0):
                        break
                    os.sched_yield()
                buffer = recv(wire.READ_SIZE)
                if not buffer:
                    return True
            if len(buffer) < size:
                buffer += wire.receive_exactly(self.sock, size - len(buffer))
                if len(buffer) < size:
                    return True
            length, kind = unpack(buffer)
            end = size + length
            if len(buffer) < end:
                buffer += wire.receive_exactly(self.sock, end - len(buffer))
                if len(buffer) < end:
                    return True
            body = memoryview(buffer)[size:end]
            buffer = buffer[end:] if len(buffer) > end else b""
            if kind == wire.RUN:
                if self.run(body):
                    return True
            elif kind == wire.TASK:
                self.learn(body)
            else:
                self.functions.clear()

    def learn(self, body: memoryview) -> None:
        """Keep a function for the runs that will name it by its key."""
        key, path, name, blob = pickle.loads(body)
        if sys.path != path:
            sys.path[:] = path
        try:
            fn = codec.loads(blob)
        except BaseException as error:
            fn = _Unloadable(name, error)
        self.functions[key] = (fn, Task(name, fn, "process"))

    def run(self, body: memoryview) -> bool:
        """Execute one run and answer. True if it was to be the only one of this child."""
        last, nice = False, None
        line = self.line
        try:
            key, serial, args, kwargs, id, label, number, log, rare = pickle.loads(body)
        except BaseException as error:
            answer = _error_frame(
                NotPicklable(
                    "the arguments of this run arrived in its process but cannot be loaded "
                    f"there: {type(error).__name__}: {error}; what they refer to must be "
                    "importable from there, not only from the calling process"
                ),
                error.__traceback__,
            )
        else:
            fn, task = self.functions[key]
            run = Run(id, task, args, kwargs, 0.0, None, label)
            run.attempt = number
            here = Attempt(run, number, args, kwargs, line)
            here.pid = self.pid
            here.log = log
            if rare is not None:
                last, nice, here.origin = rare
            line.begin(serial, here)
            if self.titles:
                platform.set_title(f"abreast: run {id} {task.name}")
            answer = self.execute(fn, here, nice)
        if os.getpid() != self.pid:
            os._exit(0)  # the task forked and came back twice; only the original answers
        if not platform.childless():
            leftovers.end()
        self.output.end()
        if self.titles:
            platform.set_title(_IDLE)
        line.finish(answer)
        return bool(last)

    def execute(self, fn: Any, here: Attempt, nice: int | None) -> bytes:
        token = attempt_here.set(here)
        try:
            self.output.begin(here.log)
            if nice is not None:
                _become_nice(nice, here.run.task.name)
            value = fn(*here.args, **here.kwargs)
            if type(value) is CoroutineType:
                import asyncio

                value = asyncio.run(value)
        except BaseException as error:
            # The first entry is this function, which tells the reader nothing.
            return _error_frame(error, error.__traceback__ and error.__traceback__.tb_next)
        finally:
            attempt_here.reset(token)
        return _NONE if value is None else _value_frame(value, here.run)


class ParentLine:
    """The way back to the parent; the ``host`` of a run in its own process."""

    _BURST = 50  # progress messages at once, and then per second

    def __init__(self, sock: socket.socket) -> None:
        self._send = sock.sendall
        self._lock = Lock()  # threads of a task may report progress too
        self._serial = 0
        self._here: Attempt | None = None
        self._loans = 0  # threads of the run that wait for other runs
        self._credit = float(self._BURST)
        self._credited = 0.0
        self._held: bytes | None = None

    def begin(self, serial: int, here: Attempt) -> None:
        self._serial = serial
        self._here = here
        self._loans = 0
        self._credit = self._BURST

    def finish(self, answer: bytes) -> None:
        """Send the answer, and before it the last progress if it was held back."""
        with self._lock:
            if self._held is not None:
                answer, self._held = self._held + answer, None
            self._send(answer)

    def progress(self, attempt: Attempt, done: float, total: float | None, message: str) -> None:
        """Tell the parent how far the run is. A tight loop is thinned out to 50 a second."""
        body = pickle.dumps((self._serial, done, total, message), 5)
        with self._lock:
            now = time.monotonic()
            gained = (now - self._credited) * self._BURST
            self._credited = now
            self._credit = min(self._BURST, self._credit + gained) - 1
            if self._credit < 0:
                self._credit += 1
                self._held = wire.frame(wire.PROGRESS, body)
                return
            self._held = None
            self._send(wire.frame(wire.PROGRESS, body))

    def lend_slot(self, attempt: Attempt) -> None:
        """Let other runs use the slot of this one, which only waits. See :meth:`take_slot_back`."""
        self._loan(attempt, 1)

    def take_slot_back(self, attempt: Attempt) -> None:
        """End a loan. Of several at once, by threads of the run, the last one counts."""
        self._loan(attempt, -1)

    def _loan(self, attempt: Attempt, by: int) -> None:
        with self._lock:
            if attempt is not self._here:
                return  # its run has ended, and with it the loan
            before, self._loans = self._loans, self._loans + by
            if 0 in (before, self._loans):
                kind = wire.LEND if by > 0 else wire.TAKE_BACK
                self._send(wire.frame(kind, pickle.dumps(self._serial, 5)))

    def now(self) -> float:
        return time.time()

    def report(self, attempt: Attempt) -> None:
        raise NotImplementedError("a run does not report itself; its child process does")


def _become_nice(nice: int, name: str) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except PermissionError:
        now = os.getpriority(os.PRIO_PROCESS, 0)
        raise PermissionError(
            f"task {name!r}: nice={nice} is a higher priority than the {now} of this process, "
            f"which only an administrator may give; use nice={now} or more"
        ) from None


class _Unloadable:
    """Stands in for a function that this process cannot load; calling it says why."""

    def __init__(self, name: str, error: BaseException) -> None:
        self.message = (
            f"the function of task {name!r} cannot be loaded in its process: "
            f"{type(error).__name__}: {error}; its module must be importable by name "
            "(installed, or in a folder of sys.path)"
        )
        self.error = error

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise NotPicklable(self.message) from self.error


def _value_frame(value: Any, run: Run) -> bytes:
    try:
        return wire.frame(wire.VALUE, codec.dumps(value))
    except BaseException as error:
        return _error_frame(
            NotPicklable(
                f"task {run.task.name!r}: its result (type {type(value).__name__!r}) cannot be "
                f"pickled: {error}; {_ADVICE}"
            ),
            None,
        )


def _error_frame(error: BaseException, entry: Any) -> bytes:
    trace = "".join(traceback.format_exception(type(error), error, entry))
    blob: bytes | None
    try:
        blob = codec.dumps(error)
    except BaseException:
        blob = None
    try:
        text = str(error)
    except BaseException:
        text = "(its text cannot be made)"
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    body = pickle.dumps((blob, type(error).__qualname__, text, trace, notes), 5)
    return wire.frame(wire.ERROR, body)
