"""One SQLite file of a store: its turns, its reading side, and its mishaps put into words.

All writing happens in turns: the turnstile between processes, then ``BEGIN IMMEDIATE``. Only
connections that commit in a turn ever checkpoint, which keeps clear of the race described at
:func:`library_is_safe`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

from ..errors import InternalError, StoreError, UsageError
from . import migrate, place
from .forks import forget_in_forks
from .mishaps import translate, translated
from .turnstile import Turnstile

__all__ = ["SAFE_VERSIONS", "Database", "library_is_safe", "translate", "translated"]

SAFE_VERSIONS = "3.51.3 or later, 3.50.7 or later of 3.50, 3.44.6 or later of 3.44"
_CROWD = 16  # turns for which it is remembered that somebody else wanted one
_FOREIGN_LOCK_S = 30.0  # how long a lock of a program that knows no turns is waited for
_CHECKPOINT_PAGES = 2000  # 8 MB: few commits pay for a checkpoint, and none for a long one
_GROW_AT = 16  # durable turns after which a process is taken to write in earnest
_PAGE_BYTES, _FRAME_BYTES = 4096, 24  # of SQLite's usual page, and what the log adds to each
_WRITER_CACHE_KB, _READER_CACHE_KB = 8000, 2000
_WAL_BYTES_KEPT = 64 << 20  # a WAL that grew under a long read is cut back to this


def library_is_safe(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite may commit to a store outside the turnstile.

    Earlier ones can lose a commit that meets the checkpoint of another process (the "WAL-reset"
    race). Safe are :data:`SAFE_VERSIONS`.
    """
    return (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )


