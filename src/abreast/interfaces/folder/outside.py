"""Calls a task in an interpreter of its own, which need not have abreast."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from ... import platform, values
from ...errors import Crashed, NotStorable, UsageError
from .. import run as run_of
from .. import steps
from . import environment, standing
from .function import FolderFunction

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "standalone.py")
_SLOW_MS = 200  # where the end of a process cannot be waited for together with its words


def call(fn: FolderFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Execute one call; output goes where that of this process goes.

    Raises
    ------
    UsageError
        When there is no such interpreter, or no environment can be made.
    Crashed
        When the interpreter ended without an answer.
    Exception
        What the task raised, or a :class:`standing.TaskError` that keeps its type and text; its
        traceback is a note.
    """
    name = fn.__name__
    python = environment.interpreter(fn.python, fn.requirements, fn.envs, name, fn.env)
    if fn.cwd is not None and not os.path.isdir(fn.cwd):
        raise UsageError(f"task {name!r}: its folder cwd = {fn.cwd!r} does not exist")
    request = _request(fn, args, kwargs)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _start(fn, python, theirs.fileno())
        with closing(_Talk(process, ours)) as talk:
            try:
                with _staying():
                    talk.give(request)
                    answer = _converse(talk)
                    code = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise
    if answer is None:
        raise Crashed(
            f"the interpreter of task {name!r} ({python}) ended before the task had answered: "
            f"{platform.describe_exit(code)}; what it said is in the log of the run"
        )
    if answer["kind"] == "error":
        raise standing.rebuild(answer)
    return answer["value"]


def _request(fn: FolderFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    here = run_of.current_run()
    about: dict[str, Any] = {"id": 0, "label": fn.__name__, "attempt": 1}
    if here is not None:
        about = {"id": here.id, "label": here.label, "attempt": here.attempt}
    try:
        return values.dumps(
            {
                "path": fn.path,
                "attribute": fn.attribute,
                "folder": fn.folder,
                "project": fn.project,
                "plain": fn.plain,
                "args": args,
                "kwargs": kwargs,
                "run": about,
            }
        )
    except Exception as error:
        raise NotStorable(
            f"task {fn.__name__!r}: its arguments cannot be sent to its interpreter: {error}"
        ) from None


def _start(fn: FolderFunction, python: str, fd: int) -> subprocess.Popen[bytes]:
    env = environment.variables({})
    home = os.path.dirname(os.path.dirname(python))
    if os.path.isfile(os.path.join(home, "pyvenv.cfg")):  # programs of the environment are found
        env["VIRTUAL_ENV"] = home
        env["PATH"] = os.pathsep.join([os.path.dirname(python), env.get("PATH", os.defpath)])
    try:
        return subprocess.Popen(
            [python, "-u", _SCRIPT, str(fd)],
            stdin=subprocess.PIPE,
            cwd=fn.cwd,
            env={**env, **fn.env},
            pass_fds=[fd],
        )
    except OSError as error:
        raise UsageError(
            f"task {fn.__name__!r}: its interpreter {python!r} cannot start: {error.strerror}"
        ) from None


@contextmanager
def _staying() -> Iterator[None]:
    """Outlive SIGTERM, which the whole group gets: the task over there decides how it ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # programs do not inherit this
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _converse(talk: _Talk) -> dict[str, Any] | None:
    """Hear what the task says until it ends: its result, its error, or None."""
    while True:
        message = talk.receive()
        if message is None or message["kind"] in ("result", "error", "called"):
            return message
        if message["kind"] == "progress":
            run_of.progress(*message["args"])
        elif message["kind"] == "step":
            _step(talk, message)


class _Failed(Exception):
    """A step failed over there, where its error goes on."""


def _step(talk: _Talk, message: dict[str, Any]) -> None:
    """Record a step that is called over there, unless its output is known."""

    def there(*args: Any, **kwargs: Any) -> Any:
        talk.send({"kind": "call"})
        answer = _converse(talk)
        if answer is None:
            raise _Failed("its interpreter ended")
        if "error" in answer:
            said = answer["error"]
            # Recorded with the name of its class; the error itself goes on over there.
            raise type(said["type"], (_Failed,), {})(said["text"])
        return answer["value"]

    try:
        value = steps.step(message["name"], there, *message["args"], **message["kwargs"])
    except _Failed:
        return
    except (NotStorable, UsageError) as error:
        talk.send({"kind": "refused", "text": str(error)})
        return
    talk.send({"kind": "value", "value": value})


class _Talk:
    """Lines of JSON to and from a process, for as long as it lives."""

    def __init__(self, process: subprocess.Popen[bytes], sock: socket.socket) -> None:
        self._process = process
        self._sock = sock
        self._buffer = b""
        self._watch = platform.watch_process(process.pid)
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)
        if self._watch is not None:
            self._poll.register(self._watch, select.POLLIN)

    def give(self, request: bytes) -> None:
        """Write the request to its standard input."""
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                pipe.write(request)
        except BrokenPipeError:
            pass  # it ended at once, which the wait for its answer tells

    def send(self, message: dict[str, Any]) -> None:
        try:
            self._sock.sendall(values.dumps(message) + b"\n")
        except OSError:
            pass  # likewise

    def receive(self) -> dict[str, Any] | None:
        """The next message, or None when the process has ended and said all."""
        while True:
            line, found, rest = self._buffer.partition(b"\n")
            if found:
                self._buffer = rest
                message: dict[str, Any] = json.loads(line)
                return message
            data = self._more()
            if not data:
                return None
            self._buffer += data

    def _more(self) -> bytes:
        pause = None if self._watch is not None else _SLOW_MS
        while True:
            ready = {fd for fd, _ in self._poll.poll(pause)}
            ended = self._process.poll() is not None
            if self._sock.fileno() in ready or ended:
                # After its end: what is there. A process it has left may hold the socket open.
                try:
                    return self._sock.recv(1 << 16, socket.MSG_DONTWAIT if ended else 0)
                except (BlockingIOError, ConnectionResetError):
                    return b""

    def close(self) -> None:
        if self._watch is not None:
            os.close(self._watch)
