"""What runs print, kept apart by run: from threads, coroutines, processes and commands alike.

Threads and coroutines print through :class:`Routed`, which stands in for ``sys.stdout`` and
``sys.stderr`` and looks up the run by context. Processes and commands write to the file that
:meth:`Capture.path` names when they start: a plain file, or a FIFO that is read as it fills.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from ..context import attempt_here
from ..domain.states import ENDED

if TYPE_CHECKING:
    from ..domain.model import Run

PIECE = 1 << 16
SEPARATE = frozenset({"process", "command"})  # executors whose attempts write to a file


class Capture(Protocol):
    """Receives what runs print."""

    def write(self, run: Run, data: bytes) -> None:
        """Take what a run in this process has printed. Called on any thread."""
        ...

    def path(self, run: Run) -> str | None:
        """Return the file that an attempt of this run writes to, or None: where we write.

        The engine calls it with its lock held when the attempt starts.
        """
        ...


def to_bytes(text: str, encoding: str | None) -> bytes:
    """Encode text for a stream, whatever it contains."""
    name = encoding or "utf-8"
    try:
        return text.encode(name, "surrogateescape")  # also names of files that are not text
    except (UnicodeEncodeError, LookupError):
        return text.encode("ascii" if name.lower() != "utf-8" else name, "backslashreplace")


class Routed(io.TextIOBase):
    """Stands in for a standard stream: runs write to a capture, everything else passes through."""

    def __init__(self, stream: TextIO, capture: Capture) -> None:
        self._stream = stream
        self._capture = capture
        self.buffer = _Bytes(self)

    def write(self, text: str) -> int:
        """Write text; returns how many characters."""
        attempt = attempt_here.get()
        if attempt is None:
            return self._stream.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._capture.write(attempt.run, to_bytes(text, self._stream.encoding))
        return len(text)

    def write_bytes(self, data: bytes) -> int:
        """Write bytes; returns how many."""
        attempt = attempt_here.get()
        if attempt is None:
            return self._stream.buffer.write(data)
        self._capture.write(attempt.run, bytes(data))
        return len(data)

    def flush(self) -> None:
        """Pass on what the stream itself holds."""
        if attempt_here.get() is None:
            self._stream.flush()

    def isatty(self) -> bool:
        """Never: what is printed here is kept, or gets a prefix."""
        return False

    def fileno(self) -> int:
        """Return the descriptor of the real stream."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Always."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the real stream, since that is where it will be shown."""
        return self._stream.encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        """Whatever is printed can be kept."""
        return "backslashreplace"

    def close(self) -> None:
        """Do nothing: a task that closes its standard output closes nobody else's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Bytes(io.BufferedIOBase):
    """The binary side of a routed stream."""

    def __init__(self, routed: Routed) -> None:
        self._routed = routed

    def write(self, data: Any) -> int:
        return self._routed.write_bytes(data)

    def flush(self) -> None:
        self._routed.flush()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        pass


class routed:
    """While the block runs, ``sys.stdout`` and ``sys.stderr`` are routed to a capture."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._before: tuple[TextIO, TextIO] | None = None

    def __enter__(self) -> None:
        self._before = sys.stdout, sys.stderr
        sys.stdout = Routed(sys.stdout, self._capture)
        sys.stderr = Routed(sys.stderr, self._capture)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            sys.stdout, sys.stderr = self._before


class Spools:
    """A capture that keeps the output of each run whole, until it is read or discarded.

    Little is kept in memory, the rest in files of a folder.

    Parameters
    ----------
    folder : str
        An existing folder; its owner removes it.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._spools: dict[int, SpooledTemporaryFile[bytes]] = {}

    def write(self, run: Run, data: bytes) -> None:
        """Keep what a run in this process has printed."""
        with self._lock:
            if run.state in ENDED:
                return  # an abandoned thread prints on
            spool = self._spools.get(run.id)
            if spool is None:
                spool = SpooledTemporaryFile(PIECE, dir=self._folder)  # noqa: SIM115
                self._spools[run.id] = spool
            spool.write(data)

    def path(self, run: Run) -> str | None:
        """Return the file for a run in a process of its own; all its attempts share it."""
        return self._path(run) if run.task.executor in SEPARATE else None

    def _path(self, run: Run) -> str:
        return os.path.join(self._folder, f"{run.id}.log")

    def take(self, run: Run) -> Iterator[bytes]:
        """Yield what a run has printed, in pieces, and keep it no longer."""
        with self._lock:
            spool = self._spools.pop(run.id, None)
        try:
            if spool is not None:
                with spool:
                    spool.seek(0)
                    while piece := spool.read(PIECE):
                        yield piece
            if run.task.executor in SEPARATE:
                with open(self._path(run), "rb") as file:
                    while piece := file.read(PIECE):
                        yield piece
        except FileNotFoundError:
            pass
        finally:
            self.discard(run)

    def discard(self, run: Run) -> None:
        """Forget what a run has printed."""
        with self._lock:
            spool = self._spools.pop(run.id, None)
        if spool is not None:
            spool.close()
        if run.task.executor in SEPARATE:
            try:
                os.unlink(self._path(run))
            except OSError:
                pass
