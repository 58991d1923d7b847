"""The parent's side of the nursery: start it, give it orders, hear its news, sweep up after it."""

from __future__ import annotations

import os
import pickle
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator

from .. import platform
from ..errors import UsageError
from . import wire

_CODE = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from abreast.executors.nursery import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)
_SWEEP_S = 2.0  # longest time spent on ending what a killed nursery left


class NurseryLine:
    """A running nursery. Used by one thread, except :meth:`close`."""

    def __init__(self, titles: bool, heirloom: int | None = None) -> None:
        if not sys.executable:
            raise UsageError(
                "no Python to start processes with: sys.executable is empty here; set it to the "
                'path of a Python interpreter, or use executor="thread"'
            )
        self.mark = secrets.token_hex(12)
        self.sock, theirs = wire.socket_pair()
        home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        with theirs:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    *subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
                    "-c",
                    _CODE,
                    home,
                    str(theirs.fileno()),
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *([] if heirloom is None else [heirloom])],
                start_new_session=True,  # Ctrl-C is for the parent
                env={**os.environ, wire.MARK: self.mark},
            )
        settings = pickle.dumps((sys.path, sys.argv, titles, heirloom), 5)
        try:
            self.sock.sendall(wire.frame(0, settings))
        except OSError:
            pass  # it was killed already, which its socket will tell
        self.sock.setblocking(False)
        self._unsent: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._news = bytearray()

    def order(
        self, kind: int, number: int, seconds: float = 0.0, fds: tuple[int, ...] = ()
    ) -> bool:
        """Send an order; with it go ``fds``, which are closed here. See :meth:`flush`."""
        self._unsent.append((wire.ORDER.pack(kind, 0, number, seconds), fds))
        return self.flush()

    def flush(self) -> bool:
        """Send what is waiting. False if the nursery is slow and some is left."""
        while self._unsent:
            data, fds = self._unsent[0]
            try:
                if not fds:
                    sent = self.sock.send(data)
                else:
                    sent = socket.send_fds(self.sock, [data], list(fds))
            except BlockingIOError:
                return False
            except OSError:
                sent = len(data)  # it is gone, which its socket will tell
            _close(fds)
            if sent < len(data):
                self._unsent[0] = data[sent:], ()
            else:
                self._unsent.popleft()
        return True

    def news(self) -> Iterator[tuple[int, int, int]]:
        """Yield what has arrived as kind, number of the child, status. EOFError: it is gone."""
        try:
            data = self.sock.recv(wire.READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise EOFError
        self._news += data
        whole = len(self._news) // wire.ORDER_SIZE * wire.ORDER_SIZE
        complete = bytes(self._news[:whole])
        del self._news[:whole]
        for kind, status, number, _ in wire.ORDER.iter_unpack(complete):
            yield kind, number, status

    def close(self, wait_s: float) -> None:
        """Hang up, on which the nursery ends everything and itself; wait for that."""
        while self._unsent:
            _close(self._unsent.popleft()[1])
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # also for copies in forks of this process
        except OSError:
            pass
        self.sock.close()
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.sweep()

    def sweep(self) -> None:
        """End whatever a nursery that was killed left behind, wherever it is now."""
        until = time.monotonic() + _SWEEP_S
        mark = f"{wire.MARK}={self.mark}"
        while (left := platform.carriers(mark)) and time.monotonic() < until:
            platform.send(signal.SIGKILL, left)
            time.sleep(0.002)

    def disown(self) -> None:
        """In a fork of the parent: forget the nursery without touching it."""
        self.sock.close()
        self.process.returncode = 0  # not ours to wait for


def _close(fds: tuple[int, ...]) -> None:
    for fd in fds:
        os.close(fd)
