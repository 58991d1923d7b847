"""What code in this process prints and logs, told apart by the run that it is part of.

:class:`Routed` stands in for ``sys.stdout`` and ``sys.stderr`` and looks up the attempt by
context. An attempt whose ``log`` is a :class:`~abreast.executors.runlog.RunLog` writes to that.
Only Python code is seen: what C code and other programs write goes where it always went.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from ..context import attempt_here
from .runlog import RunLog

if TYPE_CHECKING:
    from ..domain.model import Run

Take = Callable[["Run", bytes], None]


def to_bytes(text: str, encoding: str | None) -> bytes:
    """Encode text for a stream, whatever it contains."""
    name = encoding or "utf-8"
    try:
        return text.encode(name, "surrogateescape")  # also names of files that are not text
    except (UnicodeEncodeError, LookupError):
        return text.encode("ascii" if name.lower() != "utf-8" else name, "backslashreplace")


class Routed(io.TextIOBase):
    """Stands in for a standard stream: runs write elsewhere, everything else passes through.

    Parameters
    ----------
    stream : TextIO
        The real stream.
    take : callable, optional
        Gets a run and what it has printed, unless its attempt has a ``RunLog``. Without it runs
        that have none print to the real stream.
    """

    def __init__(self, stream: TextIO, take: Take | None = None) -> None:
        self._stream = stream
        self._take = take
        self.buffer = _Bytes(self)

    def write(self, text: str) -> int:
        """Write text; returns how many characters."""
        attempt = attempt_here.get()
        if attempt is None:
            return self._stream.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        log: Any = attempt.log
        if type(log) is RunLog:
            log.write(to_bytes(text, "utf-8"))
        elif self._take is None:
            return self._stream.write(text)
        else:
            self._take(attempt.run, to_bytes(text, self._stream.encoding))
        return len(text)

    def write_bytes(self, data: bytes) -> int:
        """Write bytes; returns how many."""
        attempt = attempt_here.get()
        log: Any = None if attempt is None else attempt.log
        if type(log) is RunLog:
            log.write(bytes(data))
        elif attempt is None or self._take is None:
            return self._stream.buffer.write(data)
        else:
            self._take(attempt.run, bytes(data))
        return len(data)

    def flush(self) -> None:
        """Pass on what the stream itself holds."""
        if self._take is None or attempt_here.get() is None:
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether what is written here and now reaches a terminal as it is."""
        outside = self._take is None and attempt_here.get() is None
        return outside and self._stream.isatty()

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


class Routing:
    """An executor's wish that what its runs print and log goes to their ``RunLog``.

    The first one replaces ``sys.stdout`` and ``sys.stderr`` and adds a handler to the root
    logger, for the whole process; with the last one that ends they are put back.
    """

    def __init__(self) -> None:
        self.wanted = False  # or no longer possible

    def begin(self) -> None:
        """Begin, if it has not begun; cheap to call for every attempt."""
        if not self.wanted:
            with _lock:
                if not self.wanted:
                    _users.append(self)
                    if len(_users) == 1:
                        _install()
                    self.wanted = True  # only now: others do not wait for the lock

    def end(self) -> None:
        """End for good."""
        with _lock:
            self.wanted = True
            if self in _users:
                _users.remove(self)
                if not _users:
                    _remove()


_lock = threading.Lock()
_users: list[Routing] = []
_installed: dict[str, Routed] = {}
_handlers: list[Any] = []


def _install() -> None:
    from .records import RunHandler

    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # a daemon that closed it
            stream = _Nowhere()
        _installed[name] = Routed(stream)
        setattr(sys, name, _installed[name])
    _handlers.append(RunHandler())
    _handlers[0].install()


def _remove() -> None:
    _handlers.pop().remove()
    for name, routed in _installed.items():
        if getattr(sys, name) is routed:  # else somebody stands in for it, and may come back to it
            stream = routed._stream
            setattr(sys, name, None if isinstance(stream, _Nowhere) else stream)
    _installed.clear()


class _Nowhere(io.StringIO):
    """In place of a stream that this process does not have."""

    def write(self, text: str) -> int:
        return len(text)
