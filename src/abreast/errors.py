"""Every error a user of abreast can meet.

One root, :class:`AbreastError`. Mistakes in a call are also ``TypeError`` or ``ValueError``, so
that code which knows nothing of abreast can catch them.
"""

from __future__ import annotations

from collections.abc import Sequence


class AbreastError(Exception):
    """Root of all errors raised by abreast."""


class UsageError(AbreastError, ValueError):
    """A task, a run or a runner was described in a way that cannot be carried out."""


class WrongType(UsageError, TypeError):
    """An argument has a type that this call cannot use."""


class DuplicateLabel(UsageError):
    """Two runs of one runner would have the same label."""


class UnknownLabel(UsageError, LookupError):
    """A dependency names a label that no run has."""


class CycleError(UsageError):
    """Runs wait for one another in a circle. ``path`` lists the labels round it, first = last."""

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(
            "these runs wait for one another in a circle, so none could ever start: "
            + " -> ".join(path)
        )
        self.path = list(path)

    def __reduce__(self) -> tuple[type[CycleError], tuple[list[str]]]:
        return type(self), (self.path,)


class RunnerClosed(AbreastError, RuntimeError):
    """The runner has ended; it runs once, and a new batch needs a new runner."""


class InternalError(AbreastError, RuntimeError):
    """A mistake in abreast itself; please report it with the traceback of its cause."""


class Busy(AbreastError):
    """A limit declared with ``then="fail"`` is full. ``key`` names it, ``holder`` and ``run`` the
    label and the id of the run that is in the way, where there is one."""

    def __init__(
        self, message: str, key: str = "", holder: str | None = None, run: int | None = None
    ) -> None:
        super().__init__(message)
        self.key = key
        self.holder = holder
        self.run = run

    def __reduce__(self) -> tuple[type[Busy], tuple[str, str, str | None, int | None]]:
        return type(self), (str(self), self.key, self.holder, self.run)


class StoreError(AbreastError):
    """The store cannot be used now: locked, read-only, damaged, gone. The text says what to do."""


class StoreFull(StoreError):
    """The disk, or what the store may use of it, is full. Nothing half-done remains."""


class SchemaTooNew(StoreError):
    """The store was written by a newer version of abreast, which this one must not change."""


class UnknownRun(AbreastError, LookupError):
    """The store has no run with this id; it may have been pruned."""


class UnknownSchedule(AbreastError, LookupError):
    """The store has no schedule of this name."""


class KeyReused(UsageError):
    """A key that stands for one submit came with another one."""


class NotStorable(UsageError, TypeError):
    """An argument or a result cannot be written to the store: not JSON, or too large."""


class Backoff(AbreastError):
    """Raised by a task to be tried again after ``seconds``; neither a failure nor an attempt.

    An ``Adaptive`` limit the run holds takes it as a sign of trouble.
    """

    def __init__(self, seconds: float, message: str = "") -> None:
        super().__init__(message or f"asked to be tried again after {seconds:g} seconds")
        self.seconds = float(seconds)

    def __reduce__(self) -> tuple[type[Backoff], tuple[float, str]]:
        return type(self), (self.seconds, str(self))


class RunError(AbreastError):
    """A run ended without a result; the subclass says how."""


class TimedOut(RunError, TimeoutError):
    """The run exceeded its timeout and was stopped (or, in a thread, abandoned)."""


class Crashed(RunError):
    """The process that executed the run died before it could report."""


class Cancelled(RunError):
    """The run was cancelled. Also raised inside a task at its next :func:`abreast.progress`."""


class Skipped(RunError):
    """The run never started: a dependency failed, a limit refused it, or it came too late."""


class LimitHeld(RunError):
    """The run waited for a limit that only an abandoned thread still holds."""


class NotPicklable(RunError, TypeError):
    """A task, an argument or a result cannot travel between processes."""


class CommandFailed(RunError):
    """A command ended with an exit code that was not expected.

    Attributes: ``returncode`` (int; negative: the signal that ended it), ``result`` (the
    :class:`abreast.CommandResult` with what it wrote).
    """

    def __init__(self, message: str, returncode: int = 1, result: object = None) -> None:
        super().__init__(message)
        self.returncode = returncode
        self.result = result

    def __reduce__(self) -> tuple[type[CommandFailed], tuple[str, int, object]]:
        return type(self), (str(self), self.returncode, self.result)


class RemoteError(RunError):
    """Stands in for an exception that could not travel from the process where it was raised.

    Attribute ``type_name`` is the name of the original class.
    """

    def __init__(self, message: str, type_name: str = "Exception") -> None:
        super().__init__(message)
        self.type_name = type_name

    def __reduce__(self) -> tuple[type[RemoteError], tuple[str, str]]:
        return type(self), (str(self), self.type_name)
