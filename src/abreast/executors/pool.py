"""The parent's side of the children: one I/O thread, an idle list, a lock.

Who does what: any thread may :meth:`~Pool.start` (it writes to an idle child directly) and
:meth:`~Pool.stop`. Everything else, forking and reporting included, happens in the I/O thread.
The lock guards which child has which attempt; the host is never called while it is held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ..domain.model import Attempt, Outcome
from ..errors import Crashed, UsageError
from ..platform import describe_exit
from ..ports import Host
from . import wire
from .brood import Brood, Child
from .host_line import HostLine
from .loop import IN, OUT, Loop
from .marks import Marks
from .messages import Functions, from_child, leaves_after, to_child
from .runlog import RunLog

# What the functions of one kind are kept under, the function, its arguments by place and by name.
Call = tuple[Any, Any, tuple[Any, ...], Mapping[str, Any]]
_WITHDRAWN: Any = "withdrawn"  # handle of an attempt that was stopped before it had a child
_CLOSE_S = 5.0  # beyond its grace, how long closing may take before the nursery is killed


class Pool:
    """Children forked on demand; see the module's text for who may call what.

    Parameters
    ----------
    what_to_call : callable
        Takes an attempt and returns the :data:`Call` by which a child executes it.
    ok_after_stop : bool
        Whether a value that arrives from an attempt after it was told to stop still counts.
    titles : bool
        Whether processes say in their title what they execute.
    marks : Marks or None
        Where it is noted which runs have begun.
    """

    def __init__(
        self,
        what_to_call: Callable[[Attempt], Call],
        ok_after_stop: bool,
        titles: bool = False,
        marks: Marks | None = None,
        heirloom: int | None = None,
    ) -> None:
        self._heirloom = heirloom
        self._what_to_call = what_to_call
        self._ok_after_stop = ok_after_stop
        self._titles = titles
        self._line = HostLine(marks)
        self._closing = False
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._functions = Functions()
        self._brood = Brood(self._lock, self._titles, self._heirloom)
        self._serial = 0
        self._empty = threading.Event()
        self.loop = Loop(self._hear, self._hear_nursery, self._flush)

    # -- called by the engine ----------------------------------------------------------------

    def bind(self, host: Host) -> None:
        self._line.bind(host)

    def start(self, attempt: Attempt) -> None:
        if self._closing:
            raise UsageError("this executor is closed; make a new one for further runs")
        child = None
        if not attempt.run.task.fresh:
            with self._lock:
                child = self._brood.take(_prints_to_pipe(attempt))
                if child is not None:
                    child.give(attempt)
        if child is None:
            self.loop.later(lambda: self._feed(None, attempt))
            return
        error = self._send(child, attempt)
        if error is not None:
            refused, why = child, error
            self.loop.later(lambda: self._refuse(refused, attempt, why))

    def stop(self, attempt: Attempt, grace_s: float) -> bool:
        with self._lock:
            child = attempt.handle
            if child is None or child is _WITHDRAWN:
                attempt.handle = _WITHDRAWN
                return True
            if child.attempt is not attempt:
                return True  # it is being reported at this moment
            child.stopping = True
        self.loop.later(lambda: self._order(wire.STOP, child, grace_s))
        return True

    def close(self, grace_s: float) -> None:
        first, self._closing = not self._closing, True
        if not self.loop.opened:
            return
        if first:
            self.loop.later(lambda: self._start_closing(grace_s))
        if self.loop.is_here():
            self.loop.later(self._hang_up)
            return
        self._empty.wait(grace_s + _CLOSE_S)
        self.loop.later(self._hang_up)
        self.loop.join()

    def abandon(self) -> None:
        """End everything soon. Takes no lock: it may be called by the garbage collector."""
        self._closing = True
        if self.loop.opened:
            self.loop.later(self._hang_up)

    def forget(self) -> None:
        """In a fork of this process: leave the children to the original, and start anew."""
        self.loop.disown()
        self._brood.disown()
        self._reset()

    # -- giving attempts to children; from here on in the I/O thread, except _send -------------

    def _send(self, child: Child, attempt: Attempt) -> Exception | None:
        """Send an attempt to the child that has it; return why that is impossible."""
        self._serial = child.serial = self._serial + 1
        child.last = leaves_after(attempt.run.task)
        try:
            call = self._what_to_call(attempt)
            data = to_child(self._functions, child.known, attempt, child.serial, call)
        except Exception as error:
            return error
        child.used = True
        self._line.begun(child, attempt)
        try:
            sent = child.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return None  # it has ended, and its end will be reported
        if sent < len(data):
            child.out = memoryview(data)[sent:]
            self.loop.later(lambda: self.loop.watch(child.sock, IN | OUT))
        return None

    def _flush(self, child: Child) -> None:
        """Send more of what the child's socket did not take at once."""
        try:
            while child.out:
                child.out = child.out[child.sock.send(child.out) :]
        except BlockingIOError:
            return
        except OSError:
            pass  # its end will be reported
        child.out = None
        self.loop.watch(child.sock, IN)

    def _feed(self, child: Child | None, attempt: Attempt | None) -> None:
        """Give an attempt to ``child``, or to another; without one the child may rest."""
        while attempt is not None:
            fresh, piped = attempt.run.task.fresh, _prints_to_pipe(attempt)
            if child is not None and (fresh or (piped and child.pipe is None)):
                self._brood.rest(child)
                child = None
            if child is None and not self._closing:
                try:
                    take = self._brood.take_new if fresh else self._brood.take_any
                    child = take(piped) or self._hatch(piped)
                except Exception as error:  # no descriptors or processes left, no interpreter
                    attempt = self._line.fail(attempt, error)
                    continue
            with self._lock:
                withdrawn = child is None or self._closing or attempt.handle is _WITHDRAWN
                if child is not None and not withdrawn:
                    child.give(attempt)
            if child is None or withdrawn:
                attempt.outcome = Outcome.STOPPED
                attempt = self._line.report(attempt)
                continue
            refusal = self._send(child, attempt)
            if refusal is None:
                if child.last:
                    self._hatch_spare(piped)
                return
            if not self._take_back(child):
                return
            attempt = self._line.fail(attempt, refusal)
        if child is not None:
            self._brood.rest(child)

    def _refuse(self, child: Child, attempt: Attempt, error: Exception) -> None:
        if self._take_back(child):
            self._feed(child, self._line.fail(attempt, error))

    def _take_back(self, child: Child) -> bool:
        """Part child and attempt. False: it is being ended, and its end will be reported."""
        with self._lock:
            if child.stopping or child.gone:
                return False
            child.attempt = None
            return True

    # -- hearing from children ---------------------------------------------------------------

    def _hear(self, child: Child) -> bool:
        """Read once from a child. False if there is nothing, now or any more."""
        try:
            data = child.sock.recv(wire.READ_SIZE if child.frames.empty else wire.BULK_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.loop.unwatch(child.sock)  # why it hung up, the nursery will tell
            return False
        if child.frames.empty and len(data) >= wire.HEAD_SIZE:
            length, kind = wire.HEAD.unpack_from(data)
            if wire.HEAD_SIZE + length == len(data):
                self._on_frame(child, kind, memoryview(data)[wire.HEAD_SIZE :])
                return True
        for kind, body in child.frames.feed(data):
            self._on_frame(child, kind, body)
        return True

    def _on_frame(self, child: Child, kind: int, body: Any) -> None:
        attempt = child.attempt
        if attempt is None:
            return
        if kind == wire.PROGRESS:
            serial, *progress = wire.loads(body)
            if serial == child.serial:
                self._line.progress(attempt, progress)
            return
        if kind in (wire.LEND, wire.TAKE_BACK):
            if wire.loads(body) == child.serial:
                self._line.lend(child, attempt, kind == wire.LEND)
            return
        from_child(attempt, kind, body)
        with self._lock:
            held = child.stopping or child.gone
            if not held:
                child.attempt = None
        if held:  # it is reported once its process is really gone
            child.dismiss()
        else:
            self._feed(None if child.last else child, self._line.report_of(child, attempt))

    # -- hearing from the nursery ------------------------------------------------------------

    def _hear_nursery(self) -> None:
        nursery = self._brood.nursery
        assert nursery is not None
        if nursery.flush():
            self.loop.watch(nursery.sock, IN)
        try:
            for kind, number, status in nursery.news():
                child = self._brood.children.get(number)
                if child is None:
                    continue
                if kind == wire.BORN:
                    child.pid = status
                    if child.attempt is not None:
                        child.attempt.pid = status
                elif kind == wire.ENDED:
                    self._ended(child, Crashed(_crash_text(child, describe_exit(status))))
                else:
                    self._ended(child, OSError(status, "no process could be made for this run"))
        except EOFError:
            self._lost_nursery()

    def _ended(self, child: Child, error: Exception) -> None:
        """Report the end of a child that is gone with all its descendants."""
        with self._lock:
            child.gone = True
        while self._hear(child):
            pass  # an answer that had fully arrived counts
        self.loop.unwatch(child.sock)
        with self._lock:
            attempt, child.attempt = child.attempt, None
        if attempt is not None:
            child.finish_output(attempt)
        self.loop.unwatch_output(child)
        self._brood.remove(child)
        if attempt is not None:
            if child.stopping:
                if attempt.outcome is not Outcome.OK or not self._ok_after_stop:
                    attempt.outcome = Outcome.STOPPED
                    attempt.value = attempt.error = None
            elif attempt.outcome is None:
                crashed = isinstance(error, Crashed)
                attempt.outcome = Outcome.CRASHED if crashed else Outcome.ERROR
                attempt.error = error
            self._feed(None, self._line.report_of(child, attempt))
        if self._closing and not self._brood.children:
            self._empty.set()

    def _lost_nursery(self) -> None:
        """The nursery died: its children died with it, and are replaced with a new one."""
        nursery, self._brood.nursery = self._brood.nursery, None
        assert nursery is not None
        self.loop.unwatch(nursery.sock)
        nursery.close(_CLOSE_S)
        nursery.sweep()
        how = describe_exit(nursery.process.returncode)
        lost = list(self._brood.children.values())
        for child in lost:
            child.end_by_force()
        for child in lost:
            child.wait_for_end(_CLOSE_S)
            text = f"killed with all others when the nursery process was lost ({how})"
            self._ended(child, Crashed(_crash_text(child, text)))

    # -- children and their end --------------------------------------------------------------

    def _hatch(self, piped: bool) -> Child:
        child, is_first = self._brood.hatch(piped)
        nursery = self._brood.nursery
        assert nursery is not None
        if is_first:
            self.loop.add_nursery(nursery.sock)
        self.loop.add(child.sock, child)
        if not nursery.flush():
            self.loop.watch(nursery.sock, IN | OUT)
        return child

    def _hatch_spare(self, piped: bool) -> None:
        """Have a child ready for the next fresh run, forked while this one works."""
        if not self._brood.unused and not self._closing:
            try:
                self._brood.rest(self._hatch(piped))
            except Exception:
                return  # the next run will meet the same and report it

    def _order(self, kind: int, child: Child, seconds: float) -> None:
        nursery = self._brood.nursery
        if nursery is not None and not nursery.order(kind, child.number, seconds):
            self.loop.watch(nursery.sock, IN | OUT)

    def _start_closing(self, grace_s: float) -> None:
        for child in list(self._brood.children.values()):
            with self._lock:
                busy = child.stopping = child.attempt is not None
            if busy:
                self._order(wire.STOP, child, grace_s)
            else:
                child.dismiss()
        if not self._brood.children:
            self._empty.set()

    def _hang_up(self) -> None:
        """End what is left by ending the nursery, and this thread with it."""
        nursery, self._brood.nursery = self._brood.nursery, None
        if nursery is not None:
            self.loop.unwatch(nursery.sock)
            nursery.close(_CLOSE_S)
        for child in list(self._brood.children.values()):
            with self._lock:
                child.stopping = True
            self._ended(child, Crashed("unused"))
        self.loop.end()


def _crash_text(child: Child, how: str) -> str:
    label = child.attempt.run.label if child.attempt is not None else "?"
    return f"the process of run {label!r} died before it could report: {how}"


def _prints_to_pipe(attempt: Attempt) -> bool:
    log: Any = attempt.log
    return type(log) is RunLog
