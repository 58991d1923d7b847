"""What runs print, kept apart by run: from threads, coroutines, processes and commands alike.

Threads and coroutines print through :class:`~abreast.executors.streams.Routed`, which stands in
for ``sys.stdout`` and ``sys.stderr`` and looks up the run by context. Processes and commands
write to the file that :meth:`Capture.path` names when they start: a plain file, or a FIFO that is
read as it fills.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Protocol, TextIO

from ..domain.states import ENDED
from ..executors.streams import Routed
from ..executors.streams import to_bytes as to_bytes

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


class routed:
    """While the block runs, ``sys.stdout`` and ``sys.stderr`` are routed to a capture."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._before: tuple[TextIO, TextIO] | None = None

    def __enter__(self) -> None:
        self._before = sys.stdout, sys.stderr
        sys.stdout = Routed(sys.stdout, self._capture.write)
        sys.stderr = Routed(sys.stderr, self._capture.write)

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
