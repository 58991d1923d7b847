"""Where a child's standard output and error go: as ever, to a file, or to its pipe."""

from __future__ import annotations

import io
import os
import sys
import threading
from typing import Final

# Instead of a path: what is printed goes to the pipe that the parent reads.
PIPE: Final = True
_PATIENCE_S = 0.2  # per prompt of another thread; a starved one needs long for a line


class ChildOutput:
    """Leads descriptors 1 and 2 where the run wants them.

    Parameters
    ----------
    pipe : int or None
        The child's end of its pipe. A run that prints to it leaves the descriptors there, since
        the next one most likely wants the same; what is printed between runs is lost.
    """

    def __init__(self, pipe: int | None) -> None:
        self._pipe = pipe
        self._usual: tuple[int, int] | None = None  # while something else stands in for them
        self._to_file = False
        self._streams: tuple[_Lines, _Lines] | None = None

    def begin(self, log: str | bool | None) -> None:
        """Lead the output of a run: to a file, to the pipe, or None: as ever."""
        if log is PIPE:
            self._lead_to_pipe()
        elif log is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            fd = os.open(str(log), flags, 0o644)
            try:
                self._lead(fd)
            finally:
                os.close(fd)
            self._to_file = True
        elif self._usual is not None:
            self._lead_back()

    def end(self) -> None:
        """After a run, when nothing of it is left that could print."""
        flush()
        if self._to_file:
            self._lead_back()

    def _lead(self, fd: int) -> None:
        flush()
        if self._usual is None:
            self._usual = os.dup(1), os.dup(2)
        os.dup2(fd, 1)
        os.dup2(fd, 2)

    def _lead_back(self) -> None:
        assert self._usual is not None
        flush()
        for number, fd in enumerate(self._usual, 1):
            os.dup2(fd, number)
            os.close(fd)
        self._usual = None
        self._to_file = False

    def _lead_to_pipe(self) -> None:
        assert self._pipe is not None
        if self._streams is None:
            self._lead(self._pipe)
            self._replace_streams()
            from .records import show_by_default

            show_by_default()
        elif self._usual is None:
            self._lead(self._pipe)
        else:  # usual; a task may have led them elsewhere all the same
            os.dup2(self._pipe, 1)
            os.dup2(self._pipe, 2)
        out, err = self._streams or self._replace_streams()
        try:
            fit = sys.stdout is out and sys.stderr is err and not (out.closed or err.closed)
        except ValueError:
            fit = False  # the task detached what is below
        if not fit:
            self._replace_streams()

    def _replace_streams(self) -> tuple[_Lines, _Lines]:
        """Let what is printed leave this process at once: it may be killed at any moment."""
        self._streams = sys.stdout, sys.stderr = _Lines(1), _Lines(2)
        return self._streams


class _Lines(io.TextIOWrapper):
    """Unbuffered text to a descriptor, on which threads do not write into each other's lines.

    ``print`` writes a line in several pieces. Who has written a piece without a line break is
    waited for, though not for long: it may be a prompt.
    """

    def __init__(self, fd: int) -> None:
        raw = io.FileIO(fd, "w", closefd=False)
        super().__init__(raw, "utf-8", "backslashreplace", write_through=True)
        self._writer = 0  # the thread whose line is unfinished
        self._free = threading.Lock()

    def write(self, text: str) -> int:
        me = threading.get_ident()
        if self._writer != me:
            self._free.acquire(timeout=_PATIENCE_S)
            self._writer = me
        written = super().write(text)
        if text.endswith("\n"):
            self._writer = 0
            try:
                self._free.release()
            except RuntimeError:
                pass  # another has lost patience and taken over
        return written


def flush() -> None:
    """Pass on what Python still holds of the output."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # closed by the task, or nobody reads it any more
