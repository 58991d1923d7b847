"""What rows hold: arguments, results and errors as JSON; large ones in files beside the database.

Nothing read here can run code: errors come back as builtin exceptions or those of
:mod:`abreast.errors`, anything else as :class:`~abreast.errors.RemoteError` with its name.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Mapping
from typing import Any

from .. import errors, values
from ..domain.model import Run
from ..errors import NotStorable, RemoteError
from .files import flush, private, unlink

LARGE = 64 * 1024  # bytes; more goes to a file
LARGEST = 64 * 1024 * 1024  # bytes of one value
_FILE = "$file"
_MARK = b'{"$file":'


class JsonValues:
    """Values of one store.

    Parameters
    ----------
    folder : str
        Where files with large values are kept.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._written: list[str] = []  # files that no row on record names yet

    def recorded(self) -> None:
        """The rows that name the files written last are on record."""
        self._written.clear()

    def undo(self) -> None:
        """They are not, and will be written anew."""
        written, self._written = self._written, []
        for path in written:
            unlink(path)

    def call_to_row(self, run: Run) -> bytes | None:
        """The arguments of a run as bytes."""
        if not run.args and not run.kwargs:
            return None
        data = values.dump_call(run.task.name, run.args, run.kwargs)
        if data is not None and len(data) > LARGE:
            return self._outside(data, f"the arguments of {run.label!r}")
        return data

    def call_from_row(
        self, data: bytes | None, find: Callable[[int], Run]
    ) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Arguments from bytes; runs among them as their records."""
        args, kwargs = values.load_call(self._inside(data))
        if data is not None and b'"$run"' in data:
            return _with_runs(args, find), _with_runs(kwargs, find)
        return args, kwargs

    def to_row(self, value: Any, what: str) -> bytes | None:
        """A value as bytes; None for None. Raises :class:`~abreast.errors.NotStorable`."""
        data = values.dump_result(what, value)
        return self._outside(data, what) if data is not None and len(data) > LARGE else data

    def from_row(self, data: bytes | None) -> Any:
        """A value from bytes."""
        return None if data is None else values.loads(self._inside(data) or b"null")

    def error_to_row(self, error: BaseException, trace: str | None) -> bytes:
        """An error as bytes: its type, its arguments as far as they are JSON, its traceback."""
        kind = type(error)
        if trace is None and error.__traceback__ is not None:
            import traceback

            trace = "".join(traceback.format_exception(error))
        name = (
            kind.__qualname__
            if kind.__module__ == "builtins"
            else f"{kind.__module__}.{kind.__qualname__}"
        )
        text = str(error)
        if isinstance(error, RemoteError):  # begins with the name, which is added on reading
            name = error.type_name
            text = text.removeprefix(f"{name}: ")
        known = {
            "type": name,
            "text": text,
            "args": _plain(_arguments(error)),
            "trace": trace,
            "notes": [str(note) for note in getattr(error, "__notes__", ())],
        }
        return self.to_row(known, "an error") or b"{}"

    def error_from_row(self, data: bytes) -> tuple[BaseException, str | None]:
        """An error and its traceback from bytes."""
        known = self.from_row(data)
        error = _made_again(known)
        for note in known.get("notes", ()):
            error.add_note(note)
        return error, known.get("trace")

    def _outside(self, data: bytes, what: str) -> bytes:
        if len(data) > LARGEST:
            raise NotStorable(
                f"{what}: {len(data):,} bytes as JSON, and {LARGEST:,} is the most the store "
                "takes; write it to a file of your own and pass the path"
            )
        from uuid import uuid4

        name = uuid4().hex
        path = os.path.join(self.folder, name)
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            self._written.append(path)
            with open(path, "xb", opener=private) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            flush(self.folder)
        except OSError as error:
            unlink(path)
            raise errors.StoreFull(f"cannot write {what} to {path}: {error.strerror}") from error
        return values.dumps({_FILE: name, "bytes": len(data)})

    def _inside(self, data: bytes | None) -> bytes | None:
        if data is None or not data.startswith(_MARK):
            return data
        path = os.path.join(self.folder, os.path.basename(values.loads(data)[_FILE]))
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            raise errors.StoreError(
                f"a large value of the store is missing: {path} ({error.strerror}); restore the "
                "folder beside the database together with it"
            ) from error


def _with_runs(value: Any, find: Callable[[int], Run]) -> Any:
    kind = type(value)
    if kind is dict:
        if len(value) == 1 and values.RUN in value:
            return find(value[values.RUN])
        return {key: _with_runs(item, find) for key, item in value.items()}
    if kind in (list, tuple):
        return kind(_with_runs(item, find) for item in value)
    return value


def _arguments(error: BaseException) -> tuple[Any, ...]:
    """What makes an equal error."""
    if getattr(errors, type(error).__name__, None) is not type(error):
        return error.args
    made: Any = error.__reduce__()
    arguments: tuple[Any, ...] = made[1]
    return arguments


def _plain(args: tuple[Any, ...]) -> list[Any] | None:
    try:
        found: list[Any] = values.loads(values.dumps(list(args)))
    except Exception:
        return None
    return found


def _made_again(known: Mapping[str, Any]) -> BaseException:
    """An exception of a type that is known to be harmless, or a stand-in with its name."""
    name, args = known.get("type", "Exception"), known.get("args")
    short = name.removeprefix("abreast.errors.")
    kind = getattr(errors if short != name else builtins, short, None)
    if args is not None and isinstance(kind, type) and issubclass(kind, BaseException):
        try:
            error: BaseException = kind(*args)
            return error
        except Exception:
            pass  # its constructor wants something else; the stand-in below says what it was
    text = known.get("text", "")
    return RemoteError(f"{name}: {text}" if text else name, name)
