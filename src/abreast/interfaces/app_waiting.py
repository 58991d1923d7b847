"""Waiting for the end of stored runs: in a thread, in a task, on an event loop."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..context import attempt_here
from ..domain.model import Attempt, Run
from ..domain.states import ENDED
from ..errors import UsageError
from ..stores.bells import Bell
from .waiting import landing

if TYPE_CHECKING:
    from .app_node import Node

_NET_S = 1.0  # longest time until an end is seen whose bell was not heard
_PATIENCE = 10  # how often the watching thread looks up in vain before it goes home


def wait(node: Node, record: Run, timeout: float | None) -> bool:
    """Block until a run has ended; False after ``timeout`` seconds.

    A task that waits for a run of its own store gives its slot back meanwhile.

    Raises
    ------
    UsageError
        When a run waits for itself.
    """
    here = _lender(node, record)
    ended = threading.Event()
    if here is not None:
        _lend(here)
    try:
        node.when_ended(record, ended.set)
        if ended.wait(timeout):
            return True
        node.forget(record, ended.set)
        return False
    finally:
        if here is not None:
            _take_back(here)


async def until_ended(node: Node, record: Run) -> None:
    """Wait for the end of a run without blocking the event loop; lends the slot of a task."""
    here = _lender(node, record)
    future, call = landing()
    if here is not None:
        _lend(here)
    try:
        node.when_ended(record, call)
        await future
    except BaseException:
        node.forget(record, call)
        raise
    finally:
        if here is not None:
            _take_back(here)


def _lender(node: Node, record: Run) -> Attempt | None:
    """The attempt that asks, if it is one of the same store and so has a slot to give."""
    here = attempt_here.get()
    if here is None:
        return None
    here_too = here.host is node.engine or getattr(here, "origin", None) == node.url
    if not here_too:
        return None
    if here.run.id == record.id:
        raise UsageError(f"{record.label!r} waits for its own result")
    if not hasattr(here.host, "lend_slot") or here.run.task.executor == "inline":
        return None
    return here


_loans = threading.Lock()  # an attempt may wait in several places at once; it has one slot


def _lend(attempt: Attempt) -> None:
    with _loans:
        loans = attempt.__dict__.get("loans", 0)
        attempt.__dict__["loans"] = loans + 1
    if loans == 0:
        attempt.host.lend_slot(attempt)


def _take_back(attempt: Attempt) -> None:
    with _loans:
        attempt.__dict__["loans"] -= 1
        last = attempt.__dict__["loans"] == 0
    if last:
        attempt.host.take_slot_back(attempt)


class Watch:
    """One thread that waits, for everybody in this process, for ends other processes record.

    It sleeps until the store's bell rings, which every process does after it has recorded an end,
    and looks once a second besides. It goes home when nobody has waited for a while.

    Parameters
    ----------
    store
        A store with ``read``, and ``runtime``, the folder in which bells hang.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._calls: dict[int, list[Callable[[], None]]] = {}
        self._bell: Bell | None = None  # exists as long as its thread
        self._closed = False

    def when_ended(self, id: int, call: Callable[[], None]) -> None:
        """Call once when the run has ended; at once when it has."""
        with self._lock:
            self._calls.setdefault(id, []).append(call)
            if self._bell is None:
                bell = self._bell = Bell(self._store.runtime, "c")
                threading.Thread(
                    target=self._attend, args=(bell,), name="abreast-watch", daemon=True
                ).start()
        self._look([id])  # only now: the bell hangs, so that no end falls in between

    def forget(self, id: int, call: Callable[[], None]) -> None:
        """Take back :meth:`when_ended`."""
        with self._lock:
            calls = self._calls.get(id, [])
            if call in calls:
                calls.remove(call)
            if not calls:
                self._calls.pop(id, None)

    def close(self) -> None:
        """End the thread; nobody is called any more."""
        with self._lock:
            self._closed = True
            self._calls.clear()
            bell = self._bell
        if bell is not None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                try:
                    sock.sendto(b"!", bell.path)
                except OSError:
                    pass  # it is full, which rings too, or has gone home by itself

    def _attend(self, bell: Bell) -> None:
        poll = select.poll()
        poll.register(bell.fileno(), select.POLLIN)
        idle = 0
        while True:
            with self._lock:
                idle = 0 if self._calls else idle + 1
                if self._closed or idle > _PATIENCE:
                    self._bell = None
                    bell.close()
                    return
                ids = list(self._calls)
            if ids:
                self._try_to_look(ids)
            poll.poll(int(_NET_S * 1000))
            bell.drain()

    def _try_to_look(self, ids: list[int]) -> None:
        try:
            self._look(ids)
        except Exception as error:  # say, locked; the net catches what is missed now
            if not self._closed:
                import logging

                logging.getLogger("abreast").warning("cannot look after runs yet: %s", error)

    def _look(self, ids: list[int]) -> None:
        found = self._store.read(ids)
        for id in ids:
            record = found.get(id)
            if record is None or record.state in ENDED:  # None: it was pruned
                with self._lock:
                    calls = self._calls.pop(id, [])
                for call in calls:
                    call()
