"""Executes one command, in a child process: start it, read what it writes, wait, judge."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO

from .. import platform
from ..context import attempt_here
from ..domain.command import CommandResult
from ..errors import CommandFailed
from . import wire

_SHOWN = 500  # characters of output in the text of an error
_IN_MEMORY = 1 << 20  # bytes of output kept in memory; more goes to a temporary file
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Execution:
    """A command with everything it needs from the process that asked for it."""

    argv: tuple[str, ...]
    shell: str | None
    cwd: str | None
    folder: str | None  # the ``cwd`` that was asked for, if any
    env: dict[str, str]
    ok: frozenset[int] | None
    capture: bool
    text: bool
    stdin: bytes | None

    def perform(self, args: tuple[str, ...]) -> CommandResult:
        """Execute the command with further arguments; raises ``CommandFailed``."""
        # The whole group is asked to end. Stay until the command has, and read its last words.
        before = signal.signal(signal.SIGTERM, _stay)
        try:
            return self._judge(self._run((*self.argv, *args)))
        finally:
            signal.signal(signal.SIGTERM, before)

    def _run(self, argv: tuple[str, ...]) -> CommandResult:
        pipe = subprocess.PIPE
        out = pipe if self.capture else None
        try:
            process = subprocess.Popen(
                argv,
                cwd=self.cwd,
                env={**self.env, wire.MARK: os.environ.get(wire.MARK, "")},
                stdin=subprocess.DEVNULL if self.stdin is None else pipe,
                stdout=out,
                stderr=out,
            )
        except OSError as error:
            raise self._cannot_start(argv[0], error) from None
        here = attempt_here.get()
        exchange = _Exchange(process, self.stdin, tee=here is not None and here.log is not None)
        exchange.finish()
        shown = argv if self.shell is None else self.shell
        return CommandResult(
            shown,
            process.returncode,
            self._read(exchange.out.get(1)),
            self._read(exchange.out.get(2)),
            self.folder,
        )

    def _read(self, file: IO[bytes] | None) -> str | bytes | None:
        if file is None:
            return None
        with file:
            file.seek(0)
            data = file.read()
        return data.decode("utf-8", "replace") if self.text else data

    def _judge(self, result: CommandResult) -> CommandResult:
        if self.ok is None or result.returncode in self.ok:
            return result
        code = result.returncode
        how = f" ({platform.describe_exit(code)})" if code < 0 else ""
        said = _as_text(result.stderr).strip() or _as_text(result.stdout).strip()
        text = f": {said[:_SHOWN]}" if said else ""
        raise CommandFailed(f"Command exited with return code {code}{how}{text}", code, result)

    def _cannot_start(self, program: str, error: OSError) -> CommandFailed:
        if self.cwd is not None and not os.path.isdir(self.cwd):
            return CommandFailed(
                f"Command {program!r} cannot start: its folder cwd={self.cwd!r} does not exist", 127
            )
        if isinstance(error, FileNotFoundError):
            where = "no such file" if "/" in program else "no program of this name is on the PATH"
            return CommandFailed(
                f"Command {program!r} cannot start: {where}; "
                "for a line with pipes or wildcards use Command(shell=...)",
                127,
            )
        return CommandFailed(f"Command {program!r} cannot start: {error.strerror}", 126)


def execute(execution: Execution, *args: str) -> CommandResult:
    """What a child calls."""
    return execution.perform(args)


class _Exchange:
    """Feeds a process and reads it until it ends, whoever else still holds its pipes."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes | None, tee: bool) -> None:
        self.process = process
        self.tee = tee
        self.out: dict[int, IO[bytes]] = {}
        self._streams: dict[int, int] = {}  # descriptor -> 1 or 2
        self._poll = select.poll()
        self._input = memoryview(stdin or b"")
        for number, stream in ((1, process.stdout), (2, process.stderr)):
            if stream is not None:
                self.out[number] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
                self._streams[stream.fileno()] = number
                os.set_blocking(stream.fileno(), False)
                self._poll.register(stream.fileno(), select.POLLIN)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            self._poll.register(process.stdin.fileno(), select.POLLOUT)

    def finish(self) -> None:
        """Return when the process has ended and what it wrote has been read."""
        process = self.process
        watch = platform.watch_process(process.pid)
        if watch is not None:
            self._poll.register(watch, select.POLLIN)
        pause_ms = None if watch is not None else 20
        try:
            while process.poll() is None:
                for fd, _ in self._poll.poll(pause_ms):
                    if fd in self._streams:
                        self._read(fd)
                    elif fd != watch:
                        self._write(fd)
            for fd in list(self._streams):  # what is in the pipes now; not what leftovers add
                while self._read(fd):
                    pass
        finally:
            if watch is not None:
                os.close(watch)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    try:
                        stream.close()
                    except BrokenPipeError:
                        continue

    def _read(self, fd: int) -> bool:
        try:
            data = os.read(fd, _PIECE)
        except BlockingIOError:
            return False
        if not data:
            self._poll.unregister(fd)
            del self._streams[fd]
            return False
        number = self._streams[fd]
        self.out[number].write(data)
        if self.tee:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(number, rest) :]
        return True

    def _write(self, fd: int) -> None:
        try:
            self._input = self._input[os.write(fd, self._input[:_PIECE]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._input = self._input[:0]  # it does not want to read more
        if not self._input and self.process.stdin is not None:
            self._poll.unregister(fd)
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass


def _stay(*_: object) -> None:
    """Outlive SIGTERM; programs that are started do not inherit this."""


def _as_text(output: str | bytes | None) -> str:
    if isinstance(output, bytes):
        return output.decode("utf-8", "replace")
    return output or ""
