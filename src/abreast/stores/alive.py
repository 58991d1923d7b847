"""Whether a worker is alive: it holds a lock on a file of its own, and the kernel never errs.

See decision 012 for why ``flock`` and not ``lockf``.
"""

from __future__ import annotations

import os

from .. import platform
from ..errors import StoreError
from .forks import forget_in_forks

try:
    import fcntl
except ImportError:
    pass  # Windows, which has no store in a file; see Turnstile

watch = platform.watch_process


class Alive:
    """The sign of life of worker ``worker_id``: ``FOLDER/workers/ID.lock``, locked until the end.

    To be made before others can see the worker's row, in the turn that writes it. The file
    appears locked, so that at no time a living worker looks dead. A fork of the worker gives no
    sign of life for it. Raises :class:`~abreast.errors.StoreError` when the worker is alive
    already.
    """

    def __init__(self, folder: str, worker_id: int) -> None:
        self.path = _path(folder, worker_id)
        part = f"{self.path}.{os.getpid()}"
        self._fd = self.kin = -1
        forget_in_forks(self)
        try:
            os.makedirs(os.path.dirname(self.path), 0o700, exist_ok=True)
            self._fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_alive(folder, worker_id):
                raise StoreError(
                    f"worker {worker_id} of {folder} is alive already: two cannot have one number"
                )
            self.kin = os.open(
                _kin_path(folder, worker_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(self.kin, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(part, self.path)
        except OSError as error:
            self.forget()
            raise StoreError(
                f"cannot write {self.path}: {error.strerror}; the user who runs this must be "
                "able to write there"
            ) from error
        except StoreError:
            self.forget()
            os.unlink(part)
            raise

    def close(self) -> None:
        """End it: the worker counts as dead from now on."""
        if self._fd >= 0:
            for path in (self.path, self.path.removesuffix("lock") + "kin"):
                try:
                    os.unlink(path)
                except OSError:
                    pass  # somebody tidied up
            fcntl.flock(self._fd, fcntl.LOCK_UN)  # also for copies in forks
            self.forget()

    def forget(self) -> None:
        """In a fork: close our copy, which leaves the worker's lock as it is."""
        for fd in (self._fd, self.kin):
            if fd >= 0:
                os.close(fd)
        self._fd = self.kin = -1


def has_kin(folder: str, worker_id: int) -> bool:
    """Whether processes still live that a worker executes runs in, though it may be dead."""
    return _is_locked(_kin_path(folder, worker_id))


def is_alive(folder: str, worker_id: int) -> bool:
    """Whether the process of this worker lives; also right for workers of this process.

    The file of a dead worker stays until :func:`bury`.
    """
    return _is_locked(_path(folder, worker_id))


def _is_locked(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who ask at once do not take each other for the holder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def bury(folder: str, worker_id: int) -> None:
    """Remove the files of a worker that is dead."""
    for path in (_path(folder, worker_id), _kin_path(folder, worker_id)):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass


def _path(folder: str, worker_id: int) -> str:
    return os.path.join(folder, "workers", f"{worker_id}.lock")


def _kin_path(folder: str, worker_id: int) -> str:
    return os.path.join(folder, "workers", f"{worker_id}.kin")
