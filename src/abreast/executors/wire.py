"""What travels between the parent, the nursery and the children.

On a child's own socket: frames of a length, a kind and a pickle. On the nursery's control
socket: orders and news of one fixed size; an order to fork carries the child's end of its socket,
and that of the pipe for its output if it has one.
"""

from __future__ import annotations

import os
import pickle
import socket
import struct
from collections.abc import Iterator
from typing import Final

HEAD: Final = struct.Struct("<QB")  # length of what follows in bytes, kind
HEAD_SIZE: Final = HEAD.size

# parent -> child
TASK, RUN, FORGET = 1, 2, 3
# child -> parent; LEND and TAKE_BACK: its run waits for others, or no longer does
VALUE, ERROR, PROGRESS, LEND, TAKE_BACK = 4, 5, 6, 7, 8

ORDER: Final = struct.Struct("<Bxxxiqd")  # kind, status, number of the child, seconds
ORDER_SIZE: Final = ORDER.size

# parent -> nursery
FORK, STOP = 1, 2
# nursery -> parent: BORN (status: pid), ENDED (status: exit code), NO_FORK (status: errno)
BORN, ENDED, NO_FORK = 3, 4, 5

# A child that leaves with this code has proved that none of its descendants is left.
LEFT_CLEAN: Final = 113

loads = pickle.loads  # everything on these sockets comes from processes of our own
READ_SIZE: Final = 1 << 14  # beyond 128 kB each read would map fresh memory, for 12 us
BULK_SIZE: Final = 1 << 20
MARK: Final = "ABREAST_POOL"  # environment variable by which lost descendants are found


def frame(kind: int, body: bytes) -> bytes:
    return HEAD.pack(len(body), kind) + body


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets, not inherited by programs, clear of the standard streams."""
    one, two = socket.socketpair()
    return _above_stdio(one), _above_stdio(two)


def output_pipe() -> tuple[int, int]:
    """A pipe for what a child prints: our end, which never blocks, and the child's."""
    import fcntl

    ours, theirs = os.pipe()
    if min(ours, theirs) <= 2:  # see below
        low = ours, theirs
        ours, theirs = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in low)
        for fd in low:
            os.close(fd)
    os.set_blocking(ours, False)
    return ours, theirs


def _above_stdio(sock: socket.socket) -> socket.socket:
    if sock.fileno() > 2:
        return sock
    import fcntl  # a daemon that closed its standard streams gets these numbers for sockets

    moved = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, 3)
    sock.close()
    return socket.socket(fileno=moved)


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    """Read ``size`` bytes; fewer only when the other side has gone."""
    data = sock.recv(size)
    if len(data) == size or not data:
        return data
    parts = bytearray(data)
    while len(parts) < size:
        data = sock.recv(min(size - len(parts), BULK_SIZE))
        if not data:
            break
        parts += data
    return bytes(parts)


def fill_standard_streams() -> None:
    """Open what is missing of descriptors 0 to 2, so that nothing else gets these numbers."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


class Assembler:
    """Puts frames together from pieces of a stream."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes | bytearray]]:
        """Take in a piece and yield each frame that is complete now, as kind and body."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= HEAD_SIZE:
            length, kind = HEAD.unpack_from(buffer)
            end = HEAD_SIZE + length
            if len(buffer) < end:
                return
            if len(buffer) == end:  # usual: hand the buffer over instead of copying megabytes
                self._buffer = bytearray()
                del buffer[:HEAD_SIZE]
                yield kind, buffer
                return
            body = bytes(memoryview(buffer)[HEAD_SIZE:end])
            del buffer[:end]
            yield kind, body

    @property
    def empty(self) -> bool:
        return not self._buffer
