"""Where the program writes: beside a live display, and to readers that may leave."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

from ..output import to_bytes


class Screen:
    """Writes whole pieces to standard output and standard error.

    Parameters
    ----------
    only_document : bool
        Keep standard output for :meth:`document`; whatever else this program or anything it
        starts writes there goes to standard error.
    """

    def __init__(self, only_document: bool = False) -> None:
        self.display: Any = None  # the live display, while there is one
        self.when_unread: Callable[[], None] = lambda: None  # nobody reads standard output
        self.problem: str | None = None  # why something could not be written
        self._lock = threading.Lock()
        self._unread: set[TextIO] = set()
        self._document: int | None = None
        if only_document:
            sys.stdout.flush()
            self._document = os.dup(1)
            os.dup2(2, 1)
        self._out, self._error = sys.stdout, sys.stderr

    @property
    def errors(self) -> TextIO:
        """Standard error, for a display."""
        return self._error

    @property
    def encoding(self) -> str:
        """Encoding of standard output."""
        return self._out.encoding or "ascii"

    def speaks(self, text: str) -> bool:
        """Whether standard output and standard error can show these signs."""
        try:
            text.encode(self.encoding)
            text.encode(self._error.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def is_terminal(self, error: bool = False) -> bool:
        """Whether a person looks at it."""
        try:
            return (self._error if error else self._out).isatty()
        except (ValueError, AttributeError):
            return False

    def colours(self) -> bool:
        """Whether standard output should be coloured."""
        dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
        return self.is_terminal() and not dumb and not os.environ.get("NO_COLOR")

    def say(self, text: str) -> None:
        """Write a line to standard error."""
        self.put(to_bytes(f"{text}\n", self._error.encoding), error=True)

    def line(self, text: str) -> None:
        """Write a line to standard output."""
        self.put(to_bytes(f"{text}\n", self.encoding))

    def put(self, data: bytes, error: bool = False) -> None:
        """Write bytes; above the live display where that would be in the way."""
        stream = self._error if error else self._out
        if stream in self._unread or not data:
            return
        live = self._live()
        with self._lock:
            try:
                if live is not None and self.is_terminal(error):
                    _above(live, data.decode(self.encoding, "replace"))
                else:
                    stream.flush()
                    stream.buffer.write(data)
                    stream.buffer.flush()
                return
            except OSError as error:
                self._unread.add(stream)
                self._note(error)
        if stream is self._out:
            self.when_unread()

    def mute(self) -> None:
        """Write nothing more, nor anything that this program has started."""
        self._unread |= {self._out, self._error}
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        os.close(nowhere)

    def document(self, text: str) -> None:
        """Write the one document that standard output was kept for."""
        assert self._document is not None
        data = memoryview(to_bytes(f"{text}\n", self.encoding))
        try:
            while data:
                data = data[os.write(self._document, data) :]
        except OSError as error:
            self._note(error)

    def _note(self, error: OSError) -> None:
        """A reader that leaves has what it wanted; a full disk is another thing."""
        if not isinstance(error, BrokenPipeError):
            self.problem = error.strerror or str(error)

    def _live(self) -> Any:
        """The rich display, while it is on the screen."""
        return getattr(getattr(self.display, "_view", None), "_live", None)


def _above(live: Any, text: str) -> None:
    from rich.text import Text

    text = text.removesuffix("\n")
    live.console.print(Text.from_ansi(text), soft_wrap=True, highlight=False)
