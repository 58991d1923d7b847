"""What runs log with :mod:`logging`, brought to their logs."""

from __future__ import annotations

import logging
from typing import Any

from ..context import attempt_here
from .runlog import RunLog
from .streams import Routed

_FORMATTER = logging.Formatter(logging.BASIC_FORMAT)  # without the time, which a log adds


class RunHandler(logging.Handler):
    """A handler of the root logger that writes the records of a run to its ``RunLog``."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_FORMATTER)
        self._before: int | None = None  # the root logger's level, if we changed it

    def install(self) -> None:
        """Begin. Where nothing is configured, INFO and above are recorded."""
        root = logging.root
        if not root.handlers and root.level == logging.WARNING:
            self._before = root.level
            root.setLevel(logging.INFO)
        root.addHandler(self)

    def remove(self) -> None:
        """Undo :meth:`install`, as far as nobody else has changed the same."""
        logging.root.removeHandler(self)
        if self._before is not None and logging.root.level == logging.INFO:
            logging.root.setLevel(self._before)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record to the log of its run; leave others to whom they would go without us."""
        try:
            attempt = attempt_here.get()
            log: Any = None if attempt is None else attempt.log
            if type(log) is not RunLog:
                self._emit_otherwise(record)
            elif not any(_prints(handler, record) for handler in logging.root.handlers):
                log.write(self.format(record).encode("utf-8", "backslashreplace") + b"\n")
        except Exception:
            self.handleError(record)

    def _emit_otherwise(self, record: logging.LogRecord) -> None:
        """Do what Python does with a record that no handler takes: warnings go to stderr."""
        last = logging.lastResort
        if last is None or record.levelno < last.level:
            return
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return
            logger = logger.parent if logger.propagate else None
        last.handle(record)


def _prints(handler: logging.Handler, record: logging.LogRecord) -> bool:
    """Whether a record reaches the log through a stream that leads there already."""
    stream = getattr(handler, "stream", None)
    return isinstance(stream, Routed) and record.levelno >= handler.level


def show_by_default() -> None:
    """In a child: where nothing is configured, INFO and above go to standard error.

    This is no handler of the root logger, so ``logging.basicConfig`` still works in a task.
    """
    root = logging.root
    if not root.handlers and root.level == logging.WARNING:
        root.setLevel(logging.INFO)
        if logging.lastResort is not None:
            logging.lastResort.setLevel(logging.NOTSET)
            logging.lastResort.setFormatter(_FORMATTER)