class Database:
    """One writing and one reading connection to a file, and the folder beside it.

    Not thread-safe, except :meth:`read`. What :attr:`execute` and :attr:`executemany` raise is
    ``sqlite3.Error``: put the whole turn into ``with translate(path)``, and after any error undo
    the turn, because SQLite may have done so already and would commit what follows one by one.

    Parameters
    ----------
    path:
        The file; created when it is missing, its parent folder not.
    durability:
        "full": what a durable turn wrote survives a power cut. "normal": it survives the end of
        any process.
    lock_timeout_s:
        Seconds to wait for a turn before :class:`~abreast.errors.StoreError`; None: as long as it
        takes, which the death of whoever has it ends.

    Raises
    ------
    StoreError
        It cannot be opened; the text says why and what to do.
    """

    def __init__(
        self, path: str, *, durability: str = "full", lock_timeout_s: float | None = None
    ) -> None:
        if durability not in ("full", "normal"):
            raise UsageError(f'durability is "full" or "normal", not {durability!r}')
        self.path = place.check_file(path)
        self.folder = place.make_folder(self.path + ".d")
        self.in_turn = False
        self._durable = 0  # turns, up to _GROW_AT
        self._crowd = 0  # for how many turns it still counts as crowded
        self._owed = False  # what has to reach the disk although the turn did not begin so
        self._full = durability == "full"
        self._timeout_s = lock_timeout_s
        self._turnstile = Turnstile(self.folder)
        self._reading = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._connection: sqlite3.Connection | None = None
        self._turnstile.acquire(lock_timeout_s)
        try:
            with translate(self.path):
                self._connect()
        except BaseException:
            self._disconnect()
            self._turnstile.close()
            raise
        self._turnstile.release()
        forget_in_forks(self)

    def _connect(self) -> None:
        connection = self._connection = sqlite3.connect(
            self.path,
            timeout=_FOREIGN_LOCK_S if self._timeout_s is None else self._timeout_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        migrate.migrate(connection, self.path)
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise StoreError(
                f"{self.path}: the file system here does not support the WAL mode of SQLite "
                f"(journal mode stays {mode!r}); put the store on a local disk"
            )
        connection.executescript(
            f"PRAGMA cache_size=-{_WRITER_CACHE_KB}; PRAGMA temp_store=MEMORY;"
            f"PRAGMA mmap_size=0; PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES};"
            f"PRAGMA journal_size_limit={_WAL_BYTES_KEPT}; PRAGMA synchronous=NORMAL;"
        )
        self._synced = False
        self._version: int | None = None
        self.execute = connection.execute
        self.executemany = connection.executemany
        self._reader = self._connect_reader()
        self._born = _identity(self.path)

    def _connect_reader(self) -> sqlite3.Connection:
        reader = sqlite3.connect(
            self.path,
            timeout=_FOREIGN_LOCK_S if self._timeout_s is None else self._timeout_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        reader.executescript(
            f"PRAGMA cache_size=-{_READER_CACHE_KB}; PRAGMA temp_store=MEMORY;"
            "PRAGMA mmap_size=0; PRAGMA wal_autocheckpoint=0; PRAGMA query_only=1;"
        )
        return reader

    # -- turns -------------------------------------------------------------------------------

    def begin(self, durable: bool) -> None:
        """Wait for our turn and open a transaction.

        A durable one is on the disk when :meth:`commit` returns (durability "full").
        """
        if self.in_turn:
            raise InternalError(f"{self.path}: a turn began inside another")
        try:
            self._turnstile.acquire(self._timeout_s)
            if _identity(self.path) != self._born:
                raise StoreError(self._why_not())
            if self._turnstile.waited:
                self._turnstile.waited = False
                self._crowd = _CROWD
            elif self._crowd:
                self._crowd -= 1
            full = durable and self._full
            if full is not self._synced:
                # A script, because SQLite sets this while it compiles the statement: run from
                # the cache of compiled statements it might do nothing.
                self._script(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
                self._synced = full
            if full and self._durable < _GROW_AT:
                self._durable += 1
                if self._durable == _GROW_AT:
                    self._grow_log()
            self.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            self._turnstile.release()
            if isinstance(error, sqlite3.Error):
                raise translated(error, self.path) from error
            raise
        self._owed = False
        self.in_turn = True

    def _grow_log(self) -> None:
        """Make the log as long as it will become before a checkpoint lets it begin anew.

        To sync what overwrites a file takes half the time of what makes it longer. SQLite stops
        reading a log at the first frame that is not of its present round, so zeros mean nothing.
        """
        size = _CHECKPOINT_PAGES * (_PAGE_BYTES + _FRAME_BYTES)
        try:
            fd = os.open(f"{self.path}-wal", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return
        try:
            end = os.fstat(fd).st_size
            if 0 < end < size:
                os.pwrite(fd, bytes(size - end), end)
                os.fsync(fd)
        except OSError:
            pass  # no room; what is needed will be asked for again, and an error be told then
        finally:
            os.close(fd)

    def harden(self) -> None:
        """Make the turn under way a durable one, whatever it began as."""
        if self._full and not self._synced:
            self._owed = True

    def _why_not(self) -> str:
        if self._connection is None:
            return (
                f"{self.path} is not open in this process; open the app in the process that uses it"
            )
        return (
            f"{self.path} was deleted or replaced while it was open, and what would be written now "
            "would be lost; put it back, or start this process again"
        )

    def _script(self, sql: str) -> None:
        assert self._connection is not None
        self._connection.executescript(sql)

    def commit(self) -> None:
        """Write the transaction and give up the turn; on an error nothing of it remains."""
        try:
            self.execute("COMMIT")
            if self._owed:
                self._flush()
        except sqlite3.Error as error:
            self._undo()
            raise translated(error, self.path) from error
        except BaseException:
            self._undo()
            raise
        finally:
            self.in_turn = False
            self._turnstile.release()

    def _flush(self) -> None:
        """Do what SQLite does after a commit at FULL and not at NORMAL."""
        try:
            fd = os.open(self.path + "-wal", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise StoreError(
                f"{self.path}: the disk reports an error ({error.strerror}); look at the system's "
                "log, and do not trust this disk without a backup"
            ) from error

    def rollback(self) -> None:
        """Undo the transaction, if there is one, and give up the turn."""
        try:
            self._undo()
        finally:
            self.in_turn = False
            self._turnstile.release()

    def _undo(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            with translate(self.path):
                self._connection.rollback()

    @property
    def crowded(self) -> bool:
        """Whether other processes have lately wanted turns."""
        return self._crowd > 0

    def changed(self) -> bool:
        """Whether another connection has committed since the last call; True the first time.

        To be called in a turn. Raises :class:`~abreast.errors.SchemaTooNew` when the other one
        was a newer abreast that has upgraded the store.
        """
        version = self.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return False
        assert self._connection is not None
        migrate.check_version(self._connection, self.path)
        self._version = version
        return True

    # -- outside turns -----------------------------------------------------------------------

    def read(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        """Run a query on committed data and return all rows. From any thread, also in a turn."""
        with self._reading, translate(self.path):
            if self._reader is None:
                raise StoreError(f"{self.path} was closed; open the app again")
            return self._reader.execute(sql, parameters).fetchall()

    def close(self) -> None:
        """Close the file. The last one to do so writes the WAL back, inside the turnstile."""
        if self._connection is None:
            return
        if self.in_turn:
            self.rollback()
        try:
            self._turnstile.acquire(self._timeout_s)
        except StoreError:
            pass  # the last one has the file for itself anyway, and others write nothing back
        try:
            with self._reading, translate(self.path):
                self._disconnect()
        finally:
            self._turnstile.close()

    def _disconnect(self) -> None:
        connections = (self._reader, self._connection)
        self._reader = self._connection = None
        self._born = _NOWHERE
        for connection in connections:
            if connection is not None:
                connection.close()

    def forget(self) -> None:
        """In a fork: never touch the connections again, which belong to the parent."""
        _never_closed.extend((self._connection, self._reader))
        self._connection = self._reader = None
        self._reading = threading.Lock()
        self._born = _NOWHERE
        self.in_turn = False
        self.execute = self.executemany = self._refuse

    def _refuse(self, *_: Any) -> Any:
        raise StoreError(self._why_not())


_NOWHERE = (-1, -1)
_never_closed: list[sqlite3.Connection | None] = []  # SQLite must not even close them in a fork


def _identity(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)
