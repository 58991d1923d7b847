"""Threads: cheap, share memory, and cannot be killed."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from ..context import attempt_here
from ..domain.model import ERROR, OK, Attempt, Traits
from ..ports import HandHost
from .marks import Marks, Turns
from .runlog import RunLog
from .streams import Routing


class ThreadExecutor:
    """Executes hands of attempts in daemon threads, made when needed and kept until ``close``.

    Parameters
    ----------
    size : int
        Threads at most; grows by one for every abandoned thread until that one returns.
    marks : Marks, optional
        Where it is noted which runs have begun.
    """

    name = "thread"
    traits = Traits(can_kill=False, keeps_objects=True)

    def __init__(self, size: int, marks: Marks | None = None) -> None:
        self._size = size
        self.marks = marks
        self.routing = Routing()
        self._host: HandHost
        self._lock = threading.Lock()
        self._threads = 0
        self._made = 0
        self._idle: list[_Worker] = []  # the last to become idle is the first to be used
        self._waiting: deque[deque[Attempt]] = deque()
        self._closed = False

    def bind(self, host: HandHost) -> None:
        self._host = host

    def start(self, hand: deque[Attempt]) -> None:
        with self._lock:
            if self._idle:
                self._idle.pop().give(hand)
            elif self._threads < self._size:
                self._threads += 1
                self._made += 1
                worker = _Worker(self, hand)
                threading.Thread(
                    target=worker.work, name=f"abreast-{self._made}", daemon=True
                ).start()
            else:
                self._waiting.append(hand)  # a thread is on its way to look here

    def stop(self, attempt: Attempt, grace_s: float) -> bool:
        """Threads cannot be ended: the task sees the request at its next ``progress()``."""
        return False

    def abandon(self, attempt: Attempt) -> None:
        self.resize(1)

    def resize(self, by: int) -> None:
        with self._lock:
            self._size += by

    def close(self, grace_s: float) -> None:
        """Send idle threads home. Busy ones leave when their task returns, unwaited for."""
        with self._lock:
            self._closed = True
            for worker in self._idle:
                worker.give(None)
            self._idle.clear()
        self.routing.end()

    def next_for(self, worker: _Worker) -> deque[Attempt] | None:
        """Return what waits, or put the worker to sleep until there is something; None: go home."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._closed or self._threads > self._size:
                self._threads -= 1
                return None
            self._idle.append(worker)
        return worker.wait()

    def retire(self) -> None:
        """An abandoned thread has returned; its place was refilled long ago."""
        with self._lock:
            self._size -= 1
            self._threads -= 1

    @property
    def host(self) -> HandHost:
        return self._host


class _Worker:
    """One thread's part: execute, report, and go on with what the report returns."""

    __slots__ = ("_executor", "_gate", "_next")

    def __init__(self, executor: ThreadExecutor, first: deque[Attempt]) -> None:
        self._executor = executor
        self._next: deque[Attempt] | None = first
        self._gate = threading.Lock()
        self._gate.acquire()

    def give(self, hand: deque[Attempt] | None) -> None:
        self._next = hand
        self._gate.release()

    def wait(self) -> deque[Attempt] | None:
        self._gate.acquire()
        return self._next

    def work(self) -> None:
        executor = self._executor
        host = executor.host
        finished, next_hand, now = host.finished, host.next_hand, host.now
        routing, marks = executor.routing, executor.marks
        begin = None if marks is None else Turns(marks).begin
        hand: Any  # a deque[Attempt] with ``freed``
        hand, self._next = self._next, None
        while hand is not None:
            while True:
                try:
                    attempt = hand.popleft()
                except IndexError:
                    break
                attempt_here.set(attempt)
                log: Any = attempt.log  # a RunLog, or of no concern to us
                if type(log) is RunLog:
                    routing.begin()
                if begin is not None:
                    begin(attempt.run.id)
                try:
                    attempt.value = attempt.run.task.fn(*attempt.args, **attempt.kwargs)
                    attempt.outcome = OK
                except BaseException as error:  # SystemExit too: it ends this run, not the thread
                    attempt.error = error
                    attempt.outcome = ERROR
                if type(log) is RunLog:
                    log.end()
                attempt.ended = now()
                finished(attempt)
            following = next_hand(hand)
            if hand.freed:
                executor.retire()
                return
            hand = following if following is not None else executor.next_for(self)
